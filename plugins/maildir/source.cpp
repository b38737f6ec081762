#include "plugins/maildir/source.hpp"

#include <algorithm>
#include <unordered_map>

#include "files/spool.hpp"
#include "plugins/maildir/format/name_hash.hpp"

namespace mailhaul::maildir {
namespace {

constexpr std::size_t kReadSize = 256 * 1024;  // as Content hands it on; larger gained nothing
constexpr int kPasses = 5;                     // durability.md 2.6: then warn

Error interrupted() { return make_error(ErrorKind::interrupted, Scope::run, "interrupted"); }

Error bad_message(const std::string& file, const std::string& reason, Retry retry = Retry::never) {
  return make_error(ErrorKind::message, Scope::message, file + ": " + reason, "", retry);
}

Instant whole_seconds(std::int64_t ns) {
  return Instant(std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds(ns)));
}

/// Why an entry that is no regular file is not offered.
std::string reason_of(files::FileKind kind) {
  return kind == files::FileKind::symlink ? "link ignored for safety" : "not a regular file";
}

}  // namespace

// One list() call: what was offered so far, and the passes over the names.
class MaildirSource::Listing {
 public:
  Listing(MaildirSource& source, const store::FolderInfo& info, Opened& opened, store::ItemSink& sink)
      : source_(source), info_(info), opened_(opened), sink_(sink), offered_(0) {}

  Result<store::ListEnd> run(const std::optional<std::string>& since) {
    const CancelToken& cancel = source_.services_.cancel;
    MH_TRY(const Fingerprint before, opened_.folder.fingerprint());
    const bool settled = before.settled(source_.services_.clock);
    if (settled && since && *since == before.text()) return store::ListEnd{false, *since};
    MH_TRY(const Census census, settled_census(settled));
    offered_ = HashSet(static_cast<std::size_t>(census.count));
    MH_CHECK(opened_.folder.for_each(census, cancel, [&](const Entry& entry) { return offer(entry, census.seed); }));
    MH_TRY(Fingerprint after, opened_.folder.fingerprint());
    if (settled && after == before) return store::ListEnd{true, before.text()};
    MH_CHECK(catch_up(census));
    return store::ListEnd{true, ""};
  }

 private:
  /// readdir may leave out or repeat a name that is renamed meanwhile; on a folder at rest one census is enough.
  Result<Census> settled_census(bool settled) {
    const std::uint64_t seed = source_.services_.random.next();
    MH_TRY(Census census, opened_.folder.census(seed, source_.services_.cancel));
    if (settled) return census;
    for (int pass = 1; pass < kPasses; ++pass) {
      MH_TRY(Census again, opened_.folder.census(seed, source_.services_.cancel));
      const bool agree = again.agrees(census);
      census = std::move(again);
      if (agree) return census;
    }
    warn();
    return census;
  }

  /// Offers what an earlier pass missed, until a pass finds nothing more.
  Status catch_up(const Census& census) {
    for (int pass = 0; pass < kPasses; ++pass) {
      fresh_offers_ = 0;
      MH_CHECK(opened_.folder.for_each(census, source_.services_.cancel,
                                       [&](const Entry& entry) { return offer(entry, census.seed); }));
      if (fresh_offers_ == 0) return {};
    }
    warn();
    return {};
  }

  void warn() {
    source_.note(
        store::Note::Weight::warning, info_.path.text(),
        source_.path_ + "/" + info_.path.native + " is being changed while it is read; run again when it is at rest");
  }

  Status offer(const Entry& entry, std::uint64_t seed) {
    if (!offered_.insert(name_hash(entry.key, seed))) return {};
    ++fresh_offers_;
    const std::string locator = locator_of(entry.subdir, entry.name);
    if (entry.kind == files::FileKind::directory) {
      source_.note(store::Note::Weight::info, info_.path.text(), locator + " is a directory; not mail");
      return {};
    }
    if (entry.kind != files::FileKind::regular) {
      return sink_.on_bad(entry.key, bad_message(info_.path.native + "/" + locator, reason_of(entry.kind)));
    }
    store::Item item;
    item.key = entry.key;
    item.locator = locator;
    item.size = entry.parsed.size;
    item.arrived = delivery_time(entry.parsed.base);
    apply_info(entry.parsed, opened_.keywords, item.meta);
    return sink_.on_item(std::move(item));
  }

  MaildirSource& source_;
  const store::FolderInfo& info_;
  Opened& opened_;
  store::ItemSink& sink_;
  HashSet offered_;
  std::uint64_t fresh_offers_ = 0;
};

MaildirSource::MaildirSource(std::string path, std::unique_ptr<files::Dir> root, store::Services& services)
    : path_(std::move(path)), root_(std::move(root)), services_(services), caps_(maildir_caps()) {}

void MaildirSource::note(store::Note::Weight weight, const std::string& folder, const std::string& text) {
  if (noted_.insert(folder + '\n' + text).second) services_.events.note({weight, folder, text});
}

Status MaildirSource::scan() {
  MH_TRY(tree_, scan_tree(services_, path_, *root_,
                          [this](const store::Note& found) { note(found.weight, found.folder, found.text); }));
  return {};
}

Status MaildirSource::folders(const std::function<Status(store::FolderInfo)>& sink) {
  MH_CHECK(scan());
  const Tree tree = tree_;  // the sink may call list(), which may scan again
  for (const FolderPlace& place : tree.folders) {
    if (services_.cancel.requested()) return interrupted();
    MH_CHECK(sink(folder_info(*root_, place, services_.clock)));
  }
  return {};
}

Result<FolderPlace> MaildirSource::place_of(const store::FolderInfo& info) {
  const FolderPlace* place = tree_.find(info.path);
  if (place == nullptr) {
    MH_CHECK(scan());
    place = tree_.find(info.path);
  }
  if (place != nullptr) return *place;
  return make_error(ErrorKind::message, Scope::folder,
                    path_ + ": there is no folder " + info.path.text() + " (any more)");
}

Result<MaildirSource::Opened> MaildirSource::open(const store::FolderInfo& info) {
  MH_TRY(const FolderPlace place, place_of(info));
  auto folder = Folder::open(*root_, place);
  if (!folder.ok()) return std::move(folder.error()).context("read folder " + info.path.text());
  Opened opened{place.path.native, std::move(*folder), {}};
  auto keywords = opened.folder.keywords();
  if (keywords.ok()) {
    opened.keywords = std::move(*keywords);
  } else {
    note(store::Note::Weight::warning, info.path.text(),
         "the names of the keywords could not be read, their letters are kept as labels: " + keywords.error().what);
  }
  return opened;
}

Result<MaildirSource::Opened*> MaildirSource::reuse(const store::FolderInfo& info) {
  const FolderPlace* place = tree_.find(info.path);
  if (last_ && place != nullptr && last_->native == place->path.native) return last_.get();
  MH_TRY(Opened opened, open(info));
  last_ = std::make_unique<Opened>(std::move(opened));
  return last_.get();
}

Result<store::ListEnd> MaildirSource::list(const store::FolderInfo& folder, std::optional<std::string> since,
                                           store::ItemSink& sink) {
  MH_TRY(Opened opened, open(folder));
  return Listing(*this, folder, opened, sink).run(since);
}

Status MaildirSource::describe(const store::FolderInfo& folder, std::span<const store::Key> keys,
                               store::ItemSink& sink) {
  MH_TRY(Opened opened, open(folder));
  std::vector<store::Item> items;
  for (const store::Key& key : keys) items.emplace_back().key = key;
  MH_CHECK(locate_again(opened, items));
  for (store::Item& item : items) {
    const auto located = parse_locator(item.locator);
    if (!located) {
      MH_CHECK(sink.on_gone(item.key));
      continue;
    }
    const auto stat = opened.folder.dir(located->subdir)->stat(located->name);
    if (!stat.ok() && files::is_not_found(stat.error())) {
      MH_CHECK(sink.on_gone(item.key));
    } else if (!stat.ok() || stat->kind != files::FileKind::regular) {
      const std::string reason = stat.ok() ? reason_of(stat->kind) : stat.error().what;
      MH_CHECK(sink.on_bad(item.key, bad_message(folder.path.native + "/" + item.locator, reason)));
    } else {
      const MessageName name = parse_message_name(located->name);
      item.size = stat->size;
      apply_info(name, opened.keywords, item.meta);
      item.meta.received = mail::ReceivedDate{whole_seconds(stat->mtime_ns), std::nullopt};
      item.meta_complete = true;
      MH_CHECK(sink.on_item(std::move(item)));
    }
  }
  return {};
}

Status MaildirSource::locate_again(Opened& opened, std::vector<store::Item>& items) {
  std::unordered_map<std::string, std::string> locators;
  for (const store::Item& item : items) locators.emplace(item.key, "");
  std::size_t missing = locators.size();
  // One pass may miss a name that is renamed meanwhile: "gone" is never concluded from one.
  for (int pass = 0; pass < 3 && missing > 0; ++pass) {
    MH_TRY(const Census census, opened.folder.census(services_.random.next(), services_.cancel));
    MH_CHECK(opened.folder.for_each(census, services_.cancel, [&](const Entry& entry) -> Status {
      const auto at = locators.find(entry.key);
      if (at == locators.end() || entry.kind == files::FileKind::directory) return {};
      if (at->second.empty()) --missing;
      at->second = locator_of(entry.subdir, entry.name);
      return {};
    }));
  }
  for (store::Item& item : items) item.locator = locators[item.key];
  return {};
}

Status MaildirSource::fetch(const store::NextBatch& next, store::FetchSink& sink) {
  buffer_.resize(kReadSize);
  last_.reset();  // keywords may have got new names since the last call
  while (true) {
    MH_TRY(const store::FetchBatch batch, next());
    if (batch.items.empty()) return {};
    MH_CHECK(fetch_batch(batch, sink));
  }
}

Status MaildirSource::fetch_batch(const store::FetchBatch& batch, store::FetchSink& sink) {
  const store::FolderInfo& info = *batch.folder;
  auto opened = reuse(info);
  if (!opened.ok()) {
    if (opened.error().kind == ErrorKind::interrupted) return opened.error();
    for (const store::Item& item : batch.items) {
      MH_CHECK(sink.on_failed(info, item, bad_message(info.path.native + "/" + item.key, opened.error().what)));
    }
    return {};
  }
  std::vector<store::Item> missing;
  for (const store::Item& item : batch.items) {
    MH_TRY(const bool settled, deliver(**opened, info, item, sink));
    if (!settled) missing.push_back(item);
  }
  if (missing.empty()) return {};
  const std::vector<store::Item> asked = missing;  // sinks hear of the items as they were asked for
  // Opened anew: the whole folder may have been moved away and made again.
  last_.reset();
  auto again = reuse(info);
  if (again.ok()) {
    MH_CHECK(locate_again(**again, missing));
  } else if (again.error().kind == ErrorKind::interrupted) {
    return again.error();
  }
  for (std::size_t i = 0; i < missing.size(); ++i) {
    bool settled = false;
    if (again.ok() && !missing[i].locator.empty()) {
      MH_TRY(settled, deliver(**again, info, missing[i], sink));
    }
    if (!settled) MH_CHECK(sink.on_vanished(info, asked[i]));
  }
  return {};
}

Result<bool> MaildirSource::deliver(Opened& opened, const store::FolderInfo& info, const store::Item& item,
                                    store::FetchSink& sink) {
  if (services_.cancel.requested()) return interrupted();
  const auto located = parse_locator(item.locator);
  files::Dir* const dir = located ? opened.folder.dir(located->subdir) : nullptr;
  if (dir == nullptr) return false;
  const std::string shown = info.path.native + "/" + item.locator;
  auto file = dir->open_file(located->name, files::OpenMode::read);
  if (!file.ok()) {
    if (files::is_not_found(file.error())) return false;
    MH_CHECK(sink.on_failed(info, item, bad_message(shown, "cannot read: " + file.error().what, file.error().retry)));
    return true;
  }
  MH_TRY(Read read, this->read(**file));
  if (read.end == Read::End::whole) {
    mail::Message message;
    message.content = std::move(read.content);
    apply_info(parse_message_name(located->name), opened.keywords, message.meta);
    message.meta.received = mail::ReceivedDate{read.mtime, std::nullopt};
    MH_CHECK(sink.on_message(info, item, std::move(message)));
  } else {
    const bool changed = read.end == Read::End::changed;
    const std::string reason = changed ? "is being changed by another program" : "cannot read: " + read.reason;
    MH_CHECK(sink.on_failed(info, item, bad_message(shown, reason, changed ? Retry::later : Retry::never)));
  }
  return true;
}

Result<MaildirSource::Read> MaildirSource::read(const files::File& file) {
  MH_TRY(Read first, read_once(file));
  if (first.end != Read::End::changed) return first;
  return read_once(file);
}

Result<MaildirSource::Read> MaildirSource::read_once(const files::File& file) {
  Read read;
  const auto before = file.stat();
  if (!before.ok()) {
    read.reason = before.error().what;
    return read;
  }
  MH_TRY(const std::unique_ptr<files::ContentWriter> writer, services_.spool.begin());
  std::uint64_t offset = 0;
  while (true) {
    if (services_.cancel.requested()) return interrupted();
    const auto got = file.read_at(offset, buffer_);
    if (!got.ok()) {
      read.reason = got.error().what;
      return read;
    }
    MH_CHECK(writer->append(Octets(buffer_).first(*got)));
    offset += *got;
    if (*got < buffer_.size()) break;
  }
  const auto after = file.stat();
  if (!after.ok()) {
    read.reason = after.error().what;
    return read;
  }
  read.mtime = whole_seconds(after->mtime_ns);
  if (offset != before->size || after->size != before->size || after->mtime_ns != before->mtime_ns) {
    read.end = Read::End::changed;
    return read;
  }
  MH_TRY(read.content, writer->finish());
  read.end = Read::End::whole;
  return read;
}

Result<std::unique_ptr<store::Source>> open_source(const std::string& path, store::Services& services) {
  const auto stat = services.fs.stat(path);
  if (!stat.ok()) return make_error(ErrorKind::unreachable, Scope::run, stat.error().what, stat.error().hint);
  if (stat->kind != files::FileKind::directory) {
    return make_error(ErrorKind::usage, Scope::run, path + " is not a Maildir: it is not a directory");
  }
  auto root = services.fs.open_root(path);
  if (!root.ok()) return make_error(ErrorKind::unreachable, Scope::run, root.error().what, root.error().hint);
  auto source = std::make_unique<MaildirSource>(path, std::move(*root), services);
  MH_CHECK(source->scan());
  if (source->tree().folders.empty()) {
    return make_error(ErrorKind::usage, Scope::run, path + " is not a Maildir: no cur or new in it");
  }
  return std::unique_ptr<store::Source>(std::move(source));
}

}  // namespace mailhaul::maildir
