// The dialogue: who may say what and when.
#include "plugins/pop3/protocol/client.hpp"

#include <gtest/gtest.h>

#include "base/strings.hpp"
#include "unit/pop3_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::pop3;
using mailhaul::pop3::testing::auth;
using mailhaul::pop3::testing::Events;
using mailhaul::pop3::testing::is_breach;
using mailhaul::pop3::testing::listing;
using mailhaul::pop3::testing::retr;
using mailhaul::pop3::testing::stls;
using mailhaul::pop3::testing::Wire;

TEST(Pop3Client, Greeting_and_one_command) {
  Wire wire;
  EXPECT_FALSE(wire.client.greeted());
  ASSERT_TRUE(wire.hear("+OK [X] hello\r\n"));
  EXPECT_TRUE(wire.client.greeted());
  EXPECT_EQ(wire.begin(Command("NOOP")), "NOOP\r\n");
  EXPECT_EQ(wire.client.in_flight(), 1U);
  ASSERT_TRUE(wire.hear("+OK done\r\n"));
  EXPECT_EQ(wire.sink.events, (Events{"greeting ok [X] \"hello\"", "1: done ok \"done\""}));
  EXPECT_EQ(wire.client.in_flight(), 0U);
}

TEST(Pop3Client, Says_nothing_before_the_greeting) {
  Wire wire;
  EXPECT_EQ(wire.begin(listing("CAPA")), "");
  ASSERT_TRUE(wire.hear("+OK"));
  EXPECT_EQ(wire.flush(), "");
  ASSERT_TRUE(wire.hear("\r\n"));
  EXPECT_EQ(wire.flush(), "CAPA\r\n");
}

TEST(Pop3Client, A_greeting_may_turn_away) {
  Wire wire;
  ASSERT_TRUE(wire.hear("-ERR [SYS/TEMP] too many\r\n"));
  EXPECT_TRUE(wire.client.greeted());
  EXPECT_EQ(wire.sink.events, (Events{"greeting err [SYS/TEMP] \"too many\""}));
}

TEST(Pop3Client, Without_pipelining_each_command_waits_for_the_answer_before_it) {
  Wire wire;
  wire.greet();
  wire.start(Command("STAT"));
  wire.start(listing("LIST"));
  wire.start(retr(1));
  EXPECT_EQ(wire.flush(), "STAT\r\n");
  ASSERT_TRUE(wire.hear("+OK 1 5"));
  EXPECT_EQ(wire.flush(), "");
  ASSERT_TRUE(wire.hear("\r\n"));
  EXPECT_EQ(wire.flush(), "LIST\r\n");
  ASSERT_TRUE(wire.hear("+OK\r\n1 5\r\n"));
  EXPECT_EQ(wire.flush(), "");
  ASSERT_TRUE(wire.hear(".\r\n"));
  EXPECT_EQ(wire.flush(), "RETR 1\r\n");
  ASSERT_TRUE(wire.hear("-ERR none\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: done ok \"1 5\"", "2: begin ok \"\"", "2: line 1 5", "2: done ok \"\"",
                                 "3: done err \"none\""}));
}

TEST(Pop3Client, With_pipelining_commands_leave_together_and_answers_come_in_their_order) {
  Wire wire;
  wire.pipeline();
  wire.start(Command("STAT"));
  wire.start(listing("UIDL"));
  wire.start(retr(2));
  wire.start(Command("NOOP"));
  EXPECT_EQ(wire.flush(), "STAT\r\nUIDL\r\nRETR 2\r\nNOOP\r\n");
  EXPECT_EQ(wire.client.in_flight(), 4U);
  ASSERT_TRUE(wire.hear("+OK 2 9\r\n-ERR what is UIDL\r\n+OK here\r\nHello\r\n.\r\n+OK\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: done ok \"2 9\"", "2: done err \"what is UIDL\"", "3: begin ok \"here\"",
                                 "3: octets Hello\r\n", "3: done ok \"here\"", "4: done ok \"\""}));
}

TEST(Pop3Client, Pipelining_that_ends_lets_what_has_left_be_answered) {
  Wire wire;
  wire.pipeline();
  wire.start(Command("A"));
  wire.start(Command("B"));
  EXPECT_EQ(wire.flush(), "A\r\nB\r\n");
  wire.client.set_pipelining(false);
  wire.start(Command("C"));
  wire.start(Command("D"));
  EXPECT_EQ(wire.flush(), "");
  ASSERT_TRUE(wire.hear("+OK a\r\n"));
  EXPECT_EQ(wire.flush(), "");
  ASSERT_TRUE(wire.hear("+OK b\r\n"));
  EXPECT_EQ(wire.flush(), "C\r\n");
}

TEST(Pop3Client, Octets_that_were_not_sent_are_offered_again) {
  Wire wire;
  wire.greet();
  wire.start(retr(17));
  EXPECT_EQ(as_text(wire.client.output()), "RETR 17\r\n");
  EXPECT_EQ(as_text(wire.client.output()), "RETR 17\r\n");
  wire.client.sent(5);
  EXPECT_EQ(as_text(wire.client.output()), "17\r\n");
  wire.client.sent(4);
  EXPECT_TRUE(wire.client.output().empty());
}

TEST(Pop3Client, Thousands_of_commands_do_not_make_the_output_grow_without_end) {
  Wire wire;
  wire.pipeline();
  for (std::uint64_t i = 0; i < 5'000; ++i) wire.start(retr(1'000'000'000'000 + i));
  std::string said;
  for (Octets octets = wire.client.output(); !octets.empty(); octets = wire.client.output()) {
    ASSERT_LE(octets.size(), 66'000U);
    said += as_text(octets);
    wire.client.sent(octets.size());
  }
  EXPECT_EQ(split(said, '\n').size(), 5'001U);
}

TEST(Pop3Client, Any_division_of_what_comes_gives_the_same) {
  const std::string text =
      "+OK 2 600\r\n+OK\r\n1 120\r\n2 480\r\n.\r\n-ERR [IN-USE] no\r\n+OK one\r\n..\r\nx\r\n.\rx\r\n\r\n.\r\n"
      "+OK two\r\n.\r\n+OK\n";
  const auto events_of = [&](std::size_t piece) {
    Wire wire;
    wire.pipeline();
    wire.start(Command("STAT"));
    wire.start(listing("LIST"));
    wire.start(listing("UIDL"));
    wire.start(retr(1));
    wire.start(retr(2));
    wire.start(Command("NOOP"));
    (void)wire.flush();
    EXPECT_TRUE(wire.hear(text, piece));
    EXPECT_EQ(wire.client.in_flight(), 0U);
    return wire.take();
  };
  const Events whole = events_of(text.size());
  EXPECT_EQ(whole,
            (Events{"1: done ok \"2 600\"", "2: begin ok \"\"", "2: line 1 120", "2: line 2 480", "2: done ok \"\"",
                    "3: done err [IN-USE] \"no\"", "4: begin ok \"one\"", "4: octets .\r\nx\r\n.\rx\r\n\r\n",
                    "4: done ok \"one\"", "5: begin ok \"two\"", "5: done ok \"two\"", "6: done ok \"\""}));
  for (std::size_t piece = 1; piece < text.size(); ++piece) ASSERT_EQ(events_of(piece), whole) << piece;
}

TEST(Pop3Client, A_message_may_hold_what_looks_like_answers) {
  Wire wire;
  wire.pipeline();
  wire.start(retr(1));
  wire.start(retr(2));
  (void)wire.flush();
  ASSERT_TRUE(wire.hear("+OK\r\n+OK\r\n-ERR no\r\n+ \r\n..\r\n+OK 2\r\n.\r\n-ERR gone\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: begin ok \"\"", "1: octets +OK\r\n-ERR no\r\n+ \r\n.\r\n+OK 2\r\n",
                                 "1: done ok \"\"", "2: done err \"gone\""}));
}

TEST(Pop3Client, A_listing_may_hold_what_looks_like_answers_and_dots) {
  Wire wire;
  wire.greet();
  (void)wire.begin(listing("CAPA"));
  ASSERT_TRUE(wire.hear("+OK\r\n-ERR\r\n..\r\n...x\r\n.x\r\n\r\n +OK \r\n.\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: begin ok \"\"", "1: line -ERR", "1: line .", "1: line ..x", "1: line .x",
                                 "1: line ", "1: line  +OK ", "1: done ok \"\""}));
}

TEST(Pop3Client, A_server_that_ends_its_lines_with_LF_is_understood) {
  Wire wire;
  ASSERT_TRUE(wire.hear("+OK hello\n"));
  wire.client.set_pipelining(true);
  wire.start(listing("LIST"));
  wire.start(retr(1));
  wire.start(Command("NOOP"));
  (void)wire.flush();
  ASSERT_TRUE(wire.hear("+OK\n1 5\n.\n+OK\nHello\n..\n.\n+OK\n"));
  EXPECT_EQ(wire.take(), (Events{"greeting ok \"hello\"", "1: begin ok \"\"", "1: line 1 5", "1: done ok \"\"",
                                 "2: begin ok \"\"", "2: octets Hello\n.\n", "2: done ok \"\"", "3: done ok \"\""}));
}

TEST(Pop3Client, CR_alone_is_part_of_a_line) {
  Wire wire;
  wire.greet();
  (void)wire.begin(Command("NOOP"));
  ASSERT_TRUE(wire.hear("+OK a\r+OK b\r\r\n"));
  ASSERT_EQ(wire.sink.events.size(), 1U);
  EXPECT_EQ(wire.client.in_flight(), 0U);
}

TEST(Pop3Client, Only_a_message_or_a_listing_that_began_is_in_the_middle_of_an_answer) {
  Wire wire;
  wire.greet();
  (void)wire.begin(retr(1));
  EXPECT_FALSE(wire.client.in_answer());
  ASSERT_TRUE(wire.hear("+O"));
  EXPECT_TRUE(wire.client.in_answer());
  ASSERT_TRUE(wire.hear("K\r\n"));
  EXPECT_TRUE(wire.client.in_answer());
  ASSERT_TRUE(wire.hear("text\r\n.\r"));
  EXPECT_TRUE(wire.client.in_answer());
  ASSERT_TRUE(wire.hear("\n"));
  EXPECT_FALSE(wire.client.in_answer());
}

TEST(Pop3Client, A_command_that_is_refused_has_no_lines_behind_it) {
  for (const auto& command : {listing("LIST"), retr(1), auth("PLAIN", 1)}) {
    Wire wire;
    wire.greet();
    (void)wire.begin(command);
    ASSERT_TRUE(wire.hear("-ERR no\r\n"));
    EXPECT_EQ(wire.take(), (Events{"1: done err \"no\""}));
    EXPECT_EQ(wire.begin(Command("NOOP")), "NOOP\r\n");
    ASSERT_TRUE(wire.hear("+OK\r\n"));
    EXPECT_EQ(wire.take(), (Events{"2: done ok \"\""}));
  }
}

TEST(Pop3Client, Commands_that_must_be_alone_go_beside_no_other) {
  Wire wire;
  wire.pipeline();
  wire.start(Command("STAT"));
  const auto beside = wire.client.start(Command("QUIT").alone());
  ASSERT_FALSE(beside);
  EXPECT_EQ(beside.error().kind, ErrorKind::bug);
  (void)wire.flush();
  ASSERT_TRUE(wire.hear("+OK\r\n"));
  wire.start(Command("USER").argument("anna").alone());
  const auto behind = wire.client.start(Command("NOOP"));
  ASSERT_FALSE(behind);
  EXPECT_EQ(behind.error().kind, ErrorKind::bug);
  EXPECT_EQ(wire.flush(), "USER anna\r\n");
}

TEST(Pop3Client, An_argument_that_would_break_its_line_is_refused) {
  constexpr std::string_view kEvil[] = {"a\rb", "a\nb", "a\r\nDELE 1", "\n", std::string_view("a\0b", 3)};
  for (const auto evil : kEvil) {
    Wire wire;
    wire.greet();
    for (const auto& command : {Command("USER").argument(evil), Command("PASS").secret(Secret(std::string(evil))),
                                Command(std::string(evil))}) {
      const auto started = wire.client.start(command);
      ASSERT_FALSE(started) << ::testing::PrintToString(evil);
      EXPECT_EQ(started.error().kind, ErrorKind::usage);
      EXPECT_EQ(started.error().scope, Scope::session);
      EXPECT_EQ(started.error().what.find(evil), std::string::npos) << "what is wrong with a password is not shown";
    }
    EXPECT_EQ(wire.flush(), "");
    EXPECT_EQ(wire.client.in_flight(), 0U);
  }
}

TEST(Pop3Client, A_response_of_more_than_one_line_is_refused) {
  Wire wire;
  wire.greet();
  (void)wire.begin(auth("LOGIN", 2));
  ASSERT_TRUE(wire.hear("+ \r\n"));
  EXPECT_FALSE(wire.client.respond(Secret("eA==\r\nDELE 1")));
  EXPECT_EQ(wire.flush(), "");
}

TEST(Pop3Client, A_response_without_a_challenge_is_a_bug) {
  Wire wire;
  wire.greet();
  EXPECT_EQ(wire.client.respond(Secret("x")).error().kind, ErrorKind::bug);
  (void)wire.begin(auth("PLAIN", 1));
  EXPECT_EQ(wire.client.respond(Secret("x")).error().kind, ErrorKind::bug);
  ASSERT_TRUE(wire.hear("+\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("x")));
  EXPECT_EQ(wire.client.respond(Secret("x")).error().kind, ErrorKind::bug);
  EXPECT_EQ(wire.flush(), "x\r\n");
}

TEST(Pop3Client, A_login_is_challenge_and_response) {
  Wire wire;
  wire.greet();
  EXPECT_EQ(wire.begin(auth("LOGIN", 2)), "AUTH LOGIN\r\n");
  ASSERT_TRUE(wire.hear("+ VXNlcg==\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("YW5uYQ==")));
  EXPECT_EQ(wire.flush(), "YW5uYQ==\r\n");
  ASSERT_TRUE(wire.hear("+\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("cGFzcw==")));
  EXPECT_EQ(wire.flush(), "cGFzcw==\r\n");
  ASSERT_TRUE(wire.hear("+OK in\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: challenge VXNlcg==", "1: challenge ", "1: done ok \"in\""}));
}

TEST(Pop3Client, Some_servers_say_OK_for_a_challenge) {
  Wire wire;
  wire.greet();
  (void)wire.begin(auth("LOGIN", 2));
  for (const std::string answer : {"one", "two"}) {
    ASSERT_TRUE(wire.hear("+OK go on\r\n"));
    ASSERT_TRUE(wire.client.respond(Secret(answer)));
    EXPECT_EQ(wire.flush(), answer + "\r\n");
  }
  ASSERT_TRUE(wire.hear("+OK in\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: challenge ", "1: challenge ", "1: done ok \"in\""}));
}

TEST(Pop3Client, Where_all_was_said_at_once_OK_is_the_end) {
  Wire wire;
  wire.greet();
  Command command = auth("PLAIN", 0);
  EXPECT_EQ(wire.begin(command.secret(Secret("AHgAeQ=="))), "AUTH PLAIN AHgAeQ==\r\n");
  ASSERT_TRUE(wire.hear("+OK in\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: done ok \"in\""}));
}

TEST(Pop3Client, A_second_login_counts_its_responses_anew) {
  Wire wire;
  wire.greet();
  (void)wire.begin(auth("PLAIN", 1));
  ASSERT_TRUE(wire.hear("+ \r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("eA==")));
  (void)wire.flush();
  ASSERT_TRUE(wire.hear("-ERR wrong\r\n"));
  (void)wire.take();
  (void)wire.begin(auth("PLAIN", 1));
  ASSERT_TRUE(wire.hear("+OK go on\r\n"));
  EXPECT_EQ(wire.take(), (Events{"2: challenge "}));
}

TEST(Pop3Client, No_secret_stands_in_the_trace) {
  Wire wire;
  wire.greet();
  (void)wire.begin(Command("USER").argument("anna").alone());
  ASSERT_TRUE(wire.hear("+OK\r\n"));
  EXPECT_EQ(wire.begin(Command("PASS").secret(Secret("canary")).alone()), "PASS canary\r\n");
  ASSERT_TRUE(wire.hear("-ERR no\r\n"));
  (void)wire.begin(auth("LOGIN", 1));
  ASSERT_TRUE(wire.hear("+ Y2FuYXJ5\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("canary")));
  EXPECT_EQ(wire.flush(), "canary\r\n");
  ASSERT_TRUE(wire.hear("+OK\r\n"));
  EXPECT_EQ(wire.trace, (Events{"> USER anna", "< +OK", "> PASS <secret>", "< -ERR no", "> AUTH LOGIN", "< + <secret>",
                                "> <secret>", "< +OK"}));
}

TEST(Pop3Client, A_message_stands_in_the_trace_as_its_size) {
  Wire wire;
  wire.greet();
  (void)wire.begin(retr(1));
  ASSERT_TRUE(wire.hear("+OK 3 octets\r\n..\r\n.\r\n"));
  (void)wire.begin(listing("LIST"));
  ASSERT_TRUE(wire.hear("+OK\r\n1 3\r\n.\r\n"));
  EXPECT_EQ(wire.trace, (Events{"> RETR 1", "< +OK 3 octets", "< <3 octets>", "> LIST", "< +OK", "< 1 3", "< ."}));
}

TEST(Pop3Client, A_refusal_that_nobody_asked_for_is_a_farewell) {
  Wire wire;
  wire.greet();
  EXPECT_EQ(wire.client.farewell(), "");
  ASSERT_TRUE(wire.hear("-ERR [SYS/TEMP] closing for inactivity\r\n-ERR again\r\n"));
  EXPECT_EQ(wire.client.farewell(), "closing for inactivity");
  EXPECT_TRUE(wire.sink.events.empty());
  EXPECT_EQ(wire.trace, (Events{"< -ERR [SYS/TEMP] closing for inactivity", "< -ERR again"}));
}

TEST(Pop3Client, A_farewell_without_words_is_one) {
  Wire wire;
  wire.greet();
  ASSERT_TRUE(wire.hear("-ERR\r\n"));
  EXPECT_EQ(wire.client.farewell(), "-ERR");
}

TEST(Pop3Client, An_error_of_the_sink_ends_the_session) {
  Wire wire;
  wire.greet();
  wire.sink.challenged = [] { return make_error(ErrorKind::unreachable, Scope::session, "no"); };
  (void)wire.begin(auth("PLAIN", 1));
  EXPECT_FALSE(wire.hear("+ \r\n"));
  EXPECT_FALSE(wire.hear("+OK\r\n"));
}

TEST(Pop3Client, TLS_begins_when_the_OK_to_STLS_has_come) {
  Wire wire;
  wire.greet();
  EXPECT_EQ(wire.begin(stls()), "STLS\r\n");
  ASSERT_TRUE(wire.hear("+OK begin\r\n"));
  EXPECT_EQ(wire.take(), (Events{"1: done ok \"begin\""}));
  EXPECT_EQ(wire.client.start(Command("NOOP")).error().kind, ErrorKind::bug) << "not in plain text any more";
  wire.client.begin_tls();
  EXPECT_EQ(wire.begin(listing("CAPA")), "CAPA\r\n");
  ASSERT_TRUE(wire.hear("+OK\r\n.\r\n"));
}

TEST(Pop3Client, STLS_that_is_refused_leaves_the_session_as_it_was) {
  Wire wire;
  wire.greet();
  (void)wire.begin(stls());
  ASSERT_TRUE(wire.hear("-ERR none here\r\n"));
  EXPECT_EQ(wire.begin(Command("NOOP")), "NOOP\r\n");
  ASSERT_TRUE(wire.hear("+OK\r\n"));
}

TEST(Pop3Client, A_farewell_in_plain_text_is_void_under_TLS) {
  Wire wire;
  wire.greet();
  ASSERT_TRUE(wire.hear("-ERR injected\r\n"));
  (void)wire.begin(stls());
  ASSERT_TRUE(wire.hear("+OK\r\n"));
  wire.client.begin_tls();
  EXPECT_EQ(wire.client.farewell(), "");
}
