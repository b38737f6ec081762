// What no server of POP3 says: attacks on the connection, answers to nobody, answers without end.
#include <gtest/gtest.h>

#include "unit/pop3_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::pop3;
using mailhaul::pop3::testing::auth;
using mailhaul::pop3::testing::is_breach;
using mailhaul::pop3::testing::is_nonsense;
using mailhaul::pop3::testing::listing;
using mailhaul::pop3::testing::retr;
using mailhaul::pop3::testing::stls;
using mailhaul::pop3::testing::Wire;

namespace {

/// Lines, listings and messages that a test can pass.
Limits tight() {
  Limits limits;
  limits.line = 40;
  limits.lines = 5;
  limits.listing = 60;
  limits.body = 100;
  return limits;
}

void expect_the_end(Wire& wire, const Status& first) {
  const Status again = wire.hear("+OK\r\n");
  ASSERT_FALSE(again) << "an Error is final";
  EXPECT_EQ(again.error().what, first.error().what);
  EXPECT_EQ(wire.flush(), "") << "nothing is said any more";
}

}  // namespace

TEST(Pop3Breach, Octets_behind_the_OK_to_STLS_are_an_attack) {
  for (const std::string_view injected : {"+OK\r\n", "x", "\r", "-ERR\r\n", "+OK CAPA\r\n.\r\n"}) {
    for (const bool together : {true, false}) {
      Wire wire;
      wire.greet();
      (void)wire.begin(stls());
      const std::string text = "+OK begin\r\n" + std::string(injected);
      const Status status = together ? wire.hear(text) : wire.hear(text, 1);
      EXPECT_TRUE(is_breach(status)) << ::testing::PrintToString(injected);
      if (!status) expect_the_end(wire, status);
    }
  }
}

TEST(Pop3Breach, An_answer_before_the_question_is_an_attack) {
  for (const std::string_view unasked : {"+OK\r\n", "+OK begin TLS\r\n", "+ \r\n", "nonsense\r\n", "\r\n", ".\r\n"}) {
    Wire wire;
    wire.greet();
    const Status status = wire.hear(unasked);
    ASSERT_TRUE(is_breach(status)) << ::testing::PrintToString(unasked);
    expect_the_end(wire, status);
  }
}

TEST(Pop3Breach, A_command_that_has_not_been_written_is_not_answered_either) {
  Wire wire;
  wire.greet();
  wire.start(stls());
  EXPECT_TRUE(is_breach(wire.hear("+OK begin\r\n")));
}

TEST(Pop3Breach, Without_pipelining_the_second_answer_in_a_row_belongs_to_nobody) {
  Wire wire;
  wire.greet();
  wire.start(Command("STAT"));
  wire.start(Command("NOOP"));
  EXPECT_EQ(wire.flush(), "STAT\r\n");
  EXPECT_TRUE(is_breach(wire.hear("+OK 1 5\r\n+OK\r\n")));
}

TEST(Pop3Breach, Greetings_that_are_none) {
  for (const std::string_view text : {"* OK imap\r\n", "220 smtp\r\n", "HTTP/1.1 400\r\n", "\r\n", "+ \r\n",
                                      "+OKAY\r\n", "SSH-2.0-x\r\n", "\x15\x03\x01\x02\n", ".\r\n"}) {
    Wire wire;
    const Status status = wire.hear(text);
    ASSERT_TRUE(is_nonsense(status)) << text;
    EXPECT_TRUE(wire.sink.events.empty()) << text;
    EXPECT_FALSE(wire.client.greeted()) << text;
    expect_the_end(wire, status);
  }
}

TEST(Pop3Breach, Answers_that_are_none) {
  for (const std::string_view text :
       {"* OK\r\n", "OK\r\n", "+OKAY\r\n", "\r\n", ".\r\n", "+\r\n", "+ x\r\n", "1 120\r\n"}) {
    Wire wire;
    wire.greet();
    (void)wire.begin(Command("NOOP"));
    const Status status = wire.hear(text);
    ASSERT_TRUE(is_nonsense(status)) << text;
    EXPECT_TRUE(wire.sink.events.empty()) << text;
    expect_the_end(wire, status);
  }
}

TEST(Pop3Breach, A_challenge_is_only_for_a_login) {
  for (const auto& command : {Command("USER").argument("anna").alone(), stls(), retr(1), listing("CAPA")}) {
    Wire wire;
    wire.greet();
    (void)wire.begin(command);
    EXPECT_TRUE(is_nonsense(wire.hear("+ \r\n")));
    EXPECT_TRUE(wire.sink.events.empty());
  }
}

/// A dot that stood in the message itself ends it too early. What follows is no answer, and no other message's octets.
TEST(Pop3Breach, What_follows_a_dot_that_nobody_stuffed_is_taken_for_no_answer) {
  for (const std::string_view rest : {"more text\r\n.\r\n", ".\r\n", "\r\n.\r\n"}) {
    Wire wire;
    wire.pipeline();
    wire.start(retr(1));
    wire.start(retr(2));
    (void)wire.flush();
    EXPECT_TRUE(is_nonsense(wire.hear("+OK\r\nHello\r\n.\r\n" + std::string(rest)))) << rest;
  }
}

/// With nothing in flight it is the rest of the message that speaks, not an attacker: another try may help.
TEST(Pop3Breach, What_follows_the_end_of_a_message_is_told_from_an_attack) {
  for (const std::string_view rest : {"more text\r\n.\r\n", ".\r\n", "\r\n"}) {
    Wire wire;
    wire.greet();
    (void)wire.begin(retr(1));
    EXPECT_TRUE(is_nonsense(wire.hear("+OK\r\nHello\r\n.\r\n" + std::string(rest)))) << rest;
  }
  Wire wire;
  wire.greet();
  (void)wire.begin(retr(1));
  ASSERT_TRUE(wire.hear("+OK\r\nHello\r\n.\r\n"));
  (void)wire.begin(Command("NOOP"));
  EXPECT_TRUE(is_breach(wire.hear("+OK\r\n+OK\r\n"))) << "the answer to the NOOP stands between";
}

/// Who writes a message must not be able to end it early and to say what comes next.
TEST(Pop3Breach, An_end_behind_a_bare_LF_forges_no_answer) {
  Wire wire;
  wire.pipeline();
  wire.start(retr(1));
  wire.start(retr(2));
  (void)wire.flush();
  ASSERT_TRUE(wire.hear("+OK\r\nX: y\r\nHello\n.\r\n+OK\r\nforged\r\n.\r\n-ERR gone\r\n"));
  EXPECT_EQ(wire.take(),
            (mailhaul::pop3::testing::Events{"1: begin ok \"\"", "1: octets X: y\r\nHello\n.\r\n+OK\r\nforged\r\n",
                                             "1: done ok \"\"", "2: done err \"gone\""}));
}

TEST(Pop3Breach, A_line_without_end_is_not_waited_for) {
  for (const bool greeted : {false, true}) {
    for (const std::size_t piece : {1U, 7U, 1000U}) {
      Wire wire(tight());
      if (greeted) {
        wire.greet();
        (void)wire.begin(Command("NOOP"));
      }
      EXPECT_TRUE(is_breach(wire.hear("+OK " + std::string(200, 'x'), piece))) << piece;
    }
  }
}

TEST(Pop3Breach, The_longest_line_is_one_and_one_octet_more_is_none) {
  for (const std::size_t piece : {1U, 1000U}) {
    Wire wire(tight());
    wire.greet();
    (void)wire.begin(Command("NOOP"));
    ASSERT_TRUE(wire.hear("+OK " + std::string(36, 'x') + "\r\n", piece));
    (void)wire.begin(Command("NOOP"));
    EXPECT_TRUE(is_breach(wire.hear("+OK " + std::string(37, 'x') + "\r\n", piece)));
  }
}

TEST(Pop3Breach, A_listing_has_an_end_in_lines_and_in_octets) {
  std::string many = "+OK\r\n", large = "+OK\r\n";
  for (int i = 0; i < 6; ++i) many += "1 1\r\n";
  for (int i = 0; i < 3; ++i) large += std::string(30, 'x') + "\r\n";
  for (const auto& text : {many, large}) {
    Wire wire(tight());
    wire.greet();
    (void)wire.begin(listing("LIST"));
    EXPECT_TRUE(is_breach(wire.hear(text)));
  }
}

TEST(Pop3Breach, Each_listing_is_counted_for_itself) {
  Wire wire(tight());
  wire.greet();
  for (int i = 0; i < 4; ++i) {
    (void)wire.begin(listing("LIST"));
    ASSERT_TRUE(wire.hear("+OK\r\n1 1\r\n2 2\r\n3 3\r\n4 4\r\n.\r\n"));
  }
}

TEST(Pop3Breach, A_message_without_end_is_not_waited_for) {
  for (const std::size_t piece : {1U, 1000U}) {
    Wire wire(tight());
    wire.greet();
    for (int i = 0; i < 3; ++i) {
      (void)wire.begin(retr(1));
      ASSERT_TRUE(wire.hear("+OK\r\n" + std::string(98, 'x') + "\r\n.\r\n", piece)) << "100 octets, each for itself";
    }
    (void)wire.begin(retr(1));
    EXPECT_TRUE(is_breach(wire.hear("+OK\r\n" + std::string(99, 'x') + "\r\n", piece)));
  }
}

TEST(Pop3Breach, A_message_of_one_long_line_needs_no_memory_for_it) {
  Limits limits = tight();
  limits.body = 10'000'000;
  Wire wire(limits);
  wire.greet();
  (void)wire.begin(retr(1));
  const std::string piece(100'000, 'x');
  ASSERT_TRUE(wire.hear("+OK\r\n"));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(wire.hear(piece));
  ASSERT_TRUE(wire.hear("\r\n.\r\n"));
  EXPECT_EQ(wire.client.in_flight(), 0U);
}
