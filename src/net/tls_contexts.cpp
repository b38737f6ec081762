#include <Poco/Exception.h>
#include <openssl/err.h>

#include "base/strings.hpp"
#include "net/tls_session.hpp"

namespace mailhaul::net {

namespace {

/// TLS 1.2's; those of 1.3 are all good. No anonymous ones, nothing below 128 bits, no shared secrets, no SHA-1 DSA.
constexpr const char* kCiphers = "HIGH:!aNULL:!eNULL:!MD5:!PSK:!SRP:!DSS";
constexpr int kLongestChain = 9;
constexpr int kLeastSecurityLevel = 2;  // RSA and DH of 2048 bits (RFC 9325 section 4.5), whatever openssl.cnf says

Poco::Net::Context::Ptr make_context(TlsContexts::Trust trust, const std::string& file) {
  Poco::Net::Context::Params params;
  if (trust == TlsContexts::Trust::file) params.caLocation = file;
  params.loadDefaultCAs = trust == TlsContexts::Trust::system;
  params.verificationMode = Poco::Net::Context::VERIFY_STRICT;
  params.verificationDepth = kLongestChain;
  params.cipherList = kCiphers;
  Poco::Net::Context::Ptr context(new Poco::Net::Context(Poco::Net::Context::TLS_CLIENT_USE, params));
  context->requireMinimumProtocol(Poco::Net::Context::PROTO_TLSV1_2);
  SSL_CTX* raw = context->sslContext();
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_get_security_level(raw) < kLeastSecurityLevel) SSL_CTX_set_security_level(raw, kLeastSecurityLevel);
  // Who names an intermediate CA as trusted means it; OpenSSL alone would want its root too.
  if (trust == TlsContexts::Trust::file) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(raw), X509_V_FLAG_PARTIAL_CHAIN);
  }
  return context;
}

}  // namespace

Result<Poco::Net::Context::Ptr> TlsContexts::get(Trust trust, const std::string& file) {
  const std::lock_guard lock(mutex_);
  auto& made = made_[{trust, file}];
  if (!made.isNull()) return made;
  ERR_clear_error();
  try {
    made = make_context(trust, file);
    return made;
  } catch (const Poco::Exception& problem) {
    if (trust == Trust::file) {
      return make_error(ErrorKind::usage, Scope::run, "no CA certificate can be read from " + visible(file),
                        "it must be a file of certificates in PEM form (-----BEGIN CERTIFICATE-----)");
    }
    return make_error(ErrorKind::security, Scope::run, "TLS cannot be set up: " + visible(problem.displayText()),
                      "are OpenSSL and its certificates (ca-certificates) installed rightly?");
  }
}

}  // namespace mailhaul::net
