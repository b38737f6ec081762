// Dots: what the framing of a message put there goes, and nothing else, whatever pieces it comes in.
#include "plugins/pop3/protocol/dot_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace mailhaul;
using namespace mailhaul::pop3;

namespace {

/// What came of some octets: the message, then how it ended.
struct Outcome {
  std::string message;
  std::size_t taken = 0;
  bool done = false;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << ::testing::PrintToString(outcome.message) << " after " << outcome.taken
             << (outcome.done ? " octets, done" : " octets");
}

/// What the status line before the message ended with.
enum class LineEnd { crlf, lf };

/// Feeds the pieces, each from memory of its own, until the end has come.
Outcome read(const std::vector<std::string_view>& pieces, LineEnd before = LineEnd::crlf) {
  DotReader reader(before == LineEnd::crlf);
  Outcome outcome;
  for (const auto piece : pieces) {
    const std::vector<char> copy(piece.begin(), piece.end());
    const auto taken = reader.feed(as_octets({copy.data(), copy.size()}), [&](Octets octets) {
      EXPECT_FALSE(octets.empty()) << "nothing is no piece";
      outcome.message += as_text(octets);
      return Status();
    });
    EXPECT_TRUE(taken.ok());
    EXPECT_LE(*taken, piece.size());
    EXPECT_TRUE(reader.done() || *taken == piece.size()) << "all is taken that is not behind the end";
    outcome.taken += *taken;
    outcome.done = reader.done();
    if (outcome.done) break;
  }
  return outcome;
}

std::vector<std::string_view> pieces_of(std::string_view text, std::size_t size) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < text.size(); at += size) pieces.push_back(text.substr(at, size));
  return pieces;
}

Outcome read_whole(std::string_view text) { return read({text}); }

/// Every division in two, and octet by octet, against the whole.
void check_divisions(std::string_view text) {
  const Outcome whole = read_whole(text);
  EXPECT_EQ(read(pieces_of(text, 1)), whole) << ::testing::PrintToString(text);
  for (std::size_t at = 0; at <= text.size(); ++at)
    ASSERT_EQ(read({text.substr(0, at), text.substr(at)}), whole) << ::testing::PrintToString(text) << " at " << at;
}

/// RFC 1939 section 3, written down a second time: a dot in front of each line that begins with one, and the end. A
/// message that does not end with a line end gets one, as a server sends it.
std::string stuffed(std::string_view message, std::string_view line_end) {
  std::string text;
  bool at_line_start = true;
  for (const char c : message) {
    if (at_line_start && c == '.') text += '.';
    text += c;
    at_line_start = text.ends_with(line_end);
  }
  if (!at_line_start) text += line_end;
  return text + "." + std::string(line_end);
}

struct Row {
  std::string_view name, wire, message;
};

constexpr Row kRows[] = {
    {"an empty message", ".\r\n", ""},
    {"one line", "Hello\r\n.\r\n", "Hello\r\n"},
    {"one empty line", "\r\n.\r\n", "\r\n"},
    {"a line of one dot", "..\r\n.\r\n", ".\r\n"},
    {"a line of two dots", "...\r\n.\r\n", "..\r\n"},
    {"dots inside a line", "a.b..c\r\n.\r\n", "a.b..c\r\n"},
    {"a dot at the end of a line", "a.\r\n..\r\nb.\r\n.\r\n", "a.\r\n.\r\nb.\r\n"},
    {"a stuffed line", "..x\r\n.\r\n", ".x\r\n"},
    {"a dot that nobody stuffed", ".x\r\ny\r\n.\r\n", ".x\r\ny\r\n"},
    {"a dot and a blank", ". \r\n.\r\n", ". \r\n"},
    {"a dot and a CR that ends nothing", ".\rx\r\n.\r\n", ".\rx\r\n"},
    {"a dot and two CR", ".\r\r\n.\r\n", ".\r\r\n"},
    {"a dot, a CR and a dot", ".\r.\r\n.\r\n", ".\r.\r\n"},
    {"two dots and a CR", "..\r.\r\n.\r\n", ".\r.\r\n"},
    {"a dot and a CR inside a line", "a.\r.\r\n.\r\n", "a.\r.\r\n"},
    {"CR alone ends no line", "a\r.\r\n.\r\n", "a\r.\r\n"},
    {"LF alone ends lines", "a\n..b\n.\n", "a\n.b\n"},
    {"LF in a text of CRLF is an octet like others", "a\r\nb\n.\r\n..c\n..\r\n.\r\n", "a\r\nb\n.\r\n.c\n..\r\n"},
    {"a dot and LF in a text of CRLF", "a\r\n.\n.\r\n.\r\n", "a\r\n.\n.\r\n"},
    {"a forged end behind LF", "a\r\nb\n.\r\n+OK\r\n.\r\n", "a\r\nb\n.\r\n+OK\r\n"},
    {"LF alone and nothing", ".\n", ""},
    {"LF before a proper end", "a\n.\r\n", "a\n"},
    {"empty lines at the end", "a\r\n\r\n\r\n.\r\n", "a\r\n\r\n\r\n"},
    {"NUL and eight bits", std::string_view("\0.\xFF\r\n..\0\r\n.\r\n", 13), std::string_view("\0.\xFF\r\n.\0\r\n", 9)},
    {"lines like answers", "+OK\r\n-ERR x\r\n..\r\n+ \r\n.\r\n", "+OK\r\n-ERR x\r\n.\r\n+ \r\n"},
};

}  // namespace

TEST(Pop3DotReader, Known_answers) {
  for (const Row& row : kRows)
    EXPECT_EQ(read_whole(row.wire), (Outcome{std::string(row.message), row.wire.size(), true})) << row.name;
}

TEST(Pop3DotReader, Any_division_gives_the_same) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    check_divisions(row.wire);
  }
}

TEST(Pop3DotReader, What_comes_behind_the_end_is_not_taken) {
  EXPECT_EQ(read_whole("a\r\n.\r\n+OK next\r\n"), (Outcome{"a\r\n", 6, true}));
  EXPECT_EQ(read_whole(".\r\n.\r\n"), (Outcome{"", 3, true}));
  EXPECT_EQ(read_whole(".\n\n"), (Outcome{"", 2, true}));
  check_divisions("a\r\n..\r\n.\r\n.\r\n..\r\n");
}

TEST(Pop3DotReader, Without_its_end_a_message_is_never_done) {
  for (const std::string_view text :
       {"", "a", "a\r\n", "a\r\n.", "a\r\n.\r", "a\r\n..", "a.\r\n", "a\r.\r\n", "a\r\n.\r."}) {
    EXPECT_FALSE(read_whole(text).done) << ::testing::PrintToString(text);
    check_divisions(text);
  }
}

TEST(Pop3DotReader, What_is_held_back_for_an_end_that_was_none_is_given_whole) {
  EXPECT_EQ(read({"a\r\n.", "\r", "\r\n.\r\n"}).message, "a\r\n.\r\r\n");
  EXPECT_EQ(read({"a\r\n.", "b\r\n", ".", "\r", "\n"}).message, "a\r\n.b\r\n");
  EXPECT_EQ(read({"a\r\n.", ".", "\r\n", ".\r\n"}).message, "a\r\n.\r\n");
}

TEST(Pop3DotReader, An_error_of_the_sink_ends_it) {
  for (const std::string_view text : {"text\r\n", ".x", "..", ".\rx"}) {
    DotReader reader;
    const auto taken = reader.feed(
        as_octets(text), [](Octets) -> Status { return make_error(ErrorKind::no_space, Scope::run, "full"); });
    ASSERT_FALSE(taken.ok()) << text;
    EXPECT_EQ(taken.error().kind, ErrorKind::no_space);
  }
}

TEST(Pop3DotReader, After_a_status_line_with_LF_every_LF_ends_a_line) {
  for (const std::string_view text : {"a\r\nb\n.\n", "a\r\nb\n.\r\n", "a\r\nb\n.\nmore"}) {
    EXPECT_EQ(read({text}, LineEnd::lf).message, "a\r\nb\n") << ::testing::PrintToString(text);
    EXPECT_TRUE(read({text}, LineEnd::lf).done) << ::testing::PrintToString(text);
  }
  EXPECT_EQ(read({"a\r\n..\n.\n"}, LineEnd::lf).message, "a\r\n.\n");
}

TEST(Pop3DotReader, Tells_which_line_ends_there_were) {
  const auto sink = [](Octets) { return Status(); };
  for (const bool crlf : {true, false}) {
    DotReader of_status(crlf);
    EXPECT_EQ(of_status.lf_only(), !crlf);
    DotReader of_first_line(crlf);
    ASSERT_TRUE(of_first_line.feed(as_octets("a\nb\r\n.\r\n"), sink).ok());
    EXPECT_TRUE(of_first_line.lf_only());
  }
  DotReader usual;
  ASSERT_TRUE(usual.feed(as_octets("a\r\nb\n.\r\n"), sink).ok());
  EXPECT_FALSE(usual.lf_only());
}

/// Messages made of what matters, a few of each, in any order, behind a first line as every message has one.
TEST(Pop3DotReader, A_message_that_was_stuffed_comes_out_as_it_was) {
  constexpr std::string_view kWords[] = {".", ".", "..", "\r\n", "\r\n", "\n", "\r", "x", " ", "+OK", "-ERR", "ab.cd"};
  std::mt19937 random(1939);
  for (int round = 0; round < 4000; ++round) {
    const bool lf = round % 2 == 1;
    const std::string line_end = lf ? "\n" : "\r\n";
    const auto before = lf ? LineEnd::lf : LineEnd::crlf;
    std::string message = "X: y" + line_end;
    for (std::size_t left = random() % 40; left > 0; --left) message += kWords[random() % std::size(kWords)];
    const std::string wire = stuffed(message, line_end);
    // The server adds the line end that the message has not.
    if (!message.ends_with(line_end)) message += line_end;
    const Outcome expected{message, wire.size(), true};
    ASSERT_EQ(read({wire}, before), expected) << ::testing::PrintToString(wire);
    ASSERT_EQ(read(pieces_of(wire, 1), before), expected) << ::testing::PrintToString(wire);
    ASSERT_EQ(read(pieces_of(wire, 1 + random() % 9), before), expected) << ::testing::PrintToString(wire);
  }
}

TEST(Pop3DotReader, Dots_at_the_borders_of_large_pieces) {
  for (const std::size_t border : {4096U, 16384U}) {
    for (std::size_t at = border - 4; at <= border + 4; ++at) {
      std::string message(at, 'x');
      message.replace(at - 2, 2, "\r\n");
      message += ".\r\n..\r\n.z\r\n";
      ASSERT_EQ(read(pieces_of(stuffed(message, "\r\n"), border)).message, message) << at;
    }
  }
}

TEST(Pop3DotReader, A_message_without_dots_goes_through_in_one_piece) {
  const std::string message(100'000, 'x');
  DotReader reader;
  std::size_t calls = 0;
  ASSERT_TRUE(reader
                  .feed(as_octets(message),
                        [&](Octets) {
                          ++calls;
                          return Status();
                        })
                  .ok());
  EXPECT_EQ(calls, 1U);
}
