// Gives keywords their letters in a folder that is written to, and extends `dovecot-keywords` for new ones.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "files/file_system.hpp"
#include "plugins/maildir/format/keywords.hpp"
#include "store/services.hpp"

namespace mailhaul::maildir {

/// The directories of a folder that is written to.
struct FolderDirs {
  std::unique_ptr<files::Dir> below;  // null for the root's own folder
  files::Dir* self = nullptr;         // `below`, or the root
  std::unique_ptr<files::Dir> cur, fresh, tmp;
};

/// One folder's letters, kept in step with the file. Used by one thread.
class KeywordStore {
 public:
  struct Letters {
    std::string letters;  ///< of the keywords, unsorted; P for $Forwarded
    bool lost = false;    ///< a keyword has no letter and gets none
  };
  /// Letters for all keywords that can have one. New ones are written to the file, durably, before this returns. Waits
  /// at most 2 s for another program's lock, then counts new keywords as lost. Error: the file could not be written.
  [[nodiscard]] Result<Letters> letters_for(FolderDirs& dirs, const std::vector<std::string>& keywords,
                                            store::Services& services);
  /// Letters for keywords that have one already; the file is read anew when it changed.
  [[nodiscard]] Result<std::string> known_letters(FolderDirs& dirs, const std::vector<std::string>& keywords);
  /// May this letter, which stands for no keyword, be written into a name? It will then never be given to a keyword
  /// by this object.
  [[nodiscard]] bool take_stray(char letter);

 private:
  Status refresh(FolderDirs& dirs);
  Status note_strays(FolderDirs& dirs);
  [[nodiscard]] std::vector<std::string> unknown_of(const std::vector<std::string>& keywords) const;
  Status extend(FolderDirs& dirs, const std::vector<std::string>& keywords, store::Services& services);
  Status add_lines(FolderDirs& dirs, const std::vector<std::string>& keywords);
  Status write(FolderDirs& dirs, std::string_view text);
  [[nodiscard]] char free_letter(const KeywordTable& table) const;  ///< 0 when there is none

  std::string text_;  // of the file, as it was read
  KeywordTable table_;
  std::optional<files::FileStat> seen_;
  std::array<bool, kKeywordLetters> stray_{};  // stand in names without being keywords
  bool strays_noted_ = false;
};

}  // namespace mailhaul::maildir
