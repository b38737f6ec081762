#include <exception>
#include <utility>

#include "base/strings.hpp"
#include "net/connect.hpp"
#include "net/connection.hpp"
#include "net/conversation.hpp"
#include "net/errors.hpp"
#include "net/host_name.hpp"
#include "net/resolve.hpp"
#include "net/tls_session.hpp"
#include "net/tunnel.hpp"

namespace mailhaul::net {

namespace {

/// "imap.example.org:993", "[2001:db8::1]:993". Never the command of a tunnel, which may hold a password.
std::string place_of(const Destination& destination) {
  if (!destination.tunnel.empty()) return "the tunnel command";
  const bool bare_ipv6 = destination.host.find(':') != std::string::npos && destination.host.front() != '[';
  const std::string host = visible(destination.host, 100);
  return (bare_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(destination.port);
}

class SystemDialer final : public Dialer {
 public:
  SystemDialer(const Clock& clock, const CancelToken& cancel) : clock_(clock), cancel_(cancel) {}

  /// Poco and the standard library throw; nothing of that leaves this room.
  Result<std::unique_ptr<Connection>> dial(const Destination& destination) override {
    const std::string place = place_of(destination);
    const CancelToken& cancel = destination.cancel != nullptr ? *destination.cancel : cancel_;
    try {
      if (cancel.requested()) return interrupted().context(place);
      auto wire = reach(destination, cancel);
      if (!wire) return std::move(wire).error().context(place);
      auto conversation = std::make_unique<Conversation>(std::move(wire).value(), place, contexts_, clock_, cancel);
      if (destination.tls) MH_CHECK(conversation->begin_with_tls(*destination.tls, destination.timeout));
      return std::unique_ptr<Connection>(std::move(conversation));
    } catch (const std::exception& problem) {
      return unreachable(visible(problem.what()), "").context(place);
    }
  }

 private:
  Result<std::unique_ptr<Wire>> reach(const Destination& destination, const CancelToken& cancel) {
    if (!destination.tunnel.empty()) return start_tunnel(destination.tunnel, clock_);
    MH_TRY(const HostName host, parse_host(destination.host));
    const Deadline deadline = clock_.steady() + destination.timeout;
    MH_TRY(const auto addresses, resolve(host, destination.port, destination.family, clock_, cancel, deadline));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_.steady());
    return connect_first(addresses, clock_, cancel, left);
  }

  const Clock& clock_;
  const CancelToken& cancel_;
  TlsContexts contexts_;
};

}  // namespace

std::unique_ptr<Dialer> make_dialer(const Clock& clock, const CancelToken& cancel) {
  return std::make_unique<SystemDialer>(clock, cancel);
}

}  // namespace mailhaul::net
