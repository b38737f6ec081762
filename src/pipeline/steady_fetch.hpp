// What a fetch over several sessions must remember: which messages were asked for and have no end yet.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "pipeline/patience.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// One call of Source::fetch as its caller sees it, made of as many as there are sessions. One thread.
class SteadyFetch final : private store::FetchSink {
 public:
  /// `caller_failed` is set when `next` or `sink` answered with an Error: that one is theirs, no loss.
  SteadyFetch(const store::NextBatch& next, store::FetchSink& sink, BackOff& back_off, bool& caller_failed)
      : next_(next), sink_(sink), back_off_(back_off), caller_failed_(caller_failed) {}
  /// Goes on with this session. `locators_hold`: they were made in it.
  Status run(store::Source& source, bool locators_hold);

 private:
  struct Open {
    const store::FolderInfo* folder = nullptr;
    store::Item item;
    unsigned deaths = 0;        ///< sessions that ended at it without any progress
    unsigned deaths_alone = 0;  ///< of these, with nothing else asked for
  };

  Status fetch_alone(store::Source& source);
  Status fetch_all(store::Source& source);
  Result<store::FetchBatch> next_batch();
  Result<store::FetchBatch> pull();
  Status blame(const Error& why);
  Status session_end(Status status);
  void ended(const store::FolderInfo& folder, const store::Item& item);
  Status passed(Status status) {
    caller_failed_ = caller_failed_ || !status.ok();
    return status;
  }
  Status on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message message) override;
  Status on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) override;
  Status on_vanished(const store::FolderInfo& folder, const store::Item& item) override;
  bool wants_more() override { return sink_.wants_more(); }

  const store::NextBatch& next_;
  store::FetchSink& sink_;
  BackOff& back_off_;
  bool& caller_failed_;
  std::map<std::uint64_t, Open> open_;  ///< in the order in which they were asked for
  std::map<std::pair<const store::FolderInfo*, store::Key>, std::uint64_t> numbers_;
  std::uint64_t pulled_ = 0;
  std::uint64_t asked_again_ = 0;     ///< numbers below it were asked for in this session
  std::uint64_t ended_now_ = 0;       ///< in this session
  std::uint64_t suspects_below_ = 0;  ///< messages with lower numbers are asked for alone
  bool exhausted_ = false;
  bool locators_hold_ = true;
  std::optional<Error> lost_;
};

}  // namespace mailhaul::pipeline
