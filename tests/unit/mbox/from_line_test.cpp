// From_ lines: which lines divide messages, and what their dates say.
#include "plugins/mbox/format/from_line.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace mailhaul::mbox {
namespace {

struct Row {
  const char* name;
  const char* line;
  FromKind kind;
  bool plain;
};

TEST(FromLine, Lines_of_the_field_are_told_from_prose) {
  const std::vector<Row> rows = {
      {"asctime", "From alice@example.org Thu Jan  1 00:00:00 1970", FromKind::dated, true},
      {"two blanks", "From user@domain  Fri Feb 22 17:06:23 2008", FromKind::dated, true},
      {"no seconds", "From a Fri Feb 22 17:06 2008", FromKind::dated, true},
      {"zone behind", "From user@domain  Sat Mar 24 23:00:00 2007 +0200", FromKind::dated, true},
      {"zone before the year", "From a@b Tue Mar 19 09:13:51 +0000 2019", FromKind::dated, true},
      {"RFC 5322 date", "From daemon@orphan.example Sun, 11 Nov 2007 06:58:35 +0200", FromKind::dated, true},
      {"no sender", "From Thu Jan  1 00:00:00 1970", FromKind::dated, true},
      {"sender with blanks", "From sb at example.edu  Sat Nov  8 11:37:32 2014", FromKind::dated, false},
      {"quoted sender", "From \"A B\"@example.org Sat Nov  8 11:37:32 2014", FromKind::dated, false},
      {"impossible numbers", "From next-message@example.com  Mon Jan 00 00:00:00 0000", FromKind::dated, true},
      {"Mozilla with date", "From - Mon Jun  3 12:50:27 1996", FromKind::dated, true},
      {"UUCP", "From a Fri Feb 22 17:06:23 2008 remote from host", FromKind::dated, true},
      {"Mozilla without date", "From - ", FromKind::bare, true},
      {"Takeout", "From 1844347792267117879@xxx", FromKind::bare, true},
      {"weekday in the sender", "From mon Fri Feb 22 17:06:23 2008", FromKind::dated, true},
      {"text behind the date", "From what I saw Fri Feb 22 17:06:23 2008 was a good day", FromKind::loose, false},
      {"prose", "From Russia with love", FromKind::text, false},
      {"prose with a list", "From perl5-porters:", FromKind::text, false},
      {"address only", "From mike@nowhere.example", FromKind::text, false},
      {"no date but its words", "From a@b Thu, the 3rd of Jan", FromKind::near, false},
  };
  for (const Row& row : rows) {
    const FromLine parsed = parse_from_line(row.line);
    EXPECT_EQ(parsed.kind, row.kind) << row.name;
    if (parsed.kind == FromKind::dated || parsed.kind == FromKind::loose) {
      EXPECT_EQ(parsed.plain_sender, row.plain) << row.name;
    }
  }
}

TEST(FromLine, The_date_is_read_as_UTC) {
  const FromLine parsed = parse_from_line("From alice@example.org Fri Feb 22 17:06:23 2008");
  ASSERT_TRUE(parsed.date);
  EXPECT_EQ(parsed.date->instant.time_since_epoch().count(), 1203699983);
}

TEST(FromLine, The_epoch_of_MAILER_DAEMON_is_no_date) {
  EXPECT_FALSE(parse_from_line("From MAILER-DAEMON Thu Jan  1 00:00:00 1970").date);
  EXPECT_TRUE(parse_from_line("From MAILER-DAEMON Fri Feb 22 17:06:23 2008").date);
  EXPECT_TRUE(parse_from_line("From alice Thu Jan  1 00:00:00 1970").date);
}

TEST(FromLine, Without_an_empty_line_before_it_only_a_field_behind_it_makes_it_divide) {
  const FromLine dated = parse_from_line("From - Mon Jun  3 12:50:27 1996");
  EXPECT_TRUE(divides(dated, true, false));
  EXPECT_TRUE(divides(dated, false, true));
  EXPECT_FALSE(divides(dated, false, false));
  const FromLine bare = parse_from_line("From -");
  EXPECT_TRUE(divides(bare, true, true));
  EXPECT_TRUE(divides(bare, false, true));
  EXPECT_FALSE(divides(bare, true, false));
  const FromLine wordy = parse_from_line("From what he says, Mon Jun  3 12:50:27 1996");
  EXPECT_TRUE(divides(wordy, true, false));
  EXPECT_FALSE(divides(wordy, false, true));
  EXPECT_FALSE(divides(parse_from_line("From Russia with love"), true, true));
}

TEST(FromLine, Our_own_line_carries_ticket_and_date_both_ways) {
  using namespace std::chrono;
  const std::string ticket(32, 'a');
  for (const Instant date : {Instant{}, Instant{seconds{1700000000}}, Instant{seconds{-5000000000}}}) {
    const std::string line = make_from_line(ticket, date);
    const FromLine parsed = parse_from_line(line.substr(0, line.size() - 1));
    EXPECT_EQ(parsed.kind, FromKind::dated) << line;
    EXPECT_EQ(parsed.ticket, ticket);
    ASSERT_TRUE(parsed.date) << line;
    EXPECT_EQ(parsed.date->instant, date);
  }
}

TEST(FromLine, A_date_that_cannot_be_written_is_none) {
  using namespace std::chrono;
  const Instant first = sys_days(year{1000} / January / 1);
  const Instant last = sys_days(year{9999} / December / 31) + hours{24} - seconds{1};
  EXPECT_TRUE(is_writable_date(first));
  EXPECT_FALSE(is_writable_date(first - seconds{1}));
  EXPECT_TRUE(is_writable_date(last));
  EXPECT_FALSE(is_writable_date(last + seconds{1}));
  for (const std::optional<Instant> date : {std::optional<Instant>(), std::optional<Instant>(first - seconds{1})}) {
    const std::string line = make_from_line(std::string(32, '0'), date);
    const FromLine parsed = parse_from_line(line.substr(0, line.size() - 1));
    EXPECT_EQ(parsed.ticket, std::string(32, '0'));
    EXPECT_FALSE(parsed.date) << line;
  }
}

}  // namespace
}  // namespace mailhaul::mbox
