// Whole copies between servers whose sessions die: wherever that is, and whatever arrives late, each message ends up at
// the target exactly once.
#include <random>

#include "unit/pipeline/move.hpp"

namespace mailhaul::pipeline {
namespace {

const std::vector<Fate> kFates{0ms, 1'500ms, 9s, 100s, std::nullopt};

struct Sweep {
  std::string name;
  Dedup dedup = Dedup::exact;
  bool uidplus = true, late_commits = true;
  unsigned sessions = 1;
};

class EveryCut : public testing::TestWithParam<Sweep> {
 protected:
  std::unique_ptr<Move> move_with(std::uint64_t step) {
    auto move = std::make_unique<Move>(GetParam().dedup);
    move->fill();
    move->target.put("Work", letter(77));  // something that was there before
    move->source.put("Work", letter(77));
    move->target.uidplus = GetParam().uidplus;
    move->target.late_commits = GetParam().late_commits;
    move->target.sessions_at_once = GetParam().sessions;
    move->target.fate = [step](std::uint64_t n) -> Fate {
      if (!GetParam().late_commits) return (n + step) % 2 == 0 ? Fate(0ms) : std::nullopt;
      return kFates[(n + step) % kFates.size()];
    };
    return move;
  }
  static void expect_done(Move& move, const Report& report, const std::string& when) {
    EXPECT_EQ(report.exit, 0) << when << ": " << (report.error ? report.error->what : "");
    EXPECT_TRUE(report.counts.balanced()) << when;
    EXPECT_EQ(report.counts.listed, 11U) << when;
    EXPECT_EQ(report.counts.unknown + report.counts.pending + report.counts.failed, 0U) << when;
    move.expect_complete(when);
    move.expect_idle(when);
  }
};

TEST_P(EveryCut, A_target_whose_session_dies_anywhere_gets_each_message_once) {
  std::uint64_t cuts = 0;
  for (std::uint64_t step = 1;; ++step) {
    const auto move = move_with(step);
    move->target.deaths = {step};
    if (step % 3 == 0) move->target.deaths.insert(step + 2);
    const auto report = move->copy();
    const bool died = move->target.points() >= step;
    expect_done(*move, report, "died at " + std::to_string(step));
    if (HasFailure() || !died) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 20U) << "a sweep that hardly cuts proves nothing";
  RecordProperty("cut_points", static_cast<int>(cuts));
  std::printf("cut points: %d\n", static_cast<int>(cuts));
}

TEST_P(EveryCut, A_source_whose_session_dies_anywhere_loses_nothing) {
  std::uint64_t cuts = 0;
  for (std::uint64_t step = 1;; ++step) {
    const auto move = move_with(step);
    move->source.deaths = {step};
    if (step % 4 == 0) move->source.deaths.insert(step + 1);
    const auto report = move->copy();
    const bool died = move->source.points() >= step;
    expect_done(*move, report, "died at " + std::to_string(step));
    if (HasFailure() || !died) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 20U) << "a sweep that hardly cuts proves nothing";
  std::printf("cut points: %d\n", static_cast<int>(cuts));
}

TEST_P(EveryCut, A_run_that_ends_with_the_session_leaves_nothing_that_the_next_run_loses_or_doubles) {
  std::uint64_t cuts = 0;
  for (std::uint64_t step = 1;; ++step) {
    const auto move = move_with(step);
    move->target.deaths = {step};
    CancelToken cancel;
    move->target.on_death = [&] { cancel.request(); };
    Watcher watcher;
    const auto first = move->copy(watcher, &cancel);
    if (move->target.points() < step) break;
    EXPECT_EQ(first.exit, 12) << step;
    EXPECT_TRUE(first.counts.balanced()) << step;
    move->target.on_death = nullptr;
    // The next run begins at once, and its own session may die as well.
    if (step % 2 == 0) move->target.deaths.insert(move->target.points() + step % 7 + 1);
    const auto second = move->copy();
    expect_done(*move, second, "stopped at " + std::to_string(step));
    if (HasFailure()) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 20U) << "a sweep that hardly cuts proves nothing";
  std::printf("cut points: %d\n", static_cast<int>(cuts));
}

TEST_P(EveryCut, Sessions_that_die_at_random_on_both_sides_lose_and_double_nothing) {
  std::uint64_t deaths = 0;
  for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    const auto move = move_with(seed);
    std::mt19937_64 random(seed);
    const auto script = [&](FlakyPlace& place) {
      for (std::uint64_t at = 1; at < 400; ++at)
        if (random() % 9 == 0) place.deaths.insert(at);
    };
    script(move->source);
    script(move->target);
    if (seed % 3 == 0) move->target.refuse_sessions = 0;
    auto report = move->copy();
    // Three tries may all end in doubt, or ten sessions bring nothing: another run goes on.
    for (int run = 0; run < 12 && report.exit != 0; ++run) {
      EXPECT_TRUE(report.counts.balanced()) << seed;
      EXPECT_TRUE(report.exit == 8 || report.exit == 4 || report.exit == 5 || report.exit == 3)
          << report.exit << " seed " << seed << (report.error ? report.error->what : "");
      report = move->copy();
    }
    deaths += move->source.sessions() + move->target.sessions();
    expect_done(*move, report, "seed " + std::to_string(seed));
  }
  std::printf("sessions: %d\n", static_cast<int>(deaths));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryCut,
                         testing::Values(Sweep{"Exact", Dedup::exact, true, true},
                                         Sweep{"ExactWithoutUidplus", Dedup::exact, false, true},
                                         Sweep{"None", Dedup::none, true, true},
                                         Sweep{"NoneWithoutUidplus", Dedup::none, false, true},
                                         Sweep{"NothingArrivesLate", Dedup::none, true, false},
                                         Sweep{"TwoSessions", Dedup::exact, true, true, 2},
                                         Sweep{"TwoSessionsNone", Dedup::none, true, true, 2},
                                         Sweep{"TwoSessionsWithoutUidplus", Dedup::exact, false, true, 2}),
                         [](const auto& chosen) { return chosen.param.name; });

}  // namespace
}  // namespace mailhaul::pipeline
