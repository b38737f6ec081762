// A request to stop, set from a signal handler or another thread, asked for at every step.
#pragma once

#include <atomic>

#include "base/result.hpp"

namespace mailhaul {
inline namespace base {

/// Thread-safe and async-signal-safe.
class CancelToken {
 public:
  CancelToken() = default;
  /// A part of a run that can be stopped alone, and stops with the whole. `whole` outlives it.
  explicit CancelToken(const CancelToken* whole) noexcept : whole_(whole) {}
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool requested() const noexcept {
    return requested_.load(std::memory_order_relaxed) || (whole_ != nullptr && whole_->requested());
  }

 private:
  const CancelToken* whole_ = nullptr;
  std::atomic<bool> requested_{false};
};

/// The Error of a run that was asked to stop.
[[nodiscard]] inline Error interrupted() {
  return make_error(ErrorKind::interrupted, Scope::run, "interrupted", "run the same command again to go on",
                    Retry::later);
}

}  // namespace base
}  // namespace mailhaul
