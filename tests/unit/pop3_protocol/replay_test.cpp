// What real servers said: MailKit's transcripts, each dialogue as its test has it. Nothing of it is rejected, every
// message comes out as it went in, and any pieces give the same events.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/strings.hpp"
#include "unit/pop3_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::pop3;
using mailhaul::pop3::testing::Events;
using mailhaul::pop3::testing::retr;
using mailhaul::pop3::testing::Wire;

namespace {

namespace fs = std::filesystem;

std::string corpora() { return MH_CORPORA; }
fs::path root() { return fs::path(corpora()) / "mailkit-replay-shared"; }

/// The files have the line ends of a checkout; the tests send them as CRLF.
std::string with_crlf(std::string_view text) {
  std::string all;
  for (const char c : text) {
    if (c == '\n' && !all.ends_with('\r')) all += '\r';
    all += c;
  }
  return all;
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return with_crlf(std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()));
}

struct Step {
  std::string client, server;
};

/// The JSON string behind `key`, from `at` on, which moves behind it. Its only escapes are those of line ends.
std::string string_behind(const std::string& line, const std::string& key, std::size_t& at) {
  at = line.find("\"" + key + "\": \"", at);
  if (at == std::string::npos) return {};
  std::string text;
  for (at += key.size() + 5; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] != '\\') {
      text += line[at];
      continue;
    }
    ++at;
    text += line[at] == 'r' ? '\r' : line[at] == 'n' ? '\n' : line[at];
  }
  return text;
}

std::vector<Step> steps_of(const std::string& line) {
  std::vector<Step> steps;
  for (std::size_t at = line.find("\"client\": "); at != std::string::npos; at = line.find("\"client\": ", at)) {
    Step step;
    step.client = string_behind(line, "client", at);
    const std::string file = string_behind(line, "server_file", at);
    step.server = file.empty() ? "" : slurp(root() / "UnitTests/Net/Pop3/Resources" / file);
    steps.push_back(std::move(step));
  }
  return steps;
}

/// The command that the line is. All answers of more than one line begin so; MailKit's "UIDL 1" has one line.
Command command_of(std::string_view line) {
  const auto words = split(trim(line), ' ');
  const bool alone = words.size() == 1;
  Answer answer = Answer::line;
  if (words[0] == "RETR" || words[0] == "TOP") answer = Answer::message;
  if (words[0] == "CAPA" || ((words[0] == "LIST" || words[0] == "UIDL" || words[0] == "LANG") && alone))
    answer = Answer::listing;
  if (words[0] == "AUTH") answer = Answer::login;
  Command command(words[0], answer);
  for (std::size_t i = 1; i < words.size(); ++i) command.argument(words[i]);
  if (answer == Answer::login) command.responses(1).alone();
  return command;
}

/// A dialogue whose client says several lines at once (pipelined) is one of several commands.
Events play(const std::vector<Step>& steps, std::size_t piece) {
  Wire wire;
  wire.client.set_pipelining(true);
  for (const Step& step : steps) {
    const bool is_response =
        !wire.sink.events.empty() && wire.sink.events.back().find("challenge") != std::string::npos;
    if (is_response) {
      EXPECT_TRUE(wire.client.respond(Secret(std::string(trim(step.client)))));
    } else {
      for (const auto& line : split(step.client, '\n')) {
        if (!line.empty()) wire.start(command_of(line));
      }
    }
    EXPECT_EQ(wire.flush(), step.client);
    const Status status = wire.hear(step.server, piece);
    EXPECT_TRUE(status) << step.client << ": " << status.error().what;
    if (!status) break;
  }
  EXPECT_EQ(wire.client.in_flight(), 0U);
  EXPECT_FALSE(wire.client.in_answer());
  return wire.take();
}

}  // namespace

TEST(Pop3Replay, Every_dialogue_of_MailKit_is_understood) {
  if (corpora().empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  std::ifstream lines(root() / "replays-pop3.jsonl");
  std::size_t dialogues = 0, events = 0;
  for (std::string line; std::getline(lines, line); ++dialogues) {
    std::size_t at = 0;
    const std::string name = string_behind(line, "test", at);
    SCOPED_TRACE(name);
    const auto steps = steps_of(line);
    ASSERT_GT(steps.size(), 1U);
    const Events whole = play(steps, std::string::npos);
    events += whole.size();
    for (const std::size_t piece : {1U, 5U, 4096U}) EXPECT_EQ(play(steps, piece), whole) << piece;
  }
  EXPECT_GE(dialogues, 20U);
  EXPECT_GT(events, 200U);
}

TEST(Pop3Replay, Messages_come_out_as_they_are_in_the_file) {
  if (corpora().empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  for (const std::string name : {"gmail/retr1.txt", "gmail/top.txt", "gmail/retr1-parse-error.txt"}) {
    const std::string text = slurp(root() / "UnitTests/Net/Pop3/Resources" / name);
    const std::size_t begin = text.find("\r\n") + 2, end = text.rfind(".\r\n");
    ASSERT_LT(begin, end) << name;
    std::string message = text.substr(begin, end - begin);
    for (std::size_t at = message.find("\n.."); at != std::string::npos; at = message.find("\n..", at + 1))
      message.erase(at + 1, 1);
    Wire wire;
    wire.greet();
    (void)wire.begin(retr(1));
    ASSERT_TRUE(wire.hear(text)) << name;
    ASSERT_EQ(wire.sink.events.size(), 3U) << name;
    EXPECT_TRUE(wire.sink.events[1] == "1: octets " + message) << name;
  }
}

/// Three messages behind one line of the client: the answers to three commands that left together.
TEST(Pop3Replay, Answers_to_commands_that_left_together_come_apart) {
  if (corpora().empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const std::string text = slurp(root() / "UnitTests/Net/Pop3/Resources/gmail/retr123.txt");
  Wire wire;
  wire.pipeline();
  for (const std::uint64_t number : {1U, 2U, 3U}) wire.start(retr(number));
  EXPECT_EQ(wire.flush(), "RETR 1\r\nRETR 2\r\nRETR 3\r\n");
  ASSERT_TRUE(wire.hear(text, 4096));
  EXPECT_EQ(wire.client.in_flight(), 0U);
  EXPECT_EQ(wire.sink.events.size(), 9U);
}
