// From a host name to its addresses, in the order in which to try them. Asks the system's resolver and nobody else.
#pragma once

#include <Poco/Net/SocketAddress.h>

#include <cstdint>
#include <vector>

#include "base/address_family.hpp"
#include "base/result.hpp"
#include "net/host_name.hpp"
#include "net/poll.hpp"

namespace mailhaul::net {

/// At least one address, in the order of RFC 6724. Error, scope session: unreachable (unknown name: retry never; no
/// answer: later), interrupted.
[[nodiscard]] Result<std::vector<Poco::Net::SocketAddress>> resolve(const HostName& host, std::uint16_t port,
                                                                    AddressFamily family, const Clock& clock,
                                                                    const CancelToken& cancel, Deadline deadline);

}  // namespace mailhaul::net
