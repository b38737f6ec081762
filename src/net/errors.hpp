// The Errors of this room, without the place: whoever knows the host puts "host:port: " before them, once.
#pragma once

#include <chrono>
#include <string>

#include "base/result.hpp"

namespace mailhaul::net {

[[nodiscard]] inline Error unreachable(std::string what, std::string hint, Retry retry = Retry::later) {
  return make_error(ErrorKind::unreachable, Scope::session, std::move(what), std::move(hint), retry);
}
[[nodiscard]] inline Error insecure(std::string what, std::string hint) {
  return make_error(ErrorKind::security, Scope::run, std::move(what), std::move(hint), Retry::never);
}
[[nodiscard]] inline Error interrupted() {
  return make_error(ErrorKind::interrupted, Scope::run, "stopped before the connection was made");
}
/// A system call on the connection that failed.
[[nodiscard]] Error connection_lost(int system);
/// "60 s", "500 ms".
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);

}  // namespace mailhaul::net
