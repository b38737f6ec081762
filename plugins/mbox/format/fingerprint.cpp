#include "plugins/mbox/format/fingerprint.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mailhaul::mbox {

struct Fingerprint::State {
  XXH3_state_t xxh;
};

Fingerprint::Fingerprint() : state_(std::make_unique<State>()) { reset(); }
Fingerprint::Fingerprint(Fingerprint&&) noexcept = default;
Fingerprint& Fingerprint::operator=(Fingerprint&&) noexcept = default;
Fingerprint::~Fingerprint() = default;

// The library's answers are errors for null pointers only.
void Fingerprint::reset() { (void)XXH3_64bits_reset(&state_->xxh); }
void Fingerprint::update(Octets octets) {
  if (!octets.empty()) (void)XXH3_64bits_update(&state_->xxh, octets.data(), octets.size());
}
std::uint64_t Fingerprint::value() const { return XXH3_64bits_digest(&state_->xxh); }

}  // namespace mailhaul::mbox
