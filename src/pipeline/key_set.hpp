// The keys that a listing has passed on: exact, and small for the keys of servers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>

#include "store/store.hpp"

namespace mailhaul::pipeline {

/// Decimal keys (UIDs, which come in ascending order) are kept as ranges, all others as they are.
class KeySet {
 public:
  /// false: it was there already.
  bool insert(const store::Key& key);
  [[nodiscard]] bool contains(const store::Key& key) const;
  [[nodiscard]] std::size_t ranges() const { return ranges_.size(); }

 private:
  bool insert_number(std::uint64_t number);
  [[nodiscard]] bool contains_number(std::uint64_t number) const;

  std::map<std::uint64_t, std::uint64_t> ranges_;  ///< first to last, never touching each other
  std::unordered_set<store::Key> others_;
};

}  // namespace mailhaul::pipeline
