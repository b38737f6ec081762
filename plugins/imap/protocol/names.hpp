// Mailbox names, flags and dates between IMAP and the house's types. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/folder_path.hpp"
#include "mail/meta.hpp"

namespace mailhaul::imap {

/// How an account spells folders: the personal namespace's prefix ("", "INBOX.", "INBOX/", "mail/") and separator.
struct Naming {
  std::string prefix;             ///< as in NAMESPACE, with its separator at the end, or ""
  std::optional<char> separator;  ///< nullopt: names are flat
  bool utf8 = false;              ///< names are UTF-8 (RFC 6855 UTF8=ACCEPT enabled); else modified UTF-7
};

/// The path of a name from LIST. The personal prefix is taken off (Courier's "INBOX.Sent" is the folder Sent; "INBOX"
/// itself stays INBOX). A component that is not canonical modified UTF-7 (bad-input 53) keeps its octets, visibly:
/// valid UTF-8 as it is, else every octet that is not ASCII printable and every '&' as %XX, so that two names never
/// become one; `native` always keeps the server's own octets. Empty components (leading, trailing or doubled
/// separators) become
/// "%" + hex of the separator. nullopt for a name with CR, LF or NUL (bad-input 54), for "" and for one over 1,000
/// octets.
[[nodiscard]] std::optional<mail::FolderPath> path_of(std::string_view native, const Naming& naming);
/// The name to send for a path of ours; the inverse of path_of for what it made without `native`. nullopt: a component
/// that is empty, holds the separator, CR, LF or NUL, or is not UTF-8.
[[nodiscard]] std::optional<std::string> native_of(const mail::FolderPath& path, const Naming& naming);

/// "\Seen" and its four brothers, any case; nullopt for anything else.
[[nodiscard]] std::optional<mail::Flags::Bit> system_flag(std::string_view flag);
/// Flags and keywords of a FETCH response: \Recent and other '\' flags are dropped.
void read_flags(const std::vector<std::string>& flags, mail::Meta& meta);
/// Flags that a target takes. `permanent`: PERMANENTFLAGS, or nullopt where the server named none (then all system
/// flags, and no keyword, are taken; RFC 9051 7.1: "all").
struct WritableFlags {
  std::vector<std::string> flags;  ///< as they go into APPEND
  bool lost_flags = false, lost_keywords = false;
};
[[nodiscard]] WritableFlags writable_flags(const mail::Meta& meta,
                                           const std::optional<std::vector<std::string>>& permanent);

/// date-time of RFC 9051 9 ("17-Jul-1996 02:44:25 -0700", day with blank or 0), tolerant as the field needs: one-digit
/// days without blank, missing zone (UTC). nullopt for impossible ones (Domino's "00-Jan-0000", year 0, zone beyond
/// 23:59).
[[nodiscard]] std::optional<mail::ReceivedDate> parse_internaldate(std::string_view text);
/// What APPEND takes, with quotes; the zone is the date's own, else +0000. nullopt: a year that four digits cannot
/// hold.
[[nodiscard]] std::optional<std::string> to_internaldate(const mail::ReceivedDate& date);

/// The role that LIST attributes tell (RFC 6154, RFC 8457, and Gmail's XLIST words); Role::none when they tell none.
[[nodiscard]] mail::Role role_of(const std::vector<std::string>& attributes);
/// The attribute for CREATE (… USE …), "" for a role that has none.
[[nodiscard]] std::string_view special_use(mail::Role role);

}  // namespace mailhaul::imap
