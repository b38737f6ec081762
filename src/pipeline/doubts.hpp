// The deliveries in doubt of a run, and when they are to be looked for. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger/ledger.hpp"
#include "ledger/pending.hpp"
#include "pipeline/delivery.hpp"

namespace mailhaul::pipeline {

using SteadyTime = std::chrono::steady_clock::time_point;

/// One delivery whose outcome is not known. Its intent is in the ledger as long as it is here.
struct Doubt {
  /// The source message of a delivery that an earlier run left, once it was listed again.
  struct Listed {
    std::uint64_t number = 0;  ///< in the account
    ledger::PendingItem item;
  };

  ledger::Intent intent;
  SteadyTime since;                  ///< the loss of its session; the start of the run for those of earlier ones
  std::optional<Delivery> delivery;  ///< of this run: with its content
  std::optional<Listed> listed;      ///< of an earlier one
  bool looked = false;               ///< at least once
  unsigned looks = 0;                ///< of the schedule, those whose time is over
  bool given_up = false;             ///< it stays in doubt for this run

  [[nodiscard]] store::Ticket ticket() const { return {intent.instance, intent.counter}; }
};

/// One thread.
class Doubts {
 public:
  explicit Doubts(std::chrono::milliseconds settle) : settle_(settle) {}

  void add(Doubt doubt);
  /// Removes it.
  Doubt take(std::list<Doubt>::iterator doubt);
  [[nodiscard]] std::list<Doubt>& all() { return doubts_; }
  /// Those that may still be settled in this run.
  [[nodiscard]] std::size_t open() const;
  /// Whether such a content may yet turn out to be there (folder 0: anywhere).
  [[nodiscard]] bool holds(ledger::RowId folder, const Digest& digest) const { return marks_.has(folder, digest); }
  /// The same for those of earlier runs that no listing has named (any more).
  [[nodiscard]] bool holds_unlisted(ledger::RowId folder, const Digest& nid) const;
  /// The delivery of an earlier run for that source message.
  [[nodiscard]] Doubt* of_item(ledger::RowId source_folder, const std::string& key);
  /// That source folder is another one now: its keys mean nothing.
  void void_keys(ledger::RowId source_folder);
  /// A complete listing named all that is there: the other keys of earlier runs mean nothing any more.
  void void_unlisted(ledger::RowId source_folder);

  /// When the next look is due; nullopt when nothing is open. Looks come 0.25, 0.5, 1, 2, 4, 8, 15, 30 s and so on
  /// after the loss, the last one when the settle time is over.
  [[nodiscard]] std::optional<SteadyTime> next_look() const;
  /// When the last of them is.
  [[nodiscard]] SteadyTime last_look() const;
  /// Target folders with a look due.
  [[nodiscard]] std::set<ledger::RowId> due(SteadyTime now) const;
  /// Target folders with deliveries in doubt that were not looked for yet.
  [[nodiscard]] std::set<ledger::RowId> never_looked_for() const;
  /// All of that folder were looked for at `now` (when the look began).
  void looked(ledger::RowId folder, SteadyTime now);
  /// Looked for when its settle time was over: it will not arrive any more.
  [[nodiscard]] bool settled(const Doubt& doubt, SteadyTime looked_at) const {
    return looked_at - doubt.since >= settle_;
  }

 private:
  [[nodiscard]] SteadyTime next_look(const Doubt& doubt) const;

  const std::chrono::milliseconds settle_;
  std::list<Doubt> doubts_;
  DigestMarks marks_;
};

}  // namespace mailhaul::pipeline
