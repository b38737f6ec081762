// What the user types to name a place: `maildir:PATH`, `mbox:PATH`, `imaps://user@host/Folder` (docs/user/commands.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mailhaul::store {

/// A parsed location. Local ones (`SCHEME:PATH`) have only `path`, taken as it is; URLs have the rest.
struct Location {
  std::string scheme;  ///< lower case
  std::string path;    ///< local: the path as typed; URL: the folder without the leading '/', percent-decoded
  std::string user;    ///< percent-decoded; the last '@' divides it from the host
  std::optional<std::string> password;  ///< `user:pass@`; never printed: text() leaves it out
  std::string host;    ///< without brackets of an IPv6 literal
  std::optional<std::uint16_t> port;
  std::map<std::string, std::string> query;
  bool is_url = false;

  /// The location without password: for reports and messages.
  [[nodiscard]] std::string text() const;
};

/// Errors: usage, with the reason (no scheme, empty path, bad port, bad percent-encoding, '?' key twice).
/// Does not ask whether the scheme is known.
[[nodiscard]] Result<Location> parse_location(std::string_view text);

}  // namespace mailhaul::store
