// Pauses that servers ask for in their own words, whatever the protocol. What a protocol has codes for is read by its store.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace mailhaul::store {

/// Where a server names no time. The pipeline's own pauses grow from there.
inline constexpr std::chrono::seconds kPause{10};

/// What may be refused for the moment about one folder or message alone ([UNAVAILABLE], [INUSE], [SYS/TEMP]): one of a
/// session. One thread.
class Refusals {
 public:
  /// Something was granted: what was refused before was about just that.
  void granted() { in_a_row_ = 0; }
  /// Whether this refusal is the message's or folder's own failure; else the server wants a pause. `fruitless`: sessions
  /// in a row without progress.
  [[nodiscard]] bool is_of_one(unsigned fruitless);

 private:
  unsigned in_a_row_ = 0;
};

/// How long the account is to be left alone; nullopt: the text asks for no pause.
[[nodiscard]] std::optional<std::chrono::milliseconds> pause_in_words(std::string_view text);

}  // namespace mailhaul::store
