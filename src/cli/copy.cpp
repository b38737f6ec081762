// `mailhaul copy SOURCE TARGET`.
#include "cli/transfer.hpp"

namespace mailhaul::cli {

int run_copy_command(Frame& frame, const CopyOptions& options) {
  const auto use = options.job.dry_run ? StateUse::read : StateUse::write;
  return run_transfer(frame, options, Transfer{"copy", &pipeline::run_copy, use});
}

}  // namespace mailhaul::cli
