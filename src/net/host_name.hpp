// A host as it was typed, made into what the resolver, SNI and a certificate are asked for. No look-up here.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mailhaul::net {

struct HostName {
  std::string text;         ///< a name in A-labels without final dot, or an address without brackets and zone
  std::string to_resolve;   ///< as `text`, with the zone of a link-local address
  bool is_address = false;  ///< an IP literal: never sent as SNI (RFC 6066 section 3)
};

/// Error: usage, scope run, for what can be neither name nor address. A name with a leading dot is refused because
/// OpenSSL takes it for "any name below".
[[nodiscard]] Result<HostName> parse_host(std::string_view host);

}  // namespace mailhaul::net
