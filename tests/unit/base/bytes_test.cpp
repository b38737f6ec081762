#include "base/bytes.hpp"

#include <gtest/gtest.h>

using namespace mailhaul;

TEST(Hex, Octets_are_written_in_lower_case_with_two_digits_each) {
  EXPECT_EQ(to_hex(as_octets(std::string_view("\x00\x0F\xA0\xFF", 4))), "000fa0ff");
  EXPECT_EQ(to_hex(Octets{}), "");
}

TEST(Hex, A_number_always_has_sixteen_digits) {
  EXPECT_EQ(to_hex(std::uint64_t{0}), "0000000000000000");
  EXPECT_EQ(to_hex(std::uint64_t{0xFEDCBA9876543210}), "fedcba9876543210");
}

TEST(Hex, Every_octet_comes_back) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(from_hex(to_hex(as_octets(all))), all);
  EXPECT_EQ(from_hex("aBFf"), std::string("\xAB\xFF"));
}

TEST(Hex, What_is_not_pairs_of_digits_is_refused) {
  for (const std::string_view bad : {"0", "0g", "g0", " 00", "00 ", "0x00", "-1", "000"}) {
    EXPECT_FALSE(from_hex(bad)) << bad;
  }
  EXPECT_EQ(from_hex(""), "");
}

TEST(Digest, Needs_exactly_thirty_two_octets) {
  const std::string octets(32, '\x5A');
  const auto digest = digest_from(as_octets(octets));
  ASSERT_TRUE(digest);
  EXPECT_EQ(as_text(digest->octets()), octets);
  EXPECT_FALSE(digest_from(as_octets(octets.substr(1))));
  EXPECT_FALSE(digest_from(as_octets(octets + "x")));
}
