// What carries octets to a peer and back without ever blocking: a socket or a command's pipes. No TLS, no waiting, and
// no host name in its Errors.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/poll.hpp"

namespace mailhaul::net {

struct Arrived {
  std::size_t octets = 0;  ///< 0 and not `end`: nothing is there now
  bool end = false;        ///< the peer has ended its side
};

/// One thread at a time. Errors: unreachable, scope session.
class Wire {
 public:
  virtual ~Wire() = default;  ///< ends in order: FIN or end of file, never a reset
  [[nodiscard]] virtual Result<std::size_t> write(Octets out) = 0;  ///< octets taken, maybe 0
  [[nodiscard]] virtual Result<Arrived> read(std::span<std::byte> room) = 0;
  virtual void finish() = 0;  ///< nothing more will be written; reading goes on
  [[nodiscard]] virtual Interest descriptors() const = 0;
  [[nodiscard]] virtual std::string peer() const = 0;
  [[nodiscard]] virtual bool is_tunnel() const = 0;
  [[nodiscard]] virtual bool is_loopback() const = 0;
};

}  // namespace mailhaul::net
