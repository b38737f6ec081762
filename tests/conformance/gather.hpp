// Takes what a Source says and keeps it for questions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conformance/suite.hpp"

namespace mailhaul::conformance {

/// Collects a listing; stops it with an Error at the n-th call when asked to.
class Listing final : public store::ItemSink {
 public:
  explicit Listing(std::optional<std::size_t> stop_at = std::nullopt) : stop_at_(stop_at) {}
  Status on_item(store::Item item) override;
  Status on_gone(const store::Key& key) override;
  Status on_bad(const store::Key& key, Error error) override;

  std::vector<store::Item> items;
  std::vector<store::Key> gone;
  std::vector<std::pair<store::Key, Error>> bad;
  std::size_t calls = 0;

 private:
  Status step();
  std::optional<std::size_t> stop_at_;
};

/// Collects a fetch: facts and meta of each message, by key. Contents are kept only when asked for.
class Fetched final : public store::FetchSink {
 public:
  explicit Fetched(std::optional<std::size_t> stop_at = std::nullopt) : stop_at_(stop_at) {}
  Status on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message message) override;
  Status on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) override;
  Status on_vanished(const store::FolderInfo& folder, const store::Item& item) override;

  struct One {
    std::size_t ends = 0;  ///< how often the key ended; must be 1
    bool vanished = false;
    std::optional<Error> error;
    std::optional<mail::MessageFacts> facts;
    mail::Meta meta;
  };
  std::map<store::Key, One> by_key;
  std::size_t calls = 0;

 private:
  Status step();
  std::optional<std::size_t> stop_at_;
};

inline constexpr const char* kStopped = "the sink has had enough";

/// A NextBatch over `items`, `batch` at a time.
[[nodiscard]] store::NextBatch batches_of(const store::FolderInfo& folder, std::vector<store::Item> items,
                                          std::size_t batch = 50);
/// All selectable folders.
[[nodiscard]] Result<std::vector<store::FolderInfo>> all_folders(store::Source& source);
/// The folder of that name; Error when it is not listed exactly once.
[[nodiscard]] Result<store::FolderInfo> folder_of(store::Source& source, const mail::FolderPath& path);

}  // namespace mailhaul::conformance
