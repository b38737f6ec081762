// Quoting and housekeeping fields: what is written comes back, whatever the message and however it is cut in pieces.
#include "plugins/mbox/format/housekeeping.hpp"
#include "plugins/mbox/format/quoting.hpp"
#include "support.hpp"

namespace mailhaul::mbox {
namespace {

using namespace test;

std::string requote(std::string_view text, Requoter::Direction direction, Quoting quoting, std::size_t piece = 4096) {
  std::string out;
  const OctetSink sink = [&](Octets octets) -> Status {
    out.append(as_text(octets));
    return {};
  };
  Requoter requoter(direction, quoting);
  for (std::size_t at = 0; at < text.size(); at += piece) EXPECT_TRUE(requoter.feed(as_octets(text.substr(at, piece)), sink).ok());
  EXPECT_TRUE(requoter.finish(sink).ok());
  return out;
}

std::string rewrite(std::string_view text, const std::string& fresh, std::size_t piece = 4096) {
  std::string out;
  const OctetSink sink = [&](Octets octets) -> Status {
    out.append(as_text(octets));
    return {};
  };
  HeaderRewriter rewriter(fresh);
  for (std::size_t at = 0; at < text.size(); at += piece) EXPECT_TRUE(rewriter.feed(as_octets(text.substr(at, piece)), sink).ok());
  EXPECT_TRUE(rewriter.finish(sink).ok());
  return out;
}

constexpr auto kQuote = Requoter::Direction::quote;
constexpr auto kUnquote = Requoter::Direction::unquote;

TEST(Quoting, Mboxrd_adds_one_mark_and_takes_one_off) {
  const std::string text = "From a\n>From b\n>>From c\nFrom\n>Fro\n> From d\n\rFrom e\nx From f\nFrom ";
  const std::string quoted = ">From a\n>>From b\n>>>From c\nFrom\n>Fro\n> From d\n\rFrom e\nx From f\n>From ";
  EXPECT_EQ(requote(text, kQuote, Quoting::mboxrd), quoted);
  EXPECT_EQ(requote(quoted, kUnquote, Quoting::mboxrd), text);
}

TEST(Quoting, Mboxo_knows_one_mark_only) {
  EXPECT_EQ(requote("From a\n>From b\n", kQuote, Quoting::mboxo), ">From a\n>From b\n");
  EXPECT_EQ(requote(">From a\n>>From b\nFrom c\n", kUnquote, Quoting::mboxo), "From a\n>>From b\nFrom c\n");
}

TEST(Quoting, Round_trip_of_mboxrd_is_exact_in_any_pieces) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = nasty_text(random) + (i % 3 == 0 ? ">>>" : "");
    const std::string quoted = requote(text, kQuote, Quoting::mboxrd);
    EXPECT_EQ(requote(text, kQuote, Quoting::mboxrd, 1), quoted);
    EXPECT_EQ(requote(quoted, kUnquote, Quoting::mboxrd, 1 + static_cast<std::size_t>(i % 5)), text);
  }
}

TEST(Quoting, A_line_of_marks_passes_in_bounded_pieces) {
  const std::string marks(3'000'000, '>');
  std::size_t largest = 0;
  std::uint64_t total = 0;
  const OctetSink sink = [&](Octets octets) -> Status {
    largest = std::max(largest, octets.size());
    total += octets.size();
    return {};
  };
  Requoter requoter(kUnquote, Quoting::mboxrd);
  MH_OK(requoter.feed(as_octets(marks), sink));
  MH_OK(requoter.feed(as_octets("From x\n"), sink));
  MH_OK(requoter.finish(sink));
  EXPECT_EQ(total, marks.size() + 7 - 1);
  EXPECT_LE(largest, 4096U);
}

struct RewriteRow {
  const char* name;
  std::string text;
  std::string expected;  ///< with the fresh fields "Status: RO\n"
};

TEST(HeaderRewriter, Leaves_housekeeping_out_and_puts_fresh_fields_at_the_end_of_the_block) {
  const std::string fresh = "Status: RO\n";
  const std::vector<RewriteRow> rows = {
      {"ordinary", "A: b\nStatus: O\nC: d\n\nbody\n", "A: b\nC: d\nStatus: RO\n\nbody\n"},
      {"CRLF", "A: b\r\nStatus: O\r\n\r\nbody\r\n", "A: b\r\nStatus: RO\n\r\nbody\r\n"},
      {"folded", "X-UID: 1\n 2\n\t3\nA: b\n c\n\n", "A: b\n c\nStatus: RO\n\n"},
      {"case and blanks", "sTATUS \t: O\nContent-LENGTH:1\n\nStatus: body\n", "Status: RO\n\nStatus: body\n"},
      {"names that only begin alike", "Status-X: 1\nX-Statu: 2\nX-Mozilla-Status22: 3\nStatus x: 4\n\n",
       "Status-X: 1\nX-Statu: 2\nX-Mozilla-Status22: 3\nStatus x: 4\nStatus: RO\n\n"},
      {"no empty line", "A: b\n", "A: b\nStatus: RO\n"},
      {"no final line end", "A: b", "A: b\nStatus: RO\n"},
      {"a name and no more", "Status", "Status\nStatus: RO\n"},
      {"a lone CR at the end", "A: b\r", "A: b\r\r\nStatus: RO\n"},
      {"no octets", "", "Status: RO\n"},
      {"only an empty line", "\n", "Status: RO\n\n"},
      {"leading continuation", " x\nStatus: O\n\n", " x\nStatus: RO\n\n"},
      {"body without line end", "A: b\n\nbody", "A: b\nStatus: RO\n\nbody\n"},
      {"body that ends with CR", "\nbody\r", "Status: RO\n\nbody\r\r\n"},
      {"no field at all", "hello\nworld\n", "hello\nworld\nStatus: RO\n"},
  };
  for (const RewriteRow& row : rows) {
    EXPECT_EQ(rewrite(row.text, fresh), row.expected) << row.name;
    EXPECT_EQ(rewrite(row.text, fresh, 1), row.expected) << row.name;
  }
}

TEST(HeaderRewriter, Never_changes_what_a_message_is) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 5000; ++i) {
    const std::string text = nasty_text(random);
    const mail::MessageFacts before = mail::scan_message(as_octets(text));
    // Of a message without text of its own the fields themselves decide (Appender::add sees to those).
    if (before.nid == mail::scan_message(as_octets("\n")).nid || before.eid == mail::scan_message({}).eid) continue;
    for (const char* fresh : {"", "Status: RO\nX-Status: F\n"}) {
      const std::string after = rewrite(text, fresh);
      EXPECT_EQ(mail::scan_message(as_octets(after)).eid, before.eid) << testing::PrintToString(text);
      EXPECT_EQ(rewrite(text, fresh, 1), after);
    }
  }
}

TEST(Housekeeping, Flags_and_keywords_come_back_from_what_is_written) {
  for (unsigned bits = 0; bits < 32; ++bits) {
    mail::Meta meta;
    meta.flags = mail::Flags(static_cast<std::uint8_t>(bits));
    if (bits % 2 == 0) meta.keywords = {"$Forwarded", "Work"};
    const FreshFields fresh = fresh_fields(meta);
    EXPECT_EQ(fresh.text.empty(), meta.flags.empty() && meta.keywords.empty());
    EXPECT_EQ(meta_of(mail::scan_message(as_octets("A: b\n" + fresh.text + "\nx\n")).housekeeping), meta) << bits;
  }
}

TEST(Housekeeping, A_keyword_that_no_line_can_hold_is_left_out_and_said_so) {
  mail::Meta meta;
  meta.keywords = {"a b", "good", std::string("x\ny")};
  const FreshFields fresh = fresh_fields(meta);
  EXPECT_TRUE(fresh.lost_keywords);
  EXPECT_EQ(fresh.text, "Status: O\nX-Keywords: good\n");
}

TEST(Housekeeping, Mozilla_fields_are_understood) {
  const auto facts = mail::scan_message(as_octets("X-Mozilla-Status: 1007\nX-Mozilla-Keys: todo later\n\n"));
  const mail::Meta meta = meta_of(facts.housekeeping);
  using mail::Flags;
  EXPECT_EQ(meta.flags, Flags(Flags::seen | Flags::answered | Flags::flagged));
  EXPECT_EQ(meta.keywords, (std::vector<std::string>{"$Forwarded", "later", "todo"}));
  EXPECT_TRUE(meta_of(mail::scan_message(as_octets("X-Mozilla-Status: 0008\n\n")).housekeeping).flags.has(Flags::deleted));
  EXPECT_TRUE(meta_of(mail::scan_message(as_octets("X-Mozilla-Status: zz\n\n")).housekeeping).flags.empty());
}

}  // namespace
}  // namespace mailhaul::mbox
