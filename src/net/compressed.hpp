// COMPRESS=DEFLATE (RFC 4978): a Connection that speaks compressed over another one, between TLS and the protocol.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "net/connection.hpp"

namespace mailhaul::net {

/// Both ways from here on. `place`, "host:port", begins the text of its own Errors; `behind`: octets that `inner`
/// received already and that are compressed. Its step() keeps the contract in uncompressed octets, with one thing more
/// in Errors: what cannot be inflated is unreachable, scope session, retry later. A peer that ends its compressed
/// stream has closed. Holds 256 KiB compressed and 256 KiB inflated, and the streams' own 308 KiB, whatever the peer
/// sends. start_tls() is a bug: TLS lies below. `clock` outlives it. Error: unreachable, scope session (no memory).
[[nodiscard]] Result<std::unique_ptr<Connection>> compress(std::unique_ptr<Connection> inner, std::string place,
                                                           const Clock& clock, Octets behind);

}  // namespace mailhaul::net
