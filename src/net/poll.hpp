// Waiting, in one place: for descriptors, until a deadline, or until somebody asks to stop. The room's only poll(2).
#pragma once

#include <chrono>

#include "base/cancel.hpp"
#include "base/clock.hpp"

namespace mailhaul::net {

using Deadline = std::chrono::steady_clock::time_point;

/// How long a sleep may last before the cancel token is looked at again: half of the 200 ms that are promised.
inline constexpr std::chrono::milliseconds kSlice{100};

/// What is waited for; -1 = not.
struct Interest {
  int readable = -1;
  int writable = -1;
};

enum class Wake { ready, time, cancel };

/// `ready` also means hung up or failed: the next read or write says what happened. A `deadline` in the past returns at
/// once. `cancel` null: nobody can wake it early.
[[nodiscard]] Wake wait_until(const Clock& clock, const CancelToken* cancel, Deadline deadline, Interest interest);

}  // namespace mailhaul::net
