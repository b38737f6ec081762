// The runs: copy, verify, ls. Each opens what it needs through the registry, and closes it.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "pipeline/options.hpp"
#include "pipeline/report.hpp"
#include "store/registry.hpp"

namespace mailhaul::pipeline {

/// Everything a run needs. Notes of stores are put into the report and passed on to `services.events`.
struct Job {
  const store::Registry& registry;
  store::Services& services;
  files::Spool& facts_spool;  ///< keeps facts and forgets octets: for comparing (verify, adoption)
  store::Location source, target;
  store::OpenOptions source_open, target_open;
  JobOptions options;
  std::string ledger_directory;  ///< where ledgers lie; made when needed
  std::string ledger_file;       ///< `--ledger`, or "" for the pair's own in ledger_directory
};

/// Brings to the target what was never delivered there. Never throws; everything is in the report.
[[nodiscard]] Report run_copy(const Job& job, Observer& observer);
/// Proves by content that the target holds every message of the source. Changes nothing. The facts' spool must be one
/// that digests header blocks.
[[nodiscard]] Report run_verify(const Job& job, Observer& observer);
/// Folders, roles, counts, octets, unseen of one place (job.source). `sink` gets each folder once.
[[nodiscard]] Report run_ls(const Job& job, const std::function<void(const FolderSummary&)>& sink);

}  // namespace mailhaul::pipeline
