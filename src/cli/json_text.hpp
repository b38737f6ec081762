// Strings as JSON, pure ASCII: what is not UTF-8 is made valid first, what is not ASCII is escaped, so that JSON on
// a terminal is as harmless as visible() text.
#pragma once

#include <string>
#include <string_view>

namespace mailhaul::cli {

/// With the quotes around it.
[[nodiscard]] std::string json_text(std::string_view text);

}  // namespace mailhaul::cli
