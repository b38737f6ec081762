// Selection and naming of folders.
#include "pipeline/folder_map.hpp"

#include <algorithm>
#include <set>

#include "base/strings.hpp"

namespace mailhaul::pipeline {
namespace {

using mail::FolderPath;
using Components = std::vector<std::string>;

bool any_match(const std::vector<std::string>& globs, const std::string& text) {
  return std::any_of(globs.begin(), globs.end(), [&](const auto& glob) { return glob_match(glob, text); });
}

/// --map, resolved: FROM as a path, TO as components.
struct Rule {
  FolderPath from, to;
  std::string text;
};

Result<std::vector<Rule>> parse_rules(const FolderRules& rules) {
  std::vector<Rule> parsed;
  for (const auto& [from, to] : rules.map) {
    const auto from_path = FolderPath::from_text(from), to_path = FolderPath::from_text(to);
    if (!from_path || !to_path)
      return make_error(ErrorKind::usage, Scope::run, "--map '" + from + "=" + to + "' does not name two folders",
                        "write --map 'Old/Name=New/Name'");
    parsed.push_back({*from_path, *to_path, from + "=" + to});
  }
  // The longest FROM wins.
  std::stable_sort(parsed.begin(), parsed.end(),
                   [](const Rule& a, const Rule& b) { return a.from.components.size() > b.from.components.size(); });
  return parsed;
}

/// Components of `path` with the prefix `from` replaced by `to`.
FolderPath rebase(const FolderPath& path, const FolderPath& from, const FolderPath& to) {
  Components parts = to.components;
  parts.insert(parts.end(), path.components.begin() + static_cast<std::ptrdiff_t>(from.components.size()),
               path.components.end());
  return FolderPath(std::move(parts));
}

/// Turns wished names into names that the target can hold, without ever making two folders one.
class NameFitter {
 public:
  NameFitter(char separator, std::vector<std::string>& changes) : separator_(separator), changes_(changes) {}

  /// Names that need no change keep themselves: all of them are told first.
  void reserve(const FolderPath& wished) {
    for (std::size_t n = 1; n <= wished.components.size(); ++n) {
      const Components prefix(wished.components.begin(), wished.components.begin() + static_cast<std::ptrdiff_t>(n));
      if (std::none_of(prefix.begin(), prefix.end(), [this](const auto& part) { return has_separator(part); }))
        taken_.insert(prefix);
    }
  }

  FolderPath fit(const FolderPath& wished) {
    const Components& fitted = fit_prefix(wished.components);
    if (fitted != wished.components)
      changes_.push_back(wished.text() + " -> " + FolderPath(fitted).text() + ": the target's separator is '" +
                         std::string(1, separator_) + "'");
    return FolderPath(fitted);
  }

 private:
  [[nodiscard]] bool has_separator(const std::string& part) const {
    return separator_ != 0 && part.find(separator_) != std::string::npos;
  }

  const Components& fit_prefix(const Components& wished) {
    const auto known = fitted_.find(wished);
    if (known != fitted_.end()) return known->second;
    Components fitted;
    if (wished.size() > 1) fitted = fit_prefix(Components(wished.begin(), wished.end() - 1));
    std::string part = wished.back();
    const bool changed = has_separator(part);
    if (changed) std::replace(part.begin(), part.end(), separator_, '_');
    fitted.push_back(part);
    for (int n = 2; changed && taken_.count(fitted) != 0; ++n) fitted.back() = part + "_" + std::to_string(n);
    taken_.insert(fitted);
    return fitted_.emplace(wished, std::move(fitted)).first->second;
  }

  const char separator_;
  std::vector<std::string>& changes_;
  std::set<Components> taken_;
  std::map<Components, Components> fitted_;
};

/// The target's folder of a role that a source folder (or one above it) may go to instead of its own name.
class RoleMatcher {
 public:
  RoleMatcher(const std::vector<store::FolderInfo>& target, const std::vector<store::FolderInfo>& source) {
    for (const auto& folder : target) {
      names_.insert(folder.path.components);
      if (folder.role != mail::Role::none) by_role_.emplace(folder.role, folder.path);
    }
    for (const auto& folder : source) claimed_.insert(folder.path.components);
  }

  [[nodiscard]] std::optional<FolderPath> find(const store::FolderInfo& folder,
                                               const std::vector<store::FolderInfo>& source) const {
    if (names_.count(folder.path.components) != 0) return std::nullopt;
    const store::FolderInfo* best = nullptr;
    for (const auto& above : source) {
      if (above.role == mail::Role::none || !folder.path.starts_with(above.path)) continue;
      if (best == nullptr || above.path.components.size() > best->path.components.size()) best = &above;
    }
    if (best == nullptr || names_.count(best->path.components) != 0) return std::nullopt;
    const auto there = by_role_.find(best->role);
    if (there == by_role_.end() || claimed_.count(there->second.components) != 0) return std::nullopt;
    return rebase(folder.path, best->path, there->second);
  }

 private:
  std::set<Components> names_, claimed_;
  std::map<mail::Role, FolderPath> by_role_;
};

Result<std::vector<store::FolderInfo>> select(const std::vector<store::FolderInfo>& source, const Selection& selection,
                                              std::vector<std::string>& skipped_views) {
  std::vector<store::FolderInfo> selected;
  for (const auto& folder : source) {
    if (!folder.selectable) continue;
    const std::string text = folder.path.text();
    if (any_match(selection.exclude, text)) continue;
    if (!selection.folders.empty()) {
      if (any_match(selection.folders, text)) selected.push_back(folder);
    } else if (mail::is_view(folder.role)) {
      skipped_views.push_back(text);
    } else {
      selected.push_back(folder);
    }
  }
  for (const auto& glob : selection.folders) {
    const bool used = std::any_of(source.begin(), source.end(),
                                  [&](const auto& folder) { return glob_match(glob, folder.path.text()); });
    if (!used)
      return make_error(ErrorKind::usage, Scope::run, "--folder '" + glob + "' matches no folder of the source",
                        "`mailhaul ls SOURCE` shows the names; `*` matches any text, also '/'");
  }
  return selected;
}

}  // namespace

Result<FolderMap> map_folders(const std::vector<store::FolderInfo>& source, const TargetNames& target,
                              const Selection& selection, const FolderRules& rules, const EarlierName& earlier) {
  FolderMap map;
  MH_TRY(const auto selected, select(source, selection, map.skipped_views));
  MH_TRY(const auto parsed, parse_rules(rules));
  for (const auto& rule : parsed) {
    const bool used = std::any_of(source.begin(), source.end(),
                                  [&](const auto& folder) { return folder.path.starts_with(rule.from); });
    if (!used)
      return make_error(ErrorKind::usage, Scope::run, "--map '" + rule.text + "': the source has no folder " + rule.from.text(),
                        "`mailhaul ls SOURCE` shows the names");
  }
  const RoleMatcher roles(target.folders, selected);
  struct Wish {
    FolderPath path;
    bool final = false;  ///< an earlier run's name: it fits already
  };
  std::vector<Wish> wishes;
  NameFitter fitter(target.separator, map.name_changes);
  for (const auto& folder : selected) {
    Wish wish{folder.path, false};
    const auto rule = std::find_if(parsed.begin(), parsed.end(),
                                   [&](const Rule& candidate) { return folder.path.starts_with(candidate.from); });
    const auto before = earlier ? earlier(folder.path.text()) : std::nullopt;
    if (rule != parsed.end()) {
      wish.path = rebase(folder.path, rule->from, rule->to);
    } else if (const auto path = before ? FolderPath::from_text(*before) : std::nullopt; path && !rules.into) {
      wish = {*path, true};
    } else if (const auto by_role = rules.role_map ? roles.find(folder, selected) : std::nullopt) {
      wish.path = *by_role;
    }
    if (rules.into && folder.only && rule == parsed.end()) {
      wish.path = *rules.into;
    } else if (rules.into && !wish.final) {
      Components parts = rules.into->components;
      parts.insert(parts.end(), wish.path.components.begin(), wish.path.components.end());
      wish.path = FolderPath(std::move(parts));
    }
    fitter.reserve(wish.path);
    wishes.push_back(std::move(wish));
  }
  for (std::size_t i = 0; i < selected.size(); ++i) {
    const FolderPath fitted = wishes[i].final ? wishes[i].path : fitter.fit(wishes[i].path);
    map.folders.push_back({selected[i], fitted, selected[i].role});
  }
  return map;
}

}  // namespace mailhaul::pipeline
