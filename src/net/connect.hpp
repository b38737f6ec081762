// A TCP connection to the first of several addresses that answers. No names and no TLS here.
#pragma once

#include <Poco/Net/SocketAddress.h>

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "net/wire.hpp"

namespace mailhaul::net {

/// Tries `addresses` (at least one) in turn. One that does not answer gets its share of the time, 10 s at most, so that
/// a dead IPv6 route does not use up what the IPv4 address needs; the last one gets all that is left.
/// Error: unreachable (scope session, retry later) says what the most telling of the failures was, interrupted.
[[nodiscard]] Result<std::unique_ptr<Wire>> connect_first(const std::vector<Poco::Net::SocketAddress>& addresses,
                                                          const Clock& clock, const CancelToken& cancel,
                                                          std::chrono::milliseconds timeout);

}  // namespace mailhaul::net
