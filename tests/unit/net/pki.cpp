#include "unit/net/pki.hpp"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/bytes.hpp"

namespace mailhaul::net::testing {

namespace {

std::shared_ptr<EVP_PKEY> make_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context{};
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  EXPECT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// openssl.cnf(5) cannot spell a NUL, so this name is put in by hand.
void add_raw_name(X509* certificate, const std::string& name) {
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
  GENERAL_NAME* entry = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(entry, GEN_DNS, text);
  sk_GENERAL_NAME_push(names, entry);
  X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
  GENERAL_NAMES_free(names);
}

}  // namespace

Identity make_identity(const Wish& wish, const Identity* issuer) {
  Identity made{{X509_new(), X509_free}, make_key()};
  X509* certificate = made.certificate.get();
  const Identity& signer = issuer ? *issuer : made;
  X509_set_version(certificate, X509_VERSION_3);
  std::array<unsigned char, 8> serial{};
  RAND_bytes(serial.data(), static_cast<int>(serial.size()));
  serial[0] &= 0x7F;
  BIGNUM* number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 86400L * wish.from_days);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * wish.to_days);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.data()),
                             static_cast<int>(wish.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  X509_set_pubkey(certificate, made.key.get());
  add_extension(certificate, signer.certificate.get(), NID_basic_constraints, wish.basic_constraints);
  add_extension(certificate, signer.certificate.get(), NID_key_usage, wish.key_usage);
  add_extension(certificate, signer.certificate.get(), NID_ext_key_usage, wish.extended_key_usage);
  add_extension(certificate, signer.certificate.get(), NID_subject_alt_name, wish.names);
  if (!wish.raw_name.empty()) add_raw_name(certificate, wish.raw_name);
  EXPECT_GT(X509_sign(certificate, signer.key.get(), EVP_sha256()), 0);
  return made;
}

std::string fingerprint(const Identity& identity) {
  Digest digest;
  X509_digest(identity.certificate.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(digest.bytes.data()), nullptr);
  return to_hex(digest.octets());
}

std::string pem_file(const std::string& name, const std::vector<Identity>& identities) {
  const std::string path = ::testing::TempDir() + "mailhaul-net-" + std::to_string(::getpid()) + "-" + name + ".pem";
  std::FILE* file = std::fopen(path.c_str(), "w");
  EXPECT_NE(file, nullptr) << path;
  for (const auto& one : identities) PEM_write_X509(file, one.certificate.get());
  std::fclose(file);
  return path;
}

}  // namespace mailhaul::net::testing
