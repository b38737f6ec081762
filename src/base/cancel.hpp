// A request to stop, set from a signal handler or another thread, asked for at every step.
#pragma once

#include <atomic>

#include "base/result.hpp"

namespace mailhaul {
inline namespace base {

/// Thread-safe and async-signal-safe.
class CancelToken {
 public:
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_{false};
};

/// The Error of a run that was asked to stop.
[[nodiscard]] inline Error interrupted() {
  return make_error(ErrorKind::interrupted, Scope::run, "interrupted", "run the same command again to go on",
                    Retry::later);
}

}  // namespace base
}  // namespace mailhaul
