// See steady_fetch.hpp.
#include "pipeline/steady_fetch.hpp"

#include <utility>

namespace mailhaul::pipeline {
namespace {

constexpr std::size_t kAgain = 256;  // as many as the reader puts into a batch
// Two sessions without any progress may be chance; then the first message without an end is suspect.
constexpr unsigned kSuspect = 2;

}  // namespace

Status SteadyFetch::run(store::Source& source, bool locators_hold) {
  locators_hold_ = locators_hold;
  ended_now_ = 0;
  lost_.reset();
  if (!open_.empty() && open_.begin()->first < suspects_below_) MH_CHECK(fetch_alone(source));
  return fetch_all(source);
}

/// One message after the other: the next death names its cause.
Status SteadyFetch::fetch_alone(store::Source& source) {
  while (!open_.empty() && open_.begin()->first < suspects_below_) {
    const std::uint64_t number = open_.begin()->first;
    bool given = false;
    Status status = session_end(source.fetch(
        [&]() -> Result<store::FetchBatch> {
          store::FetchBatch batch;
          if (std::exchange(given, true)) return batch;
          batch.folder = open_.begin()->second.folder;
          batch.items.push_back(open_.begin()->second.item);
          batch.items.back().at_once = true;
          if (!locators_hold_) batch.items.back().locator.clear();
          return batch;
        },
        *this));
    if (status.ok() && open_.count(number) != 0)
      return make_error(ErrorKind::bug, Scope::run, "the source left a message without an answer",
                        "please report this");
    if (status.ok()) continue;
    // A session that ended before it was asked for (the target was slow) tells nothing of it.
    if (given && !caller_failed_ && session_lost(status.error()) && open_.count(number) != 0) {
      ++open_.begin()->second.deaths_alone;
      MH_CHECK(blame(status.error()));
    }
    return status;
  }
  return {};
}

Status SteadyFetch::fetch_all(store::Source& source) {
  asked_again_ = 0;
  Status status = session_end(source.fetch([this] { return next_batch(); }, *this));
  const bool asked = asked_again_ != 0;
  if (asked && !status.ok() && !caller_failed_ && session_lost(status.error()) && ended_now_ == 0 && !open_.empty())
    MH_CHECK(blame(status.error()));
  return status;
}

/// A store that ends its messages with the session's Error, and not its call, says the same.
Status SteadyFetch::session_end(Status status) {
  if (status.ok() && lost_) return *lost_;
  return status;
}

Status SteadyFetch::blame(const Error& why) {
  if (why.wait) return {};  // the server wanted a pause, whatever it was asked for
  auto first = open_.begin();
  Open& suspect = first->second;
  ++suspect.deaths;
  if (suspect.deaths_alone != 0 && suspect.deaths >= kSuspect) {
    const Open poison = std::move(suspect);
    numbers_.erase({poison.folder, poison.item.key});
    open_.erase(first);
    return passed(sink_.on_failed(*poison.folder, poison.item,
                                  make_error(ErrorKind::message, Scope::message,
                                             "the connection is lost at this message each time it is asked for: " + why.what,
                                             "", Retry::later)));
  }
  if (suspect.deaths >= kSuspect) suspects_below_ = pulled_;
  return {};
}

Result<store::FetchBatch> SteadyFetch::next_batch() {
  store::FetchBatch batch;
  for (auto entry = open_.lower_bound(asked_again_); entry != open_.end() && batch.items.size() < kAgain; ++entry) {
    if (batch.folder != nullptr && batch.folder != entry->second.folder) break;
    batch.folder = entry->second.folder;
    batch.items.push_back(entry->second.item);
    if (!locators_hold_) batch.items.back().locator.clear();
    asked_again_ = entry->first + 1;
  }
  if (!batch.items.empty() || exhausted_) return batch;
  return pull();
}

Result<store::FetchBatch> SteadyFetch::pull() {
  auto pulled = next_();
  if (!pulled.ok()) {
    caller_failed_ = true;
    return pulled;
  }
  exhausted_ = pulled->items.empty();
  for (auto& item : pulled->items) {
    if (!locators_hold_) item.locator.clear();
    numbers_[{pulled->folder, item.key}] = pulled_;
    open_.emplace(pulled_++, Open{pulled->folder, item, 0, 0});
  }
  asked_again_ = pulled_;
  return pulled;
}

void SteadyFetch::ended(const store::FolderInfo& folder, const store::Item& item) {
  const auto number = numbers_.find({&folder, item.key});
  if (number == numbers_.end()) return;  // never asked for: the reader will say so
  open_.erase(number->second);
  numbers_.erase(number);
  ++ended_now_;
  back_off_.progress();
}

Status SteadyFetch::on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message message) {
  ended(folder, item);
  return passed(sink_.on_message(folder, item, std::move(message)));
}

Status SteadyFetch::on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) {
  if (session_lost(error)) {
    lost_ = std::move(error);
    return {};
  }
  ended(folder, item);
  return passed(sink_.on_failed(folder, item, std::move(error)));
}

Status SteadyFetch::on_vanished(const store::FolderInfo& folder, const store::Item& item) {
  ended(folder, item);
  return passed(sink_.on_vanished(folder, item));
}

}  // namespace mailhaul::pipeline
