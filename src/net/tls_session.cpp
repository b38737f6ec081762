#include "net/tls_session.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "base/strings.hpp"
#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

constexpr std::size_t kPiece = 65536;
constexpr std::byte kAlertRecord{0x15};
constexpr std::byte kHandshakeRecord{0x16};  // RFC 8446 5.1: what a server can begin with, beside an alert

int judge_index() {
  static const int kIndex = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}

Result<std::optional<Digest>> parse_pin(const std::string& text) {
  if (text.empty()) return std::optional<Digest>();
  std::string hex;
  for (const char c : text) {
    if (c != ':') hex += c;
  }
  const auto octets = from_hex(hex);
  const auto digest = octets ? digest_from(as_octets(*octets)) : std::nullopt;
  if (digest) return digest;
  return make_error(ErrorKind::usage, Scope::run, "?fingerprint= is not a SHA-256 fingerprint",
                    "it takes 64 hexadecimal digits, with or without ':' between them");
}

Error no_memory() { return insecure("TLS cannot be set up: no memory", ""); }

/// What the oldest entry of OpenSSL's queue says; the later ones only add where it happened.
std::string reason_text(unsigned long code) {
  const char* reason = ERR_reason_error_string(code);
  return reason ? visible(reason) : "no reason was given";
}

/// The Error for a handshake that failed for another reason than the certificate.
Error protocol_error(unsigned long code, const std::string& alpn) {
  switch (ERR_GET_REASON(code)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return insecure("the server speaks only versions of TLS that are no longer safe (older than 1.2)",
                      "its owner must switch TLS 1.2 or 1.3 on");
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return unreachable("the server does not speak " + alpn + " on this port (ALPN)", "is the port right?",
                         Retry::never);
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
    case SSL_R_TLSV1_ALERT_USER_CANCELLED:
      return unreachable("the server gave up the TLS handshake (" + reason_text(code) + ")", "try again later");
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_DH_KEY_TOO_SMALL:
      return insecure("the server has no encryption to offer that is safe enough (" + reason_text(code) + ")",
                      "its owner must allow today's cipher suites");
    default:
      return insecure("the TLS handshake failed (" + reason_text(code) + ")",
                      "is the port right? If it is, something between here and the server meddles with TLS");
  }
}

}  // namespace

TlsSession::TlsSession(Poco::Net::Context::Ptr context, TlsOptions options, HostName host, Begin begin,
                       const Clock& clock)
    : context_(std::move(context)),
      options_(std::move(options)),
      host_(std::move(host)),
      begin_(begin),
      clock_(clock),
      ssl_(SSL_new(context_->sslContext())) {}

Result<std::unique_ptr<TlsSession>> TlsSession::make(TlsContexts& contexts, const TlsOptions& options, Begin begin,
                                                     const Clock& clock) {
  MH_TRY(HostName host, parse_host(options.host));
  MH_TRY(std::optional<Digest> pin, parse_pin(options.fingerprint));
  const auto trust = pin                       ? TlsContexts::Trust::none
                     : options.ca_file.empty() ? TlsContexts::Trust::system
                                               : TlsContexts::Trust::file;
  MH_TRY(auto context, contexts.get(trust, trust == TlsContexts::Trust::file ? options.ca_file : std::string()));
  std::unique_ptr<TlsSession> session(new TlsSession(context, options, std::move(host), begin, clock));
  session->judge_.pin = pin;
  MH_CHECK(session->prepare());
  return session;
}

/// All that decides whom we trust, on this one SSL object, before the first octet: the name check is a part of the
/// handshake, so no path leads around it, however late the peer answers.
Status TlsSession::prepare() {
  ERR_clear_error();
  from_peer_ = BIO_new(BIO_s_mem());
  to_peer_ = BIO_new(BIO_s_mem());
  if (!ssl_ || !from_peer_ || !to_peer_) {
    BIO_free(from_peer_);
    BIO_free(to_peer_);
    return no_memory();
  }
  SSL* ssl = ssl_.get();
  SSL_set_bio(ssl, from_peer_, to_peer_);
  SSL_set_connect_state(ssl);
  SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  bool set = SSL_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 && SSL_set_ex_data(ssl, judge_index(), &judge_) == 1;
  SSL_set_verify(ssl, SSL_VERIFY_PEER, &TlsSession::on_verify);
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_time(param, std::chrono::system_clock::to_time_t(clock_.wall()));
  // RFC 9525 6.3 and 6.4: no common names, `*` only as the whole leftmost label.
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!judge_.pin) {
    set = set && (host_.is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, host_.text.c_str()) == 1
                                   : SSL_set1_host(ssl, host_.text.c_str()) == 1);
  }
  if (!host_.is_address) set = set && SSL_set_tlsext_host_name(ssl, host_.text.c_str()) == 1;
  if (!options_.alpn.empty() && options_.alpn.size() < 256) {
    std::string list = static_cast<char>(options_.alpn.size()) + options_.alpn;
    set = set && SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                                     static_cast<unsigned>(list.size())) == 0;
  }
  return set ? Status() : Status(no_memory());
}

/// Called by OpenSSL within the handshake: C code, so nothing may be thrown through it.
int TlsSession::on_verify(int verified, X509_STORE_CTX* store) noexcept {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* judge = ssl ? static_cast<Judge*>(SSL_get_ex_data(ssl, judge_index())) : nullptr;
  if (!judge) return 0;
  try {
    return verdict(*judge, verified, store);
  } catch (...) {  // no memory for the words: refused without them
    return 0;
  }
}

/// Without a pin, OpenSSL's own judgement. With one, the leaf is the pinned one or it is not; everything else that
/// OpenSSL may say of the chain, the name or the dates does not matter.
int TlsSession::verdict(Judge& judge, int verified, X509_STORE_CTX* store) {
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  if (!leaf) return 0;
  if (judge.pin) {
    const Digest seen = fingerprint_of(leaf);
    if (CRYPTO_memcmp(seen.bytes.data(), judge.pin->bytes.data(), seen.bytes.size()) == 0) {
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    if (!judge.facts) judge.facts = facts_of(leaf);
    return 0;
  }
  if (verified == 1) return 1;
  if (!judge.facts) {
    judge.facts = facts_of(leaf);
    add_failure(*judge.facts, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_error_depth(store),
                X509_STORE_CTX_get_current_cert(store));
  }
  return 0;
}

Result<TlsSession::Handshake> TlsSession::handshake() {
  if (first_octet_ && *first_octet_ != kHandshakeRecord && *first_octet_ != kAlertRecord) return speaks_plain();
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    MH_CHECK(check_peer());
    return Handshake::done;
  }
  if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) return Handshake::wants_input;
  return handshake_error();
}

/// What the handshake has already made sure of, asked once more where it costs nothing, and what it leaves to us.
Status TlsSession::check_peer() {
  const std::unique_ptr<X509, void (*)(X509*)> leaf(SSL_get1_peer_certificate(ssl_.get()),
                                                    [](X509* certificate) { X509_free(certificate); });
  if (!leaf) return insecure("the server has shown no certificate", "do not log in there");
  if (judge_.pin) {
    const Digest seen = fingerprint_of(leaf.get());
    if (CRYPTO_memcmp(seen.bytes.data(), judge_.pin->bytes.data(), seen.bytes.size()) != 0) return pin_error(seen);
  } else if (SSL_get_verify_result(ssl_.get()) != X509_V_OK) {
    return insecure("its certificate was not verified", "do not log in there");
  }
  // A server that answers with a protocol nobody asked for is another service than the one we mean (ALPACA, RFC 9325).
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &length);
  const std::string_view name(reinterpret_cast<const char*>(chosen), length);
  if (length > 0 && name != options_.alpn) {
    return insecure("the server speaks " + visible(name, 40) + " on this port (ALPN)", "is the port right?");
  }
  return {};
}

Error TlsSession::speaks_plain() const {
  if (begin_ == Begin::after_plain) {
    return insecure("the server goes on without TLS after it has agreed to it",
                    "somebody between here and the server may have put words into its mouth: do not log in there");
  }
  return unreachable("the server speaks without TLS on this port",
                     "did you mean imap:// or pop3://, which begin plain and switch TLS on (STARTTLS)? Or is it "
                     "another port?",
                     Retry::never);
}

Error TlsSession::handshake_error() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (judge_.facts && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    if (judge_.pin) return pin_error(judge_.facts->fingerprint);
    return certificate_error(*judge_.facts, host_.text, !options_.ca_file.empty(), clock_.wall());
  }
  return protocol_error(code, options_.alpn);
}

void TlsSession::feed(Octets from_peer) {
  if (from_peer.empty()) return;
  if (!first_octet_) first_octet_ = from_peer.front();
  // A memory BIO takes everything; the caller bounds it by reading out what it fed before it feeds more.
  (void)BIO_write(from_peer_, from_peer.data(), static_cast<int>(from_peer.size()));
}

Octets TlsSession::outgoing() {
  if (outgoing_at_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_at_ = 0;
  }
  while (const std::size_t waiting = BIO_ctrl_pending(to_peer_)) {
    const std::size_t before = outgoing_.size();
    outgoing_.resize(before + waiting);
    const int got = BIO_read(to_peer_, outgoing_.data() + before, static_cast<int>(waiting));
    outgoing_.resize(before + static_cast<std::size_t>(std::max(got, 0)));
    if (got <= 0) break;
  }
  return Octets(outgoing_).subspan(outgoing_at_);
}

void TlsSession::sent(std::size_t octets) { outgoing_at_ = std::min(outgoing_at_ + octets, outgoing_.size()); }

Status TlsSession::write(Octets out) {
  while (!out.empty()) {
    ERR_clear_error();
    const std::size_t piece = std::min(out.size(), kPiece);
    const int taken = SSL_write(ssl_.get(), out.data(), static_cast<int>(piece));
    if (taken <= 0) {
      const std::string reason = reason_text(ERR_peek_error());
      ERR_clear_error();
      return unreachable("TLS broke off while sending (" + reason + ")", "try again later");
    }
    out = out.subspan(static_cast<std::size_t>(taken));
  }
  return {};
}

Result<Arrived> TlsSession::read(std::span<std::byte> room) {
  Arrived arrived;
  while (arrived.octets < room.size()) {  // SSL_read gives one record, 16 KiB, a call
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), room.data() + arrived.octets,
                             static_cast<int>(std::min<std::size_t>(room.size() - arrived.octets, 1U << 30)));
    if (got > 0) {
      arrived.octets += static_cast<std::size_t>(got);
      continue;
    }
    const int problem = SSL_get_error(ssl_.get(), got);
    if (problem == SSL_ERROR_WANT_READ) break;
    if (problem == SSL_ERROR_ZERO_RETURN) {
      arrived.end = true;
      break;
    }
    if (arrived.octets > 0) break;  // what came before it is given out first; the next call fails again
    const std::string reason = reason_text(ERR_peek_error());
    ERR_clear_error();
    return unreachable("TLS broke off (" + reason + ")", "try again later");
  }
  return arrived;
}

void TlsSession::close_notify() {
  ERR_clear_error();
  (void)SSL_shutdown(ssl_.get());  // 0: sent, the peer's is not here yet; an error: it was dead before
  ERR_clear_error();
}

std::string TlsSession::description() const {
  return std::string(SSL_get_version(ssl_.get())) + " " + SSL_get_cipher_name(ssl_.get());
}

}  // namespace mailhaul::net
