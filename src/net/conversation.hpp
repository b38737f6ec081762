// The Connection that the dialer hands out: a Wire, and TLS on it where there is any. Waits here, and nowhere below.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "net/connection.hpp"
#include "net/tls_session.hpp"
#include "net/wire.hpp"

namespace mailhaul::net {

class Conversation final : public Connection {
 public:
  /// `place`, "host:port", begins the text of every Error. All references outlive it.
  Conversation(std::unique_ptr<Wire> wire, std::string place, TlsContexts& contexts, const Clock& clock,
               const CancelToken& cancel);
  ~Conversation() override;

  Result<Step> step(Octets out, std::chrono::milliseconds wait) override;
  Status start_tls(const TlsOptions& options, std::chrono::milliseconds timeout) override;
  /// TLS from the first octet; otherwise as start_tls.
  Status begin_with_tls(const TlsOptions& options, std::chrono::milliseconds timeout);
  std::string tls() const override { return tls_ ? tls_->description() : std::string(); }
  bool is_tunnel() const override { return wire_->is_tunnel(); }
  bool is_loopback() const override { return wire_->is_loopback(); }
  std::string peer() const override { return wire_->peer(); }
  void shut_down() override;

 private:
  Error dead(Error error);
  Status secure(const TlsOptions& options, std::chrono::milliseconds timeout, TlsSession::Begin begin);
  Status shake_hands(TlsSession& tls, std::chrono::milliseconds timeout);
  Result<Step> plain_turn(Octets out);
  Result<Step> tls_turn(Octets out);
  std::size_t send(Octets out);
  void flush(TlsSession& tls);
  Result<bool> feed(TlsSession& tls);
  [[nodiscard]] Interest interest(bool has_output) const;

  std::unique_ptr<Wire> wire_;
  std::string place_;
  TlsContexts& contexts_;
  const Clock& clock_;
  const CancelToken& cancel_;
  std::unique_ptr<TlsSession> tls_;
  std::vector<std::byte> received_;   ///< what a Step lends
  std::vector<std::byte> from_wire_;  ///< under TLS: what is still encrypted
  bool wire_ended_ = false;           ///< the peer's FIN has come
  bool tls_ended_ = false;            ///< its close_notify has come
  bool ending_ = false;               ///< shut_down was called
  bool ended_ = false;                ///< our FIN has gone
  std::size_t turn_sent_ = 0;         ///< taken in the present turn
  std::optional<Error> late_error_;   ///< of a turn that had sent: told by the next one
  std::optional<Error> write_error_;  ///< told once there is nothing left to read: the peer may have said why
  std::optional<Error> dead_;
};

}  // namespace mailhaul::net
