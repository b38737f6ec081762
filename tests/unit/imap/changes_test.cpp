// The proof of a delta, beyond what the dialogues of tests/dialogue/changes show.
#include "plugins/imap/changes.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace mailhaul::imap {
namespace {

/// UIDVALIDITY 7, UIDNEXT, messages, HIGHESTMODSEQ.
std::string state(std::uint64_t uidnext, std::uint64_t messages, const std::string& modseq) {
  return "1 7 " + std::to_string(uidnext) + " " + std::to_string(messages) + " " + modseq;
}

VanishedResponse vanished(std::vector<UidSet::Range> ranges, bool earlier = true) {
  VanishedResponse response;
  response.earlier = earlier;
  response.uids = UidSet::of(std::move(ranges));
  return response;
}

Mailbox mailbox(std::uint64_t exists, std::uint64_t modseq) {
  Mailbox box;
  box.exists = exists;
  box.uidvalidity = 7;
  box.highestmodseq = modseq;
  return box;
}

TEST(Changes, Are_none_between_states_that_have_nothing_in_common) {
  for (const auto& [since, now] : std::vector<std::pair<std::string, std::string>>{
           {"", state(9, 5, "9")},
           {state(9, 5, "9"), ""},
           {"nonsense", state(9, 5, "9")},
           {"1 6 9 5 9", state(9, 5, "9")},
           {state(10, 5, "9"), state(9, 5, "9")},
           {state(0, 5, "9"), state(9, 5, "9")},
           {state(0x100000000, 5, "9"), state(0x100000001, 5, "9")},
       })
    EXPECT_FALSE(Changes::between(since, now).has_value()) << since << " / " << now;
}

TEST(Changes, Prove_nothing_when_more_went_than_is_held) {
  auto changes = Changes::between(state(9, 5, "20"), state(9, 4, "30"));
  ASSERT_TRUE(changes.has_value());
  changes->ask_vanished();
  VanishedResponse cut = vanished({});
  cut.whole = false;
  changes->take(cut);
  changes->take(vanished({{3, 3}}));
  EXPECT_FALSE(changes->gone(mailbox(4, 30), 0).has_value());
}

TEST(Changes, Want_to_know_what_went_only_where_something_may_have_gone_and_can_be_told) {
  struct Row {
    std::string since, now;
    bool wants, worth;
  };
  for (const Row& row :
       {Row{state(9, 5, "20"), state(9, 4, "30"), true, false},
        Row{state(9, 5, "20"), state(12, 8, "30"), false, true},  // three UIDs, three more
        Row{state(9, 5, "20"), state(12, 7, "30"), true, true},
        Row{state(9, 5, "20"), state(9, 5, "30"), false, true},   // flags
        Row{state(9, 5, "20"), state(12, 9, "30"), true, false},  // more than there are UIDs
        Row{state(9, 5, "20"), state(9, 4, "20"), false, false},
        Row{state(9, 5, "20"), state(9, 4, "19"), false, false}, Row{state(9, 5, "20"), state(9, 4, "-"), false, false},
        Row{state(9, 5, "-"), state(12, 7, "30"), false, true}}) {
    const auto changes = Changes::between(row.since, row.now);
    ASSERT_TRUE(changes.has_value());
    EXPECT_EQ(changes->wants_vanished(), row.wants) << row.now;
    EXPECT_EQ(changes->is_worth_trying(), row.worth) << row.now;
  }
}

TEST(Changes, Count_no_range_through) {
  auto changes = Changes::between(state(0xFFFFFFFF, 0xFFFFFFFE, "20"), state(0xFFFFFFFF, 0, "30"));
  ASSERT_TRUE(changes.has_value());
  changes->ask_vanished();
  for (int i = 0; i < 1000; ++i) changes->take(vanished({{1, 0xFFFFFFFF}}));
  const auto gone = changes->gone(mailbox(0, 30), 0);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->ranges(), (std::vector<UidSet::Range>{{1, 0xFFFFFFFE}}));
}

TEST(Changes, More_ranges_than_memory_is_there_for_prove_nothing) {
  constexpr Uid kRanges = 1'000'000;
  auto changes = Changes::between(state(5 * kRanges, 3 * kRanges, "20"), state(5 * kRanges, 0, "30"));
  ASSERT_TRUE(changes.has_value());
  changes->ask_vanished();
  // The worst order: each before the last.
  std::vector<UidSet::Range> ranges;
  for (Uid i = 0; i < kRanges; ++i) ranges.push_back({2 * (kRanges - i), 2 * (kRanges - i)});
  for (Uid i = 0; i < kRanges; i += 1000) changes->take(vanished({ranges.begin() + i, ranges.begin() + i + 1000}));
  EXPECT_TRUE(changes->gone(mailbox(2 * kRanges, 30), 0).has_value());
  changes->take(vanished({{1, 1}}));
  EXPECT_FALSE(changes->gone(mailbox(2 * kRanges - 1, 30), 0).has_value());
}

TEST(Changes, What_goes_now_is_for_the_next_listing) {
  auto changes = Changes::between(state(9, 5, "20"), state(9, 4, "30"));
  ASSERT_TRUE(changes.has_value());
  changes->take(vanished({{3, 3}}));
  changes->ask_vanished();
  changes->take(vanished({{3, 3}}, /*earlier=*/false));
  EXPECT_FALSE(changes->gone(mailbox(4, 30), 0).has_value());
  changes->take(vanished({{4, 4}}));
  EXPECT_EQ(changes->gone(mailbox(4, 30), 0)->text(), "4");
}

}  // namespace
}  // namespace mailhaul::imap
