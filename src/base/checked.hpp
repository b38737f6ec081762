// Integers that cannot overflow in silence, and numbers read from text.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace mailhaul {
inline namespace base {

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}
[[nodiscard]] constexpr std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// The whole of `text` as an unsigned number of the given base; no sign, no blank, no prefix.
/// nullopt when it is empty, holds anything else, or is above `max`.
[[nodiscard]] std::optional<std::uint64_t> parse_uint(
    std::string_view text, int base = 10, std::uint64_t max = std::numeric_limits<std::uint64_t>::max());

}  // namespace base
}  // namespace mailhaul
