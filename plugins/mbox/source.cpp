#include "plugins/mbox/source.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.hpp"
#include "files/spool.hpp"
#include "mail/message_scan.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "plugins/mbox/format/housekeeping.hpp"
#include "plugins/mbox/format/message_key.hpp"
#include "plugins/mbox/listing.hpp"
#include "plugins/mbox/mbox_file.hpp"
#include "plugins/mbox/region.hpp"

namespace mailhaul::mbox {
namespace {

/// An opened file of a folder.
struct OpenFolder {
  FolderFile folder;
  std::unique_ptr<files::File> file;
  std::string text;  ///< its path, for messages
};

class MboxSource final : public store::Source {
 public:
  MboxSource(Site site, store::Services& services, Quoting quoting)
      : site_(std::move(site)), services_(services), quoting_(quoting), caps_(mbox_caps()) {
    caps_.many_folders = !site_.lone;
  }

  const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    SilentEvents silent;
    store::Events& events = std::exchange(folders_told_, true) ? silent : services_.events;
    return report_folders(site_, events, sink);
  }
  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string> since,
                              store::ItemSink& sink) override;
  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override;
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override;
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  Result<OpenFolder> open(const store::FolderInfo& folder);
  Status fetch_batch(const store::FetchBatch& batch, store::FetchSink& sink);
  Status fetch_item(OpenFolder& open, const store::FolderInfo& folder, const store::Item& item, store::FetchSink& sink);
  Result<std::optional<mail::Message>> read_message(const OpenFolder& open, const store::Item& item);
  Result<std::optional<mail::Meta>> read_meta(const OpenFolder& open, const store::Key& key);
  void note_moved(const OpenFolder& open);

  Site site_;
  store::Services& services_;
  Quoting quoting_;
  store::Caps caps_;
  std::string moved_noted_;    ///< the folder whose change was told last
  bool spool_failed_ = false;  ///< the last Error was the spool's
  bool folders_told_ = false;  ///< what a tree holds besides mail is told once
};

/// The date by house.md (Meta); ours in the From_ line is the target's own record and goes before everything.
std::optional<mail::ReceivedDate> received_of(const FromLine& line, const mail::MessageFacts& facts) {
  if (!line.ticket.empty() && line.date) return line.date;
  return mail::received_or_fallback(facts, line.date);
}

mail::Meta complete_meta(const Region& region, const mail::MessageFacts& facts) {
  mail::Meta meta = meta_of(facts.housekeeping);
  meta.received = received_of(parse_from_line(region.from_line), facts);
  return meta;
}

Result<OpenFolder> MboxSource::open(const store::FolderInfo& info) {
  OpenFolder found;
  if (site_.lone) {
    found.folder = *site_.lone;
  } else {
    auto parts = split(info.path.native, '/');
    found.folder.path = info.path;
    found.folder.name = std::move(parts.back());
    parts.pop_back();
    found.folder.directories = std::move(parts);
  }
  found.text = site_.text_of(found.folder);
  auto directory = site_.open_directory(found.folder.directories);
  auto file = directory.ok() ? directory->dir->open_file(found.folder.name, files::OpenMode::read)
                             : Result<std::unique_ptr<files::File>>(directory.error());
  if (!file.ok()) {
    Error error = std::move(file).error();
    error.scope = Scope::folder;
    return std::move(error).context("open " + visible(found.text));
  }
  found.file = std::move(file).value();
  return found;
}

Result<store::ListEnd> MboxSource::list(const store::FolderInfo& folder, std::optional<std::string> since,
                                        store::ItemSink& sink) {
  // A file that another program changed under the scan is read once more, from its name on (bad-input 9).
  for (int attempt = 0;; ++attempt) {
    MH_TRY(const OpenFolder open, this->open(folder));
    MH_CHECK(lock_for_reading(*open.file, open.text, services_.clock, services_.cancel));
    Listing listing(*open.file, open.text, folder.path.text(), services_);
    auto end = listing.run(since, sink);
    if (end.ok() || end.error().kind != ErrorKind::locked || listing.delivered() || attempt > 0) return end;
  }
}

Result<std::optional<mail::Meta>> MboxSource::read_meta(const OpenFolder& open, const store::Key& key) {
  const auto parsed = MessageKey::parse(key);
  if (!parsed) return std::optional<mail::Meta>();
  MH_TRY(const auto region, find_region(*open.file, *parsed, std::nullopt, services_.cancel));
  if (!region) return std::optional<mail::Meta>();
  mail::MessageScanner scanner;
  MH_TRY(const bool same, read_region(*open.file, *region, quoting_, services_.cancel, [&](Octets octets) -> Status {
    scanner.update(octets);
    return {};
  }));
  if (!same) return std::optional<mail::Meta>();
  return std::optional<mail::Meta>(complete_meta(*region, scanner.finish()));
}

Status MboxSource::describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) {
  MH_TRY(const OpenFolder open, this->open(folder));
  MH_CHECK(lock_for_reading(*open.file, open.text, services_.clock, services_.cancel));
  for (const store::Key& key : keys) {
    MH_TRY(auto meta, read_meta(open, key));
    if (!meta) {
      MH_CHECK(sink.on_gone(key));
      continue;
    }
    store::Item item;
    item.key = key;
    item.meta = std::move(*meta);
    item.meta_complete = true;
    MH_CHECK(sink.on_item(std::move(item)));
  }
  return {};
}

Result<std::optional<mail::Message>> MboxSource::read_message(const OpenFolder& open, const store::Item& item) {
  const auto key = MessageKey::parse(item.key);
  if (!key) return std::optional<mail::Message>();
  MH_TRY(const auto region, find_region(*open.file, *key, Locator::parse(item.locator), services_.cancel));
  if (!region) return std::optional<mail::Message>();
  spool_failed_ = true;
  MH_TRY(auto writer, services_.spool.begin());
  spool_failed_ = false;
  MH_TRY(const bool same, read_region(*open.file, *region, quoting_, services_.cancel, [&](Octets octets) -> Status {
    Status appended = writer->append(octets);
    spool_failed_ = !appended.ok();
    return appended;
  }));
  if (!same) return std::optional<mail::Message>();
  spool_failed_ = true;
  MH_TRY(mail::ContentPtr content, writer->finish());
  spool_failed_ = false;
  mail::Meta meta = complete_meta(*region, content->facts());
  return std::optional<mail::Message>(mail::Message{std::move(content), std::move(meta)});
}

void MboxSource::note_moved(const OpenFolder& open) {
  if (std::exchange(moved_noted_, open.text) == open.text) return;
  services_.events.note({store::Note::Weight::doubtful, open.folder.path.text(),
                         open.text + " was changed after it was listed; what moved in it is found by the next run"});
}

Status MboxSource::fetch_item(OpenFolder& open, const store::FolderInfo& folder, const store::Item& item,
                              store::FetchSink& sink) {
  auto message = read_message(open, item);
  if (message.ok() && !*message) {
    // Half of another program's write was seen, or the file is a new one: once more, by name and under its lock.
    auto again = this->open(folder);
    if (again.ok()) {
      open = std::move(again).value();
      MH_CHECK(lock_for_reading(*open.file, open.text, services_.clock, services_.cancel));
      message = read_message(open, item);
      MH_CHECK(open.file->unlock());
    }
  }
  if (!message.ok()) {
    Error error = std::move(message).error();
    // The message's own file fails one message; a full or broken spool, or the user, ends the run.
    if (spool_failed_ || error.kind == ErrorKind::interrupted) return error;
    error.scope = Scope::message;
    return sink.on_failed(folder, item, std::move(error).context("read " + visible(open.text) + " at " + item.key));
  }
  if (*message) return sink.on_message(folder, item, std::move(**message));
  note_moved(open);
  return sink.on_vanished(folder, item);
}

Status MboxSource::fetch_batch(const store::FetchBatch& batch, store::FetchSink& sink) {
  auto opened = open(*batch.folder);
  for (const store::Item& item : batch.items) {
    if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
    if (opened.ok()) {
      MH_CHECK(fetch_item(*opened, *batch.folder, item, sink));
    } else if (files::is_not_found(opened.error())) {
      MH_CHECK(sink.on_vanished(*batch.folder, item));
    } else {
      Error error = opened.error();
      error.scope = Scope::message;
      MH_CHECK(sink.on_failed(*batch.folder, item, std::move(error)));
    }
  }
  return {};
}

Status MboxSource::fetch(const store::NextBatch& next, store::FetchSink& sink) {
  for (;;) {
    MH_TRY(const store::FetchBatch batch, next());
    if (batch.items.empty() || batch.folder == nullptr) return {};
    MH_CHECK(fetch_batch(batch, sink));
  }
}

}  // namespace

Status report_folders(const Site& site, store::Events& events, const std::function<Status(store::FolderInfo)>& sink) {
  MH_TRY(const std::vector<FolderFile> folders, list_folders(site, events));
  for (const FolderFile& folder : folders) {
    store::FolderInfo info = describe_folder(folder);
    if (folder.selectable()) {
      // Without a state (no permission, gone meanwhile) the folder is told all the same: its listing says why.
      auto directory = site.open_directory(folder.directories);
      if (directory.ok()) {
        const auto file = directory->dir->open_file(folder.name, files::OpenMode::read);
        if (file.ok()) {
          if (const auto state = read_state(**file); state.ok()) info.state = state->text();
        }
      }
    }
    MH_CHECK(sink(std::move(info)));
  }
  return {};
}

Result<std::unique_ptr<store::Source>> open_source(const store::Location& location, store::Services& services,
                                                   const store::OpenOptions& options) {
  MH_TRY(Site site, open_existing_site(location, services.fs));
  if (site.lone) MH_CHECK(check_lone_file(site));
  const Quoting quoting = options.mbox_dialect == store::MboxDialect::mboxo ? Quoting::mboxo : Quoting::mboxrd;
  return std::unique_ptr<store::Source>(std::make_unique<MboxSource>(std::move(site), services, quoting));
}

}  // namespace mailhaul::mbox
