// What real servers said: MailKit's transcripts and net-imap's collection of response lines. Nothing is rejected but
// the rows of the tables below, each with its reason; any pieces give the same events.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "unit/imap_protocol/recorder.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using mailhaul::imap::testing::parse;

namespace {

namespace fs = std::filesystem;
using Events = std::vector<std::string>;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// MailKit's files have the line ends of a checkout; its tests send them as CRLF, and their literals count so.
std::string with_crlf(std::string_view text) {
  std::string all;
  for (const char c : text) {
    if (c == '\n' && !all.ends_with('\r')) all += '\r';
    all += c;
  }
  return all;
}

/// The string that begins at text[at] == '"', as JSON and YAML write it between double quotes; `at` moves behind it.
/// YAML's line folding (YAML 1.2, 7.3.1) does no harm to JSON, which has no line ends in strings.
std::string unquoted(std::string_view text, std::size_t& at) {
  std::string out;
  std::size_t solid = 0;  // what was escaped is no blank that folding takes away
  const auto fold = [&] {
    while (out.size() > solid && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
    std::size_t breaks = 0;
    for (; at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r'); ++at)
      breaks += text[at] == '\n' ? 1 : 0;
    out += breaks > 1 ? std::string(breaks - 1, '\n') : " ";
  };
  for (++at; at < text.size() && text[at] != '"';) {
    if (text[at] == '\n') {
      fold();
      continue;
    }
    if (text[at] != '\\') {
      out += text[at++];
      continue;
    }
    const char c = text[at + 1];
    at += 2;
    static constexpr std::string_view kNames = "rnt0e", kValues("\r\n\t\0\x1b", 5);
    if (c == '\n') {
      while (at < text.size() && text[at] == ' ') ++at;
    } else if (c == 'x' || c == 'u') {
      const std::size_t digits = c == 'x' ? 2 : 4;
      const unsigned long value = std::stoul(std::string(text.substr(at, digits)), nullptr, 16);
      at += digits;
      if (value < 0x80) {
        out += static_cast<char>(value);
      } else if (value < 0x800) {
        out += static_cast<char>(0xC0 | (value >> 6U));
        out += static_cast<char>(0x80 | (value & 0x3FU));
      } else {
        out += static_cast<char>(0xE0 | (value >> 12U));
        out += static_cast<char>(0x80 | ((value >> 6U) & 0x3FU));
        out += static_cast<char>(0x80 | (value & 0x3FU));
      }
    } else {
      const std::size_t found = kNames.find(c);
      out += found == std::string_view::npos ? c : kValues[found];
    }
    solid = out.size();
  }
  ++at;
  return out;
}

/// The strings behind each `key` of `text`, in order.
std::vector<std::string> strings_behind(std::string_view text, std::string_view key) {
  std::vector<std::string> found;
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at)) {
    at += key.size();
    const std::size_t line_end = std::min(text.find('\n', at), text.size());
    std::size_t quote = text.find('"', at);
    // An anchor ("&name") may stand between, on the same line.
    if (quote == std::string_view::npos ||
        (quote > line_end && text.substr(at, line_end - at).find('*') != std::string_view::npos))
      continue;
    found.push_back(unquoted(text, quote));
    at = quote;
  }
  return found;
}

bool is_rejected(const Events& events) { return !events.empty() && events.back().starts_with("error:"); }

void check_pieces(std::string_view text, const Events& whole, const std::string& name) {
  EXPECT_EQ(parse(text, 1), whole) << name;
  EXPECT_EQ(parse(text, 7), whole) << name;
}

/// What is refused, and why.
using Reasons = std::map<std::string, std::string>;

const Reasons kRefusedFiles{
    {"gmail/headers.1+unsolicited-info.txt", "the literal has one octet more than was announced (bad-input 31)"},
};
const Reasons kRefusedDialogues{
    {"ImapFolderFetchTests.CreateFetchStreamUnsolicitedInfoCommands", "the file above"},
    {"ImapClientTests.CreateInvalidTaggedByeDuringLogoutCommands", "BYE with a tag: made up for the test"},
};
const Reasons kRefusedLines{
    {"* 20367 FETCH (BODY[] {99999999999999999999}\r\nwon't parse this)\r\n",
     "more than 64 bits; net-imap refuses it too"},
};

std::string corpora() { return MH_CORPORA; }

}  // namespace

TEST(ImapReplay, Every_transcript_of_MailKit_is_understood) {
  if (corpora().empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const fs::path root = fs::path(corpora()) / "mailkit-replay-shared/UnitTests/Net/Imap/Resources";
  std::size_t count = 0, responses = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".txt") continue;
    const std::string name = fs::relative(entry.path(), root).string();
    const std::string text = with_crlf(slurp(entry.path()));
    const Events events = parse(text);
    ++count;
    responses += events.size();
    EXPECT_EQ(is_rejected(events), kRefusedFiles.contains(name))
        << name << ": " << (events.empty() ? "" : events.back());
    EXPECT_TRUE(events.empty() || events.back() != "unfinished") << name;
    check_pieces(text, events, name);
  }
  EXPECT_GT(count, 250U);
  EXPECT_GT(responses, 1000U);
}

TEST(ImapReplay, Whole_dialogues_are_one_stream) {
  if (corpora().empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const fs::path root = fs::path(corpora()) / "mailkit-replay-shared";
  std::ifstream lines(root / "replays-imap.jsonl");
  std::size_t dialogues = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = strings_behind(line, "\"test\": ").at(0);
    std::string text;
    for (std::size_t at = line.find("\"server_"); at != std::string::npos; at = line.find("\"server_", at)) {
      const std::string key = unquoted(line, at);
      at = std::min(line.find_first_of("\"", at), line.size());
      if (at >= line.size()) break;
      if (key != "server_file" && key != "server_inline") continue;
      const std::string value = unquoted(line, at);
      text += key == "server_file" ? with_crlf(slurp(root / "UnitTests/Net/Imap/Resources" / value)) : value;
      if (!text.empty() && !text.ends_with("\n")) text += "\r\n";
    }
    const Events events = parse(text);
    ++dialogues;
    EXPECT_EQ(is_rejected(events), kRefusedDialogues.contains(name)) << name << ": " << events.back();
    EXPECT_EQ(parse(text, 5), events) << name;
  }
  EXPECT_GT(dialogues, 90U);
}

TEST(ImapReplay, The_lines_of_net_imap_are_understood) {
  if (corpora().empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const fs::path root = fs::path(corpora()) / "net-imap-fixtures/test/net/imap/fixtures/response_parser";
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    for (const std::string& line : strings_behind(slurp(entry.path()), ":response:")) {
      const Events events = parse(line);
      ++count;
      const std::string name = entry.path().filename().string() + ": " + visible(line);
      const auto known = kRefusedLines.find(line);
      EXPECT_EQ(is_rejected(events), known != kRefusedLines.end())
          << name << ": " << (events.empty() ? "" : events.back());
      EXPECT_TRUE(events.empty() || events.back() != "unfinished") << name;
      check_pieces(line, events, name);
    }
  }
  EXPECT_GT(count, 180U);
}
