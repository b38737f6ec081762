// The place that an mbox: location names: one file, or a tree of files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "files/file_system.hpp"
#include "mail/folder_path.hpp"
#include "store/location.hpp"
#include "store/services.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// Where one folder lies below the root.
struct FolderFile {
  mail::FolderPath path;                 ///< native: the file's path below the root
  std::vector<std::string> directories;  ///< from the root down
  std::string name;                      ///< the file; "" for a mere container
  [[nodiscard]] bool selectable() const { return !name.empty(); }
};

/// A directory of a place: the root, which the Site owns, or one below it.
struct OpenDirectory {
  std::unique_ptr<files::Dir> owned;
  files::Dir* dir = nullptr;
};

/// An opened place. In a tree file NAME is a folder and NAME.sbd holds its children (Thunderbird); a plain directory is
/// a folder that holds others but no mail (Dovecot).
struct Site {
  std::unique_ptr<files::Dir> root;
  std::string path;               ///< canonical, for messages
  std::optional<FolderFile> lone;  ///< set when the place is one file

  /// The directory of the folder's file.
  [[nodiscard]] Result<OpenDirectory> open_directory(const std::vector<std::string>& directories) const;
  /// The file's path as a person knows it.
  [[nodiscard]] std::string text_of(const FolderFile& folder) const;
};

/// Opens an existing place. Errors: unreachable when there is nothing; usage for what is no regular file and no directory, and
/// for a Maildir.
[[nodiscard]] Result<Site> open_existing_site(const store::Location& location, files::FileSystem& fs);
/// The same, making the directories that are missing; a lone file itself is not made.
[[nodiscard]] Result<Site> open_or_make_site(const store::Location& location, files::FileSystem& fs);
/// For a place that is one file: error usage when that is no mbox.
[[nodiscard]] Status check_lone_file(const Site& site);
/// Whether the location names a tree (or would, when it is not there yet). Makes nothing. Errors as open_existing_site().
[[nodiscard]] Result<bool> is_tree(const store::Location& location, files::FileSystem& fs);
/// The location's canonical path.
[[nodiscard]] Result<std::string> site_identity(const store::Location& location, files::FileSystem& fs);

/// Every folder, parents before children, sorted by file name. Notes: what was left out, and why.
[[nodiscard]] Result<std::vector<FolderFile>> list_folders(const Site& site, store::Events& events);
/// Names in a tree that no folder has: other programs' files, and the directories of children.
[[nodiscard]] bool is_reserved_name(std::string_view name);
/// A FolderInfo with everything but the state.
[[nodiscard]] store::FolderInfo describe_folder(const FolderFile& folder);

/// What an mbox can hold (both sides).
[[nodiscard]] store::Caps mbox_caps();
/// The only epoch: keys name octets, so nothing ever voids them all.
inline constexpr std::string_view kEpoch = "1";

}  // namespace mailhaul::mbox
