#include "base/bytes.hpp"

#include <algorithm>

namespace mailhaul {
inline namespace base {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(Octets octets) {
  std::string text;
  text.reserve(octets.size() * 2);
  for (const std::byte octet : octets) {
    const auto value = std::to_integer<unsigned>(octet);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

std::string to_hex(std::uint64_t value) {
  std::string text(16, '0');
  for (std::size_t i = text.size(); i > 0; --i, value >>= 4) text[i - 1] = kDigits[value & 15];
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string octets;
  octets.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    octets += static_cast<char>(high * 16 + low);
  }
  return octets;
}

std::optional<Digest> digest_from(Octets octets) {
  Digest digest;
  if (octets.size() != digest.bytes.size()) return std::nullopt;
  std::copy(octets.begin(), octets.end(), digest.bytes.begin());
  return digest;
}

}  // namespace base
}  // namespace mailhaul
