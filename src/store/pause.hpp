// Pauses that servers ask for in their own words, whatever the protocol. What a protocol has codes for is read by its store.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace mailhaul::store {

/// Where a server names no time. The pipeline's own pauses grow from there.
inline constexpr std::chrono::seconds kPause{10};
/// So many sessions in a row without progress, and what only one folder or message is refused with ([UNAVAILABLE], [INUSE],
/// [SYS/TEMP]) is its own failure: one broken message must not bar all others for good.
inline constexpr unsigned kPausesForOne = 3;
/// But with so many such refusals in a row, nothing granted between them, it is the server that cannot: 64 messages are
/// halved six times until one is alone.
inline constexpr unsigned kRefusalsOfOne = 8;

/// How long the account is to be left alone; nullopt: the text asks for no pause.
[[nodiscard]] std::optional<std::chrono::milliseconds> pause_in_words(std::string_view text);

}  // namespace mailhaul::store
