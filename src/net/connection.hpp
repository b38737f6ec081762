// A conversation with a server: octets out, octets in, TLS between. This room is the only one that knows sockets; it
// knows no protocol. Sources: RFC 8314 (TLS for mail), RFC 9525 (host names in certificates), RFC 7817.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/address_family.hpp"
#include "base/bytes.hpp"
#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace mailhaul::net {

/// How the peer proves who it is. Verification is never silently skipped; there is no option that would.
struct TlsOptions {
  std::string host;         ///< what the certificate must be for: a DNS name (sent as SNI) or an IP literal
  std::string ca_file;      ///< PEM of the trusted CAs; "" = the system's
  std::string fingerprint;  ///< SHA-256 of the leaf certificate, hex, ':' allowed: replaces chain and name check
  std::string alpn;         ///< "imap", "pop3", or ""
};

/// Where to dial. `tunnel` not empty: `/bin/sh -c tunnel` is run and spoken to over its standard input and output
/// (its standard error stays ours); host and port are then not used.
struct Destination {
  std::string host;
  std::uint16_t port = 0;
  AddressFamily family = AddressFamily::any;
  std::optional<TlsOptions> tls;  ///< TLS from the first octet
  std::string tunnel;
  std::chrono::milliseconds timeout = std::chrono::seconds(60);  ///< connecting and handshake, each, over all addresses
  const CancelToken* cancel = nullptr;  ///< for this conversation alone, and outlives it; null: the dialer's
};

/// What one turn did.
struct Step {
  std::size_t sent = 0;  ///< octets of `out` taken; they are on their way
  Octets received;       ///< valid until the next call
  bool closed = false;   ///< the peer ended the stream in order (FIN, under TLS after its close_notify)
};

/// One open conversation. One thread at a time.
class Connection {
 public:
  virtual ~Connection() = default;  ///< closes without a word: the socket with FIN, never with RST (durability 2.5 c)
  /// Sends what it can of `out` and takes what has arrived, both in one turn, so that two full buffers never block
  /// each other. Returns at once when either was possible, else after `wait`, with nothing. Never blocks longer than
  /// `wait`, whatever the peer does; wakes early when the cancel token is set (200 ms at most), and once it is set no
  /// wait is longer than 100 ms: who says goodbye then neither hangs nor spins. Error: unreachable, scope session,
  /// retry later (reset, TLS alert, end of the stream without close_notify, a tunnel that ends with a status other
  /// than 0); after an Error the connection is dead. What the peer said before it failed is received first.
  virtual Result<Step> step(Octets out, std::chrono::milliseconds wait) = 0;
  /// TLS from here on (STARTTLS, STLS). The caller has made sure that no received octet is left over and nothing is
  /// queued. Error: security (certificate, version), unreachable (timeout, reset); the connection is dead then.
  virtual Status start_tls(const TlsOptions& options, std::chrono::milliseconds timeout) = 0;
  [[nodiscard]] virtual std::string tls() const = 0;  ///< "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" without TLS
  [[nodiscard]] virtual bool is_tunnel() const = 0;
  [[nodiscard]] virtual bool is_loopback() const = 0;  ///< the peer's *address* is 127.0.0.0/8 or ::1
  [[nodiscard]] virtual std::string peer() const = 0;  ///< "192.0.2.1:993", or "a command"
  /// Ends our side in order: close_notify, then FIN. Reading goes on.
  virtual void shut_down() = 0;
};

/// Thread-safe. Outlives its connections.
class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Tries each address of the name in turn (RFC 6724 order as the resolver gives it) and starts TLS if asked.
  /// Error, scope session: unreachable (unknown name: retry never; refused, timeout: retry later; hint says what to
  /// check), security, scope run, retry never (certificate, with its reason and, if the clock looks wrong, that),
  /// usage, scope run (a host, fingerprint or CA file that cannot be), interrupted when the cancel token was set.
  virtual Result<std::unique_ptr<Connection>> dial(const Destination& destination) = 0;
};

/// The system's sockets. `cancel` and `clock` outlive it.
[[nodiscard]] std::unique_ptr<Dialer> make_dialer(const Clock& clock, const CancelToken& cancel);

}  // namespace mailhaul::net
