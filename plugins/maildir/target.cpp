// Folders and messages on their way in. What makes them durable is in target_flush.cpp, what finds them again after a
// crash in target_find.cpp.
#include "plugins/maildir/target.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/strings.hpp"
#include "plugins/maildir/format/layout.hpp"

namespace mailhaul::maildir {
namespace {

// durability.md: a batch of a place without a server.
constexpr std::size_t kBatchMessages = 256;
constexpr std::uint64_t kBatchOctets = 16 * 1024 * 1024;
constexpr std::size_t kBatchChanges = 4096;  // one pass over the names serves them all
constexpr std::size_t kOpenFolders = 6;      // 4 descriptors each

store::Caps caps_with(Layout layout) {
  store::Caps caps = maildir_caps();
  caps.update = true;
  caps.separator = layout == Layout::dotted ? '.' : '\0';
  return caps;
}

Status check_directory(const files::FileStat& stat, const std::string& path) {
  if (stat.kind == files::FileKind::directory) return {};
  return make_error(ErrorKind::usage, Scope::run, path + " is not a Maildir: it is not a directory");
}

}  // namespace

Result<store::Caps> target_caps(const std::string& path, store::Services& services) {
  const auto stat = services.fs.stat(path);
  if (!stat.ok()) {
    if (files::is_not_found(stat.error())) return caps_with(Layout::dotted);
    return make_error(ErrorKind::unreachable, Scope::run, stat.error().what, stat.error().hint);
  }
  MH_CHECK(check_directory(*stat, path));
  MH_TRY(const std::unique_ptr<files::Dir> root, services.fs.open_root(path));
  MH_TRY(const Tree tree, scan_tree(services, path, *root, [](const store::Note&) {}));  // open_target() notes them
  return caps_with(tree.layout());
}

Result<std::unique_ptr<store::Target>> open_target(const std::string& path, store::Services& services,
                                                   store::AckSink& acks) {
  const auto stat = services.fs.stat(path);
  if (stat.ok()) MH_CHECK(check_directory(*stat, path));
  auto root = services.fs.create_root(path);
  if (!root.ok()) return std::move(root.error()).context("open Maildir");
  // A run that died between making the root and syncing its parent left a root that is there and not durable.
  const auto place = services.fs.open_place(path, /*create_parents=*/false);
  if (place.ok() && place->parent) MH_CHECK(place->parent->sync());
  auto target = std::make_unique<MaildirTarget>(path, std::move(*root), services, acks);
  MH_CHECK(target->scan());
  return std::unique_ptr<store::Target>(std::move(target));
}

MaildirTarget::MaildirTarget(std::string path, std::unique_ptr<files::Dir> root, store::Services& services,
                             store::AckSink& acks)
    : path_(std::move(path)),
      root_(std::move(root)),
      services_(services),
      acks_(acks),
      process_(::getpid()),
      caps_(caps_with(Layout::dotted)) {}

MaildirTarget::~MaildirTarget() {
  for (Delivery& delivery : deliveries_) discard(delivery.folder->dirs.get(), delivery);
}

void MaildirTarget::note(const store::Note& told) {
  if (noted_.insert(told.folder + '\n' + told.text).second) services_.events.note(told);
}

Status MaildirTarget::scan() {
  MH_TRY(tree_, scan_tree(services_, path_, *root_, [this](const store::Note& found) { note(found); }));
  if (!layout_known_) layout_ = tree_.layout();
  layout_known_ = true;
  caps_ = caps_with(layout_);
  return {};
}

Status MaildirTarget::folders(const std::function<Status(store::FolderInfo)>& sink) {
  MH_CHECK(scan());
  const Tree tree = tree_;
  for (const FolderPlace& place : tree.folders) MH_CHECK(sink(folder_info(*root_, place, services_.clock)));
  return {};
}

Result<Spelling> MaildirTarget::spelling_of(const mail::FolderPath& path) {
  if (path.components.empty()) return make_error(ErrorKind::usage, Scope::folder, "a folder without a name");
  // Maildir++: INBOX is the root. A nested tree may keep it in a directory of its own, and does when the root has none.
  const bool root_is_folder = tree_.find(mail::FolderPath({"INBOX"})) != nullptr;
  if (path.is_inbox() && (layout_ == Layout::dotted || root_is_folder)) return Spelling{};
  return spell(path.components, layout_);
}

/// Where a folder that is not there yet will stand, and what it is called there.
Result<FolderPlace> MaildirTarget::new_place(const mail::FolderPath& path) {
  MH_TRY(Spelling spelling, spelling_of(path));
  FolderPlace place;
  std::vector<std::string> components = path.components;
  if (spelling.shortened) {
    components.clear();
    for (const std::string& name : spelling.directory) {
      const auto parts = components_of(name);
      components.insert(components.end(), parts.begin(), parts.end());
    }
  }
  place.directory = std::move(spelling.directory);
  place.path = mail::FolderPath(components, place.directory.empty() ? "." : join(place.directory, "/"));
  if (spelling.shortened) {
    note({store::Note::Weight::warning, path.text(),
          path.text() + ": the name is too long for a directory; the folder is called " + place.path.text()});
  }
  return place;
}

Result<store::FolderHandle> MaildirTarget::open_folder(const mail::FolderPath& path, mail::Role) {
  if (const auto known = asked_.find(path); known != asked_.end()) return folders_[known->second]->handle;
  const FolderPlace* existing = tree_.find(path);
  FolderPlace place;
  if (existing != nullptr) {
    place = *existing;
  } else {
    MH_TRY(place, new_place(path));
    existing = tree_.find(place.path);  // a shortened name of an earlier run
  }
  auto made = make_folder(place.directory, existing != nullptr);
  if (!made.ok()) return std::move(made.error()).context("make folder " + path.text());
  if (*made && existing != nullptr) {
    note({store::Note::Weight::info, place.path.text(), "cur, new or tmp was missing and is made"});
  }
  store::FolderHandle handle = remember(path, std::move(place));
  handle.created = *made && existing == nullptr;
  return handle;
}

store::FolderHandle MaildirTarget::remember(const mail::FolderPath& asked, FolderPlace place) {
  for (const auto& folder : folders_) {  // two spellings of one folder
    if (folder->place.directory != place.directory) continue;
    asked_[asked] = folder->handle.id;
    return folder->handle;
  }
  auto folder = std::make_unique<OpenFolder>();
  folder->handle.id = static_cast<std::uint32_t>(folders_.size());
  folder->handle.path = place.path;
  folder->handle.epoch = "1";
  folder->place = std::move(place);
  asked_[asked] = folder->handle.id;
  folders_.push_back(std::move(folder));
  return folders_.back()->handle;
}

/// Every level is synced even when it was there: a run that died may have made it and not synced it. true: something
/// was missing.
Result<bool> MaildirTarget::make_folder(const std::vector<std::string>& directory, bool existing) {
  std::vector<std::string> done;
  for (const std::string& name : directory) {
    MH_TRY(const std::unique_ptr<files::Dir> below, open_below(*root_, done));
    files::Dir& parent = below ? *below : *root_;
    const Status made = parent.make_dir(name);
    if (!made.ok() && !files::is_exists(made.error())) return made.error();
    MH_CHECK(parent.sync());
    done.push_back(name);
  }
  MH_TRY(const std::unique_ptr<files::Dir> below, open_below(*root_, directory));
  files::Dir& self = below ? *below : *root_;
  // Maildir++ (courier-mta.org/imap/README.maildirquota.html): marks a subfolder for delivery agents.
  if (!existing && !directory.empty() && directory.back().starts_with('.')) {
    auto file = self.open_file("maildirfolder", files::OpenMode::create);
    if (file.ok()) {
      MH_CHECK((*file)->sync());
      MH_CHECK((*file)->close());
    } else if (!files::is_exists(file.error())) {
      return file.error();
    }
  }
  bool missing = false;
  for (const std::string_view name : {"tmp", "new", "cur"}) {
    const Status made = self.make_dir(name);
    if (!made.ok() && !files::is_exists(made.error())) return made.error();
    missing = missing || made.ok();
  }
  MH_CHECK(self.sync());
  return missing;
}

Result<MaildirTarget::OpenFolder*> MaildirTarget::folder_of(const store::FolderHandle& handle) {
  if (handle.id < folders_.size() && folders_[handle.id]->handle.path == handle.path) return folders_[handle.id].get();
  return make_error(ErrorKind::bug, Scope::run, "a folder handle of another target: " + handle.path.text());
}

/// Handles for one folder more: closes the one that was not used for longest; when all hold unacknowledged mail,
/// these are settled first.
Status MaildirTarget::make_room() {
  std::size_t open = 0;
  OpenFolder* oldest = nullptr;
  for (const auto& folder : folders_) {
    if (!folder->dirs) continue;
    ++open;
    if (!folder->dirty && (oldest == nullptr || folder->last_used < oldest->last_used)) oldest = folder.get();
  }
  if (open < kOpenFolders) return {};
  if (oldest != nullptr) {
    oldest->dirs.reset();
    return {};
  }
  MH_CHECK(settle());
  for (const auto& folder : folders_) folder->dirs.reset();
  return {};
}

Result<FolderDirs*> MaildirTarget::dirs_of(OpenFolder& folder) {
  folder.last_used = ++uses_;
  if (folder.dirs) return folder.dirs.get();
  MH_CHECK(make_room());
  auto dirs = std::make_unique<FolderDirs>();
  MH_TRY(dirs->below, open_below(*root_, folder.place.directory));
  dirs->self = dirs->below ? dirs->below.get() : root_.get();
  MH_TRY(dirs->cur, dirs->self->open_dir("cur"));
  MH_TRY(dirs->fresh, dirs->self->open_dir("new"));
  MH_TRY(dirs->tmp, dirs->self->open_dir("tmp"));
  folder.dirs = std::move(dirs);
  return folder.dirs.get();
}

Result<std::string> MaildirTarget::watermark(const store::FolderHandle& folder) {
  MH_TRY(const OpenFolder* open, folder_of(folder));
  return "v1 " + open->handle.path.text();  // tickets stand in the names: no more is needed
}

Result<std::string> MaildirTarget::info_for(OpenFolder& folder, FolderDirs& dirs, const mail::Meta& meta,
                                            store::Stored& stored) {
  std::string letters = letters_of(meta.flags);
  if (!meta.keywords.empty()) {
    MH_TRY(const KeywordStore::Letters found, folder.keywords.letters_for(dirs, meta.keywords, services_));
    letters += found.letters;
    stored.lost_keywords = found.lost;
  }
  for (const std::string& label : meta.labels) {
    const bool one_letter = label.size() == kInfoLabel.size() + 1 && label.starts_with(kInfoLabel);
    const char letter = one_letter ? label.back() : '\0';
    const bool upper =
        letter >= 'A' && letter <= 'Z' && std::string_view("DFPRST").find(letter) == std::string_view::npos;
    if (upper || folder.keywords.take_stray(letter)) {
      letters += letter;
    } else {
      stored.lost_flags = true;
    }
  }
  return ":2," + sorted_letters(std::move(letters));
}

Status MaildirTarget::submit(const store::FolderHandle& handle, const store::Ticket& ticket, mail::Message message) {
  MH_TRY(OpenFolder* const folder, folder_of(handle));
  MH_TRY(FolderDirs* const dirs, dirs_of(*folder));
  Delivery delivery;
  delivery.ticket = ticket;
  delivery.folder = folder;
  auto status = write(*dirs, delivery, message);
  if (!status.ok()) {
    discard(dirs, delivery);
    if (status.error().kind == ErrorKind::interrupted) return status;
    acks_.on_ack({ticket, store::Refused{std::move(status.error()).context("write to " + folder->handle.path.text())}});
    return {};
  }
  folder->dirty = true;
  pending_octets_ += message.content->size();
  deliveries_.push_back(std::move(delivery));
  if (++open_files_ > kOpenFiles) close_all();
  if (deliveries_.size() < kBatchMessages && pending_octets_ < kBatchOctets) return {};
  status = settle();
  if (!status.ok()) deferred_ = status.error();  // this ticket was accepted: its ack said what became of it
  return {};
}

Status MaildirTarget::write(FolderDirs& dirs, Delivery& delivery, const mail::Message& message) {
  const mail::MessageFacts& facts = message.content->facts();
  using namespace std::chrono;
  const auto now = duration_cast<microseconds>(services_.clock.wall().time_since_epoch()).count();
  const std::string ticket = delivery.ticket.hex();
  DeliveryName name;
  name.microseconds = ((now % 1'000'000) + 1'000'000) % 1'000'000;
  name.seconds = (now - name.microseconds) / 1'000'000;
  name.process = process_;
  name.sequence = ++sequence_;
  name.ticket = ticket;
  name.size = facts.size;
  name.crlf_size = facts.crlf_size;
  std::string base = delivery_base(name);
  MH_TRY(const std::string info, info_for(*delivery.folder, dirs, message.meta, delivery.stored));
  MH_TRY(delivery.file, dirs.tmp->open_file(base, files::OpenMode::create));
  delivery.base = std::move(base);
  delivery.name = delivery.base + info;
  delivery.stored.key = percent_encode(delivery.base);
  return fill(delivery, message);
}

Status MaildirTarget::fill(Delivery& delivery, const mail::Message& message) {
  files::File& file = *delivery.file;
  std::uint64_t offset = 0;
  const mail::OctetSink append = [&](Octets piece) -> Status {
    if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
    const std::uint64_t at = offset;
    offset += piece.size();
    return file.write_at(at, piece);
  };
  MH_CHECK(mail::for_each_piece(*message.content, append));
  const Instant received = message.meta.received ? message.meta.received->instant : Instant{};
  MH_CHECK(file.set_mtime(received));
  MH_TRY(const files::FileStat stat, file.stat());
  if (stat.size != message.content->size() || offset != stat.size) {
    return make_error(
        ErrorKind::message, Scope::message,
        delivery.base + ": " + human_octets(stat.size) + " arrived instead of " + human_octets(message.content->size()),
        "", Retry::later);
  }
  // ext4 with small inodes ends in 2038, FAT begins in 1980: what did not stick is lost and counted.
  const Instant stuck(std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds(stat.mtime_ns)));
  delivery.stored.lost_date = !message.meta.received || stuck != received;
  return {};
}

void MaildirTarget::discard(FolderDirs* dirs, Delivery& delivery) {
  delivery.file.reset();
  if (delivery.base.empty() || dirs == nullptr) return;
  // It is litter in tmp when this fails: recovery removes it by its ticket, other programs after 36 hours.
  (void)dirs->tmp->unlink(delivery.base);
  delivery.base.clear();
}

/// From now on this batch is made durable by one sync of the file system.
void MaildirTarget::close_all() {
  for (Delivery& delivery : deliveries_) {
    if (!delivery.file) continue;
    auto status = delivery.file->close();
    delivery.file.reset();
    if (status.ok() || delivery.refused) continue;
    delivery.refused = std::move(status.error());
    discard(delivery.folder->dirs.get(), delivery);
  }
}

Status MaildirTarget::update(const store::FolderHandle& handle, const store::Ticket& ticket, const store::Key& key,
                             const store::MetaChange& change) {
  MH_TRY(OpenFolder* const folder, folder_of(handle));
  Change asked;
  asked.ticket = ticket;
  asked.folder = folder;
  asked.key = key;
  asked.meta = change;
  changes_.push_back(std::move(asked));
  if (changes_.size() < kBatchChanges) return {};
  auto status = settle();
  if (!status.ok()) deferred_ = status.error();
  return {};
}

}  // namespace mailhaul::maildir
