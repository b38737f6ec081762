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

std::chrono::milliseconds granted_wait(const Patience& patience, const Error& why) {
  return std::min(why.wait.value_or(std::chrono::milliseconds(0)), patience.granted);
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

std::optional<std::string> BackOff::note(const std::string& place, const Error& why) const {
  if (!why.wait || attempts_ >= patience_.attempts) return std::nullopt;
  const auto pause = delay(why);
  std::string text = place + ": the server asks for a pause (" + why.what + "); going on in " +
                     std::to_string(std::chrono::ceil<std::chrono::seconds>(pause).count()) + " s";
  if (*why.wait > pause) text += ", for no longer one is granted at once";
  if (pauses_ != 0) text += " (pause " + std::to_string(pauses_ + 1) + " of this run)";  // equal notes are told once
  return text;
}

std::chrono::milliseconds BackOff::delay(const Error& why) const {
  auto delay = patience_.first;
  for (unsigned i = 0; i < attempts_ && delay < patience_.longest; ++i) delay *= 2;
  return std::max(std::min(delay, patience_.longest), granted_wait(patience_, why));
}

Status BackOff::pause(const Error& why, const std::function<void()>& tick) {
  if (attempts_ >= patience_.attempts) return why;
  const auto time = delay(why);
  ++attempts_;
  pauses_ += why.wait ? 1 : 0;
  return wait_for(patience_, cancel_, time, tick);
}

}  // namespace mailhaul::pipeline
