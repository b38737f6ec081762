// What a run still has to read: a temporary table, so that 10^6 messages never stand in memory at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "files/sqlite.hpp"
#include "mail/meta.hpp"

namespace mailhaul::ledger {

/// One listed message, by the number it got when it was added (from 0, in listing order).
struct PendingItem {
  std::uint64_t number = 0;
  std::uint32_t folder = 0;  ///< the caller's index of the folder
  std::string key, locator, object_id;
  std::int64_t size = -1;  ///< -1 = not known
  mail::Meta meta;
  bool meta_complete = false;
};

/// One thread at a time; may be handed from one thread to another.
class PendingTable {
 public:
  static Result<std::unique_ptr<PendingTable>> make(files::FileSystem& fs);
  /// Between begin() and end(): one transaction for a whole listing.
  [[nodiscard]] Status begin();
  [[nodiscard]] Status end();
  [[nodiscard]] Status add(const PendingItem& item);
  /// Gives a number away for which there will be no item.
  [[nodiscard]] std::uint64_t skip() { return count_++; }
  /// Numbers given so far.
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// Up to `limit` items of one folder with numbers from `from` on, in order; empty at the end.
  [[nodiscard]] Result<std::vector<PendingItem>> read(std::uint64_t from, std::size_t limit);

 private:
  explicit PendingTable(std::unique_ptr<files::Db> db) : db_(std::move(db)) {}
  std::unique_ptr<files::Db> db_;
  std::optional<files::Tx> tx_;
  std::uint64_t count_ = 0;
};

/// Keywords or labels as one text and back; sorted lists give equal texts for equal sets.
[[nodiscard]] std::string pack_words(const std::vector<std::string>& words);
[[nodiscard]] std::vector<std::string> unpack_words(const std::string& text);

}  // namespace mailhaul::ledger
