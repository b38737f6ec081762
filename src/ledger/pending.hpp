// What a run still has to read: a temporary table, so that 10^6 messages never stand in memory at once.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
  /// A folder and about how much work its items are, in octets; in listing order.
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint64_t>> loads() const;
  /// Folders by the lane that they belong to: next() gives the lanes' items in turns, and of each lane one folder after
  /// the other. To be said before the first next(); without it all are one lane.
  void set_lanes(std::map<std::uint32_t, std::size_t> lane_of_folder) { lane_of_folder_ = std::move(lane_of_folder); }
  /// Up to `limit` further items of one folder; empty at the end.
  [[nodiscard]] Result<std::vector<PendingItem>> next(std::size_t limit);

 private:
  explicit PendingTable(std::unique_ptr<files::Db> db) : db_(std::move(db)) {}
  std::unique_ptr<files::Db> db_;
  std::optional<files::Tx> tx_;
  std::uint64_t count_ = 0;
  /// Neighbours in the order in which they are given.
  struct Run {
    std::uint32_t folder = 0;
    std::int64_t at = 0, end = 0;
    std::uint64_t octets = 0;
  };
  [[nodiscard]] Status begin_reading();
  [[nodiscard]] Status sort();
  [[nodiscard]] Run* next_run();
  [[nodiscard]] Result<std::vector<PendingItem>> read(Run& run, std::size_t limit);
  std::vector<Run> runs_;  ///< as they were added, then as they are read
  std::map<std::uint32_t, std::size_t> lane_of_folder_;
  std::vector<std::deque<Run>> lanes_;
  std::size_t lane_ = 0;  ///< whose turn it is
  Order order_ = Order::arrival;
  bool any_arrived_ = false;  ///< the order of adding is not that of arrival
  bool begun_ = false, sorted_ = false;
};

/// Keywords or labels as one text and back; sorted lists give equal texts for equal sets.
[[nodiscard]] std::string pack_words(const std::vector<std::string>& words);
[[nodiscard]] std::vector<std::string> unpack_words(const std::string& text);

}  // namespace mailhaul::ledger
