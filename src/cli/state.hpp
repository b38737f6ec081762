// Where a run keeps what it remembers (ledgers) and what is on its way (spool).
#pragma once

#include <string>

#include "base/result.hpp"
#include "cli/terminal.hpp"
#include "files/file_system.hpp"

namespace mailhaul::cli {

/// Whether the places may be made: copy needs them, verify, ls and a dry run change nothing.
enum class StateUse { write, read };

struct StatePlaces {
  std::string ledger_directory;  ///< may not exist with StateUse::read
  std::string ledger_file;       ///< `--ledger`, or ""
  std::string spool_directory;   ///< exists
};

/// `$XDG_STATE_HOME/mailhaul`, else `~/.local/state/mailhaul` (HOME, else the password database), or the directory of
/// `ledger_option`. The spool lies there too where it can be written, else in TMPDIR, /var/tmp or /tmp. Errors: usage
/// with --ledger as hint; no_space as it came.
[[nodiscard]] Result<StatePlaces> find_state(files::FileSystem& fs, const Environment& environment,
                                             const std::string& ledger_option, StateUse use);

}  // namespace mailhaul::cli
