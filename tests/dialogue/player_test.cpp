// A player that lets anything pass would make every dialogue worthless: what must fail does, and says where.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "conformance/world.hpp"
#include "dialogue/script.hpp"
#include "dialogue/stage.hpp"

namespace mailhaul::dialogue {
namespace {

/// What the player says of a dialogue with these lines.
std::string verdict_of(const std::string& text) {
  const conformance::TempDir dir;
  const std::string file = dir.path() + "/dialogue.txt";
  std::ofstream(file) << text;
  const auto script = read_script(file);
  return script.ok() ? play(*script, Pieces::whole) : script.error().what;
}

const std::string kPop3 = "location: pop3s://anna@pop.example.org/\n";

/// What the player says when the client says `line` at once, where the script of a POP3 server has these lines.
std::string verdict_on(const std::string& lines, const std::string& line, const std::string& head = {}) {
  const conformance::TempDir dir;
  const std::string file = dir.path() + "/dialogue.txt";
  std::ofstream(file) << kPop3 + head + "do: login\n" + lines;
  const auto script = read_script(file);
  if (!script.ok()) return script.error().what;
  ScriptedClock clock;
  Player player(*script, Pieces::whole, clock);
  player.allow(script->events.size());
  const auto connection = player.dial(net::Destination{"pop.example.org", 995, {}, net::TlsOptions{}, {}});
  std::string heard;
  for (std::string rest = line;;) {
    const auto step = connection.value()->step(as_octets(rest), std::chrono::milliseconds(0));
    if (!step.ok()) break;
    rest.erase(0, step->sent);
    heard += as_text(step->received);
    if (step->sent == 0 && step->received.empty()) break;
  }
  return player.complaint() + "heard " + heard;
}

bool says(const std::string& verdict, const std::string& part) { return verdict.find(part) != std::string::npos; }

const std::string kRefused = "do: login\nS: * OK [CAPABILITY IMAP4rev1] ready\nC: $1 LOGIN anna <password>\n";

TEST(Player, What_is_as_written_passes) {
  EXPECT_EQ(verdict_of(kRefused + "S: $1 NO wrong\nexpect: error unreachable session never: *: wrong *\n"), "");
}

TEST(Player, A_script_that_is_not_played_to_its_end_fails) {
  const std::string verdict = verdict_of(kRefused + "S: $1 NO wrong\nC: $1 LOGIN anna <password>\nexpect: error *\n");
  EXPECT_TRUE(says(verdict, "dialogue.txt:5: the dialogue ended before this line")) << verdict;
}

TEST(Player, Another_line_than_the_expected_one_fails_and_both_are_shown) {
  const std::string verdict = verdict_of("do: login\nS: * OK [CAPABILITY IMAP4rev1] ready\nC: $1 LOGIN bob <any>\n");
  EXPECT_TRUE(says(verdict, "dialogue.txt:3: the client said something else")) << verdict;
  EXPECT_TRUE(says(verdict, "expected  C: $1 LOGIN bob <any>")) << verdict;
  EXPECT_TRUE(says(verdict, " LOGIN anna ")) << verdict;
}

TEST(Player, A_client_that_waits_for_more_than_the_script_says_fails) {
  const std::string verdict = verdict_of(kRefused + "expect: error *\n");
  EXPECT_TRUE(says(verdict, "dialogue.txt:3: the client waits for more than the script says")) << verdict;
}

TEST(Player, A_client_that_says_more_than_the_script_has_fails) {
  const std::string verdict = verdict_of(kRefused + "S: $1 OK done\nexpect: ...\n");
  EXPECT_TRUE(says(verdict, "dialogue.txt:4: the client goes on where the script ends")) << verdict;
}

TEST(Player, An_outcome_that_nobody_expected_fails) {
  const std::string verdict = verdict_of(kRefused + "S: $1 NO wrong\n");
  EXPECT_TRUE(says(verdict, "dialogue.txt:1: more came than was expected")) << verdict;
}

TEST(Player, A_password_that_was_sent_is_noticed) {
  const std::string sent = verdict_of(kRefused + "S: $1 NO wrong\nexpect: error *\ndo: no password was sent\n");
  EXPECT_TRUE(says(sent, "the password was sent")) << sent;
}

TEST(Player, A_password_in_plain_text_fails_though_the_script_expects_it) {
  for (const std::string word : {"<password>", "<plain>"}) {
    const conformance::TempDir dir;
    const std::string file = dir.path() + "/dialogue.txt";
    std::ofstream(file) << "do: login\nC: $1 LOGIN anna " + word + "\n";
    const auto script = read_script(file);
    ASSERT_TRUE(script.ok());
    const std::string& octets = script->events.front().parts.back().text;
    ScriptedClock clock;
    Player player(*script, Pieces::whole, clock);
    player.allow(1);
    const auto connection = player.dial(net::Destination{});
    ASSERT_TRUE(connection.ok());
    const std::string line = "a1" + octets + "\r\n";
    EXPECT_FALSE((*connection)->step(as_octets(line), std::chrono::milliseconds(0)).ok());
    EXPECT_TRUE(says(player.complaint(), "the client said the password in plain text")) << player.complaint();
  }
}

TEST(Player, What_changes_a_POP3_mailbox_fails_though_the_script_expects_it) {
  for (const std::string line : {"DELE 1", "dele 1", "RSET", "TOP 1 0"}) {
    const std::string verdict = verdict_on("C: " + line + "\n", line + "\r\n");
    EXPECT_TRUE(says(verdict, "the client said what it must never say")) << verdict;
  }
  EXPECT_EQ(verdict_on("C: STAT\nS: +OK\n", "STAT\r\n"), "heard +OK\r\n");
}

TEST(Player, In_lockstep_a_client_that_does_not_wait_fails) {
  const std::string lines = "C: STAT\nS: +OK\nC: NOOP\nS: +OK\n", said = "STAT\r\nNOOP\r\n";
  EXPECT_EQ(verdict_on(lines, said), "heard +OK\r\n+OK\r\n");
  const std::string verdict = verdict_on(lines, said, "lockstep: yes\n");
  EXPECT_TRUE(says(verdict, "the client says more before it has heard the answer")) << verdict;
}

TEST(Player, QUIT_needs_no_line_and_is_answered) {
  EXPECT_EQ(verdict_on("C: STAT\nS: +OK\n", "STAT\r\nQUIT\r\n"), "heard +OK\r\n+OK goodbye\r\n");
  EXPECT_TRUE(says(verdict_on("C: STAT\nS: +OK\n", "QUIT\r\n"), "the client said something else"));
}

TEST(Player, A_POP3_opening_stands_for_the_lines_of_a_login_and_a_listing) {
  const std::string said = "CAPA\r\nUSER anna\r\nPASS s3cr3t-canary\r\nCAPA\r\nSTAT\r\nLIST\r\nUIDL\r\n";
  EXPECT_EQ(
      verdict_on("mailbox: 1 120 a, 2 300 b\n", said, "capabilities: UIDL, X Y\n"),
      "heard +OK ready\r\n+OK these\r\nUIDL\r\nX Y\r\n.\r\n+OK\r\n+OK logged in\r\n+OK these\r\nUIDL\r\nX Y\r\n.\r\n"
      "+OK 2 420\r\n+OK\r\n1 120\r\n2 300\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n");
}

TEST(Player, A_file_with_an_unknown_line_is_refused) {
  EXPECT_TRUE(says(verdict_of("quirck: 41\n"), "dialogue.txt:1: unknown key quirck"));
  EXPECT_TRUE(says(verdict_of("Q: x\n"), "dialogue.txt:1: unknown line `Q:`"));
  EXPECT_TRUE(says(verdict_of("about: nothing\n"), "it has no `do:`"));
}

}  // namespace
}  // namespace mailhaul::dialogue
