// Octets: spans of them, fixed digests, hex.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mailhaul {
inline namespace base {

using Octets = std::span<const std::byte>;

[[nodiscard]] inline Octets as_octets(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(Octets octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

/// A SHA-256 digest.
struct Digest {
  std::array<std::byte, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] Octets octets() const { return bytes; }
};

/// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(Octets octets);
[[nodiscard]] std::string to_hex(std::uint64_t value);  ///< always 16 digits
/// nullopt unless `text` is an even number of hexadecimal digits.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);
/// nullopt unless `octets` has 32 of them.
[[nodiscard]] std::optional<Digest> digest_from(Octets octets);

}  // namespace base
}  // namespace mailhaul
