#include "plugins/maildir/keyword_store.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/strings.hpp"
#include "plugins/maildir/format/message_name.hpp"

namespace mailhaul::maildir {
namespace {

constexpr std::string_view kFile = "dovecot-keywords";
constexpr std::string_view kLock = "dovecot-keywords.lock";  // Dovecot's dotlock of the same file
constexpr std::string_view kNewFile = "dovecot-keywords.mailhaul";
// What our lock holds. With the open-file lock on it this tells a lock of ours whose process died (it is removed) from
// one of a living process and from Dovecot's.
constexpr std::string_view kMark = "mailhaul\n";
constexpr auto kPatience = std::chrono::seconds(2);
constexpr auto kStale = std::chrono::minutes(2);  // nobody writes 26 lines for so long
constexpr std::size_t kLargestFile = 64 * 1024;

/// The lock `dovecot-keywords.lock`, held from take() to release().
class Dotlock {
 public:
  Dotlock(FolderDirs& dirs, store::Services& services) : dirs_(dirs), services_(services) {}

  /// false: another program holds it for longer than we wait.
  Result<bool> take() {
    MH_TRY(const std::string name, make_file());
    auto taken = take_as(name);
    if (!taken.ok() || !*taken) {
      file_.reset();
      // Left behind it would be litter only; the first error is what counts.
      (void)dirs_.tmp->unlink(name);
    }
    return taken;
  }
  Status release() {
    auto status = dirs_.self->unlink(kLock);
    file_.reset();
    return status;
  }

 private:
  /// A file of a new name in tmp, where a crash leaves it for other programs to clean up. A name can be there: seeded
  /// random numbers repeat.
  Result<std::string> make_file() {
    for (int tries = 0;; ++tries) {
      const std::string name = to_hex(services_.random.next()) + to_hex(services_.random.next()) + ".mailhaul-lock";
      auto file = dirs_.tmp->open_file(name, files::OpenMode::create);
      if (file.ok()) {
        file_ = std::move(*file);
        return name;
      }
      if (!files::is_exists(file.error()) || tries == 1000) return file.error();
    }
  }

  Result<bool> take_as(const std::string& name) {
    MH_CHECK(file_->write_at(0, as_octets(kMark)));
    MH_TRY(const bool mine, file_->try_lock(files::LockKind::exclusive));
    (void)mine;               // where the file system has no locks, a lock of ours just lives until it is stale
    MH_CHECK(file_->sync());  // else power loss could leave a lock without its mark
    for (int tries = 0;; ++tries) {
      const Status status = dirs_.tmp->rename(name, *dirs_.self, kLock);
      if (status.ok()) return true;
      if (!files::is_exists(status.error())) return status.error();
      MH_TRY(const bool cleared, clear_dead());
      if (cleared) continue;
      if (tries * kPause >= kPatience) return false;
      if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
      std::this_thread::sleep_for(kPause);
    }
  }

  /// Removes a lock whose holder is dead. true: try again at once.
  Result<bool> clear_dead() {
    const auto stat = dirs_.self->stat(kLock);
    if (!stat.ok()) return files::is_not_found(stat.error());
    if (stat->kind != files::FileKind::regular) return false;
    bool dead = services_.clock.wall() - std::chrono::system_clock::time_point(
                                             std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                                 std::chrono::nanoseconds(stat->mtime_ns))) >
                kStale;
    auto file = dirs_.self->open_file(kLock, files::OpenMode::read_write);
    if (!file.ok()) return files::is_not_found(file.error());
    std::array<std::byte, 16> octets{};
    const auto got = (*file)->read_at(0, octets);
    const bool ours = got.ok() && as_text(Octets(octets).first(*got)) == kMark;
    if (ours) {
      const auto locked = (*file)->try_lock(files::LockKind::exclusive);
      dead = locked.ok() && *locked;
    }
    if (!dead) return false;
    const auto opened = (*file)->stat();
    const auto now = dirs_.self->stat(kLock);
    if (!opened.ok() || !now.ok() || opened->inode != now->inode) return true;  // another one by now
    const Status removed = dirs_.self->unlink(kLock);
    if (!removed.ok() && !files::is_not_found(removed.error())) return removed.error();
    return true;
  }

  static constexpr std::chrono::milliseconds kPause{20};
  FolderDirs& dirs_;
  store::Services& services_;
  std::unique_ptr<files::File> file_;
};

bool same(const files::FileStat& a, const files::FileStat& b) {
  return a.inode == b.inode && a.size == b.size && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns;
}

}  // namespace

Status KeywordStore::refresh(FolderDirs& dirs) {
  const auto stat = dirs.self->stat(kFile);
  if (!stat.ok()) {
    if (!files::is_not_found(stat.error())) return stat.error();
    text_.clear();
    table_ = {};
    seen_.reset();
    return {};
  }
  if (seen_ && same(*seen_, *stat)) return {};
  MH_TRY(text_, files::read_small(*dirs.self, kFile, kLargestFile));
  table_ = parse_keywords(text_);
  seen_ = *stat;
  return {};
}

Status KeywordStore::note_strays(FolderDirs& dirs) {
  if (strays_noted_) return {};
  for (files::Dir* dir : {dirs.cur.get(), dirs.fresh.get()}) {
    MH_CHECK(dir->list([&](std::string_view name, files::FileKind) -> Status {
      for (const char letter : parse_message_name(name).flags) {
        if (letter >= 'a' && letter <= 'z' && table_.is_free(letter)) {
          stray_[static_cast<std::size_t>(letter - 'a')] = true;
        }
      }
      return {};
    }));
  }
  strays_noted_ = true;
  return {};
}

bool KeywordStore::take_stray(char letter) {
  if (letter < 'a' || letter > 'z' || !table_.is_free(letter)) return false;
  stray_[static_cast<std::size_t>(letter - 'a')] = true;
  return true;
}

std::vector<std::string> KeywordStore::unknown_of(const std::vector<std::string>& keywords) const {
  std::vector<std::string> unknown;
  for (const std::string& keyword : keywords) {
    if (equals_ignoring_case(keyword, kForwarded) || table_.letter(keyword)) continue;
    if (can_be_keyword(keyword)) unknown.push_back(keyword);
  }
  return unknown;
}

Result<std::string> KeywordStore::known_letters(FolderDirs& dirs, const std::vector<std::string>& keywords) {
  MH_CHECK(refresh(dirs));
  std::string letters;
  for (const std::string& keyword : keywords) {
    if (equals_ignoring_case(keyword, kForwarded)) {
      letters += 'P';
    } else if (const auto letter = table_.letter(keyword)) {
      letters += *letter;
    }
  }
  return letters;
}

Result<KeywordStore::Letters> KeywordStore::letters_for(FolderDirs& dirs, const std::vector<std::string>& keywords,
                                                        store::Services& services) {
  Letters result;
  MH_CHECK(refresh(dirs));
  const std::vector<std::string> unknown = unknown_of(keywords);
  if (!unknown.empty()) MH_CHECK(extend(dirs, unknown, services));
  MH_TRY(result.letters, known_letters(dirs, keywords));
  result.lost = result.letters.size() < keywords.size();
  return result;
}

char KeywordStore::free_letter(const KeywordTable& table) const {
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    if (table.is_free(letter) && !stray_[static_cast<std::size_t>(letter - 'a')]) return letter;
  }
  return 0;
}

Status KeywordStore::extend(FolderDirs& dirs, const std::vector<std::string>& keywords, store::Services& services) {
  MH_CHECK(note_strays(dirs));
  if (free_letter(table_) == 0) return {};  // full: no need for the lock
  Dotlock lock(dirs, services);
  MH_TRY(const bool taken, lock.take());
  if (!taken) return {};
  const Status added = add_lines(dirs, keywords);
  const Status released = lock.release();
  MH_CHECK(added);
  MH_CHECK(released);
  return refresh(dirs);
}

Status KeywordStore::add_lines(FolderDirs& dirs, const std::vector<std::string>& keywords) {
  MH_CHECK(refresh(dirs));  // another program may have been here before the lock
  KeywordTable table = table_;
  std::string text = text_;
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  for (const std::string& keyword : unknown_of(keywords)) {
    const char letter = free_letter(table);
    if (letter == 0) break;
    if (table.letter(keyword)) continue;
    table.set(letter, keyword);
    text += keyword_line(letter, keyword);
  }
  return table == table_ ? Status{} : write(dirs, text);
}

Status KeywordStore::write(FolderDirs& dirs, std::string_view text) {
  const Status removed = dirs.self->unlink(kNewFile);  // of a process that died; the lock makes it ours alone
  if (!removed.ok() && !files::is_not_found(removed.error())) return removed.error();
  MH_TRY(const std::unique_ptr<files::File> file, dirs.self->open_file(kNewFile, files::OpenMode::create));
  MH_CHECK(file->write_at(0, as_octets(text)));
  MH_CHECK(file->sync());
  MH_CHECK(file->close());
  MH_CHECK(dirs.self->replace(kNewFile, kFile));
  return dirs.self->sync();
}

}  // namespace mailhaul::maildir
