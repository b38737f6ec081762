// The values that options take: sizes, durations, and the nearest known word to a mistyped one. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailhaul::cli {

/// `65536`, `64K`, `64M`, `1GiB`: powers of 1024, case ignored. nullopt for 0, anything else, or above 2^63 - 1.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
/// `500ms`, `3s`, `2m`, `1h`, `1d`, or a bare `0`. nullopt otherwise, or above a year.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// The candidate that a person most likely meant: at most two slips (one in a word of up to four letters; swapped
/// neighbours count as one), or the only one that `word` begins.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

/// `12,345,678`: for people.
[[nodiscard]] std::string grouped(std::uint64_t number);
/// `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`: for people.
[[nodiscard]] std::string human_seconds(double seconds);
/// Columns a terminal needs for valid UTF-8: two for wide characters. Where it errs, it says too many.
[[nodiscard]] std::size_t columns(std::string_view text);
/// As much of the text from its start as fits into that many columns, whole characters only.
[[nodiscard]] std::string_view cut_to_columns(std::string_view text, std::size_t limit);

}  // namespace mailhaul::cli
