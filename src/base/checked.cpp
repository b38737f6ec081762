#include "base/checked.hpp"

#include <cassert>

namespace mailhaul {
inline namespace base {

namespace {

/// 36 for what is no digit in any base.
unsigned digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'z') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned>(c - 'A') + 10;
  return 36;
}

}  // namespace

std::optional<std::uint64_t> parse_uint(std::string_view text, int base, std::uint64_t max) {
  assert(base >= 2 && base <= 36);
  if (text.empty()) return std::nullopt;
  const auto radix = static_cast<unsigned>(base);
  std::uint64_t number = 0;
  for (const char c : text) {
    const unsigned digit = digit_value(c);
    if (digit >= radix) return std::nullopt;
    const auto shifted = checked_mul(number, radix);
    const auto sum = shifted ? checked_add(*shifted, digit) : std::nullopt;
    if (!sum || *sum > max) return std::nullopt;
    number = *sum;
  }
  return number;
}

}  // namespace base
}  // namespace mailhaul
