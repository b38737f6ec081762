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
  std::optional<std::int64_t> arrived;
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
  /// In which order next() gives the items of a folder: as they arrived (by `arrived`, else as they were added), or the
  /// newest first (by received date, else by `arrived`, else the last added). To be said before the first next().
  enum class Order { arrival, newest_first };
  void set_order(Order order) { order_ = order; }
  /// Up to `limit` further items of one folder; empty at the end.
  [[nodiscard]] Result<std::vector<PendingItem>> next(std::size_t limit);

 private:
  explicit PendingTable(std::unique_ptr<files::Db> db) : db_(std::move(db)) {}
  std::unique_ptr<files::Db> db_;
  std::optional<files::Tx> tx_;
  std::uint64_t count_ = 0;
  [[nodiscard]] Status sort();
  Order order_ = Order::arrival;
  bool any_arrived_ = false;      ///< the order of adding is not that of arrival
  bool begun_ = false, sorted_ = false;
  std::int64_t at_ = 0;  ///< place in the order from which next() goes on
};

/// Keywords or labels as one text and back; sorted lists give equal texts for equal sets.
[[nodiscard]] std::string pack_words(const std::vector<std::string>& words);
[[nodiscard]] std::vector<std::string> unpack_words(const std::string& text);

}  // namespace mailhaul::ledger
