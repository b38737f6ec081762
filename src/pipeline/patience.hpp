// How a run waits: between a lost session and the next one. Whether to wait is decided here, by an Error's own words.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace mailhaul::pipeline {

/// Sleeps on this thread.
void sleep_for(std::chrono::milliseconds time);

/// How long to go on trying. Tests put in their own clock and sleep.
struct Patience {
  std::chrono::milliseconds first = std::chrono::seconds(1);      ///< before the first new session; then twice as long
  std::chrono::milliseconds longest = std::chrono::seconds(300);  ///< but never longer
  std::chrono::milliseconds granted = std::chrono::minutes(15);  ///< of a pause that the other side asks for
  unsigned attempts = 10;  ///< sessions without any progress, then it is given up
  std::function<void(std::chrono::milliseconds)> sleep = sleep_for;
};

/// The session is gone, and another one may do better. Every other Error is for the caller.
[[nodiscard]] bool session_lost(const Error& error);

/// The pause that an Error asks for, as far as it is granted; 0 when it asks for none.
[[nodiscard]] std::chrono::milliseconds granted_wait(const Patience& patience, const Error& why);

/// Sleeps in small steps, with a `tick` after each. Error: interrupted, soon after the request.
[[nodiscard]] Status wait_for(const Patience& patience, const CancelToken& cancel, std::chrono::milliseconds time,
                              const std::function<void()>& tick = {});

/// Counts sessions in a row that brought nothing. One thread.
class BackOff {
 public:
  BackOff(Patience patience, const CancelToken& cancel) : patience_(std::move(patience)), cancel_(cancel) {}
  /// "imaps://…: the server asks for a pause (its words); going on in 63 s". nullopt: it asks for none, or gets none.
  [[nodiscard]] std::optional<std::string> note(const std::string& place, const Error& why) const;
  /// How long the next pause after `why` is: its `wait` is the least, as far as it is granted.
  [[nodiscard]] std::chrono::milliseconds delay(const Error& why) const;
  /// Before another attempt, after `why`. Error: `why` itself when there were enough
  /// attempts, interrupted when the run is to end.
  [[nodiscard]] Status pause(const Error& why, const std::function<void()>& tick = {});
  /// The session did something that will not have to be done again.
  void progress() { attempts_ = 0; }
  /// Sessions in a row that brought nothing.
  [[nodiscard]] unsigned attempts() const { return attempts_; }

 private:
  const Patience patience_;
  const CancelToken& cancel_;
  unsigned attempts_ = 0;
  unsigned pauses_ = 0;  ///< that were asked for, in the whole of the run
};

}  // namespace mailhaul::pipeline
