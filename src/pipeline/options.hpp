// What a run is told: selection, names, deduplication.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "mail/folder_path.hpp"
#include "pipeline/patience.hpp"

namespace mailhaul::pipeline {

/// Which messages count as twins within a scope (docs/design/identity.md).
enum class Dedup { none, exact, mail, message_id };
enum class DedupScope { folder, account };

/// Which messages a run is about. Empty `folders` = all but views.
struct Selection {
  std::vector<std::string> folders, exclude;  ///< globs over FolderPath::text(); `*` crosses '/'
  std::optional<Instant> since, before;       ///< by received date: since <= date < before

  [[nodiscard]] bool has_dates() const { return since.has_value() || before.has_value(); }
};

/// How source folders are named at the target.
struct FolderRules {
  std::vector<std::pair<std::string, std::string>> map;  ///< FROM=TO by FolderPath::text(); also for what lies below FROM
  bool role_map = true;
  std::optional<mail::FolderPath> into;  ///< a folder of the target below which everything goes
};

struct JobOptions {
  Selection selection;
  FolderRules rules;
  Dedup dedup = Dedup::exact;
  DedupScope dedup_scope = DedupScope::folder;
  std::chrono::milliseconds settle = std::chrono::seconds(120);
  Patience patience;  ///< with lost sessions
  unsigned connections = 2;  ///< sessions of a server that is written to, at most
  bool dry_run = false;
  std::optional<std::uint64_t> max_octets;  ///< copy: stop when so much was delivered
  bool newest_first = false;  ///< copy: of each folder
  bool mark_seen = false;     ///< copy: mail of a place that keeps no flags arrives as read
  bool content_only = false;  ///< verify: flags and dates are not compared
};

}  // namespace mailhaul::pipeline
