// `mailhaul ls LOCATION`.
#include <vector>

#include "cli/one_place.hpp"

namespace mailhaul::cli {

int run_ls_command(Frame& frame, const LsOptions& options) {
  const auto place = OnePlace::open(frame, options);
  if (!place.ok()) return show_report(frame, failed_report("ls", options.location, "", place.error()));
  std::vector<pipeline::FolderSummary> folders;
  const auto report =
      pipeline::run_ls((*place)->job(), [&](const pipeline::FolderSummary& folder) { folders.push_back(folder); });
  (*place)->finish();
  return show_report(frame, report, folders);
}

}  // namespace mailhaul::cli
