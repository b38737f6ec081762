// What a server, or somebody between us and it, may not get away with.
#include <gtest/gtest.h>

#include "plugins/imap/protocol/client.hpp"
#include "unit/imap_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using mailhaul::imap::testing::is_breach;
using mailhaul::imap::testing::Wire;

TEST(ImapBreach, Before_encryption_little_is_accepted) {  // threat 6
  for (const auto& [text, good] :
       std::initializer_list<std::pair<std::string_view, bool>>{{"* CAPABILITY IMAP4rev1\r\n", true},
                                                                {"* OK [ALERT] x\r\n", true},
                                                                {"* NO x\r\n", true},
                                                                {"* BAD x\r\n", true},
                                                                {"* BYE x\r\n", true},
                                                                {"* PREAUTH x\r\n", false},
                                                                {"* LIST () \"/\" x\r\n", false},
                                                                {"* SEARCH 1\r\n", false},
                                                                {"* 1 EXISTS\r\n", false},
                                                                {"* 1 FETCH (UID 1)\r\n", false},
                                                                {"* 1 FETCH (BODY[] {1}\r\n", false},
                                                                {"* FLAGS ()\r\n", false},
                                                                {"* ENABLED X\r\n", false},
                                                                {"* ID NIL\r\n", false},
                                                                {"* NAMESPACE NIL NIL NIL\r\n", false},
                                                                {"* WHATEVER\r\n", false},
                                                                {"+ go\r\n", false}}) {
    Wire wire;
    ASSERT_TRUE(wire.hear("* OK x\r\n"));
    (void)wire.begin(Command("CAPABILITY"));
    EXPECT_EQ(!is_breach(wire.hear(text)), good) << text;
  }
}

TEST(ImapBreach, STARTTLS_begins_anew) {
  Wire wire;
  ASSERT_TRUE(wire.hear("* OK x\r\n"));
  EXPECT_EQ(wire.begin(Command("STARTTLS").ends_plaintext()), "STARTTLS\r\n");
  EXPECT_FALSE(wire.client.start(Command("NOOP")));
  ASSERT_TRUE(wire.hear(wire.tags[0] + " OK go\r\n"));
  EXPECT_FALSE(wire.client.start(Command("NOOP"))) << "not before the encryption";
  wire.client.begin_tls();
  wire.client.set_plaintext_rules(false);
  EXPECT_EQ(wire.begin(Command("CAPABILITY")), "CAPABILITY\r\n");
  ASSERT_TRUE(wire.hear("* CAPABILITY X\r\n" + wire.tags[1] + " OK x\r\n"));
  EXPECT_EQ(wire.sink.events.back(), "2: done OK \"x\"");
}

TEST(ImapBreach, A_refused_STARTTLS_goes_on_in_plaintext_for_the_caller_to_judge) {
  Wire wire;
  ASSERT_TRUE(wire.hear("* OK x\r\n"));
  (void)wire.begin(Command("STARTTLS").ends_plaintext());
  ASSERT_TRUE(wire.hear(wire.tags[0] + " NO go\r\n* OK x\r\n"));
  EXPECT_TRUE(wire.client.start(Command("LOGOUT")));
}

TEST(ImapBreach, Octets_behind_the_OK_to_STARTTLS_end_the_session) {  // threat 3
  for (const std::string& extra : {std::string("* CAPABILITY X\r\n"), std::string("\r"), std::string("\n"),
                                   std::string("\r\n"), std::string("x"), std::string("* 1 FETCH (BODY[] {5}\r\nab"),
                                   std::string("A1 OK x\r\n"), std::string(65536, 'x'), std::string(1, '\0')}) {
    for (const bool at_once : {true, false}) {
      Wire wire;
      ASSERT_TRUE(wire.hear("* OK x\r\n"));
      (void)wire.begin(Command("STARTTLS").ends_plaintext());
      const std::string ok = wire.tags[0] + " OK go\r\n";
      if (at_once) {
        EXPECT_TRUE(is_breach(wire.hear(ok + extra))) << visible(extra);
      } else {
        ASSERT_TRUE(wire.hear(ok));
        EXPECT_TRUE(is_breach(wire.hear(extra))) << visible(extra);
      }
    }
  }
}

TEST(ImapBreach, OK_to_a_STARTTLS_that_was_not_sent_ends_the_session) {  // threat 4, CVE-2026-42246
  Wire first;
  ASSERT_TRUE(first.hear("* OK x\r\n"));
  (void)first.begin(Command("STARTTLS").ends_plaintext());
  for (std::size_t gone = 0; gone < first.sent.size(); ++gone) {
    Wire wire;
    ASSERT_TRUE(wire.hear("* OK x\r\n"));
    wire.start(Command("STARTTLS").ends_plaintext());
    (void)wire.flush(gone);
    EXPECT_TRUE(is_breach(wire.hear(first.tags[0] + " OK go\r\n"))) << gone;
  }
}

TEST(ImapBreach, A_flood_that_nobody_asked_for_ends_the_session) {  // threat 14
  Limits limits;
  limits.unasked = 1000;
  const std::string line = "* OK " + std::string(93, 'x') + "\r\n";  // 100 octets
  ASSERT_EQ(line.size(), 100U);
  {
    Wire wire(limits);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(wire.hear(line)) << i;
    EXPECT_TRUE(is_breach(wire.hear(line)));
  }
  {
    Wire wire(limits);
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(wire.hear(line));
    ASSERT_TRUE(wire.hear(line.substr(0, 99)));
    ASSERT_TRUE(wire.hear(line.substr(99)));
    EXPECT_TRUE(is_breach(wire.hear("*")));
  }
  {
    // What belongs to a command has no such limit, once we are logged in.
    Wire wire(limits);
    wire.log_in();
    (void)wire.begin(Command("FETCH"));
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(wire.hear(line));
    ASSERT_TRUE(wire.hear(wire.tags[0] + " OK x\r\n"));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(wire.hear(line));
    EXPECT_TRUE(is_breach(wire.hear(line)));
  }
  {
    // A body that no command asked for counts.
    Wire wire(limits);
    wire.log_in();
    EXPECT_TRUE(is_breach(wire.hear("* 1 FETCH (BODY[] {2000}\r\n" + std::string(2000, 'x'))));
  }
}
