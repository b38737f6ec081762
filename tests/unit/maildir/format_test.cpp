#include <gtest/gtest.h>

#include "mail/mutf7.hpp"
#include "plugins/maildir/format/keywords.hpp"
#include "plugins/maildir/format/layout.hpp"
#include "plugins/maildir/format/message_name.hpp"
#include "plugins/maildir/format/name_hash.hpp"

namespace mailhaul::maildir {
namespace {

struct NameRow {
  const char* what;
  std::string_view name, base, flags, fields;
  char separator;
  bool experimental;
};

TEST(MessageName, Info_is_found_behind_each_separator_of_the_field) {
  const NameRow rows[] = {
      {"plain", "1.P1.h:2,FS", "1.P1.h", "FS", "", ':', false},
      {"no info", "1.P1.h", "1.P1.h", "", "", 0, false},
      {"empty info", "1.h:2,", "1.h", "", "", ':', false},
      {"semicolon", "1491941793.mx1.example.com,S=10956;2,STln", "1491941793.mx1.example.com,S=10956", "STln", "", ';',
       false},
      {"exclamation", "1.h!2,S", "1.h", "S", "", '!', false},
      {"underscore", "1.h_2,S", "1.h", "S", "", '_', false},
      {"underscore of a base name", "1050314226.9981_2,S=512", "1050314226.9981_2,S=512", "", "", 0, false},
      {"underscore one", "9981_1,S=5:2,F", "9981_1,S=5", "F", "", ':', false},
      {"experimental", "1.h:1,abc", "1.h", "", "", ':', true},
      {"the last one counts", "1.h:2,S:2,F", "1.h:2,S", "F", "", ':', false},
      {"fields of other programs", "1.h;2,RDF,x=1", "1.h", "RDF", ",x=1", ';', false},
      {"encoded by a Windows program", "1.38%3A2%2CS", "1.38%3A2%2CS", "", "", 0, false},
      {"nothing before the separator", ":2,S", ":2,S", "", "", 0, false},
      {"a colon that is none", "1.h:3,S", "1.h:3,S", "", "", 0, false},
      {"empty", "", "", "", "", 0, false},
  };
  for (const NameRow& row : rows) {
    SCOPED_TRACE(row.what);
    const MessageName parsed = parse_message_name(row.name);
    EXPECT_EQ(parsed.base, row.base);
    EXPECT_EQ(parsed.flags, row.flags);
    EXPECT_EQ(parsed.fields, row.fields);
    EXPECT_EQ(parsed.separator, row.separator);
    EXPECT_EQ(parsed.experimental, row.experimental);
    EXPECT_EQ(std::string(parsed.base) + std::string(parsed.tail), row.name);
  }
}

TEST(MessageName, Sizes_are_taken_only_when_they_are_whole_numbers) {
  const MessageName both = parse_message_name("1.h,S=4542,W=4642;2,Sb");
  EXPECT_EQ(both.size, 4542U);
  EXPECT_EQ(both.crlf_size, 4642U);
  EXPECT_FALSE(parse_message_name("1.h,S=45x:2,S").size);
  EXPECT_FALSE(parse_message_name("1.h,S=99999999999999999999:2,S").size);
  EXPECT_FALSE(parse_message_name("1.h,W=").crlf_size);
}

TEST(MessageName, Letters_become_flags_keywords_or_labels) {
  KeywordTable keywords;
  keywords.set('a', "$Junk");
  mail::Meta meta;
  apply_info(parse_message_name("1.h:2,PRSTDFabZ"), keywords, meta);
  EXPECT_EQ(meta.flags.bits(), 31);
  EXPECT_EQ(meta.keywords, (std::vector<std::string>{"$Forwarded", "$Junk"}));
  EXPECT_EQ(meta.labels, (std::vector<std::string>{"maildir-info:Z", "maildir-info:b"}));
}

TEST(MessageName, Keys_are_printable_and_no_two_bases_share_one) {
  EXPECT_EQ(percent_encode("1.P1.h,S=5"), "1.P1.h,S=5");
  EXPECT_EQ(percent_encode("a b%\xFF\x7F~"), "a%20b%25%FF%7F%7E");
  EXPECT_NE(percent_encode("a%20"), percent_encode("a "));
}

TEST(MessageName, Our_names_carry_their_ticket) {
  DeliveryName name;
  name.seconds = 1700000000;
  name.microseconds = 42;
  name.process = 77;
  name.sequence = 3;
  name.ticket = "00000000000000070000000000000001";
  name.size = 10;
  name.crlf_size = 12;
  const std::string base = delivery_base(name);
  EXPECT_EQ(base, "1700000000.M42P77Q3R00000000000000070000000000000001.mailhaul,S=10,W=12");
  EXPECT_EQ(ticket_of(base + ":2,FS"), name.ticket);
  EXPECT_EQ(parse_message_name(base).size, 10U);
  for (const std::string_view other :
       {"1700000000.M42P77Q3R0000000000000007000000000000000.mailhaul", "1700000000.M42P77.host",
        "1700000000.M42P77Q3R00000000000000070000000000000001.other",
        "x.M42P77Q3R00000000000000070000000000000001.mailhaul", "1.M1P1Q1R0000000000000007000000000000000G.mailhaul",
        ""}) {
    EXPECT_EQ(ticket_of(other), "") << other;
  }
}

TEST(Keywords, Lines_that_are_none_are_passed_over) {
  const KeywordTable table =
      parse_keywords("0 $Junk\n1 $Forwarded\r\nx y\n2\n26 TooMany\n3 two words\n0 Later\n25 Last");
  EXPECT_EQ(table.name('a'), "$Junk");
  EXPECT_EQ(table.name('b'), "$Forwarded");
  EXPECT_EQ(table.name('c'), "");
  EXPECT_EQ(table.name('d'), "");
  EXPECT_EQ(table.name('z'), "Last");
  EXPECT_TRUE(table.is_free('c'));
  EXPECT_FALSE(table.is_free('d')) << "a letter with a name we cannot use is not ours to give away";
  EXPECT_EQ(table.letter("$JUNK"), 'a');
  EXPECT_FALSE(table.letter("none"));
}

TEST(Keywords, A_line_reads_back_as_it_was_written) {
  const KeywordTable table = parse_keywords(keyword_line('c', "Arbeit\xC3\xA4") + keyword_line('z', "x"));
  EXPECT_EQ(table.name('c'), "Arbeit\xC3\xA4");
  EXPECT_EQ(table.name('z'), "x");
  for (const std::string_view bad : {"", "a b", "a\tb", "a\nb", "\x7F", "\xFF"}) EXPECT_FALSE(can_be_keyword(bad));
}

TEST(Layout, Dotted_names_are_components_in_mUTF7) {
  EXPECT_EQ(components_of(".A.B"), (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(components_of(".My Folder.Nested Folder"), (std::vector<std::string>{"My Folder", "Nested Folder"}));
  EXPECT_EQ(components_of(".Entw&APw-rfe"), (std::vector<std::string>{"Entw\xC3\xBC"
                                                                      "rfe"}));
  EXPECT_EQ(components_of("Work.2020"), (std::vector<std::string>{"Work.2020"}));
  EXPECT_EQ(components_of("..A"), (std::vector<std::string>{"..A"}));
  EXPECT_EQ(components_of(".A..B"), (std::vector<std::string>{".A..B"}));
}

TEST(Layout, Spelling_reads_back_as_the_same_folder) {
  const std::vector<std::vector<std::string>> names = {{"A"},
                                                       {"A", "B"},
                                                       {"Entw\xC3\xBC"
                                                        "rfe",
                                                        "&"},
                                                       {"a/b"},
                                                       {"cur"},
                                                       {"new", "tmp"},
                                                       {"100%"},
                                                       {"%2E"},
                                                       {"tab\there"}};
  for (const Layout layout : {Layout::dotted, Layout::nested}) {
    for (const auto& components : names) {
      const auto spelling = spell(components, layout);
      ASSERT_TRUE(spelling.ok());
      EXPECT_FALSE(spelling->shortened);
      std::vector<std::string> back;
      for (const std::string& name : spelling->directory) {
        EXPECT_FALSE(is_own_directory(name)) << name;
        EXPECT_EQ(name.find('/'), std::string::npos);
        for (const auto& part : components_of(name)) back.push_back(part);
      }
      EXPECT_EQ(back, components);
    }
  }
}

TEST(Layout, A_dot_inside_a_component_is_refused_where_dots_divide) {
  const auto refused = spell({"a.b"}, Layout::dotted);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_EQ(refused.error().scope, Scope::folder);
  EXPECT_TRUE(spell({"a.b"}, Layout::nested).ok());
}

TEST(Layout, Names_too_long_are_cut_and_stay_apart) {
  const std::vector<std::string> one(130, "abc"), other = [&] {
    auto copy = one;
    copy.back() = "abd";
    return copy;
  }();
  const auto a = spell(one, Layout::dotted), b = spell(other, Layout::dotted);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_TRUE(a->shortened);
  EXPECT_EQ(a->directory.front().size(), kLongestName);
  EXPECT_NE(a->directory, b->directory);
  EXPECT_EQ(spell(one, Layout::dotted)->directory, a->directory);
}

TEST(HashSet, Many_names_are_told_apart_while_it_grows) {
  HashSet set(10);
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(set.insert(name_hash(std::to_string(i), 5))) << i;
  for (int i = 0; i < 100'000; i += 997) ASSERT_FALSE(set.insert(name_hash(std::to_string(i), 5))) << i;
}

TEST(MessageName, The_time_of_delivery_is_in_the_name) {
  EXPECT_EQ(delivery_time("1700000000.M123456P7Q1.host"), 1'700'000'000'123'456);
  EXPECT_EQ(delivery_time("1700000000.7_1.host"), 1'700'000'000'000'000);
  EXPECT_EQ(delivery_time("1700000000.M12x.host"), 1'700'000'000'000'012);
  for (const char* base : {"", "message", "17x.M1", "1700000000", "99999999999999999999.M1P1.h"})
    EXPECT_EQ(delivery_time(base), std::nullopt) << base;
}

}  // namespace
}  // namespace mailhaul::maildir
