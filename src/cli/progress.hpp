// Where a run is, for somebody who waits: a live line on a terminal, now and then a plain line elsewhere.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "cli/terminal.hpp"
#include "pipeline/report.hpp"

namespace mailhaul::cli {

/// Over the last ten seconds or so.
struct Rates {
  double messages = 0, octets = 0;  ///< a second; 0 = not known yet
};

/// `copying 1,234/10,000 (12 %), 512/s, 3.1 MiB/s, 17 s left  Work/2024`. What is not known is left out; the folder
/// comes last, so that a narrow terminal cuts only it.
[[nodiscard]] std::string progress_text(const pipeline::Progress& progress, const Rates& rates);

/// Shows at most ten live lines a second, or one plain line in ten seconds and one more when a phase is entered for the
/// first time (but not more than one a second: a run may go from phase to phase with every folder). Called from the
/// run's main thread.
class ProgressView {
 public:
  /// `quiet`: shows nothing at all.
  ProgressView(Terminal& terminal, const Clock& clock, bool quiet)
      : terminal_(terminal), clock_(clock), quiet_(quiet) {}
  void show(const pipeline::Progress& progress);
  void finish() { terminal_.erase_live(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Sample {
    Time at;
    std::uint64_t done, octets;
  };
  [[nodiscard]] Rates measure(Time now, const pipeline::Progress& progress);

  Terminal& terminal_;
  const Clock& clock_;
  const bool quiet_;
  std::optional<Time> shown_;
  std::optional<pipeline::Progress::Phase> phase_;
  std::set<pipeline::Progress::Phase> shown_phases_;
  std::deque<Sample> samples_;
};

}  // namespace mailhaul::cli
