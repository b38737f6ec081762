#include "cli/wording.hpp"

#include <array>
#include <utility>

#include "cli/values.hpp"

namespace mailhaul::cli {
namespace {

std::string verdict_of_copy(const pipeline::Report& report) {
  const auto& counts = report.counts;
  if (report.exit == 3) {
    const char* first = report.dry_run ? "dry run, nothing was changed; " : "finished, ";
    const auto altered = "the target altered " + messages(counts.altered);
    if (counts.failed > 0) {
      return first + ("but " + messages(counts.failed) + " failed: listed above, still at the source") +
             (counts.altered > 0 ? "; " + altered : std::string());
    }
    if (counts.altered > 0) return first + ("but " + altered + ": listed above");
    return first + std::string("but not all is as it should be: see the warnings");
  }
  if (report.dry_run) return "dry run: nothing was changed; " + messages(counts.copied) + " would be copied";
  if (counts.listed == 0) return "complete: the source has no messages";
  const auto left_out = counts.filtered + counts.vanished;
  if (counts.copied == 0 && left_out == 0) return "complete: the target had everything already";
  if (left_out == counts.listed) return "complete: no message was selected";
  return "complete: " + messages(counts.copied) + " copied, and the target has all that was selected";
}

std::string verdict_of_verify(const pipeline::Report& report) {
  const auto& counts = report.verify;
  if (report.exit == 0) {
    if (counts.checked == 0) return "nothing to prove: no message was selected";
    return "proved: the target holds " + std::string(counts.checked == 1 ? "the " : "all ") + messages(counts.checked) +
           " of the source";
  }
  if (report.exit == 3) {
    if (counts.unreadable == 0) return "finished, but not all is as it should be: see the warnings";
    return "not proved: " + messages(counts.unreadable) + " could not be read";
  }
  std::string what;
  const auto add = [&](std::uint64_t count, const char* text) {
    if (count > 0) what += (what.empty() ? "" : ", ") + grouped(count) + " " + text;
  };
  add(counts.missing, "missing");
  add(counts.different, "different");
  add(counts.flags_differ, "with other flags");
  add(counts.dates_differ, "with another date");
  add(counts.unreadable, "unreadable");
  return "not proved: " + (what.empty() ? std::string("a difference was found") : what);
}

std::string unknown_verdict(const pipeline::Report& report) {
  const auto open = report.counts.unknown + report.counts.pending;
  if (open == 0) return "not finished: the outcome is not known yet; run the same command again";
  return "not finished: the outcome of " + messages(open) + " is not known yet; run the same command again";
}

}  // namespace

std::string_view advice(std::string_view reason) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kAdvice{
      {{"bug", "please report this, with the command that you typed"},
       {"message", "it stays at the source; mend what the reason names, then run the same command again"},
       {"unreachable", "see that it can be read, then run the same command again"},
       {"security", "look at it yourself before anything else touches it"},
       {"damage", "look at the file, restore it if you have a copy, then run the same command again"},
       {"unknown", "run the same command again: it looks first, and delivers only what is not there"},
       {"locked", "run the same command again when the other program is done"},
       {"no_space", "make room at the target, then run the same command again"},
       {"interrupted", "run the same command again"},
       {"unsupported", "the target cannot hold this message; it stays at the source"}}};
  for (const auto& [word, text] : kAdvice) {
    if (word == reason) return text;
  }
  return {};
}

std::string messages(std::uint64_t count) { return grouped(count) + (count == 1 ? " message" : " messages"); }

std::string verdict(const pipeline::Report& report) {
  const bool verify = report.command == "verify";
  switch (report.exit) {
    case 0:
    case 3:
      return verify ? verdict_of_verify(report) : verdict_of_copy(report);
    case 1:
      return "stopped by a fault of mailhaul or because output could not be written; what was delivered is remembered";
    case 2:
      return "not started: nothing was touched";
    case 4:
      return "stopped: the source is not there, cannot be reached, or refused the login";
    case 5:
      return "stopped: the target is not there, cannot be reached, or refused the login";
    case 6:
      return "refused for security";
    case 7:
      return "stopped: damage was found, see the error";
    case 8:
      return unknown_verdict(report);
    case 9:
      return "not run: something else holds a lock; try again when it is done";
    case 10:
      return "stopped: no space is left; make room, then run the same command again to go on";
    case 11:
      return "stopped: a mailbox is not the one it was; a decision is needed";
    case 12:
      return "interrupted: run the same command again to go on";
    case 13:
      return verdict_of_verify(report);
    case 14:
      return "stopped by the deletion brake";
    case 15:
      return "not possible: the place cannot do that";
    default:
      return "stopped with exit code " + std::to_string(report.exit);
  }
}

}  // namespace mailhaul::cli
