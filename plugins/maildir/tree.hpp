// The folders of a Maildir place: which directories hold mail, and what they are called. Reads names only, never
// a message.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "files/file_system.hpp"
#include "mail/folder_path.hpp"
#include "plugins/maildir/format/layout.hpp"
#include "store/services.hpp"

namespace mailhaul::maildir {

inline constexpr std::size_t kDeepest = 100;  // directories below the root; deeper ones are noted and not read

/// One folder: a directory that has `cur` or `new`.
struct FolderPlace {
  mail::FolderPath path;               ///< `native` is the directory relative to the root, "." for the root itself
  std::vector<std::string> directory;  ///< the same as names, none for the root
};

/// What scan_tree() found, sorted by path. No two places have one path.
struct Tree {
  std::vector<FolderPlace> folders;
  bool has_dotted = false, has_nested = false;

  [[nodiscard]] const FolderPlace* find(const mail::FolderPath& path) const;
  /// Maildir++ unless the place is already a nested one.
  [[nodiscard]] Layout layout() const { return has_nested && !has_dotted ? Layout::nested : Layout::dotted; }
};

using NoteSink = std::function<void(store::Note)>;

/// Walks the whole tree below `root` (which was opened from `root_path`). Links are never followed: a linked directory
/// is a doubtful note, a linked file nothing. What cannot be read is a doubtful note as well; an Error only when
/// the root itself cannot be read, or interrupted. At most 3 directories are open at once.
[[nodiscard]] Result<Tree> scan_tree(store::Services& services, const std::string& root_path, files::Dir& root,
                                     const NoteSink& note);

/// Opens a directory below `root`, name by name; with no names the root again (null: it is `root` itself).
[[nodiscard]] Result<std::unique_ptr<files::Dir>> open_below(files::Dir& root, const std::vector<std::string>& names);

}  // namespace mailhaul::maildir
