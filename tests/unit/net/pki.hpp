// Certificates made on the spot: right ones and every kind of wrong one. No key is ever written to a file.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace mailhaul::net::testing {

struct Identity {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
};

/// What to put into a certificate. Extensions are in the words of openssl.cnf(5); "" leaves one out.
struct Wish {
  std::string common_name = "mail.test";
  std::string names = "DNS:mail.test";  ///< subjectAltName
  std::string raw_name;                 ///< one more DNS name, octet for octet (NUL and all)
  std::string basic_constraints = "critical,CA:FALSE";
  std::string key_usage;
  std::string extended_key_usage = "serverAuth";
  int from_days = -1;  ///< from today
  int to_days = 30;
};

[[nodiscard]] inline Wish ca_wish(std::string common_name) {
  Wish wish;
  wish.common_name = std::move(common_name);
  wish.names = "";
  wish.basic_constraints = "critical,CA:TRUE";
  wish.key_usage = "critical,keyCertSign,cRLSign";
  wish.extended_key_usage = "";
  return wish;
}

/// `issuer` null: self-signed.
[[nodiscard]] Identity make_identity(const Wish& wish, const Identity* issuer = nullptr);
[[nodiscard]] std::string fingerprint(const Identity& identity);  ///< hex
/// A PEM file in a scratch folder with the certificates (no keys) of `identities`.
[[nodiscard]] std::string pem_file(const std::string& name, const std::vector<Identity>& identities);

}  // namespace mailhaul::net::testing
