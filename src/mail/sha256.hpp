// SHA-256 by libcrypto. The one file of this room that knows it is sha256.cpp.
#pragma once

#include <memory>

#include "base/bytes.hpp"

namespace mailhaul::mail {

/// Incremental SHA-256. A copy forks the state at that point. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256& other);
  Sha256& operator=(const Sha256& other);
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(Octets octets);
  [[nodiscard]] Digest finish() const&;  ///< of what came so far; the state goes on
  [[nodiscard]] Digest finish() &&;      ///< the state ends

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] Digest sha256(Octets octets);

}  // namespace mailhaul::mail
