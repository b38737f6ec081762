// What every command is given, and how its end becomes an exit code.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "cli/options.hpp"
#include "cli/passwords.hpp"
#include "cli/terminal.hpp"
#include "cli/warnings.hpp"
#include "files/file_system.hpp"
#include "pipeline/report.hpp"

namespace mailhaul::cli {

/// Lives as long as the command.
struct Frame {
  Terminal& terminal;
  const Environment& environment;
  const GlobalOptions& global;
  const CancelToken& cancel;
  const Clock& clock;
  EnvironmentPasswords& passwords;  ///< each side's is moved out when it is wanted
};

/// A location as typed: parsed, of a known scheme. A password in it is warned of.
[[nodiscard]] Result<store::Location> read_location(Frame& frame, const store::Registry& registry,
                                                    const std::string& text);
/// A report of a run that did not begin.
[[nodiscard]] pipeline::Report failed_report(const std::string& command, const std::string& source,
                                             const std::string& target, const Error& error);
/// Shows the report: JSON or text on stdout, its error on stderr. Returns the exit code.
int show_report(Frame& frame, const pipeline::Report& report, const std::vector<pipeline::FolderSummary>& folders = {});
int show_probe(Frame& frame, const pipeline::Report& report, const store::Probe& probe);

/// One file a command. Each returns its exit code.
int run_copy_command(Frame& frame, const CopyOptions& options);
int run_verify_command(Frame& frame, const VerifyOptions& options);
int run_ls_command(Frame& frame, const LsOptions& options);
int run_probe_command(Frame& frame, const ProbeOptions& options);
int run_version_command(Frame& frame);
int run_help_command(Frame& frame, const HelpOptions& options);

}  // namespace mailhaul::cli
