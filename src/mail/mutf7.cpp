#include "mail/mutf7.hpp"

#include <cstdint>

#include "base/strings.hpp"

namespace mailhaul::mail {

namespace {

/// RFC 3501 5.1.3: base64 with ',' for '/', without padding.
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

bool stands_for_itself(char c) { return c >= 0x20 && c <= 0x7E; }

/// Collects bits and gives them back in groups of another width.
class Bits {
 public:
  void add(std::uint32_t value, unsigned width) {
    held_ = ((held_ << width) | value) & 0xFFFFFFFF;
    count_ += width;
  }
  [[nodiscard]] bool has(unsigned width) const { return count_ >= width; }
  [[nodiscard]] std::uint32_t take(unsigned width) {
    count_ -= width;
    return static_cast<std::uint32_t>((held_ >> count_) & ((1U << width) - 1));
  }
  [[nodiscard]] unsigned count() const { return count_; }

 private:
  std::uint64_t held_ = 0;
  unsigned count_ = 0;
};

/// The value of the character at the start of valid UTF-8, which is moved behind it.
std::uint32_t take_character(std::string_view& utf8) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(utf8[i])); };
  const std::uint32_t lead = octet(0);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t value = length == 1 ? lead : lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (octet(i) & 0x3F);
  utf8.remove_prefix(length);
  return value;
}

void append_utf8(std::string& utf8, std::uint32_t value) {
  const auto put = [&](std::uint32_t octet) { utf8 += static_cast<char>(static_cast<unsigned char>(octet)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | (value >> 6));
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | (value >> 12));
    put(0x80 | ((value >> 6) & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | (value >> 18));
    put(0x80 | ((value >> 12) & 0x3F));
    put(0x80 | ((value >> 6) & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

/// Encodes the run of characters at the start of `utf8` that cannot stand for themselves, and moves behind it.
void append_shift(std::string& mutf7, std::string_view& utf8) {
  Bits bits;
  const auto drain = [&] {
    while (bits.has(6)) mutf7 += kAlphabet[bits.take(6)];
  };
  mutf7 += '&';
  while (!utf8.empty() && !stands_for_itself(utf8.front())) {
    const std::uint32_t value = take_character(utf8);
    if (value >= 0x10000) {
      bits.add(0xD800 + ((value - 0x10000) >> 10), 16);
      drain();
      bits.add(0xDC00 + ((value - 0x10000) & 0x3FF), 16);
    } else {
      bits.add(value, 16);
    }
    drain();
  }
  if (bits.count() > 0) {
    bits.add(0, 6 - bits.count());
    drain();
  }
  mutf7 += '-';
}

/// Decodes what stands between '&' and '-'. Leniently: from_mutf7() encodes the answer again and compares.
std::optional<std::string> decode_shift(std::string_view base64) {
  std::string utf8;
  Bits bits;
  std::uint32_t high = 0;  // a high surrogate that waits for its low one
  for (const char c : base64) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits.add(static_cast<std::uint32_t>(value), 6);
    if (!bits.has(16)) continue;
    const std::uint32_t unit = bits.take(16);
    const bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
    if (is_low != (high != 0)) return std::nullopt;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
      high = unit;
      continue;
    }
    append_utf8(utf8, is_low ? 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00) : unit);
    high = 0;
  }
  if (high != 0) return std::nullopt;
  return utf8;
}

}  // namespace

std::optional<std::string> to_mutf7(std::string_view utf8) {
  if (!is_valid_utf8(utf8)) return std::nullopt;
  std::string mutf7;
  while (!utf8.empty()) {
    if (!stands_for_itself(utf8.front())) {
      append_shift(mutf7, utf8);
      continue;
    }
    mutf7 += utf8.front();
    if (utf8.front() == '&') mutf7 += '-';
    utf8.remove_prefix(1);
  }
  return mutf7;
}

std::optional<std::string> from_mutf7(std::string_view mutf7) {
  std::string utf8;
  for (std::size_t i = 0; i < mutf7.size(); ++i) {
    if (mutf7[i] != '&') {
      utf8 += mutf7[i];
      continue;
    }
    const std::size_t end = mutf7.find('-', i);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view base64 = mutf7.substr(i + 1, end - i - 1);
    if (base64.empty()) {
      utf8 += '&';
    } else {
      const auto decoded = decode_shift(base64);
      if (!decoded) return std::nullopt;
      utf8 += *decoded;
    }
    i = end;
  }
  // Only the canonical spelling counts: another one would be a second name of the same folder.
  if (to_mutf7(utf8) != mutf7) return std::nullopt;
  return utf8;
}

}  // namespace mailhaul::mail
