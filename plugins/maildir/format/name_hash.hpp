// Sets of names in 10 octets a name: a folder of a million messages must not cost its names in memory. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace mailhaul::maildir {

/// 64 bits, seeded anew for each listing so that nobody can choose names that fall together; of 10^6 names two do with
/// a probability below 1 in 10^7. Never 0.
[[nodiscard]] inline std::uint64_t name_hash(std::string_view name, std::uint64_t seed) {
  std::uint64_t hash = seed ^ 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;  // spreads the low bits, which the loop leaves poor
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
  hash ^= hash >> 31;
  return hash == 0 ? 1 : hash;
}

/// A set of hashes, open addressing, at most 4/5 full.
class HashSet {
 public:
  explicit HashSet(std::size_t expected) : slots_(expected + expected / 4 + 64) {}
  /// false when it was there.
  bool insert(std::uint64_t hash) {
    if (used_ + used_ / 4 + 8 >= slots_.size()) grow();
    if (!place(hash)) return false;
    ++used_;
    return true;
  }

 private:
  bool place(std::uint64_t hash) {
    std::size_t at = static_cast<std::size_t>(((hash >> 32) * static_cast<std::uint64_t>(slots_.size())) >> 32);
    while (slots_[at] != 0) {
      if (slots_[at] == hash) return false;
      if (++at == slots_.size()) at = 0;
    }
    slots_[at] = hash;
    return true;
  }
  void grow() {
    std::vector<std::uint64_t> old(slots_.size() + slots_.size() / 2);
    old.swap(slots_);
    for (const std::uint64_t hash : old) {
      if (hash != 0) place(hash);
    }
  }

  std::vector<std::uint64_t> slots_;
  std::size_t used_ = 0;
};

}  // namespace mailhaul::maildir
