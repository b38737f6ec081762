// Text helpers without locale: ASCII case, splitting, globs, UTF-8 checks, and the one function that
// makes remote text safe to show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mailhaul {
inline namespace base {

[[nodiscard]] constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
[[nodiscard]] std::string to_lower_ascii(std::string_view text);
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);  ///< ASCII case only
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
[[nodiscard]] std::string_view trim(std::string_view text);  ///< SP, TAB, CR, LF at both ends
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);  ///< keeps empty parts
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// `*` matches any run of characters (also '/'), `?` one character, all else itself, over the whole text.
/// Linear in text x pattern; never recursive.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

[[nodiscard]] bool is_valid_utf8(std::string_view text);  ///< no overlong forms, no surrogates, <= U+10FFFF
/// Every octet that is not part of valid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string to_valid_utf8(std::string_view text);

/// Remote text made safe for a terminal, a log or a report: invalid octets, C0, DEL, C1 become `\xNN`;
/// U+2028/2029, bidirectional and zero-width characters become `\u{202e}`; cut to `max_columns`
/// characters with `...`. No octet below 0x20 leaves, not even LF. (threats 20, 21)
[[nodiscard]] std::string visible(std::string_view text, std::size_t max_columns = 200);

/// `1.4 MiB`, `312 B`: for people, never parsed.
[[nodiscard]] std::string human_octets(std::uint64_t octets);

}  // namespace base
}  // namespace mailhaul
