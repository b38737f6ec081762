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

TEST(Player, A_file_with_an_unknown_line_is_refused) {
  EXPECT_TRUE(says(verdict_of("quirck: 41\n"), "dialogue.txt:1: unknown key quirck"));
  EXPECT_TRUE(says(verdict_of("Q: x\n"), "dialogue.txt:1: unknown line `Q:`"));
  EXPECT_TRUE(says(verdict_of("about: nothing\n"), "it has no `do:`"));
}

}  // namespace
}  // namespace mailhaul::dialogue
