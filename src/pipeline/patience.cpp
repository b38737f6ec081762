// See patience.hpp.
#include "pipeline/patience.hpp"

#include <algorithm>
#include <thread>

namespace mailhaul::pipeline {
namespace {

// A person who interrupts the run waits at most this long.
constexpr auto kStep = std::chrono::milliseconds(100);

}  // namespace

void sleep_for(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

bool session_lost(const Error& error) {
  return error.scope == Scope::session && error.retry != Retry::never && error.kind != ErrorKind::interrupted;
}

Status wait_for(const Patience& patience, const CancelToken& cancel, std::chrono::milliseconds time,
                const std::function<void()>& tick) {
  for (auto left = time;;) {
    if (cancel.requested()) return interrupted();
    if (left <= left.zero()) return {};
    const auto step = std::min(left, kStep);
    patience.sleep(step);
    if (tick) tick();
    left -= step;
  }
}

Status BackOff::pause(const Error& why, const std::function<void()>& tick) {
  if (attempts_ >= patience_.attempts) return why;
  auto delay = patience_.first;
  for (unsigned i = 0; i < attempts_ && delay < patience_.longest; ++i) delay *= 2;
  delay = std::max(std::min(delay, patience_.longest), why.wait.value_or(std::chrono::milliseconds(0)));
  ++attempts_;
  return wait_for(patience_, cancel_, delay, tick);
}

}  // namespace mailhaul::pipeline
