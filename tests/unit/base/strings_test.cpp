#include "base/strings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

using namespace mailhaul;

TEST(Case, Only_ascii_letters_change) {
  EXPECT_EQ(to_lower_ascii("INBOX \xC3\x84 [Z]"), "inbox \xC3\x84 [z]");
  EXPECT_TRUE(equals_ignoring_case("X-UID", "x-uid"));
  EXPECT_FALSE(equals_ignoring_case("X-UID", "x-uidl"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
  EXPECT_TRUE(starts_with_ignoring_case("Received: x", "RECEIVED"));
  EXPECT_FALSE(starts_with_ignoring_case("Rec", "RECEIVED"));
}

TEST(Trim, Takes_blanks_and_line_ends_off_both_ends) {
  EXPECT_EQ(trim(" \t\r\n a b \r\n"), "a b");
  EXPECT_EQ(trim(" \t"), "");
  EXPECT_EQ(trim("\va\v"), "\va\v");
}

TEST(Split, Keeps_empty_parts_and_join_undoes_it) {
  EXPECT_EQ(split("", '/'), (std::vector<std::string>{""}));
  EXPECT_EQ(split("/a//b/", '/'), (std::vector<std::string>{"", "a", "", "b", ""}));
  EXPECT_EQ(join(split("/a//b/", '/'), "/"), "/a//b/");
  EXPECT_EQ(join({}, "/"), "");
}

TEST(Glob, Rows) {
  struct Row {
    const char* pattern;
    const char* text;
    bool matches;
  };
  for (const Row& row : std::initializer_list<Row>{{"", "", true},
                                                   {"", "a", false},
                                                   {"*", "", true},
                                                   {"*", "a/b", true},
                                                   {"a*", "a/b/c", true},
                                                   {"*c", "a/b/c", true},
                                                   {"a*c*", "abcabc", true},
                                                   {"a*b?d", "axbxbcd", true},
                                                   {"a*b", "aab b c", false},
                                                   {"?", "", false},
                                                   {"??", "a", false},
                                                   {"?", "\xC3\xA4", true},
                                                   {"??", "\xC3\xA4", false},
                                                   {"*?", "\xE2\x82\xAC", true},
                                                   {"?", "\xFF", true},
                                                   {"Sent", "sent", false},
                                                   {"[a]", "a", false},
                                                   {"[a]", "[a]", true},
                                                   {"a\\*", "a*", false},
                                                   {"**a**", "bab", true}}) {
    EXPECT_EQ(glob_match(row.pattern, row.text), row.matches) << row.pattern << " on " << row.text;
  }
}

TEST(Glob, Many_stars_on_a_long_text_end_in_time) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  const std::string text = std::string(20000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(glob_match(pattern + "b", text));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Utf8, Rows) {
  struct Row {
    const char* name;
    std::string text;
    bool valid;
  };
  for (const Row& row : std::initializer_list<Row>{{"ascii", "abc", true},
                                                   {"two octets", "\xC3\xA4", true},
                                                   {"three octets", "\xE2\x82\xAC", true},
                                                   {"last code point", "\xF4\x8F\xBF\xBF", true},
                                                   {"before surrogates", "\xED\x9F\xBF", true},
                                                   {"NUL", std::string(1, '\0'), true},
                                                   {"overlong two", "\xC0\xAF", false},
                                                   {"overlong two high", "\xC1\xBF", false},
                                                   {"overlong three", "\xE0\x9F\xBF", false},
                                                   {"overlong four", "\xF0\x8F\xBF\xBF", false},
                                                   {"surrogate", "\xED\xA0\x80", false},
                                                   {"above the last", "\xF4\x90\x80\x80", false},
                                                   {"five octets", "\xF8\x88\x80\x80\x80", false},
                                                   {"cut", "\xE2\x82", false},
                                                   {"lone continuation", "\x80", false}}) {
    EXPECT_EQ(is_valid_utf8(row.text), row.valid) << row.name;
    EXPECT_TRUE(is_valid_utf8(to_valid_utf8(row.text))) << row.name;
    if (row.valid) {
      EXPECT_EQ(to_valid_utf8(row.text), row.text) << row.name;
    }
  }
}

TEST(Utf8, Each_octet_that_is_not_valid_becomes_one_replacement) {
  EXPECT_EQ(to_valid_utf8("a\xE2\x82z\xFF"), "a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD");
}

TEST(Visible, Rows) {
  struct Row {
    std::string text;
    std::string shown;
  };
  for (const Row& row :
       std::initializer_list<Row>{{"plain text", "plain text"},
                                  {"\x1B[31mred", "\\x1b[31mred"},
                                  {"a\nb\r\t", "a\\x0ab\\x0d\\x09"},
                                  {std::string("\0", 1), "\\x00"},
                                  {"\x7F", "\\x7f"},
                                  {"\xC2\x9B"
                                   "31m",
                                   "\\x9b31m"},
                                  {"\x9B", "\\x9b"},
                                  {"\xE2\x80\xAE", "\\u{202e}"},
                                  {"\xE2\x80\xA8\xE2\x80\xA9", "\\u{2028}\\u{2029}"},
                                  {"\xE2\x80\x8B", "\\u{200b}"},
                                  {"\xEF\xBB\xBF", "\\u{feff}"},
                                  {"\xE2\x81\xA6", "\\u{2066}"},
                                  {"\xF3\xA0\x81\x81", "\\u{e0041}"},
                                  {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x93\xA7", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x93\xA7"}}) {
    EXPECT_EQ(visible(row.text), row.shown);
  }
}

TEST(Visible, Cuts_at_the_columns_and_never_within_an_escape) {
  EXPECT_EQ(visible("abcdef", 6), "abcdef");
  EXPECT_EQ(visible("abcdefg", 6), "abc...");
  EXPECT_EQ(visible("ab\x1B"
                    "cd",
                    6),
            "ab...");
  EXPECT_EQ(visible("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", 4), "\xC3\xA4...");
  EXPECT_EQ(visible("abc", 2), "..");
  EXPECT_EQ(visible("abc", 0), "");
  EXPECT_EQ(visible(std::string(1000, 'x')).size(), 200U);
}

TEST(Visible, Whatever_comes_in_no_control_octet_leaves) {
  std::mt19937 random(20);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 24, '\0');
    for (char& c : text) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 0xA0));
    const std::string shown = visible(text);
    ASSERT_TRUE(is_valid_utf8(shown));
    for (const char c : shown) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != '\x7F');
    for (std::size_t at = shown.find('\xC2'); at != std::string::npos; at = shown.find('\xC2', at + 1)) {
      ASSERT_GE(static_cast<unsigned char>(shown[at + 1]), 0xA0);
    }
  }
}

TEST(HumanOctets, Rows) {
  struct Row {
    std::uint64_t octets;
    const char* text;
  };
  for (const Row& row : std::initializer_list<Row>{{0, "0 B"},
                                                   {1023, "1023 B"},
                                                   {1024, "1.0 KiB"},
                                                   {1536, "1.5 KiB"},
                                                   {1468006, "1.4 MiB"},
                                                   {1048575, "1.0 MiB"},
                                                   {std::uint64_t{3} << 30, "3.0 GiB"},
                                                   {~std::uint64_t{0}, "16.0 EiB"}}) {
    EXPECT_EQ(human_octets(row.octets), row.text) << row.octets;
  }
}
