#include "plugins/maildir/folder.hpp"

#include <algorithm>
#include <chrono>

#include "plugins/maildir/format/name_hash.hpp"

namespace mailhaul::maildir {
namespace {

constexpr std::size_t kLargestKeywordFile = 64 * 1024;  // 26 names; far more than any program writes

/// The values that stand in a sorted vector more than once, each once.
std::vector<std::uint64_t> doubles_of(const std::vector<std::uint64_t>& sorted) {
  std::vector<std::uint64_t> doubles;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i] == sorted[i - 1] && (doubles.empty() || doubles.back() != sorted[i])) doubles.push_back(sorted[i]);
  }
  return doubles;
}

Result<std::unique_ptr<files::Dir>> open_if_there(files::Dir& parent, std::string_view name) {
  const auto stat = parent.stat(name);
  if (!stat.ok()) {
    if (files::is_not_found(stat.error())) return std::unique_ptr<files::Dir>{};
    return stat.error();
  }
  if (stat->kind != files::FileKind::directory) return std::unique_ptr<files::Dir>{};  // a link: noted by the walk
  return parent.open_dir(name);
}

}  // namespace

bool Fingerprint::settled(const Clock& clock) const {
  using namespace std::chrono;
  const std::int64_t now = duration_cast<nanoseconds>(clock.wall().time_since_epoch()).count();
  const std::int64_t limit = now - nanoseconds(seconds(2)).count();
  return std::all_of(parts.begin(), parts.end(), [&](const std::optional<Part>& part) {
    return !part || (part->mtime_ns < limit && part->ctime_ns < limit);
  });
}

std::string Fingerprint::text() const {
  std::string text = "v1";
  for (const auto& part : parts) {
    text += ':';
    if (!part) {
      text += '-';
      continue;
    }
    text.append(std::to_string(part->mtime_ns)).append(".").append(std::to_string(part->ctime_ns));
    text.append(".").append(std::to_string(part->inode));
  }
  return text;
}

Result<Folder> Folder::open(files::Dir& root, const FolderPlace& place) {
  Folder folder;
  folder.root_ = &root;
  MH_TRY(folder.below_, open_below(root, place.directory));
  files::Dir& self = folder.below_ ? *folder.below_ : root;
  MH_TRY(folder.cur_, open_if_there(self, "cur"));
  MH_TRY(folder.fresh_, open_if_there(self, "new"));
  return folder;
}

Result<Fingerprint> Folder::fingerprint() const {
  Fingerprint print;
  const auto part = [](const files::FileStat& stat) {
    return Fingerprint::Part{stat.mtime_ns, stat.ctime_ns, stat.inode};
  };
  if (cur_) {
    MH_TRY(const files::FileStat stat, cur_->stat());
    print.parts[0] = part(stat);
  }
  if (fresh_) {
    MH_TRY(const files::FileStat stat, fresh_->stat());
    print.parts[1] = part(stat);
  }
  const auto keywords = self().stat("dovecot-keywords");
  if (keywords.ok()) {
    print.parts[2] = part(*keywords);
  } else if (!files::is_not_found(keywords.error())) {
    return keywords.error();
  }
  return print;
}

Status Folder::names_of(Subdir subdir, const CancelToken& cancel,
                        const std::function<Status(std::string_view, files::FileKind)>& sink) {
  files::Dir* const directory = dir(subdir);
  if (directory == nullptr) return {};
  return directory->list([&](std::string_view name, files::FileKind kind) -> Status {
    if (cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
    if (name.starts_with('.')) return {};  // cr.yp.to/proto/maildir.html: readers ignore them
    if (kind != files::FileKind::other) return sink(name, kind);
    const auto stat = directory->stat(name);
    if (!stat.ok()) return files::is_not_found(stat.error()) ? Status{} : Status{stat.error()};
    return sink(name, stat->kind);
  });
}

Result<Census> Folder::census(std::uint64_t seed, const CancelToken& cancel) {
  Census census;
  census.seed = seed;
  std::vector<std::uint64_t> cur, fresh;
  for (const Subdir subdir : {Subdir::cur, Subdir::fresh}) {
    auto& hashes = subdir == Subdir::cur ? cur : fresh;
    MH_CHECK(names_of(subdir, cancel, [&](std::string_view name, files::FileKind) -> Status {
      const std::uint64_t hash = name_hash(parse_message_name(name).base, seed);
      hashes.push_back(hash);
      ++census.count;
      census.sum += hash;
      return {};
    }));
    std::sort(hashes.begin(), hashes.end());
  }
  census.cur_twice = doubles_of(cur);
  census.fresh_shadowed = doubles_of(fresh);
  for (const std::uint64_t hash : fresh) {
    if (std::binary_search(cur.begin(), cur.end(), hash)) census.fresh_shadowed.push_back(hash);
  }
  std::sort(census.fresh_shadowed.begin(), census.fresh_shadowed.end());
  return census;
}

Status Folder::for_each(const Census& census, const CancelToken& cancel,
                        const std::function<Status(const Entry&)>& sink) {
  for (const Subdir subdir : {Subdir::cur, Subdir::fresh}) {
    MH_CHECK(names_of(subdir, cancel, [&](std::string_view name, files::FileKind kind) -> Status {
      Entry entry;
      entry.name = name;
      entry.subdir = subdir;
      entry.kind = kind;
      entry.parsed = parse_message_name(name);
      entry.key = key_of(entry.parsed, subdir, census);
      return sink(entry);
    }));
  }
  return {};
}

Result<KeywordTable> Folder::keywords() {
  files::Dir& directory = below_ ? *below_ : *root_;
  const auto stat = directory.stat("dovecot-keywords");
  if (!stat.ok()) {
    if (files::is_not_found(stat.error())) return KeywordTable{};
    return stat.error();
  }
  MH_TRY(const std::string text, files::read_small(directory, "dovecot-keywords", kLargestKeywordFile));
  return parse_keywords(text);
}

store::Key key_of(const MessageName& name, Subdir subdir, const Census& census) {
  store::Key key = percent_encode(name.base);
  const auto& shared = subdir == Subdir::cur ? census.cur_twice : census.fresh_shadowed;
  if (shared.empty()) return key;
  if (std::binary_search(shared.begin(), shared.end(), name_hash(name.base, census.seed))) {
    key.append(subdir == Subdir::cur ? "~" : "~new").append(percent_encode(name.tail));
  }
  return key;
}

std::string locator_of(Subdir subdir, std::string_view name) {
  return (subdir == Subdir::cur ? "cur/" : "new/") + std::string(name);
}

std::optional<Located> parse_locator(std::string_view locator) {
  if (locator.size() <= 4) return std::nullopt;
  if (locator.starts_with("cur/")) return Located{Subdir::cur, locator.substr(4)};
  if (locator.starts_with("new/")) return Located{Subdir::fresh, locator.substr(4)};
  return std::nullopt;
}

store::FolderInfo folder_info(files::Dir& root, const FolderPlace& place, const Clock& clock) {
  store::FolderInfo info;
  info.path = place.path;
  info.role = mail::role_by_name(place.path);
  info.epoch = "1";  // base names are unique for ever: keys of a Maildir are never void
  info.covers = {true, true, true};
  auto folder = Folder::open(root, place);
  if (!folder.ok()) return info;
  const auto print = folder->fingerprint();
  if (print.ok() && print->settled(clock)) info.state = print->text();
  return info;
}

store::Caps maildir_caps() {
  store::Caps caps;
  caps.keywords = store::Caps::Keywords::limited;
  caps.keywords_limit = kKeywordLetters;
  caps.flags = mail::Flags(mail::Flags::seen | mail::Flags::answered | mail::Flags::flagged | mail::Flags::deleted |
                           mail::Flags::draft);
  return caps;
}

}  // namespace mailhaul::maildir
