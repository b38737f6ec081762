#include "net/errors.hpp"

#include <cerrno>
#include <system_error>

namespace mailhaul::net {

Error connection_lost(int system) {
  const bool by_peer = system == ECONNRESET || system == EPIPE;
  Error error = unreachable(by_peer ? "the server cut the connection (" + std::generic_category().message(system) + ")"
                                    : "the connection was lost: " + std::generic_category().message(system),
                            by_peer ? "try again later; the server's log says why" : "check this machine's network");
  error.system = system;
  return error;
}

std::string duration_text(std::chrono::milliseconds duration) {
  const auto count = duration.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace mailhaul::net
