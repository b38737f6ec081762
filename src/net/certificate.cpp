#include "net/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>

#include "base/strings.hpp"
#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

constexpr std::size_t kNamesShown = 6;
constexpr std::size_t kNameColumns = 80;

std::string text_of(const ASN1_STRING* string) {
  if (!string) return {};
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  return visible(std::string_view(data, static_cast<std::size_t>(ASN1_STRING_length(string))), kNameColumns);
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  const unsigned char* octets = ASN1_STRING_get0_data(address);
  std::array<char, 48> text{};
  switch (ASN1_STRING_length(address)) {
    case 4:
      std::snprintf(text.data(), text.size(), "%u.%u.%u.%u", octets[0], octets[1], octets[2], octets[3]);
      break;
    case 16: {
      std::size_t at = 0;
      for (int i = 0; i < 16; i += 2) {
        at += static_cast<std::size_t>(std::snprintf(text.data() + at, text.size() - at, i == 0 ? "%x" : ":%x",
                                                     static_cast<unsigned>(octets[i] << 8 | octets[i + 1])));
      }
      break;
    }
    default:
      return "(an address that is none)";
  }
  return text.data();
}

std::string entry(const X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  return at < 0 ? std::string() : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

std::vector<std::string> names_of(X509* certificate) {
  const auto free_names = [](GENERAL_NAMES* list) { GENERAL_NAMES_free(list); };
  const std::unique_ptr<GENERAL_NAMES, decltype(free_names)> list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)), free_names);
  std::vector<std::string> names;
  const int count = list ? sk_GENERAL_NAME_num(list.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) names.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) names.push_back(address_text(name->d.iPAddress));
  }
  return names;
}

std::string time_text(const std::tm& time) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d %02d:%02d UTC", time.tm_year + 1900, time.tm_mon + 1,
                time.tm_mday, time.tm_hour, time.tm_min);
  return text.data();
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? time_text(parts) : std::string("an unreadable date");
}

std::string time_text(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  return ::gmtime_r(&seconds, &parts) ? time_text(parts) : std::string("an impossible date");
}

std::string list_of(const std::vector<std::string>& names) {
  std::vector<std::string> shown(names.begin(),
                                 names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesShown)));
  std::string text = join(shown, ", ");
  if (names.size() > kNamesShown) text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  return text;
}

std::string pin_hint(const CertificateFacts& facts) { return "?fingerprint=" + to_hex(facts.fingerprint.octets()); }

Error wrong_name(const CertificateFacts& facts, std::string_view host) {
  const std::string pin = "; or, once its owner has confirmed the fingerprint, pin it: " + pin_hint(facts);
  if (facts.names.empty()) {
    return insecure("its certificate is not for " + std::string(host) + ": it names no server" +
                        (facts.common_name.empty()
                             ? ""
                             : " (but for the common name " + facts.common_name + ", which no longer counts)"),
                    "its owner must get one with a subjectAltName" + pin);
  }
  return insecure("its certificate is not for " + std::string(host) + " but for " + list_of(facts.names),
                  "connect to the name that the certificate is for, if that is the server you mean" + pin);
}

/// "its certificate", or the one above it that is at fault.
std::string which(const CertificateFacts& facts) {
  return facts.depth == 0 ? "its certificate" : "a CA certificate above its own";
}

Error wrong_date(const CertificateFacts& facts, std::chrono::system_clock::time_point now) {
  const std::string clock = "is this machine's clock right? It says " + time_text(now) + ". ";
  if (facts.error == X509_V_ERR_CERT_HAS_EXPIRED) {
    return insecure(which(facts) + " expired on " + facts.not_after,
                    clock + "If it is, the server's owner must renew the certificate");
  }
  return insecure(which(facts) + " is valid only from " + facts.not_before,
                  clock + "If it is, the server's owner has set up the certificate wrongly");
}

Error unknown_issuer(const CertificateFacts& facts, bool own_ca) {
  const bool self_signed = facts.error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
  const std::string issuer = facts.issuer.empty() ? "" : " (" + facts.issuer + ")";
  const std::string what = self_signed ? "its certificate is self-signed: nobody vouches for it"
                                       : "its certificate comes from a CA that is not trusted here" + issuer +
                                             ", or the server does not send the certificates in between";
  return insecure(what, std::string(own_ca ? "is the CA file the right one? "
                                           : "give its CA: --source-ca FILE or "
                                             "--target-ca FILE; ") +
                            "or, once its owner has confirmed the fingerprint, pin it: " + pin_hint(facts));
}

}  // namespace

Digest fingerprint_of(X509* certificate) {
  Digest digest;
  unsigned length = 0;
  // A failure (no memory) leaves zeros, which no certificate has: a pin then refuses.
  if (X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(digest.bytes.data()), &length) != 1) {
    digest = {};
  }
  return digest;
}

CertificateFacts facts_of(X509* leaf) {
  CertificateFacts facts;
  facts.fingerprint = fingerprint_of(leaf);
  facts.names = names_of(leaf);
  facts.common_name = entry(X509_get_subject_name(leaf), NID_commonName);
  facts.issuer = entry(X509_get_issuer_name(leaf), NID_commonName);
  if (facts.issuer.empty()) facts.issuer = entry(X509_get_issuer_name(leaf), NID_organizationName);
  return facts;
}

void add_failure(CertificateFacts& facts, int error, int depth, X509* at) {
  facts.error = error;
  facts.depth = depth;
  if (!at) return;
  facts.not_before = time_text(X509_get0_notBefore(at));
  facts.not_after = time_text(X509_get0_notAfter(at));
}

Error certificate_error(const CertificateFacts& facts, std::string_view host, bool own_ca,
                        std::chrono::system_clock::time_point now) {
  switch (facts.error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return wrong_name(facts, host);
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return wrong_date(facts, now);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return unknown_issuer(facts, own_ca);
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return insecure("a certificate in its chain may not vouch for others",
                      "do not log in there; the server's owner must set up the chain rightly");
    case X509_V_ERR_INVALID_PURPOSE:
      if (facts.depth > 0) {
        return insecure("a certificate in its chain may not vouch for servers",
                        "do not log in there; the server's owner must set up the chain rightly");
      }
      return insecure("its certificate is not meant for servers (extended key usage)",
                      "the server's owner must get one for server authentication");
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return insecure(
          which(facts) + " is too weak to prove anything (" + X509_verify_cert_error_string(facts.error) + ")",
          "the server's owner must get one with a longer key and SHA-256");
    default:
      return insecure(which(facts) + " was refused: " + X509_verify_cert_error_string(facts.error),
                      "do not log in there; ask the server's owner");
  }
}

Error pin_error(const Digest& seen) {
  return insecure("its certificate is not the one that ?fingerprint= pins",
                  "if its owner confirms that it was changed, pin the new one: ?fingerprint=" + to_hex(seen.octets()));
}

}  // namespace mailhaul::net
