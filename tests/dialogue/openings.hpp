// What nearly every dialogue begins with, so that a file shows its own point and not the same twenty lines.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dialogue/script.hpp"

namespace mailhaul::dialogue {

/// The lines that `login:`, `folders:`, `select:`, `examine:` and, in POP3, `login:` and `mailbox:` stand for
/// (README.md); nullopt for another key.
[[nodiscard]] std::optional<std::vector<std::string>> opening_lines(const std::string& key, const std::string& value,
                                                                    const Script& script);

}  // namespace mailhaul::dialogue
