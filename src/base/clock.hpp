// Time as it is handed in: no room but the real Clock asks the system for it.
#pragma once

#include <chrono>

namespace mailhaul {
inline namespace base {

/// An instant of the wall clock in whole seconds since 1970-01-01 UTC (may be negative).
using Instant = std::chrono::sys_seconds;

/// Thread-safe. `wall` may jump and never orders anything; `steady` never goes back.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall() const = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point steady() const = 0;
};

/// The system's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return std::chrono::system_clock::now(); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace base
}  // namespace mailhaul
