// What goes over the wire, and that everything an argument holds comes back out of it.
#include "plugins/imap/protocol/command.hpp"

#include <gtest/gtest.h>

#include <random>

#include "unit/imap_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using mailhaul::imap::testing::Wire;

namespace {

/// The command's octets without tag and CRLF, literals not asked for.
std::string encoded(Command command) {
  Wire wire;
  wire.client.set_literals(Literals::plus, 1 << 20);
  const auto id = wire.client.start(std::move(command));
  EXPECT_TRUE(id);
  const std::string octets = wire.flush();
  EXPECT_TRUE(octets.ends_with("\r\n"));
  return octets.substr(octets.find(' ') + 1, octets.size() - octets.find(' ') - 3);
}

/// One argument read as RFC 9051 section 9 has it: atom, quoted string or literal.
std::string decoded(std::string_view text) {
  if (text.starts_with('{')) {
    const std::size_t end = text.find("+}\r\n");
    const std::size_t size = std::stoul(std::string(text.substr(1, end - 1)));
    EXPECT_EQ(text.size(), end + 4 + size);
    return std::string(text.substr(end + 4));
  }
  EXPECT_EQ(text.find_first_of("\r\n"), std::string_view::npos);
  if (!text.starts_with('"')) {
    EXPECT_EQ(text.find_first_of(" (){%*\"\\]"), std::string_view::npos) << text;
    EXPECT_FALSE(text.empty());
    return std::string(text);
  }
  std::string octets;
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\') ++i;
    EXPECT_LT(static_cast<unsigned char>(text[i]), 0x80);
    octets += text[i];
  }
  EXPECT_EQ(i + 1, text.size());
  return octets;
}

}  // namespace

TEST(ImapCommand, Known_answers) {
  UidSet uids;
  uids.add(3, 5);
  uids.add(9);
  EXPECT_EQ(encoded(Command("NOOP")), "NOOP");
  EXPECT_EQ(encoded(Command("SELECT").mailbox("Sent Items")), "SELECT \"Sent Items\"");
  EXPECT_EQ(encoded(Command("SELECT").mailbox("inbox")), "SELECT INBOX");
  EXPECT_EQ(encoded(Command("SELECT").mailbox("INBOX.a&APw-")), "SELECT INBOX.a&APw-");
  EXPECT_EQ(encoded(Command("SELECT").mailbox("a\"b\\c")), "SELECT \"a\\\"b\\\\c\"");
  EXPECT_EQ(encoded(Command("SELECT").mailbox("f\xC3\xBCr")), "SELECT {4+}\r\nf\xC3\xBCr");
  EXPECT_EQ(encoded(Command("LIST").list_pattern("").list_pattern("*")), "LIST \"\" \"*\"");
  EXPECT_EQ(encoded(Command("UID FETCH").uids(uids).raw(" (UID FLAGS)")), "UID FETCH 3:5,9 (UID FLAGS)");
  EXPECT_EQ(encoded(Command("APPEND").mailbox("x").flags({"\\Seen", "Work"}).flags({})), "APPEND x (\\Seen Work) ()");
  EXPECT_EQ(encoded(Command("LOGIN").astring("joe").secret(Secret("a b"))), "LOGIN joe \"a b\"");
  EXPECT_EQ(encoded(Command("LOGIN").astring("joe").secret(Secret("\xC3\xBC"))), "LOGIN joe {2+}\r\n\xC3\xBC");
  EXPECT_EQ(encoded(Command("X").astring("").astring("NIL").astring("nil").astring("{5}")),
            "X \"\" \"NIL\" \"nil\" \"{5}\"");
}

TEST(ImapCommand, Every_octet_comes_back) {
  for (int octet = 1; octet < 256; ++octet) {
    for (const std::string& text :
         {std::string(1, static_cast<char>(octet)), "a" + std::string(1, static_cast<char>(octet)) + "b"}) {
      EXPECT_EQ(decoded(encoded(Command("X").astring(text)).substr(2)), text);
      EXPECT_EQ(decoded(encoded(Command("X").secret(Secret(text))).substr(2)), text);
      if (octet == '\r' || octet == '\n') continue;
      EXPECT_EQ(decoded(encoded(Command("X").mailbox(text)).substr(2)), text);
    }
  }
}

TEST(ImapCommand, Random_strings_come_back) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::size_t size = random() % 40;
    const bool ascii = random() % 2 == 0;
    while (text.size() < size) text += static_cast<char>(1 + random() % (ascii ? 127 : 255));
    EXPECT_EQ(decoded(encoded(Command("X").astring(text)).substr(2)), text);
  }
}

TEST(ImapCommand, What_cannot_travel_makes_the_command_bad) {
  using namespace std::string_view_literals;
  const auto refused = [](const Command& command) {
    const Status status = command.check();
    return !status && status.error().kind == ErrorKind::message && status.error().scope == Scope::message;
  };
  EXPECT_TRUE(refused(Command("X").astring("a\0b"sv)));
  EXPECT_TRUE(refused(Command("X").secret(Secret(std::string("a\0b", 3)))));
  for (const std::string_view bad : {"a\rb"sv, "a\nb"sv, "a\0b"sv, "\r\nA1 DELETE x"sv}) {
    EXPECT_TRUE(refused(Command("X").mailbox(bad)));
    EXPECT_TRUE(refused(Command("X").list_pattern(bad)));
  }
  for (const std::string_view bad :
       {""sv, "\\"sv, "a b"sv, "a\r\nb"sv, "a(b"sv, "\\*"sv, "f\xC3\xBCr"sv, "a]"sv, "a\0b"sv, "{5}"sv, "a\"b"sv}) {
    EXPECT_FALSE(is_flag(bad)) << bad;
    EXPECT_TRUE(refused(Command("X").flags({"\\Seen", std::string(bad)}))) << bad;
  }
  EXPECT_TRUE(refused(Command("X").uids(UidSet{})));
  EXPECT_TRUE(is_flag("\\Seen") && is_flag("$Forwarded") && is_flag("a[b") && is_flag("NonJunk"));
}

TEST(ImapCommand, A_bad_command_is_not_started_and_the_error_hides_nothing_but_secrets) {
  Wire wire;
  const auto bad = wire.client.start(Command("SELECT").mailbox("a\r\nA1 LOGOUT\x1b"));
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().what.find("a\\x0d\\x0aA1 LOGOUT\\x1b"), std::string::npos) << bad.error().what;
  const auto secret = wire.client.start(Command("LOGIN").astring("joe").secret(Secret(std::string("hunter2\0", 8))));
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().what.find("hunter2"), std::string::npos);
  EXPECT_EQ(wire.client.in_flight(), 0U);
  EXPECT_EQ(wire.flush(), "");
}
