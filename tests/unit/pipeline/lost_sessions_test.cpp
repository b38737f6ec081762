// Whole copies between servers whose sessions die: wherever that is, and whatever arrives late, each message ends up at
// the target exactly once.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "pipeline/jobs.hpp"
#include "unit/pipeline/bench.hpp"
#include "unit/pipeline/flaky_place.hpp"

namespace mailhaul::pipeline {
namespace {

using namespace std::chrono_literals;
using Fate = std::optional<std::chrono::milliseconds>;

// A descriptor is made of plain functions: they find their places here.
FlakyPlace* the_source = nullptr;
FlakyPlace* the_target = nullptr;

FlakyPlace& place_at(const store::Location& location) { return location.path == "source" ? *the_source : *the_target; }

const store::Descriptor kFlaky{
    "flaky",
    "a server for tests",
    [](const store::Location& location, store::Services&) -> Result<std::string> { return location.path; },
    [](const store::Location& location, store::Services&, store::Source*) -> Result<store::Caps> {
      return flaky_caps(place_at(location));
    },
    [](const store::Location& location, store::Services&, const store::OpenOptions&) {
      return open_flaky_source(place_at(location));
    },
    [](const store::Location& location, store::Services&, store::AckSink& acks, const store::OpenOptions&) {
      return open_flaky_target(place_at(location), acks);
    },
    [](const store::Location&, store::Services&, const store::OpenOptions&) -> Result<store::Probe> {
      return store::Probe{};
    }};

class Watcher final : public Observer {
 public:
  void on_progress(const Progress& progress) override {
    if (progress.phase == Progress::Phase::settling) {
      ++settling;
      longest_wait = std::max(longest_wait, progress.wait);
      if (on_settling) on_settling();
    }
  }
  Status on_outcome(const MessageOutcome& outcome) override {
    ++outcomes[outcome.folder + " " + outcome.key];
    if (on_outcome_called) on_outcome_called();
    return {};
  }
  [[nodiscard]] bool wants_outcomes() const override { return true; }
  int settling = 0;
  std::chrono::milliseconds longest_wait{0};
  std::function<void()> on_settling, on_outcome_called;
  std::map<std::string, int> outcomes;
};

/// Two places and the runs between them. The ledger stays from run to run.
class Move {
 public:
  explicit Move(Dedup dedup = Dedup::exact) { options.dedup = dedup; }

  Report copy(Watcher& watcher, CancelToken* cancel = nullptr) {
    return with_job([&](const Job& job) { return run_copy(job, watcher); }, cancel);
  }
  Report copy() {
    Watcher watcher;
    return copy(watcher);
  }
  Report verify() {
    Watcher watcher;
    return with_job([&](const Job& job) { return run_verify(job, watcher); }, nullptr);
  }

  Report ls(const std::function<void(const FolderSummary&)>& sink) {
    return with_job([&](const Job& job) { return run_ls(job, sink); }, nullptr);
  }

  /// Ten messages in two folders; numbers 3 and 4 twice.
  void fill() {
    for (int number : {1, 2, 3, 3, 4, 5}) source.put("INBOX", letter(number));
    for (int number : {10, 4, 11, 4}) source.put("Work", letter(number));
  }
  /// What the target must hold, once all that was late has arrived.
  void expect_complete(const std::string& when) {
    bench.clock().advance(std::chrono::hours(1));
    std::vector<std::string> expected = source.all_texts();
    if (options.dedup != Dedup::none) expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    EXPECT_EQ(target.all_texts(), expected) << when;
  }
  void expect_done(const Report& report, const std::string& when) {
    EXPECT_EQ(report.exit, 0) << when << ": " << (report.error ? report.error->what : "");
    EXPECT_TRUE(report.counts.balanced()) << when;
    EXPECT_EQ(report.counts.listed, 10U) << when;
    EXPECT_EQ(report.counts.unknown + report.counts.pending + report.counts.failed, 0U) << when;
    expect_complete(when);
  }
  void expect_idle(const std::string& when) {
    source.deaths.clear();
    target.deaths.clear();
    const auto again = copy();
    EXPECT_EQ(again.exit, 0) << when;
    EXPECT_EQ(again.counts.copied, 0U) << when;
    expect_complete(when + ", again");
  }

  Bench bench;
  FlakyPlace source{bench.clock()}, target{bench.clock()};
  JobOptions options;

 private:
  template <typename Run>
  Report with_job(Run run, CancelToken* cancel) {
    the_source = &source;
    the_target = &target;
    options.patience = patience_of(bench.clock());
    const store::Registry registry({&kFlaky});
    store::Services own{bench.services().clock,  bench.services().fs,
                        bench.services().spool,  cancel ? *cancel : bench.cancel(),
                        bench.services().events, bench.services().random};
    store::Location from, to;
    from.scheme = to.scheme = "flaky";
    from.path = "source";
    to.path = "target";
    Job job{registry, own, bench.facts_spool(), from, to, {}, {}, options, bench.path(), ""};
    return run(job);
  }
};

const std::vector<Fate> kFates{0ms, 1'500ms, 9s, 100s, std::nullopt};

struct Sweep {
  std::string name;
  Dedup dedup = Dedup::exact;
  bool uidplus = true, late_commits = true;
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
                                         Sweep{"NothingArrivesLate", Dedup::none, true, false}),
                         [](const auto& chosen) { return chosen.param.name; });

TEST(LostSessions, A_settle_time_that_is_too_short_doubles_and_these_tests_see_it) {
  std::size_t doubled = 0;
  for (std::uint64_t step = 1; step < 40; ++step) {
    Move move;
    move.fill();
    move.options.settle = 3s;
    move.target.deaths = {step};
    move.target.fate = [](std::uint64_t) { return Fate(30s); };
    (void)move.copy();
    move.bench.clock().advance(1h);
    auto expected = move.source.all_texts();
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    doubled += move.target.all_texts().size() > expected.size() ? 1 : 0;
  }
  EXPECT_GT(doubled, 5U);
}

TEST(LostSessions, A_delivery_in_doubt_is_waited_for_and_the_wait_is_told) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  const auto start = move.bench.clock().steady();
  Watcher watcher;
  const auto report = move.copy(watcher);
  const auto took = move.bench.clock().steady() - start;
  EXPECT_GE(took, 120s);
  EXPECT_LT(took, 130s);
  EXPECT_GT(watcher.settling, 100);
  EXPECT_GT(watcher.longest_wait, 100s);
  EXPECT_LE(watcher.longest_wait, 120s);
  EXPECT_LE(move.target.looks(), 10U);
  move.expect_done(report, "never arrived");
}

TEST(LostSessions, What_arrives_in_time_is_taken_as_soon_as_it_is_seen) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(5s); };
  const auto start = move.bench.clock().steady();
  const auto report = move.copy();
  EXPECT_LT(move.bench.clock().steady() - start, 10s);
  EXPECT_EQ(move.target.submitted(), 8U) << "nothing was sent twice";
  move.expect_done(report, "arrived after 5 s");
}

TEST(LostSessions, Three_tries_in_doubt_are_unknown_and_the_next_run_goes_on) {
  Move move;
  move.fill();
  move.target.kills_answer = [](const std::string& text) { return text == letter(11); };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  move.target.window = 1;
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.unknown, 1U);
  EXPECT_EQ(report.counts.copied, 7U);
  EXPECT_EQ(report.counts.duplicate, 2U);
  EXPECT_TRUE(report.counts.balanced());
  move.target.kills_answer = nullptr;
  Watcher watcher;
  const auto second = move.copy(watcher);
  EXPECT_GT(watcher.settling, 0) << "the intent was kept, and a restart counts as a lost connection";
  move.expect_done(second, "after three tries");
}

TEST(LostSessions, A_twin_of_a_message_whose_outcome_stays_unknown_is_not_sent_in_its_place) {
  Move move;
  move.source.put("INBOX", letter(1));
  move.source.put("INBOX", letter(1));
  move.target.kills_answer = [](const std::string&) { return true; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8);
  EXPECT_EQ(report.counts.unknown, 1U);
  EXPECT_EQ(report.counts.pending, 1U);
  EXPECT_EQ(move.target.submitted(), 3U);
}

TEST(LostSessions, A_message_at_which_every_session_ends_fails_alone) {
  Move move;
  move.fill();
  move.target.kills = [](const std::string& text) { return text == letter(2); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 3) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.failed, 1U);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].detail, "the target ends the connection at this message");
  EXPECT_EQ(report.counts.copied, 7U);
}

TEST(LostSessions, A_server_that_stays_away_ends_the_run_and_nothing_is_called_copied_that_is_not) {
  Move move;
  move.fill();
  move.target.deaths = {12};
  move.target.on_death = [&] { move.target.refuse_sessions = 1'000; };
  const auto report = move.copy();
  EXPECT_TRUE(report.exit == 5 || report.exit == 8) << report.exit;
  EXPECT_TRUE(report.counts.balanced());
  EXPECT_EQ(report.counts.listed, 10U);
  move.target.on_death = nullptr;
  move.target.refuse_sessions = 0;
  move.expect_done(move.copy(), "back again");
}

TEST(LostSessions, A_folder_that_is_another_one_after_the_loss_ends_with_11_and_the_others_go_on) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  move.target.on_death = [&] { move.target.change_epoch("INBOX"); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 11) << (report.error ? report.error->what : "");
  EXPECT_TRUE(report.counts.balanced());
  EXPECT_GT(report.counts.unknown + report.counts.failed, 0U);
  EXPECT_EQ(move.target.texts("Work").size(), 3U);
  move.target.on_death = nullptr;
  const auto second = move.copy();
  move.expect_done(second, "the next run begins there anew");
}

TEST(LostSessions, A_source_folder_that_is_another_one_fails_its_messages_and_ends_with_11) {
  Move move;
  move.fill();
  move.source.deaths = {24};
  move.source.on_death = [&] { move.source.change_epoch("Work"); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 11) << move.source.points() << (report.error ? report.error->what : "");
  EXPECT_TRUE(report.counts.balanced());
  move.source.on_death = nullptr;
  move.expect_done(move.copy(), "the next run");
}

TEST(LostSessions, Cancel_ends_the_wait_and_keeps_the_doubt_for_the_next_run) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(60s); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  const auto report = move.copy(watcher, &cancel);
  EXPECT_EQ(report.exit, 12);
  EXPECT_GT(report.counts.unknown, 0U);
  EXPECT_TRUE(report.counts.balanced());
  const auto sent = move.target.submitted();
  const auto second = move.copy();
  EXPECT_EQ(move.target.submitted(), sent) << "it arrived while the next run waited";
  move.expect_done(second, "after a cancel");
}

TEST(LostSessions, A_dry_run_reports_what_is_in_doubt_and_waits_for_nothing) {
  Move move;
  move.fill();
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  move.options.dry_run = true;
  const auto start = move.bench.clock().steady();
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8);
  EXPECT_GT(report.counts.unknown, 0U);
  EXPECT_EQ(move.bench.clock().steady(), start);
}

TEST(LostSessions, A_doubt_whose_source_message_is_gone_is_waited_for_and_dropped) {
  Move move;
  move.fill();
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  move.source.with([](auto& folders) { folders["INBOX"].messages.erase(2); });
  move.target.kills_answer = nullptr;
  Watcher second;
  const auto report = move.copy(second);
  EXPECT_EQ(report.exit, 0);
  EXPECT_GT(second.settling, 0);
  EXPECT_EQ(report.counts.listed, 9U);
  move.expect_complete("gone");
  Watcher third;
  EXPECT_EQ(move.copy(third).exit, 0);
  EXPECT_EQ(third.settling, 0);
}

TEST(LostSessions, A_source_folder_with_new_keys_is_not_told_that_the_old_ones_arrived) {
  Move move;
  move.source.put("INBOX", letter(1));
  move.source.put("INBOX", letter(2));
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(90s); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  // The keys go round: 2 names another message now.
  move.source.with([](auto& folders) {
    auto& folder = folders["INBOX"];
    ++folder.epoch;
    folder.messages.clear();
    folder.next = 1;
  });
  for (int number : {2, 3, 1}) move.source.put("INBOX", letter(number));
  move.target.kills_answer = nullptr;
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 0);
  EXPECT_EQ(report.counts.listed, 3U);
  move.expect_complete("new keys");
}

TEST(LostSessions, A_target_folder_with_new_keys_is_read_anew_before_anything_goes_there) {
  Move move;
  move.source.put("INBOX", letter(1));
  move.target.put("INBOX", letter(50));
  ASSERT_EQ(move.copy().exit, 0);
  move.target.with([](auto& folders) {
    auto& folder = folders["INBOX"];
    ++folder.epoch;
    folder.messages.clear();
    folder.next = 1;
  });
  // Keys 1 and 2 were 50 and 1.
  for (int number : {60, 1}) move.target.put("INBOX", letter(number));
  move.source.put("INBOX", letter(60));
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 0);
  EXPECT_EQ(report.counts.present, 2U);
  EXPECT_EQ(report.counts.copied, 0U);
  move.expect_complete("new keys");
}

TEST(LostSessions, Altered_messages_are_copied_and_listed_and_end_with_3) {
  Move move;
  move.fill();
  move.target.verdict = [](const store::Ticket&, const std::string& text) -> std::optional<store::Ack> {
    store::Stored stored;
    stored.altered = text == letter(5);
    return text == letter(5) ? std::optional(store::Ack{{}, stored}) : std::nullopt;
  };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 3);
  EXPECT_EQ(report.counts.altered, 1U);
  EXPECT_EQ(report.counts.failed, 0U);
  EXPECT_EQ(report.counts.copied, 8U);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].reason, "altered");
  EXPECT_EQ(report.failures[0].detail, "the target changed the message's octets");
  EXPECT_EQ(report.failures[0].key, "6");
}

TEST(LostSessions, What_is_in_doubt_in_a_folder_that_alters_mail_is_never_sent_again) {
  Move move;
  move.fill();
  move.target.verdict = [](const store::Ticket&, const std::string& text) -> std::optional<store::Ack> {
    store::Stored stored;
    stored.altered = true;
    if (text == letter(1)) return store::Ack{{}, stored};
    return text == letter(5) ? std::optional(store::Ack{{}, store::InDoubt{}}) : std::nullopt;
  };
  move.target.fate = [](std::uint64_t) { return Fate(); };  // or it arrived as another: nobody can tell
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8);
  EXPECT_EQ(report.counts.unknown, 1U);
  EXPECT_EQ(move.target.submitted(), 8U);
}

TEST(LostSessions, Flags_of_a_twin_are_added_though_the_session_dies_on_the_way) {
  std::uint64_t cuts = 0;
  for (std::uint64_t step = 1;; ++step) {
    Move move;
    mail::Meta seen, flagged;
    seen.flags.set(mail::Flags::seen);
    flagged.flags.set(mail::Flags::flagged);
    move.source.put("INBOX", letter(1), seen);
    move.source.put("INBOX", letter(2));
    move.source.put("INBOX", letter(1), flagged);
    move.target.deaths = {step};
    move.target.fate = [](std::uint64_t) { return Fate(0s); };
    move.target.updates = true;
    const auto report = move.copy();
    EXPECT_EQ(report.exit, 0) << step;
    EXPECT_EQ(report.counts.updated, 1U) << step;
    EXPECT_EQ(report.counts.lost_flags, 0U) << step;
    move.target.with([&](auto& folders) {
      for (const auto& [uid, message] : folders["INBOX"].messages)
        EXPECT_EQ(message.meta.flags.bits(), message.octets == letter(1) ? 5 : 0) << step;
    });
    if (move.target.points() < step || HasFailure()) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 5U);
}

TEST(LostSessions, Verdicts_of_every_kind_in_one_batch_are_each_taken_for_what_they_say) {
  Move move;
  move.fill();
  move.target.verdict = [refusals = 0](const store::Ticket&,
                                       const std::string& text) mutable -> std::optional<store::Ack> {
    if (text == letter(1)) return store::Ack{{}, store::InDoubt{}};
    if (text == letter(2))
      return store::Ack{{}, store::Refused{make_error(ErrorKind::message, Scope::message, "too large")}};
    if (text == letter(5) && refusals++ == 0)
      return store::Ack{{}, store::Refused{make_error(ErrorKind::message, Scope::message, "busy", "", Retry::later)}};
    return std::nullopt;
  };
  move.target.fate = [](std::uint64_t) { return Fate(20s); };
  move.target.deaths = {17};
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 3) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.failed, 1U);
  EXPECT_EQ(report.counts.copied, 7U);
  EXPECT_EQ(report.counts.duplicate, 2U);
  move.bench.clock().advance(1h);
  EXPECT_EQ(move.target.all_texts().size(), 7U);
}

TEST(LostSessions, Every_message_has_one_line_of_outcome) {
  Move move;
  move.fill();
  move.target.deaths = {9, 15, 31};
  move.target.fate = [](std::uint64_t n) { return n % 2 == 0 ? Fate(20s) : Fate(); };
  Watcher watcher;
  EXPECT_EQ(move.copy(watcher).exit, 0);
  EXPECT_EQ(watcher.outcomes.size(), 10U);
  for (const auto& [key, lines] : watcher.outcomes) EXPECT_EQ(lines, 1) << key;
}

TEST(LostSessions, Idle_sessions_are_kept_alive_now_and_then) {
  Move move;
  for (int number = 0; number < 40; ++number) move.source.put("INBOX", letter(number));
  Watcher watcher;
  watcher.on_outcome_called = [&] { move.bench.clock().advance(1s); };
  EXPECT_EQ(move.copy(watcher).exit, 0);
  EXPECT_LE(move.target.pumps, 10) << "at most every five seconds";
  move.source.put("INBOX", letter(99));
  move.target.kills_answer = [n = 0](const std::string&) mutable { return n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  const int before = move.target.pumps;
  EXPECT_EQ(move.copy().exit, 0);
  EXPECT_GE(move.target.pumps - before, 20) << "two minutes of waiting";
}

TEST(LostSessions, Ls_goes_on_over_lost_sessions) {
  Move move;
  move.fill();
  for (std::uint64_t i = 2; i < 100; i += 9) move.source.deaths.insert(i);
  std::uint64_t messages = 0;
  const auto report = move.ls([&](const FolderSummary& folder) { messages += folder.messages; });
  EXPECT_EQ(report.exit, 0) << (report.error ? report.error->what : "");
  EXPECT_EQ(messages, 10U);
  EXPECT_GT(move.source.sessions(), 1U);
}

TEST(LostSessions, Verify_goes_on_over_lost_sessions_of_both_sides) {
  Move move;
  move.fill();
  ASSERT_EQ(move.copy().exit, 0);
  const auto source = move.source.points(), target = move.target.points();
  for (std::uint64_t i = 3; i < 100; i += 13) {
    move.source.deaths.insert(source + i);
    move.target.deaths.insert(target + i);
  }
  const auto report = move.verify();
  EXPECT_EQ(report.exit, 0) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.verify.identical, 10U);
}

}  // namespace
}  // namespace mailhaul::pipeline
