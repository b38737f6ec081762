// Each limit at limit-1, limit and limit+1, and depth and length without any bound (durability 2.11, threats 13-16).
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "unit/imap_protocol/recorder.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using mailhaul::imap::testing::parse;

namespace {

using Events = std::vector<std::string>;
constexpr std::size_t kWhole = std::string_view::npos;

/// `input(n)` is taken for n below and at the limit, and refused above it, in one piece and octet by octet.
void check(const Limits& limits, std::size_t limit, const std::function<std::string(std::size_t)>& input) {
  for (const std::size_t piece : {kWhole, std::size_t{1}}) {
    for (const std::size_t n : {limit - 1, limit}) {
      const Events events = parse(input(n), piece, limits);
      ASSERT_FALSE(events.empty());
      EXPECT_TRUE(events.back().starts_with("status OK")) << n << ": " << events.back();
    }
    const Events events = parse(input(limit + 1), piece, limits);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back(), "error: limit");
  }
}

std::string times(std::size_t n, std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < n; ++i) all += text;
  return all;
}

std::string number(std::size_t n) { return std::to_string(n); }
const std::string kAfter = "\r\n* OK after\r\n";

}  // namespace

TEST(ImapLimits, Line) {
  Limits limits;
  limits.line = 100;
  check(limits, 100, [](std::size_t n) { return "* OK " + std::string(n - 5, 'x') + kAfter; });
  check(limits, 100, [](std::size_t n) { return "* OK " + std::string(n - 5, 'x') + "\n* OK after\n"; });
  // Literals excluded: what stands before and behind counts.
  check(limits, 100, [](std::size_t n) {
    const std::string head = "* 1 FETCH (BODY[] {500}";
    return head + "\r\n" + std::string(500, 'y') + " X \"" + std::string(n - head.size() - 6, 'x') + "\")" + kAfter;
  });
}

TEST(ImapLimits, A_line_that_never_ends_is_noticed_at_once) {
  Limits limits;
  limits.line = 100;
  EXPECT_EQ(parse(std::string(101, 'x'), kWhole, limits), (Events{"unfinished"}));  // a CR and LF may follow
  EXPECT_EQ(parse(std::string(102, 'x'), kWhole, limits), (Events{"error: limit"}));
}

TEST(ImapLimits, Line_as_it_is_compiled_in) {
  const Limits limits;
  EXPECT_EQ(limits.line, 1U << 20U);
  const std::string longest = "* OK " + std::string(limits.line - 5, 'x') + "\r\n";
  EXPECT_EQ(parse(longest).size(), 1U);
  EXPECT_EQ(parse("* OK x" + longest.substr(5)), (Events{"error: limit"}));
}

/// An old folder has more holes than a line should hold, and a server that forgot what went names them all.
TEST(ImapLimits, More_gone_than_is_held_is_read_over_and_ends_nothing) {
  Limits limits;
  limits.line = 100;
  for (const std::string head : {"* VANISHED (EARLIER) ", "* VANISHED ", "* vanished (earlier) "}) {
    const std::string told = std::string("vanished ") + (head.find('(') != head.npos ? "earlier " : "") + "more than is held";
    for (const std::size_t piece : {kWhole, std::size_t{1}, std::size_t{7}, std::size_t{99}, std::size_t{100}, std::size_t{101}}) {
      for (std::size_t more = 0; more < 12; ++more) {
        const std::string line = head + times(28 + more, "11,") + "5";
        const Events events = parse(line + kAfter, piece, limits);
        ASSERT_EQ(events.size(), 2U) << line << " in pieces of " << piece;
        if (line.size() > 100) {
          EXPECT_EQ(events[0], told) << line.size() << " in pieces of " << piece;
        }
        EXPECT_TRUE(events[1].starts_with("status OK")) << events[1];
      }
      EXPECT_EQ(parse(head + times(5'000, "11,") + "5" + kAfter, piece, limits)[0], told);
    }
  }
  EXPECT_EQ(parse("* VANISHEDX " + times(100, "11,") + "5" + kAfter, kWhole, limits), (Events{"error: limit"}));
}

TEST(ImapLimits, Literal) {
  Limits limits;
  limits.literal = 64;
  const auto list = [](std::size_t n) {
    return "* LIST () \"/\" {" + number(n) + "}\r\n" + std::string(n, 'x') + kAfter;
  };
  const auto section = [](std::size_t n) {
    return "* 1 FETCH (BODY[HEADER] {" + number(n) + "}\r\n" + std::string(n, 'x') + ")" + kAfter;
  };
  const auto unknown = [](std::size_t n) { return "* X {" + number(n) + "}\r\n" + std::string(n, 'x') + kAfter; };
  check(limits, 64, list);
  check(limits, 64, section);
  check(limits, 64, unknown);
}

TEST(ImapLimits, Literals_that_are_kept_have_a_limit_together) {
  Limits limits;
  limits.line = 1000;
  limits.literal = 100;
  check(limits, 10, [](std::size_t n) {
    return "* 1 FETCH (X-GM-LABELS (" + times(n, "{100}\r\n" + std::string(100, 'x') + " ") + "))" + kAfter;
  });
}

TEST(ImapLimits, Body) {
  Limits limits;
  limits.body = 5000;
  for (const std::string_view item : {"BODY[]", "BODY[]<7>", "RFC822", "BINARY[]"}) {
    check(limits, 5000, [&](std::size_t n) {
      return "* 1 FETCH (" + std::string(item) + " {" + number(n) + "}\r\n" + std::string(n, 'x') + ")" + kAfter;
    });
  }
}

TEST(ImapLimits, Sizes_are_read_with_64_bits_and_nothing_is_allocated_for_them) {
  Limits all;
  all.body = ~std::uint64_t{0};
  for (const auto& [size, event] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"2147483648", "unfinished"},  // CVE-2021-3657
           {"4294967296", "unfinished"},
           {"18446744073709551615", "unfinished"},
           {"18446744073709551616", "error: limit"},
           {"99999999999999999999999", "error: limit"}}) {
    EXPECT_EQ(parse("* 1 FETCH (BODY[] {" + std::string(size) + "}\r\nabc", kWhole, all), (Events{std::string(event)}));
  }
  EXPECT_EQ(parse("* 1 FETCH (BODY[] {4294967295}\r\n"), (Events{"unfinished"}));
  EXPECT_EQ(parse("* 1 FETCH (BODY[] {4294967296}\r\n"), (Events{"error: limit"}));
}

TEST(ImapLimits, Nesting) {
  Limits limits;
  limits.nesting = 10;
  for (const std::string_view before : {"* X ", "* 1 FETCH (ENVELOPE ", "* LIST () \"/\" a ", "* ESEARCH X "}) {
    const std::size_t outer = before.find("FETCH") != std::string_view::npos ? 1 : 0;
    check(limits, 10, [&](std::size_t n) {
      return std::string(before) + std::string(n - outer, '(') + "a" + std::string(n - outer, ')') +
             (outer == 1 ? ")" : "") + kAfter;
    });
  }
  check(limits, 10,
        [](std::size_t n) { return "* 1 FETCH " + std::string(n, '(') + "UID 1" + std::string(n, ')') + kAfter; });
  check(limits, 10,
        [](std::size_t n) { return "* FLAGS " + std::string(n, '(') + "a" + std::string(n, ')') + kAfter; });
}

TEST(ImapLimits, Depth_of_a_million_ends_in_an_error_and_on_the_same_stack) {
  Limits limits;
  limits.line = 4U << 20U;
  limits.nesting = 4U << 20U;
  for (const std::string_view before : {"* X ", "* 1 FETCH (ENVELOPE ", "* LIST () \"/\" a ", "* FLAGS ", "* 1 FETCH ",
                                        "* NAMESPACE ((\"\" NIL ", "* ID ", "* STATUS x (X "}) {
    const std::string deep = std::string(before) + std::string(1'000'000, '(') + "\r\n";
    const bool is_grammar = before == "* ID ";  // a name cannot be a list: that is seen first
    EXPECT_EQ(parse(deep), (Events{is_grammar ? "error: not IMAP" : "error: limit"})) << before;
    (void)parse(deep, kWhole, limits);  // the grammar may end in an error or not: what counts is that it ends
  }
}

TEST(ImapLimits, Elements) {
  Limits limits;
  limits.elements = 50;
  check(limits, 50, [](std::size_t n) { return "* FLAGS (" + times(n, "a ") + ")" + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* SEARCH " + times(n, "7 ") + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* CAPABILITY " + times(n, "A ") + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* 1 FETCH (" + times(n, "UID 1 ") + ")" + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* 1 FETCH (X (" + times(n - 1, "a ") + "))" + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* ID (" + times(n, "a b ") + ")" + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* STATUS x (" + times(n, "MESSAGES 1 ") + ")" + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* NAMESPACE (" + times(n, "(\"\" NIL)") + ") NIL NIL" + kAfter; });
  check(limits, 50, [](std::size_t n) { return "* X " + times(n - 1, "a ") + kAfter; });
}

TEST(ImapLimits, Many_small_literals_take_no_quadratic_time) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string_view before : {"* 1 FETCH (X (", "* METADATA (", "* LIST ("}) {
    std::string text(before);
    while (text.size() < 600'000) text += " {0}\r\n";
    (void)parse(text, 4096);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}
