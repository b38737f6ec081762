// The program behind main().
#pragma once

namespace mailhaul::cli {

/// Sets up the process, does what the command line says, returns the exit code of docs/user/commands.md. Never throws.
/// Overwrites passwords in `argv`.
int run(int argc, char** argv);

}  // namespace mailhaul::cli
