// `mailhaul ls LOCATION`.
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "cli/frame.hpp"
#include "cli/process.hpp"
#include "cli/state.hpp"
#include "cli/stores.hpp"
#include "files/spool.hpp"
#include "pipeline/jobs.hpp"

namespace mailhaul::cli {

int run_ls_command(Frame& frame, const LsOptions& options) {
  const auto registry = built_in_stores();
  const auto fs = files::make_real_file_system();
  auto location = read_location(frame, registry, options.location);
  if (!location.ok()) return show_report(frame, failed_report("ls", options.location, "", location.error()));
  const auto state = find_state(*fs, frame.environment, frame.global.ledger, StateUse::read);
  if (!state.ok()) return show_report(frame, failed_report("ls", options.location, "", state.error()));

  constexpr std::uint64_t kBudget = 16ULL << 20;  // ls holds one message at a time, if it reads any
  const SystemClock clock;
  SystemRandom random;
  files::MemoryBudget budget(kBudget);
  files::Spool spool(state->spool_directory, budget, {}, files::Keep::facts);
  const auto show = frame.global.quiet     ? Warnings::Show::nothing
                    : frame.global.verbose ? Warnings::Show::everything
                                           : Warnings::Show::warnings;
  Warnings warnings(frame.terminal, show);
  store::Services services{clock, *fs, spool, frame.cancel, warnings, random};
  const pipeline::Job job{.registry = registry,
                          .services = services,
                          .facts_spool = spool,
                          .source = std::move(location).value(),
                          .target = {},
                          .source_open = {},
                          .target_open = {},
                          .options = {},
                          .ledger_directory = state->ledger_directory,
                          .ledger_file = state->ledger_file};
  std::vector<pipeline::FolderSummary> folders;
  const auto report = pipeline::run_ls(job, [&](const pipeline::FolderSummary& folder) { folders.push_back(folder); });
  warnings.finish();
  return show_report(frame, report, folders);
}

}  // namespace mailhaul::cli
