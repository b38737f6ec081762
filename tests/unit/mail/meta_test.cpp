#include "mail/meta.hpp"

#include <gtest/gtest.h>

using namespace mailhaul::mail;

TEST(Keywords, Are_sorted_without_case_and_the_first_spelling_stays) {
  std::vector<std::string> keywords{"work", "$Forwarded", "", "Work", "Alpha", "WORK", "$forwarded"};
  normalize_keywords(keywords);
  EXPECT_EQ(keywords, (std::vector<std::string>{"$Forwarded", "Alpha", "work"}));
}

TEST(Keywords, Octets_beyond_ascii_differ_by_case) {
  std::vector<std::string> keywords{"\xC3\x84", "\xC3\xA4"};
  normalize_keywords(keywords);
  EXPECT_EQ(keywords.size(), 2U);
}

TEST(Flags, Text_names_the_set_ones_in_a_fixed_order) {
  EXPECT_EQ(to_text(Flags()), "");
  EXPECT_EQ(to_text(Flags().set(Flags::flagged).set(Flags::seen)), "\\Seen \\Flagged");
  EXPECT_EQ(to_text(Flags(31)), "\\Seen \\Answered \\Flagged \\Deleted \\Draft");
}
