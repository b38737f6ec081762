// Drives a Source over a table of messages to read, and checks that each ends exactly once.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ledger/pending.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

struct Vanished {};

/// What became of one message that was asked for.
struct Fetched {
  std::uint64_t number = 0;  ///< PendingItem::number
  std::uint32_t folder = 0;
  std::string key;
  std::variant<mail::Message, Error, Vanished> result;
};

/// Takes what was fetched, on the thread that runs the reader; an Error stops it.
using FetchedSink = std::function<Status(Fetched)>;
/// Whether the sink could take more without waiting.
using WantsMore = std::function<bool()>;

/// Runs Source::fetch over all of `pending`. `folders[i]` belongs to PendingItem::folder i. One thread.
class Reader final : private store::FetchSink {
 public:
  Reader(store::Source& source, ledger::PendingTable& pending, const std::vector<const store::FolderInfo*>& folders,
         FetchedSink sink, WantsMore wants_more = {});
  /// Error: of the source (session, run), of the sink, or `bug` when the source left a message out or named one twice.
  Status run();

 private:
  Result<store::FetchBatch> next_batch();
  Status pass_on(const store::FolderInfo& folder, const store::Item& item,
                 std::variant<mail::Message, Error, Vanished> result);
  Status on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message message) override {
    return pass_on(folder, item, std::move(message));
  }
  Status on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) override {
    return pass_on(folder, item, std::move(error));
  }
  Status on_vanished(const store::FolderInfo& folder, const store::Item& item) override {
    return pass_on(folder, item, Vanished{});
  }
  bool wants_more() override { return !wants_more_ || wants_more_(); }

  struct Asked {
    std::uint64_t number = 0;
    std::uint32_t folder = 0;
  };
  store::Source& source_;
  ledger::PendingTable& pending_;
  const std::vector<const store::FolderInfo*>& folders_;
  FetchedSink sink_;
  WantsMore wants_more_;
  std::unordered_map<const store::FolderInfo*, std::uint32_t> folder_index_;
  std::unordered_map<std::string, Asked> asked_;  ///< by folder index and key
};

/// A listed message as the table keeps it.
[[nodiscard]] ledger::PendingItem row_of(store::Item item, std::uint32_t folder_index);

/// Lists one folder into `pending`; `accept` says whether a message is to be read. Returns how the listing ended.
struct ListSinks {
  std::function<Result<bool>(const store::Item&)> accept;
  std::function<Status(const store::Key&)> gone;
  std::function<Status(const store::Key&, Error)> bad;
};
[[nodiscard]] Result<store::ListEnd> list_into(store::Source& source, const store::FolderInfo& folder,
                                               std::optional<std::string> since, ledger::PendingTable& pending,
                                               std::uint32_t folder_index, const ListSinks& sinks);

}  // namespace mailhaul::pipeline
