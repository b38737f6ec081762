// Whole runs between two servers whose sessions die.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/jobs.hpp"
#include "unit/pipeline/bench.hpp"
#include "unit/pipeline/flaky_place.hpp"

namespace mailhaul::pipeline {

using namespace std::chrono_literals;
using Fate = std::optional<std::chrono::milliseconds>;

// A descriptor is made of plain functions: they find their places here.
inline FlakyPlace* the_source = nullptr;
inline FlakyPlace* the_target = nullptr;

inline FlakyPlace& place_at(const store::Location& location) { return location.path == "source" ? *the_source : *the_target; }

inline const store::Descriptor kFlaky{
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

}  // namespace mailhaul::pipeline
