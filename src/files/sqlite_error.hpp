// From SQLite's result codes to Error. Private to src/files.
#pragma once

#include <string_view>

#include "base/result.hpp"

struct sqlite3;

namespace mailhaul::files {

/// "PATH: cannot DOING: SQLite's words", of the last call on `handle`. Scope is always run: no database, no run.
[[nodiscard]] Error sqlite_error(sqlite3* handle, std::string_view path, std::string_view doing);

}  // namespace mailhaul::files
