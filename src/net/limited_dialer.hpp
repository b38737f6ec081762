// `--rate`: a line that is not to be filled.
#pragma once

#include <cstdint>
#include <memory>

#include "net/connection.hpp"

namespace mailhaul::net {

/// All connections of `inner` together receive at most `octets_per_second`, and send at most as much (before encryption;
/// over a quarter of a second and more). Waits inside Connection::step(), never longer than it was allowed to. All
/// arguments outlive it.
[[nodiscard]] std::unique_ptr<Dialer> make_limited_dialer(Dialer& inner, std::uint64_t octets_per_second,
                                                          const Clock& clock, const CancelToken& cancel);

}  // namespace mailhaul::net
