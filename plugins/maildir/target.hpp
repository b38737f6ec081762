// Writes to a Maildir: tmp, sync, rename, sync of cur, and only then the acknowledgements (docs/design/durability.md).
// Foreign files (dovecot-uidlist, other programs' tmp files) are never touched.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "files/file_system.hpp"
#include "plugins/maildir/folder.hpp"
#include "plugins/maildir/keyword_store.hpp"
#include "plugins/maildir/tree.hpp"
#include "store/store.hpp"

namespace mailhaul::maildir {

/// Makes the directory when it is not there; an existing nested tree is continued as nested, all else is Maildir++.
[[nodiscard]] Result<std::unique_ptr<store::Target>> open_target(const std::string& path, store::Services& services,
                                                                 store::AckSink& acks);

/// What that Target would say of itself. Looks at the place, makes and changes nothing.
[[nodiscard]] Result<store::Caps> target_caps(const std::string& path, store::Services& services);

class MaildirTarget final : public store::Target {
 public:
  MaildirTarget(std::string path, std::unique_ptr<files::Dir> root, store::Services& services, store::AckSink& acks);
  /// Gives up what was not flushed: its tmp files are removed as far as that goes; no ack is given.
  ~MaildirTarget() override;

  Status scan();  ///< walks the tree anew; fixes the layout at the first call
  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role role) override;
  Result<std::string> watermark(const store::FolderHandle& folder) override;
  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) override;
  Status update(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                const store::MetaChange& change) override;
  Status find_since(const store::FolderHandle& folder, std::string_view watermark,
                    std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) override;
  Status flush() override;
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  struct OpenFolder {
    FolderPlace place;
    store::FolderHandle handle;
    std::unique_ptr<FolderDirs> dirs;  // null: closed to save descriptors
    KeywordStore keywords;
    std::uint64_t last_used = 0;
    bool dirty = false;  // holds deliveries that are not acknowledged: its handles must stay
  };
  struct Delivery {
    store::Ticket ticket;
    OpenFolder* folder = nullptr;
    std::string base, name;             // in tmp, and in cur
    std::unique_ptr<files::File> file;  // null once it was closed
    store::Stored stored;
    std::optional<Error> refused;
    bool in_doubt = false;
  };
  struct Change {
    store::Ticket ticket;
    OpenFolder* folder = nullptr;
    store::Key key;
    store::MetaChange meta;
    store::Stored stored;
    std::optional<Error> refused;
    bool found = false;
    bool in_doubt = false;
  };
  struct Wanting;
  /// Where a message stands that is to be changed.
  struct Standing {
    std::string name;
    Subdir subdir = Subdir::cur;
    std::vector<Change*>* asked = nullptr;
  };
  static constexpr std::uint64_t kOpenFiles = 8;  // synced one by one; above that one syncfs is faster (measured)

  [[nodiscard]] Result<OpenFolder*> folder_of(const store::FolderHandle& handle);
  [[nodiscard]] Result<FolderDirs*> dirs_of(OpenFolder& folder);
  Status make_room();
  Result<bool> make_folder(const std::vector<std::string>& directory, bool existing);
  Result<Spelling> spelling_of(const mail::FolderPath& path);
  Result<FolderPlace> new_place(const mail::FolderPath& path);
  store::FolderHandle remember(const mail::FolderPath& asked, FolderPlace place);
  void note(const store::Note& told);

  Result<std::string> info_for(OpenFolder& folder, FolderDirs& dirs, const mail::Meta& meta, store::Stored& stored);
  Status write(FolderDirs& dirs, Delivery& delivery, const mail::Message& message);
  Status fill(Delivery& delivery, const mail::Message& message);
  void close_all();
  void discard(FolderDirs* dirs, Delivery& delivery);

  Status settle();
  Status sync_contents(std::vector<Delivery>& batch);
  Status deliver(std::vector<Delivery>& batch);
  Status refuse_all(std::vector<Delivery>& batch, const Error& error);
  Status publish(std::vector<Delivery>& batch);
  Status sync_folders(const std::vector<Delivery>& batch);
  Status apply_changes_of(OpenFolder& folder, std::vector<Change>& changes);
  Status find_and_apply(OpenFolder& folder, std::unordered_map<std::string, std::vector<Change*>>& asked);
  Status apply(OpenFolder& folder, const Census& census, Standing& standing, Change& change);

  Status find_in(const FolderPlace& place, Wanting& wanting, bool own, const std::function<Status(store::Match)>& sink);
  Status remove_leftovers(const FolderPlace& place, const Wanting& wanting);
  Result<bool> report(files::Dir& dir, const std::string& name, const store::Key& key, const store::Ticket& ticket,
                      const std::function<Status(store::Match)>& sink);

  std::string path_;
  std::unique_ptr<files::Dir> root_;
  store::Services& services_;
  store::AckSink& acks_;
  const std::int64_t process_;
  store::Caps caps_;
  Layout layout_ = Layout::dotted;
  bool layout_known_ = false;
  Tree tree_;
  std::vector<std::unique_ptr<OpenFolder>> folders_;  // by handle id
  std::map<mail::FolderPath, std::uint32_t> asked_;   // names as they were asked for
  std::vector<Delivery> deliveries_;
  std::vector<Change> changes_;
  std::uint64_t pending_octets_ = 0;
  std::uint64_t open_files_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t uses_ = 0;
  std::optional<Error> deferred_;  // of a flush inside submit(), for the next flush()
  std::set<std::string> noted_;
};

}  // namespace mailhaul::maildir
