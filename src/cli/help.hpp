// The help texts. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailhaul::cli {

/// The overview for "", else the text of a command that is there, of `locations` or of `exit-codes`; nullopt for any
/// other topic.
[[nodiscard]] std::optional<std::string> help_text(std::string_view topic);

}  // namespace mailhaul::cli
