// The dialogue: who may say what and when.
#include "plugins/imap/protocol/client.hpp"

#include <gtest/gtest.h>

#include <set>

#include "unit/imap_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using mailhaul::imap::testing::append;
using mailhaul::imap::testing::is_breach;
using mailhaul::imap::testing::reader_of;
using mailhaul::imap::testing::Wire;

namespace {

using Events = std::vector<std::string>;

}  // namespace

TEST(ImapClient, Greeting_capabilities_and_one_command) {
  Wire wire;
  EXPECT_FALSE(wire.client.greeted());
  ASSERT_TRUE(wire.hear("* OK [CAPABILITY IMAP4rev1] hi\r\n"));
  EXPECT_TRUE(wire.client.greeted());
  EXPECT_EQ(wire.begin(Command("CAPABILITY")), "CAPABILITY\r\n");
  EXPECT_EQ(wire.client.oldest(), 1U);
  ASSERT_TRUE(wire.hear("* CAPABILITY IMAP4rev1\r\n" + wire.tags[0] + " OK done\r\n"));
  EXPECT_EQ(wire.sink.events, (Events{"greeting status OK [CAPABILITY IMAP4rev1 words=(IMAP4REV1)] \"hi\"",
                                      "1: capability (IMAP4REV1)", "1: done OK \"done\""}));
  EXPECT_EQ(wire.client.in_flight(), 0U);
}

TEST(ImapClient, Greetings_that_are_none) {
  for (const std::string_view text : {"* NO x\r\n", "* BAD x\r\n", "* CAPABILITY IMAP4rev1\r\n", "A1 OK x\r\n",
                                      "+ x\r\n", "* 1 EXISTS\r\n", "* 1 FETCH (BODY[] {1}\r\nx)\r\n", "220 x\r\n"}) {
    Wire wire;
    wire.client.set_plaintext_rules(false);
    const Status status = wire.hear(text);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().kind, ErrorKind::unreachable) << text;
    EXPECT_TRUE(wire.sink.events.empty()) << text;
  }
}

TEST(ImapClient, The_first_bye_is_the_servers_last_word) {
  Wire wire;
  ASSERT_TRUE(wire.hear("* BYE too many connections\r\n* BYE again\r\n* BYE\r\n"));
  EXPECT_EQ(wire.client.bye(), "too many connections");
}

TEST(ImapClient, Tags_are_unique_and_not_to_be_foretold) {
  std::set<std::string> heads;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    Client client({}, seed);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.start(Command("NOOP")));
    const auto octets = client.output();
    ASSERT_TRUE(octets);
    for (const std::string& line : split(as_text(*octets), '\n')) {
      if (!line.empty()) heads.insert(line.substr(0, 6));
    }
  }
  EXPECT_EQ(heads.size(), 300U);
}

TEST(ImapClient, Commands_are_pipelined_and_may_be_answered_in_any_order) {
  Wire wire;
  wire.log_in();
  for (const char* verb : {"A", "B", "C"}) (void)wire.begin(Command(verb));
  ASSERT_TRUE(wire.hear("* 1 EXISTS\r\n" + wire.tags[1] + " OK b\r\n" + wire.tags[0] + " NO a\r\n* 2 EXISTS\r\n" +
                        wire.tags[2] + " BAD c\r\n* 3 EXISTS\r\n"));
  EXPECT_EQ(wire.sink.events, (Events{"1: exists 1", "2: done OK \"b\"", "1: done NO \"a\"", "3: exists 2",
                                      "3: done BAD \"c\"", "0: exists 3"}));
}

TEST(ImapClient, A_tag_that_is_not_in_flight_ends_the_session) {
  for (const int kind : {0, 1, 2, 3}) {
    Wire wire;
    wire.log_in();
    (void)wire.begin(Command("NOOP"));
    const std::string tag = wire.tags[0];
    std::string lower = tag;
    for (char& c : lower) c = ascii_lower(c);
    const std::string text = kind == 0   ? "A1 OK x\r\n"
                             : kind == 1 ? lower + " OK x\r\n"  // bad-input 44
                             : kind == 2 ? tag + "0 OK x\r\n"
                                         : tag + " OK x\r\n" + tag + " OK x\r\n";
    EXPECT_TRUE(is_breach(wire.hear(text))) << kind;
    EXPECT_TRUE(is_breach(wire.hear("* OK x\r\n"))) << "final";
    EXPECT_FALSE(wire.client.output());
  }
}

TEST(ImapClient, An_answer_before_the_command_is_on_its_way_ends_the_session) {
  for (const std::size_t gone : {0U, 3U, 10U}) {
    for (const std::string_view word : {" OK x\r\n", " NO x\r\n"}) {
      // The tag is the same for the same seed: what a guess that succeeds would be.
      Wire first;
      first.log_in();
      (void)first.begin(Command("SELECT").mailbox("abc"));
      Wire wire;
      wire.log_in();
      wire.start(Command("SELECT").mailbox("abc"));
      (void)wire.flush(gone);
      const Status status = wire.hear(first.tags[0] + std::string(word));
      if (gone > 0 && word.starts_with(" NO")) {
        EXPECT_TRUE(status) << gone;
        EXPECT_EQ(wire.flush(), first.sent.substr(gone)) << "the line goes to its end";
      } else {
        EXPECT_TRUE(is_breach(status)) << gone << word;
      }
    }
  }
}

TEST(ImapClient, A_large_literal_waits_for_the_server_and_so_do_later_commands) {
  Wire wire;
  wire.log_in();
  EXPECT_EQ(wire.begin(append("hello")), "APPEND x {5}\r\n");
  wire.start(Command("NOOP"));
  EXPECT_EQ(wire.flush(), "");
  EXPECT_EQ(wire.client.departed(1), Departed::part);
  EXPECT_EQ(wire.client.departed(2), Departed::nothing);
  ASSERT_TRUE(wire.hear("* 1 EXISTS\r\n+ go\r\n"));
  const std::string rest = wire.flush();
  EXPECT_TRUE(rest.starts_with("hello\r\n")) << rest;
  EXPECT_TRUE(rest.ends_with(" NOOP\r\n")) << rest;
  EXPECT_EQ(wire.client.departed(1), Departed::all);
  ASSERT_TRUE(wire.hear(wire.tags[0] + " OK [APPENDUID 1 2] x\r\n"));
  EXPECT_EQ(wire.sink.events, (Events{"1: exists 1", "1: done OK [APPENDUID 1 2 n=1 uids=2,] \"x\""}));
}

TEST(ImapClient, A_refused_literal_is_never_sent) {
  for (const std::string_view word : {" NO [TRYCREATE] x\r\n", " BAD x\r\n"}) {
    Wire wire;
    wire.log_in();
    (void)wire.begin(append("hello"));
    wire.start(Command("NOOP"));
    ASSERT_TRUE(wire.hear(wire.tags[0] + std::string(word)));
    const std::string rest = wire.flush();
    EXPECT_TRUE(rest.ends_with(" NOOP\r\n"));
    EXPECT_EQ(rest.find("hello"), std::string::npos);
    EXPECT_EQ(std::count(rest.begin(), rest.end(), '\n'), 1);
  }
}

TEST(ImapClient, OK_before_the_literal_ends_the_session) {  // bad-input 45
  Wire wire;
  wire.log_in();
  (void)wire.begin(append("hello"));
  EXPECT_TRUE(is_breach(wire.hear(wire.tags[0] + " OK x\r\n")));
}

TEST(ImapClient, A_plus_before_the_announcement_has_left_asks_for_nothing) {
  Wire wire;
  wire.log_in();
  wire.start(append("hello"));
  const std::string head = wire.flush(10);
  ASSERT_TRUE(wire.hear("+ go\r\n"));
  EXPECT_EQ(wire.flush().find("hello"), std::string::npos);
  EXPECT_EQ(wire.sink.events, (Events{"1: continue \"go\""}));
}

TEST(ImapClient, Small_literals_go_without_being_asked_for) {
  const auto sent = [](Literals kind, std::uint64_t most, std::size_t size) {
    Wire wire;
    wire.log_in();
    wire.client.set_literals(kind, most);
    return wire.begin(append(std::string(size, 'x'))).find("{" + std::to_string(size) + "+}\r\nx") != std::string::npos;
  };
  EXPECT_TRUE(sent(Literals::plus, 10000, 10000));
  EXPECT_FALSE(sent(Literals::plus, 10000, 10001));
  EXPECT_TRUE(sent(Literals::minus, 10000, 4096));
  EXPECT_FALSE(sent(Literals::minus, 10000, 4097));  // RFC 7888 section 5
  EXPECT_FALSE(sent(Literals::minus, 100, 101));
  EXPECT_FALSE(sent(Literals::synchronizing, 10000, 1));
}

TEST(ImapClient, A_refusal_in_the_middle_of_a_literal_is_told_at_once_and_the_rest_is_filler) {
  Wire wire;
  wire.log_in();
  wire.client.set_literals(Literals::plus, 10'000'000);
  Command command("APPEND");
  bool called_after = false, over = false;
  std::uint64_t given = 0;
  command.mailbox("x").literal(1'000'000, [&](std::span<std::byte> into) -> Result<std::size_t> {
    called_after = called_after || over;
    const std::size_t count = std::min<std::size_t>(into.size(), 1'000'000 - given);
    std::fill_n(into.begin(), count, std::byte{'A'});
    given += count;
    return count;
  });
  command.literal(5, reader_of("never"));
  wire.start(std::move(command));
  const std::string head = wire.take_tag(wire.flush(1000));
  wire.start(Command("NOOP"));
  ASSERT_TRUE(wire.hear(wire.tags[0] + " NO [OVERQUOTA] x\r\n"));
  over = true;
  EXPECT_EQ(wire.sink.events, (Events{"1: done NO [OVERQUOTA] \"x\""}));
  EXPECT_FALSE(wire.client.is_in_flight(1));
  const std::string rest = wire.flush();
  EXPECT_FALSE(called_after) << "the caller's message may be gone";
  const std::string all = head + rest;
  const std::string announced = "APPEND x {1000000+}\r\n";
  ASSERT_TRUE(all.starts_with(announced));
  const std::string literal = all.substr(announced.size(), 1'000'000);
  EXPECT_EQ(literal.find_first_not_of("A "), std::string::npos);
  EXPECT_EQ(literal.back(), ' ');
  const std::string behind = all.substr(announced.size() + 1'000'000);
  EXPECT_TRUE(behind.starts_with("\r\n"));
  EXPECT_TRUE(behind.ends_with(" NOOP\r\n"));
  EXPECT_EQ(std::count(behind.begin(), behind.end(), '\n'), 2);
  EXPECT_EQ(behind.find("never"), std::string::npos);
}

TEST(ImapClient, OK_in_the_middle_of_a_literal_ends_the_session) {
  Wire wire;
  wire.log_in();
  wire.client.set_literals(Literals::plus, 10'000'000);
  wire.start(append(std::string(1'000'000, 'x')));
  (void)wire.take_tag(wire.flush(1000));
  EXPECT_TRUE(is_breach(wire.hear(wire.tags[0] + " OK x\r\n")));
}

TEST(ImapClient, A_reader_that_breaks_its_promise_stops_before_the_commit_byte) {
  for (const std::size_t given : {0U, 4U, 6U, 100U}) {
    Wire wire;
    wire.log_in();
    wire.client.set_literals(Literals::plus, 100);
    Command command("APPEND");
    command.mailbox("x").literal(5, reader_of(std::string(given, 'y')));
    wire.start(std::move(command));
    (void)wire.flush();
    ASSERT_TRUE(wire.last_error) << given;
    EXPECT_EQ(wire.last_error->scope, Scope::session);
    EXPECT_EQ(wire.last_error->retry, Retry::later);
    EXPECT_EQ(std::count(wire.sent.begin(), wire.sent.end(), '\n'), 0) << wire.sent;
    EXPECT_FALSE(wire.client.output());
  }
}

TEST(ImapClient, A_reader_that_fails_says_why) {
  Wire wire;
  wire.log_in();
  wire.client.set_literals(Literals::plus, 100);
  Command command("APPEND");
  command.mailbox("x").literal(5, [](std::span<std::byte>) -> Result<std::size_t> {
    return make_error(ErrorKind::no_space, Scope::message, "spool is gone");
  });
  wire.start(std::move(command));
  (void)wire.flush();
  ASSERT_TRUE(wire.last_error);
  EXPECT_EQ(wire.last_error->kind, ErrorKind::no_space);
  EXPECT_EQ(wire.last_error->scope, Scope::session);
  EXPECT_EQ(wire.last_error->retry, Retry::later);
}

TEST(ImapClient, Output_is_the_same_until_it_is_taken_and_never_too_much) {
  Wire wire;
  wire.log_in();
  wire.client.set_literals(Literals::plus, 10'000'000);
  std::string text;
  while (text.size() < 3'000'000) text += "line " + std::to_string(text.size()) + "\r\n";
  const std::string expected = text;
  wire.start(append(std::move(text)));
  std::string all;
  for (;;) {
    const auto first = wire.client.output();
    ASSERT_TRUE(first);
    if (first->empty()) break;
    EXPECT_LE(first->size(), std::size_t{256} << 10U);
    const std::string copy(as_text(*first));
    const auto again = wire.client.output();
    ASSERT_TRUE(again);
    EXPECT_EQ(as_text(*again), copy);
    const std::size_t take = std::max<std::size_t>(1, copy.size() / 3);
    all += copy.substr(0, take);
    wire.client.sent(take);
    EXPECT_NE(wire.client.departed(1), Departed::nothing);
  }
  EXPECT_EQ(wire.client.departed(1), Departed::all);
  EXPECT_NE(all.find(expected), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\n"));
}

TEST(ImapClient, Departed_goes_by_what_was_taken) {
  Wire wire;
  wire.log_in();
  wire.start(Command("A"));
  wire.start(Command("B"));
  const auto octets = wire.client.output();
  ASSERT_TRUE(octets);
  const std::size_t half = octets->size() / 2;
  EXPECT_EQ(wire.client.departed(1), Departed::nothing);
  wire.client.sent(1);
  EXPECT_EQ(wire.client.departed(1), Departed::part);
  wire.client.sent(half - 2);
  EXPECT_EQ(wire.client.departed(1), Departed::part);
  wire.client.sent(1);
  EXPECT_EQ(wire.client.departed(1), Departed::all);
  EXPECT_EQ(wire.client.departed(2), Departed::nothing);
  wire.client.sent(half);
  EXPECT_EQ(wire.client.departed(2), Departed::all);
  EXPECT_EQ(wire.client.departed(99), Departed::all);
}

TEST(ImapClient, A_multiappend_announces_one_literal_after_the_other) {
  Wire wire;
  wire.log_in();
  Command command("APPEND");
  command.mailbox("x").flags({"\\Seen"}).literal(1, reader_of("a")).flags({}).literal(2, reader_of("bc"));
  EXPECT_EQ(wire.begin(std::move(command)), "APPEND x (\\Seen) {1}\r\n");
  ASSERT_TRUE(wire.hear("+ \r\n"));
  EXPECT_EQ(wire.flush(), "a () {2}\r\n");
  ASSERT_TRUE(wire.hear("+ \r\n"));
  EXPECT_EQ(wire.flush(), "bc\r\n");
}

TEST(ImapClient, An_empty_literal_is_asked_for_too) {
  Wire wire;
  wire.log_in();
  EXPECT_EQ(wire.begin(append("")), "APPEND x {0}\r\n");
  ASSERT_TRUE(wire.hear("+ \r\n"));
  EXPECT_EQ(wire.flush(), "\r\n");
}

TEST(ImapClient, A_binary_literal_is_a_literal8) {
  Wire wire;
  wire.log_in();
  wire.client.set_literals(Literals::plus, 100);
  Command command("APPEND");
  command.mailbox("x").binary_literal(2, reader_of(std::string("\0a", 2)));
  EXPECT_EQ(wire.begin(std::move(command)), std::string("APPEND x ~{2+}\r\n\0a\r\n", 20));
}

TEST(ImapClient, Authentication_is_an_exchange) {
  Wire wire;
  wire.client.set_plaintext_rules(false);
  ASSERT_TRUE(wire.hear("* OK x\r\n"));
  EXPECT_EQ(wire.begin(Command("AUTHENTICATE").raw(" PLAIN").alone()), "AUTHENTICATE PLAIN\r\n");
  EXPECT_FALSE(wire.client.start(Command("NOOP")));
  EXPECT_FALSE(wire.client.respond(Secret("x"))) << "nobody asked";
  ASSERT_TRUE(wire.hear("+\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("c2VjcmV0")));
  EXPECT_FALSE(wire.client.respond(Secret("x"))) << "once is enough";
  EXPECT_EQ(wire.client.departed(1), Departed::part);
  EXPECT_EQ(wire.flush(), "c2VjcmV0\r\n");
  ASSERT_TRUE(wire.hear("+ Zm9v\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("*")));
  EXPECT_EQ(wire.flush(), "*\r\n");
  ASSERT_TRUE(wire.hear(wire.tags[0] + " NO bad\r\n"));
  EXPECT_EQ(wire.sink.events,
            (Events{"greeting status OK \"x\"", "1: challenge ", "1: challenge Zm9v", "1: done NO \"bad\""}));
  EXPECT_TRUE(wire.client.start(Command("NOOP")));
}

TEST(ImapClient, OK_before_the_answer_has_left_ends_the_session) {
  Wire wire;
  wire.client.set_plaintext_rules(false);
  ASSERT_TRUE(wire.hear("* OK x\r\n"));
  (void)wire.begin(Command("AUTHENTICATE").raw(" PLAIN").alone());
  ASSERT_TRUE(wire.hear("+ \r\n"));
  ASSERT_TRUE(wire.client.respond(Secret("c2VjcmV0")));
  EXPECT_TRUE(is_breach(wire.hear(wire.tags[0] + " OK x\r\n")));
}

TEST(ImapClient, Nothing_runs_beside_a_command_that_must_be_alone) {
  Wire wire;
  wire.log_in();
  (void)wire.begin(Command("NOOP"));
  const auto login = wire.client.start(Command("LOGIN").astring("joe").secret(Secret("x")).alone());
  ASSERT_FALSE(login);
  EXPECT_EQ(login.error().kind, ErrorKind::bug);
}

TEST(ImapClient, A_plus_that_nobody_waits_for_is_passed_on) {  // quirk 23
  Wire wire;
  wire.log_in();
  (void)wire.begin(Command("IDLE"));
  ASSERT_TRUE(wire.hear("+ idling\r\n"));
  EXPECT_EQ(wire.sink.events, (Events{"1: continue \"idling\""}));
}

TEST(ImapClient, A_password_with_umlauts_is_a_secret_literal) {
  Wire wire;
  wire.client.set_plaintext_rules(false);
  ASSERT_TRUE(wire.hear("* OK x\r\n"));
  EXPECT_EQ(wire.begin(Command("LOGIN").astring("joe").secret(Secret("\xC3\xBC")).alone()), "LOGIN joe {2}\r\n");
  ASSERT_TRUE(wire.hear("+ go\r\n"));
  EXPECT_EQ(wire.flush(), "\xC3\xBC\r\n");
  EXPECT_EQ(wire.sink.events, (Events{"greeting status OK \"x\""}));
}

TEST(ImapClient, The_trace_has_no_secrets) {  // threat 37
  const std::string canary = "hunter2canary", umlauts = "hunter2\xC3\xBC";
  Wire wire;
  wire.client.set_plaintext_rules(false);
  ASSERT_TRUE(wire.hear("* OK x\r\n"));
  (void)wire.begin(Command("LOGIN").astring("joe").secret(Secret(canary)).alone());
  ASSERT_TRUE(wire.hear(wire.tags[0] + " NO no\r\n"));
  (void)wire.begin(Command("LOGIN").astring("joe").secret(Secret(umlauts)).alone());
  ASSERT_TRUE(wire.hear("+ go\r\n"));
  (void)wire.flush();
  ASSERT_TRUE(wire.hear(wire.tags[1] + " NO no\r\n"));
  (void)wire.begin(Command("AUTHENTICATE").raw(" XOAUTH2").secret(Secret(canary)).alone());
  ASSERT_TRUE(wire.hear("+ " + canary + "\r\n"));
  ASSERT_TRUE(wire.client.respond(Secret(canary)));
  (void)wire.flush();
  ASSERT_TRUE(wire.hear(wire.tags[2] + " OK in\r\n"));
  EXPECT_EQ(wire.trace, (Events{"< * OK x", "> " + wire.tags[0] + " LOGIN joe <secret>", "< " + wire.tags[0] + " NO no",
                                "> " + wire.tags[1] + " LOGIN joe <secret>", "< + go", "> <secret>",
                                "< " + wire.tags[1] + " NO no", "> " + wire.tags[2] + " AUTHENTICATE XOAUTH2 <secret>",
                                "< + <secret>", "> <secret>", "< " + wire.tags[2] + " OK in"}));
}

TEST(ImapClient, The_trace_tells_literals_by_their_size) {
  Wire wire;
  wire.log_in();
  wire.client.set_literals(Literals::plus, 100);
  (void)wire.begin(append("hello"));
  ASSERT_TRUE(wire.hear("* 1 FETCH (BODY[] {5}\r\nhello UID 4)\r\n" + wire.tags[0] + " OK x\r\n"));
  EXPECT_EQ(wire.trace, (Events{"> " + wire.tags[0] + " APPEND x {5+}", "> <5 octets>", "< * 1 FETCH (BODY[] {5}",
                                "< <5 octets> UID 4)", "< " + wire.tags[0] + " OK x"}));
}

TEST(ImapClient, Bodies_go_to_the_oldest_command) {
  Wire wire;
  wire.log_in();
  (void)wire.begin(Command("FETCH"));
  ASSERT_TRUE(wire.hear("* 1 FETCH (BODY[] {3}\r\nabc UID 4)\r\n"));
  EXPECT_EQ(wire.sink.events, (Events{"1: body 3 abc", "1: fetch 1 uid=4 body=3"}));
}

TEST(ImapClient, A_sink_may_start_the_next_command) {
  struct Chain final : mailhaul::imap::testing::ClientRecorder {
    explicit Chain(Client& the_client) : client(the_client) {}
    Status on_done(CommandId id, const TaggedResponse& response) override {
      EXPECT_TRUE(id >= 3 || client.start(Command("NOOP")).ok());
      return ClientRecorder::on_done(id, response);
    }
    Client& client;
  };
  Wire wire;
  wire.log_in();
  Chain chain(wire.client);
  (void)wire.begin(Command("NOOP"));
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(wire.client.receive(as_octets(wire.tags[i] + " OK x\r\n"), chain));
    (void)wire.take_tag(wire.flush());
  }
  EXPECT_EQ(chain.events, (Events{"1: done OK \"x\"", "2: done OK \"x\"", "3: done OK \"x\""}));
}

TEST(ImapClient, One_octet_at_a_time_gives_the_same_events) {
  const auto dialogue = [](std::size_t piece) {
    Wire wire;
    wire.client.set_plaintext_rules(false);
    const auto say = [&](std::string text) {
      for (std::string_view rest = text; !rest.empty();) {
        const std::string now(rest.substr(0, piece));
        rest.remove_prefix(now.size());
        EXPECT_TRUE(wire.hear(now));
      }
    };
    say("* OK hi\r\n");
    (void)wire.begin(Command("AUTHENTICATE").raw(" X").alone());
    say("+ abc\r\n");
    EXPECT_TRUE(wire.client.respond(Secret("def")));
    (void)wire.flush();
    say("* CAPABILITY A\r\n" + wire.tags[0] + " OK in\r\n");
    (void)wire.begin(append("text"));
    say("* 4 EXISTS\r\n+ \r\n");
    (void)wire.flush();
    say("* 1 FETCH (BODY[] {5}\r\n\r\nA1 )\r\n" + wire.tags[1] + " OK [APPENDUID 1 2]\r\n* BYE x\r\n");
    return wire.sink.events;
  };
  const Events whole = dialogue(std::string::npos);
  EXPECT_EQ(whole.size(), 9U);
  EXPECT_EQ(dialogue(1), whole);
  EXPECT_EQ(dialogue(7), whole);
}

TEST(ImapClient, What_comes_behind_the_OK_to_COMPRESS_is_kept_apart) {  // RFC 4978
  for (const std::string& behind :
       {std::string(), std::string("\x07"), std::string("\r\n* 1 EXISTS\r\n\0x", 17), std::string(100'000, '\n')}) {
    Wire wire;
    wire.log_in();
    EXPECT_EQ(wire.begin(Command("COMPRESS").raw(" DEFLATE").begins_compression()), "COMPRESS DEFLATE\r\n");
    EXPECT_FALSE(wire.client.start(Command("NOOP"))) << "nothing may share the stream with it";
    ASSERT_TRUE(wire.hear("* 3 EXISTS\r\n" + wire.tags[0] + " OK go\r\n" + behind));
    EXPECT_EQ(wire.sink.events.back(), "1: done OK \"go\"");
    EXPECT_FALSE(wire.client.start(Command("NOOP"))) << "not before the compression";
    EXPECT_EQ(wire.client.take_behind(), behind);
    EXPECT_EQ(wire.client.take_behind(), "");
    EXPECT_EQ(wire.begin(Command("NOOP")), "NOOP\r\n");
    ASSERT_TRUE(wire.hear("* 4 EXISTS\r\n" + wire.tags[1] + " OK x\r\n"));
    EXPECT_EQ(wire.sink.events.back(), "2: done OK \"x\"");
  }
}

TEST(ImapClient, Nothing_is_received_between_COMPRESS_and_the_compression) {
  Wire wire;
  wire.log_in();
  (void)wire.begin(Command("COMPRESS").raw(" DEFLATE").begins_compression());
  ASSERT_TRUE(wire.hear(wire.tags[0] + " OK go\r\n"));
  const auto status = wire.hear("x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::bug);
}

TEST(ImapClient, A_refused_COMPRESS_changes_nothing) {
  Wire wire;
  wire.log_in();
  (void)wire.begin(Command("COMPRESS").raw(" DEFLATE").begins_compression());
  ASSERT_TRUE(wire.hear(wire.tags[0] + " NO not now\r\n* 1 EXISTS\r\n"));
  EXPECT_EQ(wire.sink.events.back(), "0: exists 1");
  EXPECT_EQ(wire.begin(Command("NOOP")), "NOOP\r\n");
}

TEST(ImapClient, What_stands_before_a_body_is_known_when_it_begins) {
  struct Row {
    std::string line;
    std::optional<Uid> uid;
    std::optional<std::uint64_t> origin;
  };
  using mailhaul::imap::testing::ClientRecorder;
  struct Looking : ClientRecorder {
    Status on_body_begin(CommandId current, std::uint64_t size) override {
      head = client->body_head();
      return ClientRecorder::on_body_begin(current, size);
    }
    const Client* client = nullptr;
    BodyHead head{1, 1};
  };
  for (const Row& row : {Row{"* 1 FETCH (UID 7 BODY[]<8388608> {1}\r\nx)", 7, 8388608},
                         Row{"* 1 FETCH (FLAGS () UID 7 BODY[]<0> {1}\r\nx)", 7, 0},
                         Row{"* 1 FETCH (UID 7 BODY[] {1}\r\nx)", 7, std::nullopt},
                         Row{"* 1 FETCH (BODY[]<0> {1}\r\nx UID 7)", std::nullopt, 0},
                         Row{"* 1 FETCH (UID 7 BODY[]<0> \"x\")", std::nullopt, std::nullopt}}) {
    Wire wire;
    wire.log_in();
    Looking sink;
    sink.client = &wire.client;
    (void)wire.begin(Command("FETCH"));
    for (const char octet : row.line + "\r\n")
      ASSERT_TRUE(wire.client.receive(as_octets(std::string_view(&octet, 1)), sink)) << row.line;
    EXPECT_EQ(sink.head.uid, row.uid) << row.line;
    EXPECT_EQ(sink.head.origin, row.origin) << row.line;
  }
}
