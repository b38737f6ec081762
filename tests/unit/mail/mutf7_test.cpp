#include "mail/mutf7.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/strings.hpp"

using namespace mailhaul;
using namespace mailhaul::mail;

TEST(Mutf7, Known_answers) {
  struct Row {
    std::string utf8, mutf7;
  };
  for (const Row& row :
       std::initializer_list<Row>{{"", ""},
                                  {"INBOX", "INBOX"},
                                  {"Tom & Jerry", "Tom &- Jerry"},
                                  {"&", "&-"},
                                  {"&-", "&--"},
                                  {"Entw\xC3\xBCrfe", "Entw&APw-rfe"},
                                  // RFC 3501 5.1.3's own example.
                                  {"~peter/mail/\xE5\x8F\xB0\xE5\x8C\x97/\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
                                   "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
                                  {"\xF0\x9F\x93\xA7", "&2D3c5w-"},
                                  {"\t", "&AAk-"},
                                  {"\x7F", "&AH8-"},
                                  {std::string(1, '\0'), "&AAA-"},
                                  {"\xE2\x98\xBA!", "&Jjo-!"}}) {
    EXPECT_EQ(to_mutf7(row.utf8), row.mutf7);
    EXPECT_EQ(from_mutf7(row.mutf7), row.utf8);
  }
}

TEST(Mutf7, What_is_not_canonical_is_refused) {
  for (const std::string_view bad : {"&AGE-",       // "a" may stand for itself
                                     "&AGE",        // never closed
                                     "&",           //
                                     "&APw=-",      // padded
                                     "&AP-",        // half a character
                                     "&APx-",       // bits left over are not zero
                                     "&APwA-",      // a whole group of zero bits too many
                                     "&APw-&APw-",  // two shifts in a row
                                     "&2D0-",       // lone high surrogate
                                     "&3Oc-",       // lone low surrogate
                                     "&2D3YPQ-",    // high after high
                                     "&APw/-",      // '/' is ',' here
                                     "&ACY-",       // '&' itself
                                     "\xC3\xBC",    // 8-bit
                                     "a\tb"}) {     // control
    EXPECT_FALSE(from_mutf7(bad)) << bad;
  }
}

TEST(Mutf7, Octets_that_are_not_utf8_have_no_name) {
  EXPECT_FALSE(to_mutf7("\xFF"));
  EXPECT_FALSE(to_mutf7("a\xED\xA0\x80"));
}

TEST(Mutf7, Every_code_point_comes_back) {
  std::string all;
  for (std::uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string one;
    if (c < 0x80) {
      one += static_cast<char>(c);
    } else {
      const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
      one += static_cast<char>(((0xFF00 >> (more + 1)) & 0xFF) | (c >> (6 * more)));
      for (int i = more - 1; i >= 0; --i) one += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
    }
    ASSERT_TRUE(is_valid_utf8(one)) << c;
    all += one;
    const auto encoded = to_mutf7(one);
    ASSERT_TRUE(encoded);
    ASSERT_EQ(from_mutf7(*encoded), one) << c;
  }
  const auto encoded = to_mutf7(all);
  ASSERT_TRUE(encoded);
  EXPECT_EQ(encoded->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                       " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            std::string::npos);
  EXPECT_EQ(from_mutf7(*encoded), all);
}

TEST(Mutf7, No_two_names_become_one) {
  std::mt19937 random(7);
  constexpr std::string_view kAlphabet = "&-AGEw,+ APx2D";
  int accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string name(random() % 8, ' ');
    for (char& c : name) c = kAlphabet[random() % kAlphabet.size()];
    const auto decoded = from_mutf7(name);
    if (!decoded) continue;
    ++accepted;
    ASSERT_EQ(to_mutf7(*decoded), name);
  }
  EXPECT_GT(accepted, 1000);
}
