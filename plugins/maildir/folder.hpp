// One Maildir folder opened for looking: its names, its keys, its state. Opens no message.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "plugins/maildir/format/keywords.hpp"
#include "plugins/maildir/format/message_name.hpp"
#include "plugins/maildir/tree.hpp"
#include "store/store.hpp"

namespace mailhaul::maildir {

enum class Subdir { cur, fresh };  // `new` is a word of the language

/// What tells whether a folder changed: `cur`, `new` and `dovecot-keywords`; nullopt where one is missing.
struct Fingerprint {
  struct Part {
    std::int64_t mtime_ns = 0, ctime_ns = 0;
    std::uint64_t inode = 0;
    bool operator==(const Part&) const = default;
  };
  std::array<std::optional<Part>, 3> parts;
  bool operator==(const Fingerprint&) const = default;

  /// Older than 2 s: what happens later must show in the times (some file systems count whole seconds).
  [[nodiscard]] bool settled(const Clock& clock) const;
  [[nodiscard]] std::string text() const;  ///< `v1:` and the numbers
};

/// Names that do not have their base for themselves, by hash.
struct Census {
  std::uint64_t seed = 0, count = 0, sum = 0;  ///< sum of all hashes: two equal censuses saw the same bases
  std::vector<std::uint64_t> cur_twice;        ///< bases that stand in cur more than once
  std::vector<std::uint64_t> fresh_shadowed;   ///< bases in new that stand in cur too, or in new more than once
  [[nodiscard]] bool agrees(const Census& other) const { return count == other.count && sum == other.sum; }
};

/// One name of the folder. Views die with the call.
struct Entry {
  std::string_view name;
  Subdir subdir = Subdir::cur;
  files::FileKind kind = files::FileKind::other;
  MessageName parsed;
  store::Key key;
};

/// Handles of one folder; the folder may change under them at any time.
class Folder {
 public:
  [[nodiscard]] static Result<Folder> open(files::Dir& root, const FolderPlace& place);

  [[nodiscard]] files::Dir* dir(Subdir subdir) { return subdir == Subdir::cur ? cur_.get() : fresh_.get(); }
  [[nodiscard]] Result<Fingerprint> fingerprint() const;
  /// One pass over the names.
  [[nodiscard]] Result<Census> census(std::uint64_t seed, const CancelToken& cancel);
  /// Every name once as the system gives it, cur before new (mail moves from new to cur: in the other order one that
  /// moves meanwhile is met twice). Dot files are left out. Kind is never `other` for a regular file.
  [[nodiscard]] Status for_each(const Census& census, const CancelToken& cancel,
                                const std::function<Status(const Entry&)>& sink);
  /// An empty table without the file.
  [[nodiscard]] Result<KeywordTable> keywords();

 private:
  Status names_of(Subdir subdir, const CancelToken& cancel,
                  const std::function<Status(std::string_view, files::FileKind)>& sink);
  [[nodiscard]] const files::Dir& self() const { return below_ ? *below_ : *root_; }

  files::Dir* root_ = nullptr;
  std::unique_ptr<files::Dir> below_, cur_, fresh_;
};

/// The key of a name: its base, percent-encoded; where the census says that the base is not its alone, what else
/// stands in the name follows a '~', so that every file has a key of its own.
[[nodiscard]] store::Key key_of(const MessageName& name, Subdir subdir, const Census& census);

[[nodiscard]] std::string locator_of(Subdir subdir, std::string_view name);  ///< `cur/NAME`, `new/NAME`
struct Located {
  Subdir subdir = Subdir::cur;
  std::string_view name;
};
[[nodiscard]] std::optional<Located> parse_locator(std::string_view locator);

/// The folder as a store tells it; `state` is "" while it is not settled. Errors of reading: no state.
[[nodiscard]] store::FolderInfo folder_info(files::Dir& root, const FolderPlace& place, const Clock& clock);
/// What a Maildir can keep, except what only a Target has.
[[nodiscard]] store::Caps maildir_caps();

}  // namespace mailhaul::maildir
