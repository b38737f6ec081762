// Sets of UIDs as ranges; never expanded (threat 16: "1:4294967295").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailhaul::imap {

using Uid = std::uint32_t;  ///< nz-number (RFC 9051 9): 1..2^32-1

/// Ascending, disjoint, maximal ranges.
class UidSet {
 public:
  struct Range {
    Uid first = 0, last = 0;
    bool operator==(const Range&) const = default;
  };

  /// Of ranges in any order, overlapping or not.
  [[nodiscard]] static UidSet of(std::vector<Range> ranges);

  void add(Uid uid) { add(uid, uid); }
  void add(Uid first, Uid last);  ///< first <= last; cheap when it goes on at the end
  void remove(Uid uid);
  [[nodiscard]] bool contains(Uid uid) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }
  /// The n-th UID in ascending order, from 0; nullopt beyond the end. Linear in ranges.
  [[nodiscard]] std::optional<Uid> at(std::uint64_t n) const;

  [[nodiscard]] std::string text() const;  ///< "1:3,7"
  /// Pieces of at most `max_octets` text each (Yahoo and UW take lines of 1,000 octets, others 8,000).
  [[nodiscard]] std::vector<UidSet> split(std::size_t max_octets) const;
  /// sequence-set of a server: no '*', no 0, at most `max_ranges` ranges. Descending ranges are turned (hMailServer).
  /// The order of elements is not kept: see parse_ordered().
  [[nodiscard]] static std::optional<UidSet> parse(std::string_view text, std::size_t max_ranges = 1'000'000);
  /// The same in the server's order, for APPENDUID, where the n-th UID belongs to the n-th message of a MULTIAPPEND
  /// (RFC 4315 3: "in the order"). nullopt also when it names more than `max_uids`.
  [[nodiscard]] static std::optional<std::vector<Uid>> parse_ordered(std::string_view text, std::size_t max_uids);

  bool operator==(const UidSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

}  // namespace mailhaul::imap
