#include "cli/progress.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "cli/values.hpp"

namespace mailhaul::cli {
namespace {

using Phase = pipeline::Progress::Phase;

std::string_view phase_word(Phase phase) {
  switch (phase) {
    case Phase::connecting:
      return "opening";
    case Phase::listing:
      return "listing";
    case Phase::reading:
      return "reading";
    case Phase::recovering:
      return "settling what an earlier run left open";
    case Phase::adopting:
      return "looking for what is already there";
    case Phase::copying:
      return "copying";
    case Phase::settling:
      return "waiting for what may still arrive";
    case Phase::verifying:
      return "verifying";
    case Phase::finishing:
      return "finishing";
  }
  return "working";
}

bool total_is_final(Phase phase) { return phase >= Phase::copying; }

}  // namespace

std::string progress_text(const pipeline::Progress& progress, const Rates& rates) {
  std::string text(phase_word(progress.phase));
  if (progress.total > 0 && total_is_final(progress.phase)) {
    const auto done = std::min(progress.done, progress.total);
    const auto percent = static_cast<unsigned>(100.0 * static_cast<double>(done) / static_cast<double>(progress.total));
    text += " " + grouped(done) + "/" + grouped(progress.total) + " (" + std::to_string(percent) + " %)";
  } else if (progress.total > 0) {
    text += " " + grouped(progress.total) + (progress.total == 1 ? " message" : " messages");
  }
  if (progress.in_doubt > 0) {
    text += ", " + grouped(progress.in_doubt) + " in doubt";
    if (progress.phase == Phase::settling)
      text += " (at most " + human_seconds(std::chrono::duration<double>(progress.wait).count()) + " more)";
  }
  if (progress.failed > 0) text += ", " + grouped(progress.failed) + " failed";
  if (rates.messages >= 1) text += ", " + grouped(static_cast<std::uint64_t>(rates.messages)) + "/s";
  if (rates.octets >= 1) text += ", " + human_octets(static_cast<std::uint64_t>(rates.octets)) + "/s";
  if (total_is_final(progress.phase) && rates.messages > 0 && progress.total > progress.done) {
    const double left = static_cast<double>(progress.total - progress.done) / rates.messages;
    if (left >= 1) text += ", " + human_seconds(left) + " left";
  }
  if (!progress.folder.empty()) text += "  " + visible(progress.folder, 60);
  return text;
}

Rates ProgressView::measure(Time now, const pipeline::Progress& progress) {
  using namespace std::chrono_literals;
  if (samples_.empty() || now - samples_.back().at >= 1s) samples_.push_back({now, progress.done, progress.octets});
  while (samples_.size() > 2 && now - samples_.front().at > 10s) samples_.pop_front();
  const auto& oldest = samples_.front();
  const double seconds = std::chrono::duration<double>(now - oldest.at).count();
  // Before a second is over a rate says more of the start than of the run.
  if (seconds < 1) return {};
  const auto grown = [&](std::uint64_t before, std::uint64_t after) {
    return after > before ? static_cast<double>(after - before) / seconds : 0.0;
  };
  return {grown(oldest.done, progress.done), grown(oldest.octets, progress.octets)};
}

void ProgressView::show(const pipeline::Progress& progress) {
  using namespace std::chrono_literals;
  if (quiet_) return;
  const auto now = clock_.steady();
  if (phase_ != progress.phase) {
    phase_ = progress.phase;
    samples_.clear();
  }
  const bool live = terminal_.look().live;
  const auto waited = shown_ ? now - *shown_ : Time::duration::max();
  const bool new_phase = shown_phases_.count(progress.phase) == 0;
  const bool due = live ? waited >= 100ms : waited >= 10s || (new_phase && waited >= 1s);
  // Samples are taken between the lines too, so that a plain line every ten seconds knows the last ten.
  if (!due) {
    if (samples_.empty() || now - samples_.back().at >= 1s) static_cast<void>(measure(now, progress));
    return;
  }
  const auto text = progress_text(progress, measure(now, progress));
  live ? terminal_.live(text) : terminal_.say("mailhaul: " + text);
  shown_ = now;
  shown_phases_.insert(progress.phase);
}

}  // namespace mailhaul::cli
