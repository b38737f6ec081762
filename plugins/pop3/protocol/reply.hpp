// What a POP3 server answers: status lines and the lines of listings (RFC 1939, 2449, 5034). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailhaul::pop3 {

/// A status line.
struct Reply {
  bool ok = false;
  std::string code;  ///< extended response code in upper case (RFC 2449 8): "IN-USE", "SYS/TEMP"; "" = none
  std::string text;  ///< what is left for a person
};

/// `line` without its line end. Case, and what follows the status word, are not strict: some servers say "+ok" or
/// "+OK,"; a word that only begins like it ("+OKAY") is none.
[[nodiscard]] std::optional<Reply> parse_reply(std::string_view line);
/// The text of a SASL challenge ("+ dGVzdA==", RFC 5034 section 4; "+" alone of Exchange), nullopt for other lines.
[[nodiscard]] std::optional<std::string_view> parse_challenge(std::string_view line);

/// "NUMBER VALUE…" of LIST and UIDL: blanks around and between do not count. nullopt without a number from 1 to 2^32-1.
struct ListingLine {
  std::uint32_t number = 0;
  std::string_view value;  ///< what follows, trimmed; "" = nothing
};
[[nodiscard]] std::optional<ListingLine> parse_listing_line(std::string_view line);

/// The number in front of LIST's value; some servers say more behind it ("120 octets").
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view value);

/// Messages and octets of "+OK 3 1200" (RFC 1939 STAT).
struct Stat {
  std::uint64_t messages = 0, octets = 0;
};
[[nodiscard]] std::optional<Stat> parse_stat(std::string_view text);

/// A capability's name in upper case, and its arguments (RFC 2449 5).
struct Capability {
  std::string name, arguments;
};
[[nodiscard]] std::optional<Capability> parse_capability(std::string_view line);

}  // namespace mailhaul::pop3
