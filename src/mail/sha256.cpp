#include "mail/sha256.hpp"

#include <openssl/evp.h>

#include <cstdlib>
#include <utility>

namespace mailhaul::mail {

namespace {

/// A digest that could not be computed must never be mistaken for one: identity is what the proof of every delivery
/// stands on. libcrypto fails here only without memory or without its default provider.
void demand(bool done) {
  if (!done) std::abort();
}

/// Looked up once: OpenSSL 3 otherwise searches its providers, under a lock, for every message. Lives as long as the
/// process on purpose, since OpenSSL's own exit handler runs at an unknown point of the destructors' order.
const EVP_MD* algorithm() {
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  demand(kFetched != nullptr);
  return kFetched;
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* handle = EVP_MD_CTX_new();

  Context() { demand(handle != nullptr); }
  ~Context() { EVP_MD_CTX_free(handle); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  demand(EVP_DigestInit_ex2(context_->handle, algorithm(), nullptr) == 1);
}

Sha256::Sha256(const Sha256& other) : context_(std::make_unique<Context>()) {
  demand(EVP_MD_CTX_copy_ex(context_->handle, other.context_->handle) == 1);
}

Sha256& Sha256::operator=(const Sha256& other) {
  if (this == &other) return *this;
  if (!context_) context_ = std::make_unique<Context>();
  demand(EVP_MD_CTX_copy_ex(context_->handle, other.context_->handle) == 1);
  return *this;
}

Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(Octets octets) { demand(EVP_DigestUpdate(context_->handle, octets.data(), octets.size()) == 1); }

Digest Sha256::finish() const& { return Sha256(*this).finish(); }

Digest Sha256::finish() && {
  const auto context = std::move(context_);
  Digest digest;
  demand(EVP_DigestFinal_ex(context->handle, reinterpret_cast<unsigned char*>(digest.bytes.data()), nullptr) == 1);
  return digest;
}

Digest sha256(Octets octets) {
  Sha256 digest;
  digest.update(octets);
  return std::move(digest).finish();
}

}  // namespace mailhaul::mail
