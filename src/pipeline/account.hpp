// The account of every message: each listed one ends in exactly one outcome, and the sum is checked.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "pipeline/report.hpp"

namespace mailhaul::pipeline {

/// Events for a run: keeps what the report holds, passes on everything. Thread-safe.
class NoteCollector final : public store::Events {
 public:
  explicit NoteCollector(store::Events& next) : next_(next) {}
  void note(const store::Note& note) override;
  /// Moves the notes into the report; a doubtful one makes the exit at least 3.
  void give_to(Report& report);

 private:
  store::Events& next_;
  std::mutex mutex_;
  std::vector<store::Note> notes_;
  bool doubtful_ = false;
};

/// Counts outcomes. One thread.
class Account {
 public:
  Account(Report& report, Observer& observer) : report_(report), observer_(observer) {}

  /// A folder's line in the report; its index is the order of the calls.
  void add_folder(const std::string& source, const std::string& target);
  void set_target(std::size_t folder, const std::string& target) { report_.folders[folder].target = target; }

  /// `count` messages that the ledger knows and no listing named (the folder did not change).
  void known(std::size_t folder, Outcome outcome, std::uint64_t count);
  /// One listed message that has its outcome at once.
  Status listed_done(std::size_t folder, MessageOutcome outcome, const std::string& message_id = {});
  /// One listed message that will be settled later; numbers count up from 0 in the order of these calls.
  void listed_open(std::size_t folder);
  /// The end of a message announced by listed_open(). A second end is a bug of ours.
  Status settle(std::uint64_t number, std::size_t folder, MessageOutcome outcome, const std::string& message_id,
                std::uint64_t octets);
  /// A message that was copied, but not as it was.
  void altered(MessageOutcome outcome, const std::string& message_id);
  /// Whether a number has its outcome.
  [[nodiscard]] bool settled(std::uint64_t number) const { return settled_[number]; }
  /// What was never settled is pending. Error: the sum does not balance.
  Status close();
  [[nodiscard]] std::uint64_t open() const { return open_; }
  [[nodiscard]] std::uint64_t done() const { return report_.counts.listed - open_; }
  /// True when every message of the folder is done for good: copied, present or duplicate.
  [[nodiscard]] bool all_done(std::size_t folder) const { return undone_[folder] == 0; }

 private:
  Status count(std::size_t folder, const MessageOutcome& outcome, const std::string& message_id);
  std::uint64_t& counter(Outcome outcome);

  Report& report_;
  Observer& observer_;
  std::vector<bool> settled_;
  std::vector<std::uint64_t> undone_;  ///< per folder: open, or ended in a way that a later run must look at again
  std::uint64_t open_ = 0;
};

}  // namespace mailhaul::pipeline
