// `mailhaul verify SOURCE TARGET`.
#include "cli/transfer.hpp"

namespace mailhaul::cli {

int run_verify_command(Frame& frame, const VerifyOptions& options) {
  return run_transfer(frame, options,
                      Transfer{"verify", &pipeline::run_verify, StateUse::read, /*pairs_by_header=*/true});
}

}  // namespace mailhaul::cli
