// The report for people. Pure: what it returns is shown by Terminal::out().
#pragma once

#include <string>
#include <vector>

#include "pipeline/report.hpp"
#include "store/registry.hpp"

namespace mailhaul::cli {

enum class Detail { normal, verbose };

/// Report of `copy` or `verify`: counters, failed messages and what to do, warnings, names, and one line that says
/// what the exit code means. All remote text in it is visible(). "" when the run stopped before it saw a message: then
/// the error has said it all.
[[nodiscard]] std::string report_text(const pipeline::Report& report, Detail detail);
/// The folders of `ls` as a table with a total.
[[nodiscard]] std::string folders_text(const std::vector<pipeline::FolderSummary>& folders);

/// What `probe` found, for people.
[[nodiscard]] std::string probe_text(const std::string& source, const store::Probe& probe);

}  // namespace mailhaul::cli
