#include "base/base64.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

using namespace mailhaul;

TEST(Base64, Rfc_4648_section_10_rows_go_both_ways) {
  struct Row {
    const char* octets;
    const char* text;
  };
  for (const Row& row : std::initializer_list<Row>{{"", ""},
                                                   {"f", "Zg=="},
                                                   {"fo", "Zm8="},
                                                   {"foo", "Zm9v"},
                                                   {"foob", "Zm9vYg=="},
                                                   {"fooba", "Zm9vYmE="},
                                                   {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(to_base64(row.octets), row.text);
    EXPECT_EQ(from_base64(row.text), row.octets) << row.text;
  }
}

TEST(Base64, Every_octet_and_length_comes_back) {
  std::mt19937 random(7);
  for (std::size_t length = 0; length < 300; ++length) {
    std::string octets(length, '\0');
    for (char& c : octets) c = static_cast<char>(random());
    const std::string text = to_base64(octets);
    EXPECT_EQ(text.size(), (length + 2) / 3 * 4);
    EXPECT_EQ(from_base64(text), octets);
  }
}

TEST(Base64, Nothing_but_the_one_spelling_is_read) {
  for (const char* text :
       {"Z",     "Zg",    "Zg=",      "Zm9",  "====", "=",     "Z===",     "Zg==Zg==",   "Zm=v",   "Zh==", "Zm9=",
        "Zm 9v", " Zm9v", "Zm9v\r\n", "Zm-v", "Zm_v", "Zm9v=", "Zm9v====", "\xC3\xA4==", "Zg==\n", "AA=A"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
  EXPECT_EQ(from_base64(std::string_view("Zm9\0", 4)), std::nullopt);
}
