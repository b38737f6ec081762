// Modified UTF-7 (RFC 3501 5.1.3): folder names on IMAP, in Maildir++ and in mbox trees.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailhaul::mail {

/// Valid UTF-8 in; U+0020..U+007E stand for themselves, '&' is "&-". Octets that are not UTF-8 give nullopt.
[[nodiscard]] std::optional<std::string> to_mutf7(std::string_view utf8);
/// UTF-8 of a *canonical* mUTF-7 text: re-encoding gives the same octets. nullopt for anything else
/// (8-bit octets, "&AGE-", an unclosed or padded shift, a lone surrogate), so that no two names become one.
[[nodiscard]] std::optional<std::string> from_mutf7(std::string_view mutf7);

}  // namespace mailhaul::mail
