// Plays a whole dialogue: the script's server against the store.
#pragma once

#include <string>

#include "dialogue/player.hpp"
#include "dialogue/script.hpp"

namespace mailhaul::dialogue {

/// What was otherwise than the script has it: file, line, what was expected and what came. "" = nothing.
[[nodiscard]] std::string play(const Script& script, Pieces pieces);

}  // namespace mailhaul::dialogue
