// What belongs to a message but is not in its octets.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace mailhaul::mail {

/// The system flags of RFC 9051 2.3.2 that a store can keep (\Recent is never kept).
class Flags {
 public:
  enum Bit : std::uint8_t { seen = 1, answered = 2, flagged = 4, deleted = 8, draft = 16 };
  constexpr Flags() = default;
  constexpr explicit Flags(std::uint8_t bits) : bits_(bits) {}
  [[nodiscard]] constexpr bool has(Bit bit) const { return (bits_ & bit) != 0; }
  constexpr Flags& set(Bit bit) { bits_ = static_cast<std::uint8_t>(bits_ | bit); return *this; }
  [[nodiscard]] constexpr std::uint8_t bits() const { return bits_; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const Flags&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

/// When a message arrived. The instant must survive every copy; the zone where the store can hold it.
struct ReceivedDate {
  Instant instant{};
  std::optional<std::chrono::minutes> zone;  ///< east of UTC; nullopt where the source has none
  bool operator==(const ReceivedDate&) const = default;
};

/// Flags, keywords, received date, labels.
struct Meta {
  Flags flags;
  std::vector<std::string> keywords;  ///< sorted, unique under ASCII case, e.g. `$Forwarded`, `Work`
  std::optional<ReceivedDate> received;
  std::vector<std::string> labels;  ///< of stores that have them; sorted
  bool operator==(const Meta&) const = default;
};

/// Sorts and removes doubles (ASCII case-insensitive; the first spelling stays), drops empty ones.
void normalize_keywords(std::vector<std::string>& keywords);
/// `\Seen \Flagged Work`: for people and for comparison in reports.
[[nodiscard]] std::string to_text(const Flags& flags);

}  // namespace mailhaul::mail
