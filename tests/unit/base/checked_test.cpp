#include "base/checked.hpp"

#include <gtest/gtest.h>

using namespace mailhaul;

namespace {
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
}

TEST(CheckedArithmetic, Overflow_gives_no_value) {
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_FALSE(checked_add(kMax, 1));
  EXPECT_EQ(checked_mul(kMax / 2, 2), kMax - 1);
  EXPECT_FALSE(checked_mul(kMax / 2 + 1, 2));
  EXPECT_EQ(checked_mul(kMax, 0), 0U);
}

TEST(ParseUint, Reads_the_whole_text_up_to_the_largest_number) {
  EXPECT_EQ(parse_uint("0"), 0U);
  EXPECT_EQ(parse_uint("00042"), 42U);
  EXPECT_EQ(parse_uint("18446744073709551615"), kMax);
  EXPECT_EQ(parse_uint("fFfFfFfFfFfFfFfF", 16), kMax);
  EXPECT_EQ(parse_uint("z", 36), 35U);
  EXPECT_EQ(parse_uint("777", 8), 511U);
}

TEST(ParseUint, Refuses_what_overflows_or_is_above_the_maximum) {
  EXPECT_FALSE(parse_uint("18446744073709551616"));
  EXPECT_FALSE(parse_uint("99999999999999999999999999999999"));
  EXPECT_FALSE(parse_uint("10000000000000000", 16));
  EXPECT_EQ(parse_uint("65535", 10, 65535), 65535U);
  EXPECT_FALSE(parse_uint("65536", 10, 65535));
}

TEST(ParseUint, Refuses_signs_blanks_prefixes_and_foreign_digits) {
  for (const std::string_view bad : {"", "+1", "-1", " 1", "1 ", "0x1", "1.", "1,000", "1e3", "a", "\xD9\xA1"}) {
    EXPECT_FALSE(parse_uint(bad)) << bad;
  }
  EXPECT_FALSE(parse_uint("8", 8));
  EXPECT_FALSE(parse_uint("g", 16));
  EXPECT_FALSE(parse_uint(std::string_view("1\0", 2)));
}
