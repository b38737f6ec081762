// TLS as a state machine: octets in, octets out, on an SSL object of our own with memory BIOs. No socket, no waiting.
// Not Poco::Net::SecureStreamSocket: it skips the name check when a handshake outlasts its timeout (Poco 1.11 to 1.15).
#pragma once

#include <Poco/Net/Context.h>
#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/certificate.hpp"
#include "net/connection.hpp"
#include "net/host_name.hpp"
#include "net/wire.hpp"

namespace mailhaul::net {

/// SSL_CTX configurations, one a set of CAs, read once. Thread-safe.
class TlsContexts {
 public:
  enum class Trust { system, file, none };  ///< none: a pin takes the chain's place
  /// Error: usage, scope run, when the file cannot be read or holds no certificate.
  [[nodiscard]] Result<Poco::Net::Context::Ptr> get(Trust trust, const std::string& file);

 private:
  std::mutex mutex_;
  std::map<std::pair<Trust, std::string>, Poco::Net::Context::Ptr> made_;
};

/// Errors: those of the handshake are security (scope run) or unreachable (scope session), later ones unreachable.
class TlsSession {
 public:
  enum class Begin { at_once, after_plain };  ///< for the words about a peer that speaks without TLS
  enum class Handshake { done, wants_input };

  /// Error: usage, scope run, for a fingerprint, host or CA file that cannot be.
  [[nodiscard]] static Result<std::unique_ptr<TlsSession>> make(TlsContexts& contexts, const TlsOptions& options,
                                                                Begin begin, const Clock& clock);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// As far as it goes with what was fed. `done` only when the peer has proved who it is.
  [[nodiscard]] Result<Handshake> handshake();
  void feed(Octets from_peer);
  [[nodiscard]] Octets outgoing();                                ///< for the peer; valid until the next call
  void sent(std::size_t octets);                                  ///< so many of `outgoing` are gone
  [[nodiscard]] Status write(Octets out);                         ///< takes all of it
  [[nodiscard]] Result<Arrived> read(std::span<std::byte> room);  ///< end: after close_notify
  void close_notify();
  [[nodiscard]] std::string description() const;

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  /// What the verification callback sees and leaves behind: OpenSSL keeps no certificate that it refused.
  struct Judge {
    std::optional<Digest> pin;
    std::optional<CertificateFacts> facts;
  };

  TlsSession(Poco::Net::Context::Ptr context, TlsOptions options, HostName host, Begin begin, const Clock& clock);
  Status prepare();
  static int on_verify(int verified, X509_STORE_CTX* store) noexcept;
  static int verdict(Judge& judge, int verified, X509_STORE_CTX* store);
  Status check_peer();
  Error handshake_error();
  Error speaks_plain() const;

  Poco::Net::Context::Ptr context_;
  TlsOptions options_;
  HostName host_;
  Begin begin_;
  const Clock& clock_;
  Judge judge_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  BIO* from_peer_ = nullptr;  ///< both belong to ssl_
  BIO* to_peer_ = nullptr;
  std::vector<std::byte> outgoing_;
  std::size_t outgoing_at_ = 0;
  std::optional<std::byte> first_octet_;
};

}  // namespace mailhaul::net
