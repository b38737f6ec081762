#include "cli/transfer.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "cli/outcomes.hpp"
#include "cli/process.hpp"
#include "cli/progress.hpp"
#include "cli/stores.hpp"
#include "files/spool.hpp"

namespace mailhaul::cli {
namespace {

/// Hears of the run: progress for the terminal, outcomes for their file.
class Listener final : public pipeline::Observer {
 public:
  Listener(ProgressView& view, OutcomesFile* outcomes) : view_(view), outcomes_(outcomes) {}
  void on_progress(const pipeline::Progress& progress) override { view_.show(progress); }
  Status on_outcome(const pipeline::MessageOutcome& outcome) override {
    return outcomes_ == nullptr ? Status() : outcomes_->write(outcome);
  }
  [[nodiscard]] bool wants_outcomes() const override { return outcomes_ != nullptr; }

 private:
  ProgressView& view_;
  OutcomesFile* outcomes_;
};

/// What is known and open before a run begins.
struct Prepared {
  store::Location source, target;
  std::unique_ptr<OutcomesFile> outcomes;
  StatePlaces state;
};

Result<Prepared> prepare(Frame& frame, const RunOptions& options, const store::Registry& registry,
                         files::FileSystem& fs, StateUse use) {
  Prepared prepared;
  MH_TRY(prepared.source, read_location(frame, registry, options.source));
  MH_TRY(prepared.target, read_location(frame, registry, options.target));
  if (!options.outcomes.empty()) {
    MH_TRY(prepared.outcomes, OutcomesFile::open(fs, options.outcomes));
  }
  MH_TRY(prepared.state, find_state(fs, frame.environment, frame.global.ledger, use));
  return prepared;
}

Warnings::Show warnings_to_show(const GlobalOptions& global) {
  if (global.quiet) return Warnings::Show::nothing;
  return global.verbose ? Warnings::Show::everything : Warnings::Show::warnings;
}

}  // namespace

int run_transfer(Frame& frame, const RunOptions& options, const Transfer& transfer) {
  const auto registry = built_in_stores();
  const auto fs = files::make_real_file_system();
  auto prepared = prepare(frame, options, registry, *fs, transfer.state);
  if (!prepared.ok()) {
    auto report = failed_report(transfer.command, options.source, options.target, prepared.error());
    report.dry_run = options.job.dry_run;
    return show_report(frame, report);
  }
  const SystemClock clock;
  SystemRandom random;
  files::MemoryBudget budget(options.memory);
  const mail::ScanOptions scan{.mail_key = options.job.dedup == pipeline::Dedup::mail};
  files::Spool spool(prepared->state.spool_directory, budget, scan);
  files::Spool facts_spool(prepared->state.spool_directory, budget, scan, files::Keep::facts);
  Warnings warnings(frame.terminal, warnings_to_show(frame.global));
  store::Services services{clock, *fs, spool, frame.cancel, warnings, random};
  const pipeline::Job job{.registry = registry,
                          .services = services,
                          .facts_spool = facts_spool,
                          .source = std::move(prepared->source),
                          .target = std::move(prepared->target),
                          .source_open = options.open,
                          .target_open = options.open,
                          .options = options.job,
                          .ledger_directory = prepared->state.ledger_directory,
                          .ledger_file = prepared->state.ledger_file};
  ProgressView view(frame.terminal, clock, frame.global.quiet);
  Listener listener(view, prepared->outcomes.get());
  auto report = transfer.run(job, listener);
  view.finish();
  warnings.finish();
  if (prepared->outcomes) {
    if (auto closed = prepared->outcomes->close(); !closed.ok()) {
      report.exit = pipeline::worse_exit(report.exit, pipeline::exit_code(closed.error(), pipeline::Side::none));
      if (!report.error) report.error = std::move(closed).error();
    }
  }
  return show_report(frame, report);
}

}  // namespace mailhaul::cli
