// XXH3-64 of the raw octets of a message in its file: not an identity, but what keeps an old key from naming new
// octets. The one file that knows xxHash is fingerprint.cpp.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.hpp"

namespace mailhaul::mbox {

/// Incremental. Not thread-safe; movable.
class Fingerprint {
 public:
  Fingerprint();
  Fingerprint(Fingerprint&&) noexcept;
  Fingerprint& operator=(Fingerprint&&) noexcept;
  ~Fingerprint();
  void reset();
  void update(Octets octets);
  [[nodiscard]] std::uint64_t value() const;  ///< of what came since reset(); the state goes on

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mailhaul::mbox
