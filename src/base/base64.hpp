// Base64 (RFC 4648 section 4), as SASL exchanges carry it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailhaul {
inline namespace base {

[[nodiscard]] std::string to_base64(std::string_view octets);  ///< padded, without line breaks
/// Strict: padding required, no blanks, unused bits zero. nullopt for anything else.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace base
}  // namespace mailhaul
