#include "mail/header_scan.hpp"

#include <gtest/gtest.h>

#include <vector>

using namespace mailhaul::mail;

namespace {

struct Seen {
  std::string raw, name, body;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> walk(std::string_view block) {
  std::vector<Seen> seen;
  HeaderWalker walker(block);
  while (const auto field = walker.next()) {
    seen.push_back({std::string(field->raw), std::string(field->name), std::string(field->body)});
  }
  return seen;
}

}  // namespace

TEST(HeaderWalker, Gives_each_field_with_its_continuations) {
  EXPECT_EQ(walk("From: a\r\nSubject: b\r\n c\r\n\td\r\nTo:e\n"),
            (std::vector<Seen>{{"From: a\r\n", "From", " a"},
                               {"Subject: b\r\n c\r\n\td\r\n", "Subject", " b\r\n c\r\n\td"},
                               {"To:e\n", "To", "e"}}));
}

TEST(HeaderWalker, Lines_that_are_no_field_have_no_name) {
  EXPECT_EQ(walk("From joe Thu Jan  1 00:00:00 1970\n"),
            (std::vector<Seen>{{"From joe Thu Jan  1 00:00:00 1970\n", "", ""}}));
  EXPECT_EQ(walk(" folded\nA: b"), (std::vector<Seen>{{" folded\n", "", ""}, {"A: b", "A", " b"}}));
  EXPECT_EQ(walk(": x\n"), (std::vector<Seen>{{": x\n", "", ""}}));
  EXPECT_EQ(walk("n\xC3\xA4h: x\n"), (std::vector<Seen>{{"n\xC3\xA4h: x\n", "", ""}}));
  EXPECT_EQ(walk("no colon\n : x\n"), (std::vector<Seen>{{"no colon\n : x\n", "", ""}}));
}

TEST(HeaderWalker, Blanks_before_the_colon_are_tolerated) {
  EXPECT_EQ(walk("Status \t: RO\n"), (std::vector<Seen>{{"Status \t: RO\n", "Status", " RO"}}));
}

TEST(HeaderWalker, A_lone_cr_is_an_octet) {
  EXPECT_EQ(walk("A: b\rC: d\r\r\n"), (std::vector<Seen>{{"A: b\rC: d\r\r\n", "A", " b\rC: d\r"}}));
}

TEST(HeaderWalker, All_raw_parts_together_are_the_block) {
  const std::string block = " x\nA: b\n c\n\r\nD\n:\n\n e\r\nF: g";
  std::string together;
  for (const Seen& field : walk(block)) together += field.raw;
  EXPECT_EQ(together, block);
}

TEST(HeaderBlock, Ends_where_the_first_empty_line_begins) {
  EXPECT_EQ(header_block_length("A: b\n\nbody"), 5U);
  EXPECT_EQ(header_block_length("A: b\r\n\r\nbody"), 6U);
  EXPECT_EQ(header_block_length("\nbody"), 0U);
  EXPECT_EQ(header_block_length("\r\nbody"), 0U);
  EXPECT_EQ(header_block_length("A: b\n \n\r\r\nx"), 11U);
  EXPECT_EQ(header_block_length("A: b\n\r"), 6U);
  EXPECT_EQ(header_block_length(""), 0U);
}

TEST(FindField, Gives_the_first_one_unfolded_and_trimmed) {
  const std::string_view block = "X: 1\r\nsubject:  a\r\n\tb \r\nSubject: c\r\nEmpty:\r\n";
  EXPECT_EQ(find_field(block, "Subject"), "a\tb");
  EXPECT_EQ(find_field(block, "EMPTY"), "");
  EXPECT_FALSE(find_field(block, "Subj"));
  EXPECT_FALSE(find_field("no field\n", ""));
}

TEST(Unfold, Removes_line_ends_and_keeps_blanks) {
  EXPECT_EQ(unfold("a\r\n b\n\tc\r"), "a b\tc\r");
  EXPECT_EQ(unfold(""), "");
}

TEST(Housekeeping, Is_ten_names_in_any_case) {
  for (const char* name : {"Status", "x-status", "X-KEYWORDS", "X-UID", "X-IMAP", "X-IMAPbase", "Content-Length",
                           "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys"}) {
    EXPECT_TRUE(is_housekeeping_field(name)) << name;
  }
  for (const char* name :
       {"", "Statu", "Status2", "X-UIDL", "X-IMAPbase2", "Content-Type", "X-Mozilla-Status3", "Lines"}) {
    EXPECT_FALSE(is_housekeeping_field(name)) << name;
  }
}
