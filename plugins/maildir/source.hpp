// Reads a Maildir. Asks for no change: files are opened for reading only and without access times where allowed.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "files/file_system.hpp"
#include "plugins/maildir/folder.hpp"
#include "plugins/maildir/tree.hpp"
#include "store/store.hpp"

namespace mailhaul::maildir {

/// `path` must lead to a directory that is a Maildir (or holds some): else unreachable when it is not there, usage
/// when it is something else.
[[nodiscard]] Result<std::unique_ptr<store::Source>> open_source(const std::string& path, store::Services& services);

class MaildirSource final : public store::Source {
 public:
  MaildirSource(std::string path, std::unique_ptr<files::Dir> root, store::Services& services);

  /// Walks the tree anew. Notes are given once a session.
  Status scan();
  [[nodiscard]] const Tree& tree() const { return tree_; }

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string> since,
                              store::ItemSink& sink) override;
  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override;
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override;
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  /// A folder that is open, with what its letters mean.
  struct Opened {
    std::string native;
    Folder folder;
    KeywordTable keywords;
  };
  struct Read {
    enum class End { whole, changed, failed } end = End::failed;
    mail::ContentPtr content;
    Instant mtime{};
    std::string reason;
  };
  class Listing;

  Result<FolderPlace> place_of(const store::FolderInfo& info);
  Result<Opened> open(const store::FolderInfo& info);
  Result<Opened*> reuse(const store::FolderInfo& info);
  Status fetch_batch(const store::FetchBatch& batch, store::FetchSink& sink);
  /// true: the item is settled; false: its file is not where the locator says.
  Result<bool> deliver(Opened& opened, const store::FolderInfo& info, const store::Item& item, store::FetchSink& sink);
  /// Gives the items that are still in the folder under another name their locator; drops the others' ("").
  Status locate_again(Opened& opened, std::vector<store::Item>& items);
  Result<Read> read(const files::File& file);
  Result<Read> read_once(const files::File& file);
  void note(store::Note::Weight weight, const std::string& folder, const std::string& text);

  std::string path_;
  std::unique_ptr<files::Dir> root_;
  store::Services& services_;
  store::Caps caps_;
  Tree tree_;
  std::set<std::string> noted_;   // texts of notes that were given
  std::unique_ptr<Opened> last_;  // fetch() stays in one folder for many batches
  std::vector<std::byte> buffer_;
};

}  // namespace mailhaul::maildir
