#include "store/location.hpp"

#include <gtest/gtest.h>

using namespace mailhaul;
using namespace mailhaul::store;

TEST(Location, Local_paths_are_taken_as_they_are) {
  for (const char* path :
       {"/var/mail/joe", "a b", "x?y=z", "50%", "%41", "//server/share", "user@host", "~", ":", "a:b", "\xFF"}) {
    for (const char* scheme : {"mbox", "maildir", "archive"}) {
      const auto location = parse_location(std::string(scheme) + ":" + path);
      ASSERT_TRUE(location) << path;
      EXPECT_EQ(location->scheme, scheme);
      EXPECT_EQ(location->path, path);
      EXPECT_FALSE(location->is_url);
      EXPECT_EQ(location->text(), std::string(scheme) + ":" + path);
    }
  }
}

TEST(Location, The_scheme_is_lower_case) {
  EXPECT_EQ(parse_location("MailDir:X")->scheme, "maildir");
  EXPECT_EQ(parse_location("IMAPS://h")->scheme, "imaps");
  EXPECT_EQ(parse_location("emlx:PATH")->path, "PATH");
}

TEST(Location, A_url_has_all_its_parts) {
  const auto location =
      parse_location("imaps://joe%40x:se%3Acret@mail.example:1993/Work/A%2FB%3F?auth=PLAIN&tls=off&x");
  ASSERT_TRUE(location);
  EXPECT_TRUE(location->is_url);
  EXPECT_EQ(location->user, "joe@x");
  EXPECT_EQ(location->password, "se:cret");
  EXPECT_EQ(location->host, "mail.example");
  EXPECT_EQ(location->port, 1993);
  EXPECT_EQ(location->path, "Work/A/B?");
  EXPECT_EQ(location->query, (std::map<std::string, std::string>{{"auth", "PLAIN"}, {"tls", "off"}, {"x", ""}}));
}

TEST(Location, The_last_at_sign_divides_user_from_host) {
  const auto location = parse_location("imaps://joe@example.org:p@ss@mail.example/a@b");
  ASSERT_TRUE(location);
  EXPECT_EQ(location->user, "joe@example.org");
  EXPECT_EQ(location->password, "p@ss");
  EXPECT_EQ(location->host, "mail.example");
  EXPECT_EQ(location->path, "a@b");
}

TEST(Location, Addresses_of_ipv6_stand_in_brackets) {
  const auto location = parse_location("imap://joe@[::1]:143/x");
  ASSERT_TRUE(location);
  EXPECT_EQ(location->host, "::1");
  EXPECT_EQ(location->port, 143);
  EXPECT_EQ(location->text(), "imap://joe@[::1]:143/x");
  EXPECT_EQ(parse_location("imap://[fe80::1%eth0]")->host, "fe80::1%eth0");
}

TEST(Location, Text_leaves_the_password_out_and_is_read_back) {
  for (const char* text : {"imaps://joe%40x:secret@h:993/a%2520b%3f%23?k=v%26w&z=", "imaps://h",
                           "pop3://u@h?tunnel=a%20b", "imap://u@h/ \xC3\xBC/%01", "imap://h//x", "imap://u@h/"}) {
    auto first = parse_location(text);
    ASSERT_TRUE(first) << text;
    EXPECT_EQ(first->text().find("secret"), std::string::npos);
    const auto second = parse_location(first->text());
    ASSERT_TRUE(second) << first->text();
    EXPECT_EQ(second->text(), first->text());
    EXPECT_EQ(second->user, first->user);
    EXPECT_EQ(second->host, first->host);
    EXPECT_EQ(second->port, first->port);
    EXPECT_EQ(second->path, first->path);
    EXPECT_EQ(second->query, first->query);
  }
}

TEST(Location, What_cannot_be_read_is_a_usage_error_with_a_reason) {
  struct Row {
    std::string text;
    const char* reason;
  };
  for (const Row& row : std::initializer_list<Row>{{"", "scheme"},
                                                   {"/path", "scheme"},
                                                   {":x", "scheme"},
                                                   {"1a:x", "scheme"},
                                                   {"a b:x", "scheme"},
                                                   {"\xC3\xBC:x", "scheme"},
                                                   {"mbox:", "empty path"},
                                                   {std::string("mbox:a\0b", 8), "NUL"},
                                                   {"imaps://", "no host"},
                                                   {"imaps:///x", "no host"},
                                                   {"imaps://u@/x", "no host"},
                                                   {"imaps://u@:993", "no host"},
                                                   {"imaps://h:", "port"},
                                                   {"imaps://h:0", "port"},
                                                   {"imaps://h:65536", "port"},
                                                   {"imaps://h:-1", "port"},
                                                   {"imaps://h:99999999999999999999", "port"},
                                                   {"imaps://::1", "host"},
                                                   {"imaps://[::1", "']'"},
                                                   {"imaps://[::1]x", "']'"},
                                                   {"imaps://[]", "no host"},
                                                   {"imaps://a b", "host"},
                                                   {"imaps://a\nb", "host"},
                                                   {"imaps://%41", "host"},
                                                   {"imaps://u%@h", "percent"},
                                                   {"imaps://u%4@h", "percent"},
                                                   {"imaps://u%zz@h", "percent"},
                                                   {"imaps://u:%@h", "percent"},
                                                   {"imaps://h/%", "percent"},
                                                   {"imaps://h/a%00b", "percent"},
                                                   {"imaps://h?a=%", "percent"},
                                                   {"imaps://h?a=1&a=2", "twice"},
                                                   {"imaps://h?a&%61", "twice"},
                                                   {"imaps://h?", "empty option"},
                                                   {"imaps://h?a&&b", "empty option"},
                                                   {"imaps://h?=x", "empty option"}}) {
    const auto location = parse_location(row.text);
    ASSERT_FALSE(location) << row.text;
    EXPECT_EQ(location.error().kind, ErrorKind::usage) << row.text;
    EXPECT_NE(location.error().what.find(row.reason), std::string::npos) << row.text << ": " << location.error().what;
  }
}

TEST(Location, No_error_tells_a_password) {
  for (const char* text : {"imaps://joe:hunter2%zz@h", "imaps://joe:hunter2@h:x", "imaps://joe:hunter2/x@h",
                           "imaps://joe:hunter2@h?a=1&a=2", "imaps://joe:hunter2@ h", "imaps://joe:hun?ter2@h?ter2"}) {
    const auto location = parse_location(text);
    if (location) continue;
    EXPECT_EQ(location.error().what.find("hunter"), std::string::npos) << location.error().what;
    EXPECT_EQ(location.error().hint.find("hunter"), std::string::npos);
  }
}
