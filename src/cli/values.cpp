#include "cli/values.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::cli {
namespace {

/// Number and unit of `64M`: the digits at the start, the rest in lower case.
std::pair<std::string_view, std::string> split_number(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  return {text.substr(0, digits), to_lower_ascii(text.substr(digits))};
}

/// Edit distance with swaps of neighbours as one step (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t swap = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + swap});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

/// Length and columns of the character at the start of valid UTF-8.
std::pair<std::size_t, std::size_t> first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {1, 1};
  // U+1100 is where wide characters begin; what lies below needs one column at most. It begins with E1 84.
  const auto second = text.size() > 1 ? static_cast<unsigned char>(text[1]) : 0U;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  const bool wide = lead > 0xE2 || (lead == 0xE1 && second >= 0x84);
  return {std::min(length, text.size()), wide ? 2U : 1U};
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, unsigned>, 9> kUnits{
      {{"", 0}, {"k", 10}, {"kib", 10}, {"m", 20}, {"mib", 20}, {"g", 30}, {"gib", 30}, {"t", 40}, {"tib", 40}}};
  const auto [digits, unit] = split_number(text);
  const auto number = parse_uint(digits);
  if (!number || *number == 0) return std::nullopt;
  for (const auto& [name, shift] : kUnits) {
    if (unit != name) continue;
    const auto size = checked_mul(*number, std::uint64_t{1} << shift);
    if (!size || *size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return size;
  }
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kUnits{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  constexpr std::uint64_t kYear = 366ULL * 86'400'000;
  if (text == "0") return std::chrono::milliseconds(0);
  const auto [digits, unit] = split_number(text);
  const auto number = parse_uint(digits);
  if (!number) return std::nullopt;
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    const auto total = checked_mul(*number, factor);
    if (!total || *total > kYear) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(*total));
  }
  return std::nullopt;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // No option is longer; a longer word is somebody's text, and the distance costs length times length.
  if (word.empty() || word.size() > 40) return std::nullopt;
  const std::size_t allowed = word.size() <= 4 ? 1 : 2;
  std::optional<std::string> best, begun;
  std::size_t best_distance = allowed + 1, begins = 0;
  for (const auto& candidate : candidates) {
    if (const auto slips = distance(word, candidate); slips < best_distance) {
      best_distance = slips;
      best = candidate;
    }
    if (candidate.starts_with(word)) {
      begun = candidate;
      ++begins;
    }
  }
  if (best) return best;
  return begins == 1 ? begun : std::nullopt;
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string human_seconds(double seconds) {
  if (!(seconds >= 0)) seconds = 0;  // also NaN
  if (seconds < 9.95) {
    const auto tenths = static_cast<std::uint64_t>(std::lround(seconds * 10));
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
  }
  const auto whole = static_cast<std::uint64_t>(std::llround(std::min(seconds, 1e12)));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::size_t columns(std::string_view text) {
  std::size_t sum = 0;
  while (!text.empty()) {
    const auto [length, width] = first_character(text);
    sum += width;
    text.remove_prefix(length);
  }
  return sum;
}

std::string_view cut_to_columns(std::string_view text, std::size_t limit) {
  std::size_t sum = 0, at = 0;
  while (at < text.size()) {
    const auto [length, width] = first_character(text.substr(at));
    if (sum + width > limit) break;
    sum += width;
    at += length;
  }
  return text.substr(0, at);
}

}  // namespace mailhaul::cli
