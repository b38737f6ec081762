#include "plugins/mbox/target.hpp"

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.hpp"
#include "mail/file_name.hpp"
#include "plugins/mbox/batch.hpp"
#include "plugins/mbox/recovery.hpp"
#include "plugins/mbox/site.hpp"
#include "plugins/mbox/source.hpp"

namespace mailhaul::mbox {
namespace {

/// An opened folder of the target.
struct TargetFolder {
  FolderFile folder;
  OpenDirectory directory;
  store::FolderHandle handle;
  std::string text;  ///< the file's path, for messages
  std::unique_ptr<Batch> batch;
};

class MboxTarget final : public store::Target {
 public:
  MboxTarget(Site site, store::Services& services, store::AckSink& acks, Quoting quoting)
      : site_(std::move(site)), services_(services), acks_(acks), quoting_(quoting), caps_(mbox_caps()) {
    caps_.many_folders = !site_.lone;
  }

  const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    SilentEvents silent;
    return report_folders(site_, silent, sink);
  }
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role role) override;
  Result<std::string> watermark(const store::FolderHandle& folder) override;
  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) override;
  Status find_since(const store::FolderHandle& folder, std::string_view watermark, std::span<const store::Wanted> wanted,
                    const std::function<Status(store::Match)>& sink) override;
  Status flush() override;
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  Result<FolderFile> locate(const mail::FolderPath& path, OpenDirectory& directory);
  Status enter(OpenDirectory& directory, FolderFile& folder, const std::string& component);
  Result<std::string> file_name_of(const files::Dir& dir, const mail::FolderPath& path) const;
  Result<TargetFolder*> find(const store::FolderHandle& handle);

  Site site_;
  store::Services& services_;
  store::AckSink& acks_;
  Quoting quoting_;
  store::Caps caps_;
  std::vector<std::unique_ptr<TargetFolder>> open_;
  std::map<std::vector<std::string>, std::uint32_t> by_path_;
};

Error unusable_name(const mail::FolderPath& path, const std::string& why) {
  return make_error(ErrorKind::usage, Scope::folder, "folder " + visible(path.text()) + " cannot be an mbox here: " + why);
}

bool is_kind(const files::Dir& dir, const std::string& name, files::FileKind kind) {
  const auto stat = dir.stat(name);
  return stat.ok() && stat->kind == kind;
}

/// Goes into the directory of a folder's children: NAME.sbd, or a plain directory where the tree has one already.
Status MboxTarget::enter(OpenDirectory& directory, FolderFile& folder, const std::string& component) {
  const std::string plain = mail::to_file_name(component, is_reserved_name);
  std::string name = plain + ".sbd";
  if (!is_kind(*directory.dir, name, files::FileKind::directory)) {
    if (is_kind(*directory.dir, plain, files::FileKind::directory)) {
      name = plain;
    } else {
      MH_CHECK(directory.dir->make_dir(name));
    }
  }
  // Also one that is there: who made it may have died before this.
  MH_CHECK(directory.dir->sync());
  MH_TRY(auto next, directory.dir->open_dir(name));
  directory.owned = std::move(next);
  directory.dir = directory.owned.get();
  folder.directories.push_back(name);
  return {};
}

/// The file of a folder. INBOX is spelled as the tree spells it already.
Result<std::string> MboxTarget::file_name_of(const files::Dir& dir, const mail::FolderPath& path) const {
  if (path.is_inbox()) {
    static constexpr std::array<const char*, 3> kSpellings = {"INBOX", "Inbox", "inbox"};
    for (const char* name : kSpellings) {
      if (is_kind(dir, name, files::FileKind::regular)) return std::string(name);
    }
  }
  std::string name = mail::to_file_name(path.components.back(), is_reserved_name);
  if (is_kind(dir, name, files::FileKind::directory)) {
    return unusable_name(path, visible(name) + " is a directory that holds other folders");
  }
  return name;
}

Result<FolderFile> MboxTarget::locate(const mail::FolderPath& path, OpenDirectory& directory) {
  if (path.components.empty()) return unusable_name(path, "it has no name");
  FolderFile folder;
  directory.dir = site_.root.get();
  for (std::size_t i = 0; i + 1 < path.components.size(); ++i) {
    MH_CHECK(enter(directory, folder, path.components[i]));
  }
  MH_TRY(folder.name, file_name_of(*directory.dir, path));
  std::vector<std::string> spelled = path.components;
  spelled.back() = mail::from_file_name(folder.name, is_reserved_name);
  folder.path = mail::FolderPath(std::move(spelled), folder.name);
  if (folder.path != path) {
    services_.events.note({store::Note::Weight::warning, path.text(),
                           "the folder's name is too long for a file; it is kept as " + folder.path.text()});
  }
  return folder;
}

Result<store::FolderHandle> MboxTarget::open_folder(const mail::FolderPath& path, mail::Role /*role*/) {
  const std::vector<std::string> key = site_.lone ? std::vector<std::string>() : path.components;
  if (const auto known = by_path_.find(key); known != by_path_.end()) {
    store::FolderHandle handle = open_[known->second]->handle;
    handle.created = false;
    return handle;
  }
  auto opened = std::make_unique<TargetFolder>();
  if (site_.lone) {
    opened->folder = *site_.lone;
    opened->directory.dir = site_.root.get();
  } else {
    MH_TRY(opened->folder, locate(path, opened->directory));
  }
  opened->text = site_.text_of(opened->folder);
  const auto there = opened->directory.dir->stat(opened->folder.name);
  if (!there.ok() && !files::is_not_found(there.error())) return there.error();
  opened->handle.created = !there.ok();
  // A place that cannot be written fails here and not in the middle of a run.
  MH_TRY(const auto file, open_for_writing(*opened->directory.dir, opened->folder.name, opened->text));
  // Also a file that is there: who made it may have died before this.
  MH_CHECK(opened->directory.dir->sync());
  opened->handle.id = static_cast<std::uint32_t>(open_.size());
  opened->handle.path = opened->folder.path;
  opened->handle.epoch = kEpoch;
  by_path_.emplace(key, opened->handle.id);
  open_.push_back(std::move(opened));
  return open_.back()->handle;
}

Result<TargetFolder*> MboxTarget::find(const store::FolderHandle& handle) {
  if (handle.id < open_.size()) return open_[handle.id].get();
  return make_error(ErrorKind::bug, Scope::run, "a folder handle of another target");
}

Result<std::string> MboxTarget::watermark(const store::FolderHandle& handle) {
  MH_TRY(TargetFolder* const folder, find(handle));
  if (!folder->batch) {
    MH_TRY(folder->batch, Batch::open(*folder->directory.dir, folder->folder.name, folder->text, services_));
  }
  return folder->batch->watermark();
}

Status MboxTarget::submit(const store::FolderHandle& handle, const store::Ticket& ticket, mail::Message message) {
  if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
  MH_TRY(TargetFolder* const folder, find(handle));
  if (!folder->batch) {
    MH_TRY(const std::string taken, watermark(handle));
    (void)taken;  // the caller chose to do without
  }
  return folder->batch->add(ticket, message, quoting_, services_.cancel, acks_);
}

Status MboxTarget::flush() {
  Status result;
  for (const auto& folder : open_) {
    if (!folder->batch) continue;
    Status settled = folder->batch->settle(acks_);
    Status closed = folder->batch->close();
    folder->batch.reset();
    if (settled.ok()) settled = std::move(closed);
    if (result.ok()) result = std::move(settled);
  }
  return result;
}

Status MboxTarget::find_since(const store::FolderHandle& handle, std::string_view watermark,
                              std::span<const store::Wanted> wanted,
                              const std::function<Status(store::Match)>& sink) {
  MH_TRY(TargetFolder* const folder, find(handle));
  if (folder->batch) return make_error(ErrorKind::bug, Scope::run, "find_since() within a batch");
  const auto since = Watermark::parse(watermark);
  if (!since) {
    return make_error(ErrorKind::damage, Scope::folder, "the watermark of " + visible(folder->text) + " cannot be read");
  }
  MH_TRY(const LockedFile locked,
         open_locked(*folder->directory.dir, folder->folder.name, folder->text, services_));
  MH_CHECK(find_deliveries(*locked.file, folder->text, *since, wanted, quoting_, services_.cancel, sink));
  return locked.lock->release();
}

}  // namespace

Result<std::unique_ptr<store::Target>> open_target(const store::Location& location, store::Services& services,
                                                   store::AckSink& acks, const store::OpenOptions& options) {
  MH_TRY(Site site, open_or_make_site(location, services.fs));
  if (site.lone) MH_CHECK(check_before_writing(*site.root, site.lone->name, site.path));
  const Quoting quoting = options.mbox_dialect == store::MboxDialect::mboxo ? Quoting::mboxo : Quoting::mboxrd;
  auto target = std::make_unique<MboxTarget>(std::move(site), services, acks, quoting);
  return std::unique_ptr<store::Target>(std::move(target));
}

}  // namespace mailhaul::mbox
