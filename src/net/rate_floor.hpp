// Tells a peer that keeps us waiting with a trickle from one that is merely slow (threat 14).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mailhaul::net {

/// 128 octets a second over five minutes of waiting. Counts the time spent in waiting for the peer, not that in which
/// nobody listened. One thread.
class RateFloor {
 public:
  void restart() { *this = RateFloor(); }
  /// One turn that took so long and brought so much. True: the peer fell below the floor.
  [[nodiscard]] bool fell(std::chrono::steady_clock::duration waited, std::size_t octets) {
    waited_ += waited;
    octets_ += octets;
    if (waited_ < kWindow) return false;
    const bool low = octets_ < kLeast;
    restart();
    return low;
  }

 private:
  static constexpr std::chrono::seconds kWindow{300};
  static constexpr std::uint64_t kLeast = 128 * 300;
  std::chrono::steady_clock::duration waited_{0};
  std::uint64_t octets_ = 0;
};

}  // namespace mailhaul::net
