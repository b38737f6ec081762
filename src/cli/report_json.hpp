// `--json`: one object with the fields of docs/user/commands.md, in their order.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "pipeline/report.hpp"
#include "store/registry.hpp"

namespace mailhaul::cli {

/// Report of `copy`, `verify` or `ls` (by report.command; `folders` is for ls alone), and LF.
[[nodiscard]] std::string report_json(const pipeline::Report& report,
                                      const std::vector<pipeline::FolderSummary>& folders = {});
/// Report of `probe`. Limits that are numbers are numbers.
[[nodiscard]] std::string probe_json(const pipeline::Report& report, const store::Probe& probe);
/// For a command that has no report of its own.
[[nodiscard]] std::string error_json(const std::string& command, const Error& error, int exit);
/// For `version` and `help`: a few texts by name.
[[nodiscard]] std::string texts_json(const std::vector<std::pair<std::string, std::string>>& texts);

}  // namespace mailhaul::cli
