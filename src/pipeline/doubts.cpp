// See doubts.hpp.
#include "pipeline/doubts.hpp"

#include <algorithm>

namespace mailhaul::pipeline {
namespace {

constexpr unsigned kLooks = 26;  // half a year after the loss

/// durability.md: 0.25, 0.5, 1, 2, 4, 8, 15, 30 s after the loss; then twice as late each time.
std::chrono::milliseconds after_loss(unsigned look) {
  using namespace std::chrono_literals;
  if (look < 6) return 250ms * (1 << look);
  return 15s * (1 << std::min(look - 6, kLooks - 6));
}

}  // namespace

void Doubts::add(Doubt doubt) {
  marks_.mark(doubt.intent.target_folder, doubt.intent.nid, doubt.intent.mail_key, 1);
  doubts_.push_back(std::move(doubt));
}

Doubt Doubts::take(std::list<Doubt>::iterator doubt) {
  Doubt taken = std::move(*doubt);
  doubts_.erase(doubt);
  marks_.mark(taken.intent.target_folder, taken.intent.nid, taken.intent.mail_key, -1);
  return taken;
}

std::size_t Doubts::open() const {
  return static_cast<std::size_t>(
      std::count_if(doubts_.begin(), doubts_.end(), [](const Doubt& doubt) { return !doubt.given_up; }));
}

bool Doubts::holds_unlisted(ledger::RowId folder, const Digest& nid) const {
  if (!holds(folder, nid)) return false;
  return std::any_of(doubts_.begin(), doubts_.end(), [&](const Doubt& doubt) {
    return !doubt.delivery && !doubt.listed && doubt.intent.nid == nid &&
           (folder == 0 || doubt.intent.target_folder == folder);
  });
}

Doubt* Doubts::of_item(ledger::RowId source_folder, const std::string& key) {
  const auto found = std::find_if(doubts_.begin(), doubts_.end(), [&](const Doubt& doubt) {
    return !doubt.delivery && doubt.intent.source_folder == source_folder && doubt.intent.key == key;
  });
  return found == doubts_.end() ? nullptr : &*found;
}

void Doubts::void_keys(ledger::RowId source_folder) {
  for (auto& doubt : doubts_)
    if (doubt.intent.source_folder == source_folder) doubt.intent.key.clear();
}

void Doubts::void_unlisted(ledger::RowId source_folder) {
  for (auto& doubt : doubts_)
    if (doubt.intent.source_folder == source_folder && !doubt.delivery && !doubt.listed) doubt.intent.key.clear();
}

SteadyTime Doubts::next_look(const Doubt& doubt) const {
  return doubt.since + std::min(after_loss(doubt.looks), settle_);
}

std::optional<SteadyTime> Doubts::next_look() const {
  std::optional<SteadyTime> next;
  for (const auto& doubt : doubts_) {
    if (doubt.given_up) continue;
    const auto at = next_look(doubt);
    if (!next || at < *next) next = at;
  }
  return next;
}

SteadyTime Doubts::last_look() const {
  SteadyTime last{};
  for (const auto& doubt : doubts_)
    if (!doubt.given_up) last = std::max(last, doubt.since + settle_);
  return last;
}

std::set<ledger::RowId> Doubts::due(SteadyTime now) const {
  std::set<ledger::RowId> folders;
  for (const auto& doubt : doubts_)
    if (!doubt.given_up && next_look(doubt) <= now) folders.insert(doubt.intent.target_folder);
  return folders;
}

std::set<ledger::RowId> Doubts::never_looked_for() const {
  std::set<ledger::RowId> folders;
  for (const auto& doubt : doubts_)
    if (!doubt.given_up && !doubt.looked) folders.insert(doubt.intent.target_folder);
  return folders;
}

void Doubts::looked(ledger::RowId folder, SteadyTime now) {
  for (auto& doubt : doubts_) {
    if (doubt.intent.target_folder != folder) continue;
    doubt.looked = true;
    while (doubt.looks < kLooks && doubt.since + after_loss(doubt.looks) <= now) ++doubt.looks;
  }
}

}  // namespace mailhaul::pipeline
