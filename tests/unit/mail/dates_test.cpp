#include "mail/dates.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

using namespace mailhaul;
using namespace mailhaul::mail;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr int kNoZone = 9999;
constexpr const char* kNone = "none";

/// "2006-01-02T15:04:05Z" of the instant, or "none".
struct Row {
  const char* text;
  const char* instant;
  int zone = kNoZone;  // minutes east
};

void expect_row(const Row& row, const std::optional<ReceivedDate>& date) {
  SCOPED_TRACE(row.text);
  EXPECT_EQ(date ? to_iso(date->instant) : kNone, row.instant);
  if (!date) return;
  EXPECT_EQ(date->zone ? static_cast<int>(date->zone->count()) : kNoZone, row.zone);
}

}  // namespace

TEST(Rfc5322Date, Forms_that_are_read) {
  for (const Row& row : std::initializer_list<Row>{
           {"Mon, 2 Jan 2006 15:04:05 +0000", "2006-01-02T15:04:05Z", 0},
           {"Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T22:04:05Z", -420},
           {"2 Jan 2006 15:04:05 +0530", "2006-01-02T09:34:05Z", 330},
           {"  Mon,2 Jan 2006\r\n\t15:04:05   +0000  ", "2006-01-02T15:04:05Z", 0},
           {"Mon, 2 Jan 2006 15:04 +0100", "2006-01-02T14:04:00Z", 60},
           {"Mon, 2 Jan 2006 5:04:05 +0000", "2006-01-02T05:04:05Z", 0},
           {"Sunday, 2 January 2006 15:04:05 GMT", "2006-01-02T15:04:05Z", 0},
           {"mon, 2 jan 2006 15:04:05 gmt", "2006-01-02T15:04:05Z", 0},
           {"Mon., 2 Jan 2006 15:04:05 UT", "2006-01-02T15:04:05Z", 0},
           {"Mon 2 Jan 2006 15:04:05 Z", "2006-01-02T15:04:05Z", 0},
           {"02-Jan-2006 15:04:05 +0200", "2006-01-02T13:04:05Z", 120},
           {"2 Sept 2006 15:04:05 +0000", "2006-09-02T15:04:05Z", 0},
           // comments, nested and with quoted pairs, wherever blanks may stand
           {"(x) Mon (y (z \\) )), 2 Jan 2006 15:04:05 (EST) -0500 (Eastern)", "2006-01-02T20:04:05Z", -300},
           {"Mon, 2 Jan 2006 15:04:05 (Monday)", "2006-01-02T15:04:05Z"},
           // zones that tell nothing
           {"Mon, 2 Jan 2006 15:04:05 -0000", "2006-01-02T15:04:05Z"},
           {"Mon, 2 Jan 2006 15:04:05", "2006-01-02T15:04:05Z"},
           {"Mon, 2 Jan 2006 15:04:05 Q", "2006-01-02T15:04:05Z"},
           {"Mon, 2 Jan 2006 15:04:05 XYZ", "2006-01-02T15:04:05Z"},
           // named zones
           {"Mon, 2 Jan 2006 15:04:05 EST", "2006-01-02T20:04:05Z", -300},
           {"Mon, 2 Jan 2006 15:04:05 PDT", "2006-01-02T22:04:05Z", -420},
           {"Mon, 2 Jan 2006 15:04:05 cst", "2006-01-02T21:04:05Z", -360},
           {"Mon, 2 Jan 2006 15:04:05 MESZ", "2006-01-02T13:04:05Z", 120},
           {"Mon, 2 Jan 2006 15:04:05 JST", "2006-01-02T06:04:05Z", 540},
           // short years, RFC 5322 4.3
           {"Mon, 2 Jan 06 15:04:05 +0000", "2006-01-02T15:04:05Z", 0},
           {"Mon, 2 Jan 49 15:04:05 +0000", "2049-01-02T15:04:05Z", 0},
           {"Mon, 2 Jan 50 15:04:05 +0000", "1950-01-02T15:04:05Z", 0},
           {"Mon, 2 Jan 99 15:04:05 EDT", "1999-01-02T19:04:05Z", -240},
           {"Mon, 2 Jan 102 15:04:05 +0000", "2002-01-02T15:04:05Z", 0},
           // the impossible ones of real mail
           {"Tue, 20 Aug 0102 15:04:05 +0000", "0102-08-20T15:04:05Z", 0},
           {"Fri, 23 Aug 2002 12:00:00 -1600", "2002-08-24T04:00:00Z", -960},
           {"Wed, 2 Jan 2006 15:04:05 +0000", "2006-01-02T15:04:05Z", 0},  // it was a Monday
           {"Mon, 2 Jan 2006 23:59:60 +0000", "2006-01-02T23:59:59Z", 0},
           {"Mon, 2 Jan 2006 15:04:05 +2359", "2006-01-01T15:05:05Z", 1439},
           // the calendar's corners
           {"29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00Z", 0},
           {"31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59Z", 0},
           {"1 Jan 1970 00:30:00 +0100", "1969-12-31T23:30:00Z", 60},
           {"19 Jan 2038 03:14:08 +0000", "2038-01-19T03:14:08Z", 0},
           {"31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z", 0},
           {"1 Jan 0001 00:00:00 +0000", "0001-01-01T00:00:00Z", 0},
           // as ctime writes it
           {"Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"},
           {"Mon Jan 2 15:04:05 2006 -0700", "2006-01-02T22:04:05Z", -420},
           {"Mon Jan 02 15:04:05 EDT 2006", "2006-01-02T19:04:05Z", -240},
           {"Thu Jan  1 00:00:00 1970 (x)", "1970-01-01T00:00:00Z"},
       }) {
    expect_row(row, parse_rfc5322_date(row.text));
  }
}

TEST(Rfc5322Date, What_is_out_of_range_or_no_date_is_refused) {
  for (const char* text : {"",
                           " ",
                           ",",
                           "Whenever",
                           "Not supplied",
                           "(all comment)",
                           "Mon, 31 Feb 2006 15:04:05 +0000",
                           "Mon, 29 Feb 1900 15:04:05 +0000",
                           "Mon, 0 Jan 2006 15:04:05 +0000",
                           "Mon, 32 Jan 2006 15:04:05 +0000",
                           "Mon, 2 Jan 0000 15:04:05 +0000",
                           "Mon, 2 Jan 10000 15:04:05 +0000",
                           "Mon, 2 Jan 6 15:04:05 +0000",
                           "Mon, 2 Xyz 2006 15:04:05 +0000",
                           "Pn, 22 paX 2006 15:04:05 +0000",
                           "Mon, 2 Ja 2006 15:04:05 +0000",
                           "Mon, 2 Janx 2006 15:04:05 +0000",
                           "Mon, 2 Jan 2006 24:00:00 +0000",
                           "Mon, 2 Jan 2006 15:60:05 +0000",
                           "Mon, 2 Jan 2006 15:04:61 +0000",
                           "Mon, 2 Jan 2006 15:4:05 +0000",
                           "Mon, 2 Jan 2006 15:04:5 +0000",
                           "Mon, 2 Jan 2006 15:04:05.123 +0000",
                           "Mon, 2 Jan 2006 15 +0000",
                           "Mon, 2 Jan 2006 +0000",
                           "Mon, 2 Jan 2006",
                           "Mon, 2 Jan 2006 15:04:05 +2400",
                           "Mon, 2 Jan 2006 15:04:05 +9999",
                           "Mon, 2 Jan 2006 15:04:05 +0060",
                           "Mon, 2 Jan 2006 15:04:05 +00000",
                           "Mon, 2 Jan 2006 15:04:05 -500",
                           "Mon, 2 Jan 2006 15:04:05 +-0500",
                           "Mon, 2 Jan 2006 15:04:05 0500",
                           "Mon, 2 Jan 2006 15:04:05 Eastern Daylight Time",
                           "Mon, 2 Jan 2006 15:04:05 +0000 trailing",
                           "Mon, 2 Jan 2006 15:04:05 +0000 (never closed",
                           "Mon, 2 Jan 2006 15:04:05 +0000)",
                           "31 Dec 9999 23:59:59 -0100",
                           "1 Jan 0001 00:00:00 +0100",
                           "1/2/2006 3:04 PM",
                           "2006-01-02T15:04:05Z",
                           "Mon Jan  2 15:04:05 2006 remote from x",
                           "99999999999999999999 Jan 2006 15:04:05 +0000"}) {
    EXPECT_FALSE(parse_rfc5322_date(text)) << text;
  }
}

TEST(Rfc5322Date, A_million_open_comments_end_in_time) {
  EXPECT_FALSE(parse_rfc5322_date(std::string(1'000'000, '(')));
  EXPECT_FALSE(parse_rfc5322_date("Mon, 2 Jan 2006 15:04:05 " + std::string(1'000'000, '(')));
  const std::string nested = std::string(500'000, '(') + std::string(500'000, ')');
  EXPECT_TRUE(parse_rfc5322_date("Mon, 2 Jan 2006 15:04:05 +0000 " + nested));
}

TEST(ReceivedField, The_date_stands_after_the_last_semicolon) {
  for (const Row& row : std::initializer_list<Row>{
           {"from a by b with SMTP id x; Mon, 2 Jan 2006 15:04:05 +0000", "2006-01-02T15:04:05Z", 0},
           {"from a (x; y) by b;\r\n\tMon, 2 Jan 2006 15:04:05 -0700 (MST)", "2006-01-02T22:04:05Z", -420},
           {"from a by b; 2 Jan 2006 15:04:05 +0000 (one; two)", "2006-01-02T15:04:05Z", 0},
           {"from \"a;b\" by c; 2 Jan 2006 15:04:05 +0000 (one; two)", "2006-01-02T15:04:05Z", 0},
           {"from a by b", kNone},
           {"from a by b;", kNone},
           {"from a by b; soon", kNone},
           {"; 2 Jan 2006 15:04:05 +0000; soon", kNone},
           {"Mon, 2 Jan 2006 15:04:05 +0000", kNone},
       }) {
    expect_row(row, parse_received_field(row.text));
  }
}

TEST(Asctime, Dialects_of_From_lines) {
  for (const Row& row : std::initializer_list<Row>{
           {"Thu Jan  1 00:00:00 1970", "1970-01-01T00:00:00Z"},
           {"Thu Jan 1 00:00:00 1970", "1970-01-01T00:00:00Z"},
           {"Thu Jan 01 00:00:00 1970", "1970-01-01T00:00:00Z"},
           {"Thu Jan 22 18:22 2004", "2004-01-22T18:22:00Z"},
           {" Thu Jan 22 18:22:48 2004\r\n", "2004-01-22T18:22:48Z"},
           {"Fri Jan 22 18:22:48 2004", "2004-01-22T18:22:48Z"},
           {"Thu Jan 22 18:22:48 2004 +0200", "2004-01-22T16:22:48Z", 120},
           {"Thu Jan 22 18:22:48 +0000 2004", "2004-01-22T18:22:48Z", 0},
           {"Thu Jan 22 18:22:48 PST 2004", "2004-01-23T02:22:48Z", -480},
           {"Thu Jan 22 18:22:48 2004 PST", "2004-01-23T02:22:48Z", -480},
           {"Thu Jan 22 18:22:48 MET DST 2004", "2004-01-22T16:22:48Z", 120},
           {"Thu Jan 22 18:22:48 +2330 DST 2004", kNone},
           {"Thu Jan 22 18:22:48 2004 XYZ", "2004-01-22T18:22:48Z"},
           {"Thu Jan 22 18:22:48 0102", "0102-01-22T18:22:48Z"},
           {"Thu Jan 22 18:22:48 99", "1999-01-22T18:22:48Z"},
           {"Thu Jan 22 18:22:48 2004 remote from host", kNone},
           {"Thu Jan 22 18:22:48 2004x", kNone},
           {"Thu Jan 22 18:22:48", kNone},
           {"Thu Jan 22 2004", kNone},
           {"Thu, 22 Jan 2004 18:22:48 +0000", kNone},
           {"Jan 22 18:22:48 2004", kNone},
           {"Xyz Jan 22 18:22:48 2004", kNone},
           {"Thu Jan 32 18:22:48 2004", kNone},
           {"Thu Feb 30 18:22:48 2004", kNone},
           {"Thu Jan 22 24:22:48 2004", kNone},
           {"Thu Jan 22 18:22:48 2004 +9900", kNone},
           {"Thu Jan 22 18:22:48 20045", kNone},
           {"with love", kNone},
           {"", kNone},
       }) {
    expect_row(row, parse_asctime(row.text));
  }
}

TEST(Asctime, Text_may_follow_where_it_is_allowed) {
  for (const Row& row : std::initializer_list<Row>{
           {"Thu Jan 22 18:22:48 2004", "2004-01-22T18:22:48Z"},
           {"Thu Jan 22 18:22:48 2004 remote from host", "2004-01-22T18:22:48Z"},
           {"Thu Jan 22 18:22:48 2004 PST remote from host", "2004-01-23T02:22:48Z", -480},
           {"Thu Jan 22 18:22:48 2004 +0200 remote from host", "2004-01-22T16:22:48Z", 120},
           {"Thu Jan 22 18:22:48 PST 2004 remote from host", "2004-01-23T02:22:48Z", -480},
           {"Thu Jan 22 18:22:48 2004remote", kNone},
           {"Thu Jan 22 18:22:48 remote from host", kNone},
       }) {
    expect_row(row, parse_asctime(row.text, /*rest_allowed=*/true));
  }
}

TEST(ToAsctime, Is_24_octets_and_is_read_back) {
  EXPECT_EQ(to_asctime(Instant(seconds(0))), "Thu Jan  1 00:00:00 1970");
  EXPECT_EQ(to_asctime(Instant(seconds(-1))), "Wed Dec 31 23:59:59 1969");
  std::mt19937_64 random(24);
  constexpr std::int64_t kFirst = -62135596800;  // 0001-01-01
  constexpr std::int64_t kLast = 253402300799;   // 9999-12-31
  for (int round = 0; round < 50000; ++round) {
    const Instant instant(seconds(kFirst + static_cast<std::int64_t>(random() % std::uint64_t{kLast - kFirst + 1})));
    const std::string text = to_asctime(instant);
    ASSERT_EQ(text.size(), 24U) << text;
    const auto back = parse_asctime(text);
    ASSERT_TRUE(back) << text;
    ASSERT_EQ(back->instant, instant) << text;
    const auto iso = parse_iso_date(to_iso(instant));
    ASSERT_TRUE(iso) << text;
    ASSERT_EQ(*iso, instant);
  }
}

TEST(ToAsctime, Instants_beyond_all_calendars_do_no_harm) {
  for (const auto count : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_FALSE(to_asctime(Instant(seconds(count))).empty());
    EXPECT_FALSE(to_iso(Instant(seconds(count))).empty());
  }
}

TEST(IsoDate, Forms_of_the_options) {
  struct IsoRow {
    const char* text;
    const char* instant;
  };
  for (const IsoRow& row : std::initializer_list<IsoRow>{{"2024-01-31", "2024-01-31T00:00:00Z"},
                                                         {"2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"},
                                                         {"2024-01-31 12:00", "2024-01-31T12:00:00Z"},
                                                         {"2024-01-31T12:00", "2024-01-31T12:00:00Z"},
                                                         {"2024-02-29", "2024-02-29T00:00:00Z"},
                                                         {"2023-02-29", kNone},
                                                         {"2024-1-31", kNone},
                                                         {"24-01-31", kNone},
                                                         {"2024-01-31 ", kNone},
                                                         {"2024-01-31 9:00", kNone},
                                                         {"2024-01-31 12", kNone},
                                                         {"2024-01-31T12:00:00+01:00", kNone},
                                                         {"2024-01-31T25:00:00Z", kNone},
                                                         {"2024-13-01", kNone},
                                                         {"0000-01-01", kNone},
                                                         {"yesterday", kNone},
                                                         {"", kNone}}) {
    const auto instant = parse_iso_date(row.text);
    EXPECT_EQ(instant ? to_iso(*instant) : kNone, row.instant) << row.text;
  }
}
