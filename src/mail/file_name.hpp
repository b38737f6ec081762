// Folder names as file names: reversible, for Maildir++ and mbox trees (threats 10).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mailhaul::mail {

/// One folder component as one file name: mUTF-7 as Dovecot reads it; then `%XX` for what is still illegal or dangerous:
/// '/', a leading '.', octets that are not UTF-8, a '%' before two hexadecimal digits, and the first octet of a name
/// that `is_reserved` (may be empty) says the store needs for itself. Longer than `max_octets`: cut and ended by '~' and
/// 16 hexadecimal digits of its SHA-256 (not reversible; the caller reports it). Never "", ".", "..".
[[nodiscard]] std::string to_file_name(std::string_view component,
                                       const std::function<bool(std::string_view)>& is_reserved = {},
                                       std::size_t max_octets = 240);
/// The inverse: only where to_file_name() of the answer gives `name` again; any other name stands for itself
/// (its octets as they are, made valid UTF-8 with U+FFFD where needed).
[[nodiscard]] std::string from_file_name(std::string_view name,
                                         const std::function<bool(std::string_view)>& is_reserved = {});

}  // namespace mailhaul::mail
