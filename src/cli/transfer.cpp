#include "cli/transfer.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "base/strings.hpp"
#include "cli/accounts.hpp"
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
  store::OpenOptions source_open, target_open;
  pipeline::JobOptions job;
  std::string target_text;  ///< the target with the folder that was named
  std::unique_ptr<OutcomesFile> outcomes;
  StatePlaces state;
};

/// A folder in a TARGET means --into: the account is opened whole, for what goes below may not be there yet.
Status take_folder(store::Location& target, pipeline::FolderRules& rules) {
  if (!target.is_url || target.path.empty()) return {};
  std::string text = std::exchange(target.path, {});
  if (text.ends_with('/')) text.pop_back();
  auto folder = mail::FolderPath::from_text(text);
  if (!folder)
    return make_error(ErrorKind::usage, Scope::run, "the target names no folder: \"" + visible(text) + "\"",
                      "write imaps://user@host/Folder/Sub");
  if (rules.into) {
    auto parts = folder->components;
    parts.insert(parts.end(), rules.into->components.begin(), rules.into->components.end());
    folder = mail::FolderPath(std::move(parts));
  }
  rules.into = std::move(folder);
  return {};
}

/// `--compress`, for the sides that know it.
Status set_compress(const RunOptions& options, const store::Registry& registry, Prepared& prepared) {
  bool any = false;
  for (auto* side : {&prepared.source, &prepared.target}) {
    MH_TRY(const auto* descriptor, registry.find(*side));
    any = any || descriptor->compresses;
  }
  if (options.compress == store::Compress::on && !any)
    return make_error(ErrorKind::usage, Scope::run, "--compress on: neither side is an IMAP account",
                      "only IMAP can compress; leave the option out");
  prepared.source_open.access.compress = prepared.target_open.access.compress = options.compress;
  return {};
}

Result<Prepared> prepare(Frame& frame, const RunOptions& options, const store::Registry& registry,
                         files::FileSystem& fs, Accounts& accounts, StateUse use) {
  Prepared prepared;
  MH_TRY(prepared.source, read_location(frame, registry, options.source));
  MH_TRY(prepared.target, read_location(frame, registry, options.target));
  prepared.target_text = prepared.target.text();
  prepared.job = options.job;
  MH_CHECK(take_folder(prepared.target, prepared.job.rules));
  prepared.source_open.mbox_dialect = prepared.target_open.mbox_dialect = options.mbox_dialect;
  MH_TRY(prepared.source_open.access, accounts.enter("source", options.source_access, prepared.source, fs));
  MH_TRY(prepared.target_open.access, accounts.enter("target", options.target_access, prepared.target, fs));
  MH_CHECK(set_compress(options, registry, prepared));
  MH_CHECK(accounts.open_trace(fs));
  if (!options.outcomes.empty()) {
    MH_TRY(prepared.outcomes, OutcomesFile::open(fs, options.outcomes));
  }
  MH_TRY(prepared.state, find_state(fs, frame.environment, frame.global.ledger, use));
  return prepared;
}

/// Two accounts may have one name, and then the error alone does not tell whose it is.
void name_side(pipeline::Report& report) {
  if (!report.error || report.error->kind != ErrorKind::unreachable) return;
  const std::string side = report.exit == 4 ? "source" : report.exit == 5 ? "target" : "";
  if (side.empty() || report.error->what.find("the " + side) != std::string::npos) return;
  report.error = std::move(*report.error).context(side);
}

}  // namespace

int run_transfer(Frame& frame, const RunOptions& options, const Transfer& transfer) {
  const auto registry = built_in_stores();
  const auto fs = files::make_real_file_system();
  Accounts accounts(frame);
  auto prepared = prepare(frame, options, registry, *fs, accounts, transfer.state);
  if (!prepared.ok()) {
    auto report = failed_report(transfer.command, options.source, options.target, prepared.error());
    report.dry_run = options.job.dry_run;
    return show_report(frame, report);
  }
  SystemRandom random;
  files::MemoryBudget budget(options.memory);
  const mail::ScanOptions scan{.mail_key = options.job.dedup == pipeline::Dedup::mail,
                               .header_id = transfer.pairs_by_header};
  files::Spool spool(prepared->state.spool_directory, budget, scan);
  files::Spool facts_spool(prepared->state.spool_directory, budget, scan, files::Keep::facts);
  Warnings warnings(frame.terminal, warnings_to_show(frame.global));
  store::Services services{frame.clock, *fs, spool, frame.cancel, warnings, random};
  accounts.give_to(services, options.rate);
  const pipeline::Job job{.registry = registry,
                          .services = services,
                          .facts_spool = facts_spool,
                          .source = std::move(prepared->source),
                          .target = std::move(prepared->target),
                          .source_open = std::move(prepared->source_open),
                          .target_open = std::move(prepared->target_open),
                          .options = std::move(prepared->job),
                          .ledger_directory = prepared->state.ledger_directory,
                          .ledger_file = prepared->state.ledger_file};
  ProgressView view(frame.terminal, frame.clock, frame.global.quiet);
  Listener listener(view, prepared->outcomes.get());
  auto report = transfer.run(job, listener);
  report.target = prepared->target_text;
  name_side(report);
  view.finish();
  warnings.finish();
  accounts.finish();
  if (prepared->outcomes) {
    if (auto closed = prepared->outcomes->close(); !closed.ok()) {
      report.exit = pipeline::worse_exit(report.exit, pipeline::exit_code(closed.error(), pipeline::Side::none));
      if (!report.error) report.error = std::move(closed).error();
    }
  }
  return show_report(frame, report);
}

}  // namespace mailhaul::cli
