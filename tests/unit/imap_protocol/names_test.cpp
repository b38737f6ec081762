#include "plugins/imap/protocol/names.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/strings.hpp"
#include "mail/dates.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using namespace std::string_view_literals;

namespace {

const Naming kSlash{"", '/', false}, kDot{"", '.', false}, kCourier{"INBOX.", '.', false},
    kFlat{"", std::nullopt, false}, kUtf8{"", '/', true}, kUw{"mail/", '/', false};

using Parts = std::vector<std::string>;

Parts parts_of(std::string_view native, const Naming& naming) {
  const auto path = path_of(native, naming);
  if (!path) return {"<none>"};
  EXPECT_EQ(path->native, native);
  return path->components;
}

}  // namespace

TEST(ImapNames, Known_answers_both_ways) {
  struct Row {
    std::string_view native;
    Naming naming;
    Parts parts;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"INBOX", kSlash, {"INBOX"}},
           {"INBOX", kCourier, {"INBOX"}},
           {"INBOX.Sent", kCourier, {"Sent"}},
           {"INBOX.Sent.2024", kCourier, {"Sent", "2024"}},
           {"INBOX.INBOX.x", kCourier, {"INBOX", "x"}},
           {"INBOX.Sent", kDot, {"INBOX", "Sent"}},
           {"mail/Sent", kUw, {"Sent"}},
           {"Entw&APw-rfe", kSlash, {"Entw\xC3\xBCrfe"}},
           {"Gel&APY-scht/a &- b", kSlash, {"Gel\xC3\xB6scht", "a & b"}},
           {"a/b", kDot, {"a/b"}},
           {"a/b", kFlat, {"a/b"}},
           {"a.b%c", kSlash, {"a.b%c"}},
           {"Entw\xC3\xBCrfe/&", kUtf8, {"Entw\xC3\xBCrfe", "&"}},
           {"&2D3c5w-", kSlash, {"\xF0\x9F\x93\xA7"}},
           {"a\tb", {"", '/', true}, {"a\tb"}},
       }) {
    EXPECT_EQ(parts_of(row.native, row.naming), row.parts) << row.native;
    EXPECT_EQ(native_of(mail::FolderPath(row.parts), row.naming), row.native) << row.native;
  }
}

TEST(ImapNames, Inbox_has_no_case) {
  EXPECT_EQ(parts_of("inbox", kSlash), Parts{"INBOX"});
  EXPECT_EQ(parts_of("Inbox/a", kSlash), (Parts{"INBOX", "a"}));
  EXPECT_EQ(parts_of("inbox.Sent", kCourier), Parts{"Sent"});
  EXPECT_EQ(parts_of("a/Inbox", kSlash), (Parts{"a", "Inbox"}));
}

TEST(ImapNames, A_folder_INBOX_below_the_prefix_is_not_the_inbox) {
  EXPECT_EQ(parts_of("INBOX.INBOX", kCourier), Parts{"%49NBOX"});
  EXPECT_EQ(parts_of("INBOX.Inbox", kCourier), Parts{"%49nbox"});
  EXPECT_EQ(parts_of("mail/inbox", kUw), Parts{"%69nbox"});
}

TEST(ImapNames, What_has_no_prefix_stays_as_it_is) {
  EXPECT_EQ(parts_of("shared.x", kCourier), (Parts{"shared", "x"}));
  EXPECT_EQ(parts_of("INBOX.", kCourier), (Parts{"INBOX", "%2E"}));
  EXPECT_EQ(parts_of("mail", kUw), Parts{"mail"});
  EXPECT_EQ(parts_of("Mail/x", kUw), (Parts{"Mail", "x"}));
}

TEST(ImapNames, Broken_names_keep_their_octets_visibly) {  // bad-input 53
  EXPECT_EQ(parts_of("&AGE-", kSlash), Parts{"%26AGE-"});
  EXPECT_EQ(parts_of("&AGE", kSlash), Parts{"%26AGE"});
  EXPECT_EQ(parts_of("a & b", kSlash), Parts{"a %26 b"});
  EXPECT_EQ(parts_of("&2D0-/x", kSlash), (Parts{"%262D0-", "x"}));
  EXPECT_EQ(parts_of("f\xC3\xBCr", kSlash), Parts{"f\xC3\xBCr"});
  EXPECT_EQ(parts_of("f\xFCr", kSlash), Parts{"f%FCr"});
  EXPECT_EQ(parts_of("f\xFCr & x", kUtf8), Parts{"f%FCr %26 x"});
  EXPECT_EQ(parts_of("a\tb\x7F", kSlash), Parts{"a%09b%7F"});
}

TEST(ImapNames, Empty_components_are_visible) {
  EXPECT_EQ(parts_of("/a", kSlash), (Parts{"%2F", "a"}));
  EXPECT_EQ(parts_of("a//b", kSlash), (Parts{"a", "%2F", "b"}));
  EXPECT_EQ(parts_of("a/", kSlash), (Parts{"a", "%2F"}));
  EXPECT_EQ(parts_of("a.", kDot), (Parts{"a", "%2E"}));
}

TEST(ImapNames, Names_that_go_nowhere) {  // bad-input 54
  for (const std::string_view bad : {""sv, "a\rb"sv, "a\nb"sv, "a\0b"sv, "\0"sv}) EXPECT_FALSE(path_of(bad, kSlash));
  EXPECT_TRUE(path_of(std::string(1000, 'x'), kSlash));
  EXPECT_FALSE(path_of(std::string(1001, 'x'), kSlash));
}

TEST(ImapNames, Paths_that_cannot_be_spelled) {
  const auto none = [](Parts parts, const Naming& naming) {
    return !native_of(mail::FolderPath(std::move(parts)), naming);
  };
  EXPECT_TRUE(none({}, kSlash));
  EXPECT_TRUE(none({""}, kSlash));
  EXPECT_TRUE(none({"a", ""}, kSlash));
  EXPECT_TRUE(none({"a/b"}, kSlash));
  EXPECT_FALSE(none({"a/b"}, kDot));
  EXPECT_TRUE(none({"a", "b"}, kFlat));
  EXPECT_TRUE(none({"a\nb"}, kSlash));
  EXPECT_TRUE(none({"a\rb"}, kSlash));
  EXPECT_TRUE(none({std::string("a\0b", 3)}, kSlash));
  EXPECT_TRUE(none({"f\xFCr"}, kSlash));
}

TEST(ImapNames, Random_paths_come_back) {
  std::mt19937 random(3);
  static const Parts kPieces{"a", "B", " ",  "&",  "-", "%", "\xC3\xA4", "\xE5\x8F\xB0", "\xF0\x9F\x93\xA7",
                             ".", "/", "\\", "\"", "+", ","};
  int spelled = 0;
  for (int round = 0; round < 20000; ++round) {
    Parts parts(1 + random() % 3);
    for (std::string& part : parts) {
      for (std::size_t n = 1 + random() % 5; n > 0; --n) part += kPieces[random() % kPieces.size()];
    }
    const mail::FolderPath path(parts);
    for (const Naming& naming : {kSlash, kDot, kCourier, kFlat, kUtf8, kUw}) {
      const auto native = native_of(path, naming);
      if (!native) continue;
      ++spelled;
      EXPECT_EQ(parts_of(*native, naming), path.components) << *native;
    }
  }
  EXPECT_GT(spelled, 10000);
}

TEST(ImapNames, Whatever_a_server_calls_its_folders_they_have_a_path) {
  std::mt19937 random(4);
  for (int round = 0; round < 20000; ++round) {
    std::string native;
    for (std::size_t n = 1 + random() % 12; n > 0; --n) native += "ab&-AGE/%.\xC3\xBC\xFC"[random() % 13];
    for (const Naming& naming : {kSlash, kUtf8}) {
      const auto path = path_of(native, naming);
      ASSERT_TRUE(path);
      for (const std::string& part : path->components) {
        EXPECT_TRUE(is_valid_utf8(part));
        EXPECT_FALSE(part.empty());
      }
    }
  }
}

TEST(ImapFlags, System_flags_in_any_case) {
  EXPECT_EQ(system_flag("\\Seen"), mail::Flags::seen);
  EXPECT_EQ(system_flag("\\SEEN"), mail::Flags::seen);
  EXPECT_EQ(system_flag("\\draft"), mail::Flags::draft);
  EXPECT_FALSE(system_flag("\\Recent"));
  EXPECT_FALSE(system_flag("Seen"));
  EXPECT_FALSE(system_flag(""));
}

TEST(ImapFlags, What_a_server_tells_of_a_message) {
  mail::Meta meta;
  meta.keywords = {"old"};
  read_flags({"\\seen", "\\Recent", "\\Foo", "\\*", "Work", "$Junk", "work"}, meta);
  EXPECT_TRUE(meta.flags.has(mail::Flags::seen));
  EXPECT_EQ(meta.flags.bits(), mail::Flags::seen);
  EXPECT_EQ(meta.keywords, (Parts{"$Junk", "Work"}));
}

TEST(ImapFlags, What_a_target_takes) {
  mail::Meta meta;
  meta.flags.set(mail::Flags::seen).set(mail::Flags::flagged);
  meta.keywords = {"$Junk", "a b", "Work"};
  const auto all = writable_flags(meta, Parts{"\\seen", "\\Flagged", "\\*"});
  EXPECT_EQ(all.flags, (Parts{"\\Seen", "\\Flagged", "$Junk", "Work"}));
  EXPECT_FALSE(all.lost_flags);
  EXPECT_TRUE(all.lost_keywords);  // "a b" is no atom
  const auto some = writable_flags(meta, Parts{"\\Seen", "work"});
  EXPECT_EQ(some.flags, (Parts{"\\Seen", "Work"}));
  EXPECT_TRUE(some.lost_flags && some.lost_keywords);
  const auto unnamed = writable_flags(meta, std::nullopt);
  EXPECT_EQ(unnamed.flags, (Parts{"\\Seen", "\\Flagged"}));
  EXPECT_FALSE(unnamed.lost_flags);
  EXPECT_TRUE(unnamed.lost_keywords);
  EXPECT_TRUE(writable_flags(meta, Parts{}).flags.empty());
  EXPECT_FALSE(writable_flags({}, Parts{}).lost_flags || writable_flags({}, Parts{}).lost_keywords);
  meta.keywords = {"\\Evil"};
  EXPECT_TRUE(writable_flags(meta, Parts{"\\*", "\\Evil"}).lost_keywords);
}

TEST(ImapDates, Known_answers) {
  struct Row {
    std::string_view text, instant;
    std::optional<int> zone;
  };
  for (const Row& row : std::initializer_list<Row>{{"17-Jul-1996 02:44:25 -0700", "1996-07-17T09:44:25Z", -420},
                                                   {" 7-Jul-1996 02:44:25 +0000", "1996-07-07T02:44:25Z", 0},
                                                   {"07-Jul-1996 02:44:25 +0530", "1996-07-06T21:14:25Z", 330},
                                                   {"7-jul-1996 02:44:25 +0000", "1996-07-07T02:44:25Z", 0},
                                                   {"7-Jul-1996 02:44:25", "1996-07-07T02:44:25Z", std::nullopt},
                                                   {"31-Dec-1969 23:59:59 +0000", "1969-12-31T23:59:59Z", 0},
                                                   {"29-Dec-1899 00:00:00 +0000", "1899-12-29T00:00:00Z", 0},
                                                   {"19-Jan-2038 03:14:08 +0000", "2038-01-19T03:14:08Z", 0},
                                                   {"29-Feb-2400 00:00:00 +0000", "2400-02-29T00:00:00Z", 0},
                                                   {"31-Dec-9999 23:59:59 +0000", "9999-12-31T23:59:59Z", 0},
                                                   {"01-Jan-0001 00:00:00 +0000", "0001-01-01T00:00:00Z", 0},
                                                   {"17-Jul-1996 23:59:60 +0000", "1996-07-17T23:59:59Z", 0},
                                                   {"17-Jul-1996 02:44:25 +2359", "1996-07-16T02:45:25Z", 1439},
                                                   {"17-Jul-1996 02:44:25 -0000", "1996-07-17T02:44:25Z", 0}}) {
    const auto date = parse_internaldate(row.text);
    ASSERT_TRUE(date) << row.text;
    EXPECT_EQ(mail::to_iso(date->instant), row.instant) << row.text;
    EXPECT_EQ(date->zone ? std::optional(static_cast<int>(date->zone->count())) : std::nullopt, row.zone) << row.text;
  }
}

TEST(ImapDates, Impossible_ones) {
  for (const std::string_view bad : {"",
                                     "00-Jan-0000 00:00:00 +0000",
                                     "30-Dec-1899 00:00:00 +0000",
                                     "01-Jan-0000 00:00:00 +0000",
                                     "31-Feb-2020 00:00:00 +0000",
                                     "29-Feb-2023 00:00:00 +0000",
                                     "00-Jan-2020 00:00:00 +0000",
                                     "32-Jan-2020 00:00:00 +0000",
                                     "01-Foo-2020 00:00:00 +0000",
                                     "01-Jan-2020 24:00:00 +0000",
                                     "01-Jan-2020 00:60:00 +0000",
                                     "01-Jan-2020 00:00:61 +0000",
                                     "01-Jan-2020 00:00:00 +9999",
                                     "01-Jan-2020 00:00:00 +2400",
                                     "01-Jan-2020 00:00:00 +0060",
                                     "01-Jan-2020 00:00:00 0100",
                                     "01-Jan-2020 00:00:00 +01000",
                                     "01-Jan-20 00:00:00 +0000",
                                     "01-Jan-20200 00:00:00 +0000",
                                     "01 Jan 2020 00:00:00 +0000",
                                     "2020-01-01",
                                     "01-Jan-2020",
                                     "01-Jan-2020 00:00 +0000",
                                     "01-Jan-2020 00:00:00 PST",
                                     "01-January-2020 00:00:00 +0000",
                                     "-1-Jan-2020 00:00:00 +0000"}) {
    EXPECT_FALSE(parse_internaldate(bad)) << bad;
  }
}

TEST(ImapDates, Written_as_APPEND_takes_them) {
  const auto written = [](std::string_view iso, std::optional<int> zone) {
    mail::ReceivedDate date{*mail::parse_iso_date(iso), std::nullopt};
    if (zone) date.zone = std::chrono::minutes(*zone);
    return to_internaldate(date).value_or("none");
  };
  EXPECT_EQ(written("1996-07-17T09:44:25Z", -420), "\"17-Jul-1996 02:44:25 -0700\"");
  EXPECT_EQ(written("1996-07-07T02:44:25Z", std::nullopt), "\"07-Jul-1996 02:44:25 +0000\"");
  EXPECT_EQ(written("1996-07-06T21:14:25Z", 330), "\"07-Jul-1996 02:44:25 +0530\"");
  EXPECT_EQ(written("1969-12-31T23:59:59Z", 0), "\"31-Dec-1969 23:59:59 +0000\"");
  EXPECT_EQ(written("9999-12-31T23:59:59Z", 60), "none");
  EXPECT_EQ(written("9999-12-31T23:59:59Z", -60), "\"31-Dec-9999 22:59:59 -0100\"");
  EXPECT_EQ(written("0001-01-01T00:00:00Z", -60), "none");
  EXPECT_EQ(written("2020-01-01T00:00:00Z", 5000), "\"01-Jan-2020 00:00:00 +0000\"");
  for (const auto extreme : {Instant::min(), Instant::max()}) EXPECT_FALSE(to_internaldate({extreme, std::nullopt}));
}

TEST(ImapDates, Any_date_comes_back) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 50000; ++round) {
    const auto second = static_cast<std::int64_t>(random() % 315'000'000'000ULL) - 62'000'000'000LL;
    const auto zone = std::chrono::minutes(static_cast<int>(random() % 2879) - 1439);
    const mail::ReceivedDate date{Instant(std::chrono::seconds(second)), zone};
    const auto text = to_internaldate(date);
    if (!text) continue;
    EXPECT_EQ(text->size(), 28U);
    EXPECT_EQ(parse_internaldate(text->substr(1, text->size() - 2)), date) << *text;
  }
}

TEST(ImapRoles, By_attribute) {
  using mail::Role;
  for (const auto& [attribute, role] :
       std::initializer_list<std::pair<std::string_view, Role>>{{"\\Sent", Role::sent},
                                                                {"\\sent", Role::sent},
                                                                {"\\All", Role::all},
                                                                {"\\AllMail", Role::all},
                                                                {"\\Starred", Role::flagged},
                                                                {"\\Flagged", Role::flagged},
                                                                {"\\Spam", Role::junk},
                                                                {"\\Junk", Role::junk},
                                                                {"\\Important", Role::important},
                                                                {"\\Inbox", Role::inbox},
                                                                {"\\Trash", Role::trash},
                                                                {"\\Archive", Role::archive},
                                                                {"\\Drafts", Role::drafts},
                                                                {"\\HasNoChildren", Role::none},
                                                                {"Sent", Role::none}}) {
    EXPECT_EQ(role_of({"\\HasChildren", std::string(attribute)}), role) << attribute;
    if (!special_use(role).empty()) {
      EXPECT_EQ(role_of({std::string(special_use(role))}), role);
    }
  }
  EXPECT_EQ(role_of({}), Role::none);
  EXPECT_EQ(special_use(Role::none), "");
  EXPECT_EQ(special_use(Role::inbox), "");
}
