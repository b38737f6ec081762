#include "base/strings.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.hpp"

namespace mailhaul {
inline namespace base {

namespace {

constexpr bool is_blank_or_line_end(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// One character of UTF-8: its value and how many octets it takes.
struct Character {
  char32_t value = 0;
  std::size_t length = 0;
};

/// What the first octet of a sequence says of the rest (RFC 3629, section 4): how many octets, and the range that the
/// second one must lie in so that overlong forms, surrogates and values above U+10FFFF cannot be written.
struct Lead {
  std::size_t length;
  unsigned second_from, second_to;
  unsigned mask;
};

std::optional<Lead> lead_of(unsigned octet) {
  if (octet < 0x80) return Lead{1, 0, 0, 0x7F};
  if (octet < 0xC2) return std::nullopt;
  if (octet < 0xE0) return Lead{2, 0x80, 0xBF, 0x1F};
  if (octet < 0xF0) return Lead{3, octet == 0xE0 ? 0xA0U : 0x80U, octet == 0xED ? 0x9FU : 0xBFU, 0x0F};
  if (octet < 0xF5) return Lead{4, octet == 0xF0 ? 0x90U : 0x80U, octet == 0xF4 ? 0x8FU : 0xBFU, 0x07};
  return std::nullopt;
}

/// nullopt where `text` (not empty) does not begin with a valid sequence.
std::optional<Character> first_character(std::string_view text) {
  const auto octet_at = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  const auto lead = lead_of(octet_at(0));
  if (!lead || text.size() < lead->length) return std::nullopt;
  char32_t value = octet_at(0) & lead->mask;
  for (std::size_t i = 1; i < lead->length; ++i) {
    const unsigned from = i == 1 ? lead->second_from : 0x80;
    const unsigned to = i == 1 ? lead->second_to : 0xBF;
    if (octet_at(i) < from || octet_at(i) > to) return std::nullopt;
    value = (value << 6) | (octet_at(i) & 0x3F);
  }
  return Character{value, lead->length};
}

/// Octets of the character at the start of `text`; an invalid octet counts as one.
std::size_t character_length(std::string_view text) {
  const auto character = first_character(text);
  return character ? character->length : 1;
}

/// Characters that reorder text or that nobody sees: Unicode's bidirectional controls, separators and zero-width
/// format characters, tag characters included.
bool deceives(char32_t c) {
  struct Range {
    char32_t from, to;
  };
  static constexpr std::array<Range, 9> kRanges{{{0x00AD, 0x00AD},
                                                 {0x061C, 0x061C},
                                                 {0x180E, 0x180E},
                                                 {0x200B, 0x200F},
                                                 {0x2028, 0x202E},
                                                 {0x2060, 0x206F},
                                                 {0xFEFF, 0xFEFF},
                                                 {0xFFF9, 0xFFFB},
                                                 {0xE0000, 0xE007F}}};
  return std::any_of(kRanges.begin(), kRanges.end(), [c](const Range& r) { return c >= r.from && c <= r.to; });
}

std::string hex_escape(unsigned octet) {
  const std::array<std::byte, 1> one{static_cast<std::byte>(octet)};
  return "\\x" + to_hex(Octets(one));
}

std::string unicode_escape(char32_t value) {
  std::string digits = to_hex(static_cast<std::uint64_t>(value));
  digits.erase(0, digits.find_first_not_of('0'));
  return "\\u{" + digits + "}";
}

/// How the character at the start of `text` is shown, and how many columns that takes.
struct Shown {
  std::string text;
  std::size_t columns;
  std::size_t consumed;
};

Shown show_first(std::string_view text) {
  const auto character = first_character(text);
  if (!character) return {hex_escape(static_cast<unsigned char>(text[0])), 4, 1};
  const char32_t value = character->value;
  if (value < 0x20 || (value >= 0x7F && value <= 0x9F)) {
    return {hex_escape(static_cast<unsigned>(value)), 4, character->length};
  }
  if (deceives(value)) {
    std::string escape = unicode_escape(value);
    const std::size_t columns = escape.size();
    return {std::move(escape), columns, character->length};
  }
  return {std::string(text.substr(0, character->length)), 1, character->length};
}

}  // namespace

std::string to_lower_ascii(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), ascii_lower);
  return lower;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank_or_line_end(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank_or_line_end(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t at = text.find(separator); at != std::string_view::npos; at = text.find(separator, from)) {
    parts.emplace_back(text.substr(from, at - from));
    from = at + 1;
  }
  parts.emplace_back(text.substr(from));
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  // After a mismatch the text restarts one character later behind the last '*': an earlier '*' need never be tried
  // again, since the last one takes over all that it could have taken.
  std::size_t after_star = std::string_view::npos;
  std::size_t retry_at = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      retry_at = t;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      t += character_length(text.substr(t));
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      retry_at += character_length(text.substr(retry_at));
      p = after_star;
      t = retry_at;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character) return false;
    text.remove_prefix(character->length);
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const auto character = first_character(text);
    const std::size_t length = character ? character->length : 1;
    valid += character ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    text.remove_prefix(length);
  }
  return valid;
}

std::string visible(std::string_view text, std::size_t max_columns) {
  constexpr std::string_view kCut = "...";
  const std::size_t room_before_cut = max_columns > kCut.size() ? max_columns - kCut.size() : 0;
  std::string shown;
  std::size_t columns = 0;
  std::size_t cut_at = 0;  // where the text ends if it must make room for the dots
  while (!text.empty()) {
    const Shown next = show_first(text);
    if (columns + next.columns > max_columns) {
      shown.resize(cut_at);
      shown += kCut.substr(0, max_columns);
      return shown;
    }
    shown += next.text;
    columns += next.columns;
    if (columns <= room_before_cut) cut_at = shown.size();
    text.remove_prefix(next.consumed);
  }
  return shown;
}

std::string human_octets(std::uint64_t octets) {
  if (octets < 1024) return std::to_string(octets) + " B";
  constexpr std::array<std::string_view, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::uint64_t whole = octets / 1024;
  std::uint64_t rest = octets % 1024;
  std::size_t unit = 0;
  std::uint64_t tenths = 0;
  for (;; ++unit) {
    tenths = whole * 10 + (rest * 10 + 512) / 1024;
    // 1023.97 KiB would read "1024.0 KiB": the next unit says it better.
    if (tenths < 10240 || unit + 1 == kUnits.size()) break;
    rest = whole % 1024;
    whole /= 1024;
  }
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + std::string(kUnits[unit]);
}

}  // namespace base
}  // namespace mailhaul
