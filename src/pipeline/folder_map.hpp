// Which folders a run is about, and what they are called at the target. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "pipeline/options.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// One selected source folder and its place at the target.
struct FolderPlan {
  store::FolderInfo source;
  mail::FolderPath target;
  mail::Role target_role = mail::Role::none;
};

struct FolderMap {
  std::vector<FolderPlan> folders;
  std::vector<std::string> name_changes;  ///< for the report
  std::vector<std::string> skipped_views;
};

/// What the naming needs to know of the target.
struct TargetNames {
  std::vector<store::FolderInfo> folders;  ///< those that are there
  char separator = 0;                      ///< cannot stand in a component
};

/// The name a folder was given by an earlier run, if any (by source FolderPath::text()).
using EarlierName = std::function<std::optional<std::string>(const std::string& source)>;

/// Order of decision for a name: --map (longest FROM that is the folder or lies above it), the earlier name, the role (a
/// folder of the target with the same role, unless one of the same name is there or another source folder goes by
/// that name), the same name. Then --into, then '_' for the separator and `_2`… where two would become one. Folders
/// that --map sends to one place are merged. Error: usage (a --map or --into that names nothing, --folder that matches
/// none).
[[nodiscard]] Result<FolderMap> map_folders(const std::vector<store::FolderInfo>& source, const TargetNames& target,
                                            const Selection& selection, const FolderRules& rules,
                                            const EarlierName& earlier);

}  // namespace mailhaul::pipeline
