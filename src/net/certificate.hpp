// What a peer's certificate says, and why it was refused, in words. Decides nothing: that is OpenSSL's verification,
// inside the handshake.
#pragma once

#include <openssl/x509.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace mailhaul::net {

/// A leaf certificate and the first thing that was wrong with it or its chain. Remote text in it is made visible.
struct CertificateFacts {
  Digest fingerprint;              ///< SHA-256 of the leaf's DER
  std::vector<std::string> names;  ///< subjectAltName: DNS names and addresses
  std::string common_name;         ///< of the leaf; no longer a name of the server (RFC 9525)
  std::string issuer;              ///< common name, else organisation
  int error = X509_V_OK;           ///< X509_V_ERR_*
  int depth = 0;                   ///< where in the chain: 0 = the leaf
  std::string not_before;          ///< of the certificate at `depth`: "2024-01-31 12:00 UTC"
  std::string not_after;
};

[[nodiscard]] CertificateFacts facts_of(X509* leaf);
/// Adds what is wrong, and the dates of the certificate with which it is.
void add_failure(CertificateFacts& facts, int error, int depth, X509* at);
[[nodiscard]] Digest fingerprint_of(X509* certificate);

/// security, scope run, retry never: the reason and what to do. `own_ca`: the CAs came from a file of the user's.
[[nodiscard]] Error certificate_error(const CertificateFacts& facts, std::string_view host, bool own_ca,
                                      std::chrono::system_clock::time_point now);
[[nodiscard]] Error pin_error(const Digest& seen);

}  // namespace mailhaul::net
