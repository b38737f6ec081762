// Counting, and the proof that nothing was left out of the count.
#include "pipeline/account.hpp"

#include <algorithm>

namespace mailhaul::pipeline {
namespace {

constexpr std::size_t kKeptInReport = 1'000;  // cli.md: the first 1,000; --outcomes has all

bool done_for_good(Outcome outcome) {
  return outcome == Outcome::copied || outcome == Outcome::present || outcome == Outcome::duplicate;
}

}  // namespace

void NoteCollector::note(const store::Note& note) {
  const std::lock_guard lock(mutex_);
  // A source that lost its session says again what it said of the place.
  const bool told = std::any_of(notes_.begin(), notes_.end(), [&](const store::Note& one) {
    return one.weight == note.weight && one.folder == note.folder && one.text == note.text;
  });
  if (told) return;
  next_.note(note);
  doubtful_ = doubtful_ || note.weight == store::Note::Weight::doubtful;
  if (notes_.size() < kKeptInReport) notes_.push_back(note);
}

void NoteCollector::give_to(Report& report) {
  const std::lock_guard lock(mutex_);
  report.notes.insert(report.notes.end(), notes_.begin(), notes_.end());
  notes_.clear();
  if (doubtful_) report.exit = worse_exit(report.exit, 3);
}

void Account::add_folder(const std::string& source, const std::string& target) {
  report_.folders.push_back({source, target, 0, 0, 0});
  undone_.push_back(0);
}

std::uint64_t& Account::counter(Outcome outcome) {
  CopyCounts& counts = report_.counts;
  switch (outcome) {
    case Outcome::copied: return counts.copied;
    case Outcome::present: return counts.present;
    case Outcome::duplicate: return counts.duplicate;
    case Outcome::filtered: return counts.filtered;
    case Outcome::failed: return counts.failed;
    case Outcome::vanished: return counts.vanished;
    case Outcome::pending: return counts.pending;
    case Outcome::unknown: break;
  }
  return counts.unknown;
}

void Account::known(std::size_t folder, Outcome outcome, std::uint64_t count) {
  report_.counts.listed += count;
  report_.folders[folder].listed += count;
  counter(outcome) += count;
}

Status Account::count(std::size_t folder, const MessageOutcome& outcome, const std::string& message_id) {
  ++counter(outcome.outcome);
  if (outcome.outcome == Outcome::copied) ++report_.folders[folder].copied;
  if (!done_for_good(outcome.outcome)) ++undone_[folder];
  if (outcome.outcome == Outcome::failed && report_.failures.size() < kKeptInReport)
    report_.failures.push_back({outcome.folder, outcome.key, message_id, "failed", outcome.reason});
  return observer_.wants_outcomes() ? observer_.on_outcome(outcome) : Status();
}

void Account::altered(MessageOutcome outcome, const std::string& message_id) {
  ++report_.counts.altered;
  if (report_.failures.size() < kKeptInReport)
    report_.failures.push_back({std::move(outcome.folder), std::move(outcome.key), message_id, "altered",
                                "the target changed the message's octets"});
}

Status Account::listed_done(std::size_t folder, MessageOutcome outcome, const std::string& message_id) {
  ++report_.counts.listed;
  ++report_.folders[folder].listed;
  return count(folder, outcome, message_id);
}

void Account::listed_open(std::size_t folder) {
  ++report_.counts.listed;
  ++report_.folders[folder].listed;
  ++undone_[folder];
  ++open_;
  settled_.push_back(false);
}

Status Account::settle(std::uint64_t number, std::size_t folder, MessageOutcome outcome, const std::string& message_id,
                       std::uint64_t octets) {
  if (number >= settled_.size() || settled_[number])
    return make_error(ErrorKind::bug, Scope::run, "a message of " + outcome.folder + " ended twice (" + outcome.key + ")",
                      "please report this");
  settled_[number] = true;
  --open_;
  --undone_[folder];
  if (outcome.outcome == Outcome::copied) {
    report_.counts.octets += octets;
    report_.folders[folder].octets += octets;
  }
  return count(folder, outcome, message_id);
}

Status Account::close() {
  report_.counts.pending += open_;
  open_ = 0;
  if (report_.counts.balanced()) return {};
  return make_error(ErrorKind::bug, Scope::run, "the account does not balance: messages were lost from the count",
                    "please report this with the output of --json");
}

}  // namespace mailhaul::pipeline
