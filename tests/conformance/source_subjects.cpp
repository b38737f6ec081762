// The sources under test, planted by code that shares nothing with the stores: plain files, written as the formats'
// definitions say.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>

#include "conformance/dovecot_subjects.hpp"
#include "conformance/maildir_planter.hpp"
#include "conformance/memory_store.hpp"
#include "conformance/suite.hpp"
#include "mail/dates.hpp"
#include "mail/sha256.hpp"
#include "plugins/maildir/plugin.hpp"
#include "plugins/mbox/plugin.hpp"
#include "store/registry.hpp"

namespace mailhaul::conformance {

namespace {

namespace fs = std::filesystem;
using mail::Flags;

void append_file(const std::string& path, const std::string& octets) {
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << octets;
}

timespec at(std::int64_t seconds) {
  timespec when{};
  when.tv_sec = seconds;
  return when;
}

/// Octets without leaving a trace in the access time.
std::string read_unseen(const std::string& path) {
  std::string octets;
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOATIME | O_CLOEXEC);
  if (fd < 0) return "unreadable";
  std::array<char, 65536> piece{};
  for (ssize_t count = 0; (count = ::read(fd, piece.data(), piece.size())) > 0;) {
    octets.append(piece.data(), static_cast<std::size_t>(count));
  }
  ::close(fd);
  return octets;
}

std::vector<std::string> names_unseen(const std::string& path) {
  std::vector<std::string> names;
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC);
  DIR* dir = fd < 0 ? nullptr : ::fdopendir(fd);
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

std::string time_text(const timespec& when) { return std::to_string(when.tv_sec) + "." + std::to_string(when.tv_nsec); }

void fingerprint_of(const std::string& path, std::string& into) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return;
  into += path + " mode " + std::to_string(info.st_mode) + " size " + std::to_string(info.st_size) + " links " +
          std::to_string(info.st_nlink) + " atime " + time_text(info.st_atim) + " mtime " + time_text(info.st_mtim) +
          " ctime " + time_text(info.st_ctim);
  if (S_ISREG(info.st_mode)) into += " " + to_hex(mail::sha256(as_octets(read_unseen(path))).octets());
  into += "\n";
  if (!S_ISDIR(info.st_mode)) return;
  for (const std::string& name : names_unseen(path)) fingerprint_of(path + "/" + name, into);
}

void age_of(const std::string& path, std::int64_t seconds, bool keep_files) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode)) {
    for (const std::string& name : names_unseen(path)) age_of(path + "/" + name, seconds, keep_files);
  }
  // A Maildir message's mtime is its received date: only the access time may age.
  std::array<timespec, 2> times{at(seconds), at(seconds)};
  if (S_ISREG(info.st_mode) && keep_files) times[1] = info.st_mtim;
  (void)::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
}

std::int64_t an_hour_ago() { return static_cast<std::int64_t>(::time(nullptr)) - 3600; }

/// A harness over files in a temporary folder.
class FileSource : public SourceHarness {
 public:
  FileSource(const store::Descriptor* descriptor, std::string place, store::Caps claims)
      : descriptor_(descriptor), place_(std::move(place)), claims_(claims) {}
  [[nodiscard]] store::Caps claims() const override { return claims_; }
  [[nodiscard]] files::FileSystem& fs() override { return *fs_; }
  Result<std::unique_ptr<store::Source>> open(store::Services& services) override {
    store::Location location;
    location.scheme = std::string(descriptor_->scheme);
    location.path = path();
    return descriptor_->open_source(location, services, store::OpenOptions{});
  }
  void age() override { age_of(scratch_.path(), an_hour_ago(), descriptor_->scheme == "maildir"); }
  [[nodiscard]] std::string fingerprint() const override {
    std::string text;
    fingerprint_of(scratch_.path(), text);
    return text;
  }

 protected:
  [[nodiscard]] std::string path() const { return scratch_.path() + "/" + place_; }

 private:
  TempDir scratch_;
  const store::Descriptor* descriptor_;
  std::string place_;
  store::Caps claims_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
};

std::string status_fields(const mail::Meta& meta) {
  std::string fields, x_status;
  if (meta.flags.has(Flags::seen)) fields += "Status: RO\n";
  if (meta.flags.has(Flags::answered)) x_status += "A";
  if (meta.flags.has(Flags::flagged)) x_status += "F";
  if (meta.flags.has(Flags::deleted)) x_status += "D";
  if (meta.flags.has(Flags::draft)) x_status += "T";
  if (!x_status.empty()) fields += "X-Status: " + x_status + "\n";
  std::string words;
  for (const std::string& word : meta.keywords) words += (words.empty() ? "" : " ") + word;
  return words.empty() ? fields : fields + "X-Keywords: " + words + "\n";
}

/// mboxrd: one '>' more before every "From " that has none or some at the start of its line.
std::string quoted(const std::string& octets) {
  std::string text;
  for (std::size_t begin = 0; begin < octets.size();) {
    const std::size_t end = std::min(octets.find('\n', begin), octets.size() - 1) + 1;
    const std::size_t word = octets.find_first_not_of('>', begin);
    if (word != std::string::npos && octets.compare(word, 5, "From ") == 0) text += '>';
    text.append(octets, begin, end - begin);
    begin = end;
  }
  return text;
}

class MboxSource final : public FileSource {
 public:
  MboxSource(std::string place, store::Caps claims)
      : FileSource(&mbox::kMbox, std::move(place), claims), tree_(path().back() == '/') {}

  void plant(const std::vector<Planted>& mail) override {
    std::map<std::string, std::string> texts;
    for (const Planted& one : mail) {
      const auto when = one.meta.received ? one.meta.received->instant : Instant{};
      const std::string text = "From sender@example.org " + mail::to_asctime(when) + "\n" + status_fields(one.meta) +
                               quoted(one.octets) + "\n";
      lengths_[file_of(one.folder)].push_back(text.size());
      texts[file_of(one.folder)] += text;
    }
    for (const auto& [file, text] : texts) {
      fs::create_directories(fs::path(file).parent_path());
      append_file(file, text);
    }
  }

  void take_last(const mail::FolderPath& folder) override {
    auto& lengths = lengths_[file_of(folder)];
    fs::resize_file(file_of(folder), fs::file_size(file_of(folder)) - lengths.back());
    lengths.pop_back();
  }

  std::optional<Spoilt> spoil(const mail::FolderPath& folder) override {
    append_file(file_of(folder), "From sender@example.org Thu Jan  1 00:00:00 1970\nSubject: torn\n\nhalf a li");
    if (tree_) {
      write_file(path() + "notes.txt", "this is no mail\n");
      fs::create_symlink("/etc/hostname", path() + "Link");
      write_file(path() + "Work.msf", "// <!-- <mdb:mork:z v=\"1.4\"/> -->\n");
    }
    return Spoilt{lengths_[file_of(folder)].size() + 1, 1};
  }

 private:
  [[nodiscard]] std::string file_of(const mail::FolderPath& folder) const {
    return tree_ ? path() + folder.components.front() : path();
  }
  bool tree_;
  std::map<std::string, std::vector<std::size_t>> lengths_;
};

class MaildirSource final : public FileSource {
 public:
  explicit MaildirSource(store::Caps claims)
      : FileSource(&maildir::kMaildir, "Maildir", claims), planter_(path()) {}

  void plant(const std::vector<Planted>& mail) override { planter_.plant(mail); }

  void take_last(const mail::FolderPath&) override { planter_.take_last(); }

  std::optional<Spoilt> spoil(const mail::FolderPath& folder) override {
    const std::string dir = planter_.dir_of(folder);
    std::size_t good = 0;
    for (const char* sub : {"/new", "/cur"}) good += names_unseen(dir + sub).size();
    for (const char* odd : {"/cur/odd1.x.y", "/cur/odd2.x.y:2,FZq", "/cur/odd3.x.y:1,Z", "/new/odd4.x.y:2,S",
                            "/cur/odd 5 with blanks.x.y:2,", "/cur/odd6\xFF\x01.x.y:2,S"}) {
      write_file(dir + odd, "Subject: " + std::string(odd + 5, 4) + "\n\nbody\n");
      ++good;
    }
    fs::create_symlink("/etc/hostname", dir + "/cur/link.x.y:2,");
    fs::create_symlink("/nowhere", dir + "/new/dangling.x.y");
    fs::create_directory(dir + "/cur/directory.x.y");
    (void)::mkfifo((dir + "/cur/fifo.x.y:2,").c_str(), 0600);
    write_file(dir + "/cur/.hidden", "not a message");
    return Spoilt{good, 2};
  }

 private:
  MaildirPlanter planter_;
};

class MemorySourceHarness final : public SourceHarness {
 public:
  [[nodiscard]] store::Caps claims() const override { return memory_caps(); }
  [[nodiscard]] files::FileSystem& fs() override { return *fs_; }
  Result<std::unique_ptr<store::Source>> open(store::Services& services) override {
    return open_memory_source(place_, services);
  }
  void plant(const std::vector<Planted>& mail) override {
    for (const Planted& one : mail) {
      const MemoryMessage message{{content_of(one.octets), one.meta}, std::nullopt, 0};
      (void)place_->make_durably([folder = one.folder, message](MemoryFolders& folders) {
        MemoryFolder& in = folders[folder.components];
        in.path = folder;
        in.epoch = 1;
        MemoryMessage& kept = in.messages[in.next++] = message;
        kept.change = ++in.changes;
      });
    }
  }
  void age() override {}
  void take_last(const mail::FolderPath& folder) override {
    (void)place_->make_durably([folder](MemoryFolders& folders) {
      MemoryFolder& in = folders[folder.components];
      const auto last = std::prev(in.messages.end());
      in.gone.emplace_back(++in.changes, last->first);
      in.messages.erase(last);
    });
  }
  [[nodiscard]] std::string fingerprint() const override {
    std::string text = std::to_string(place_->calls());
    place_->look([&](const MemoryFolders& folders) {
      for (const auto& [name, folder] : folders) text += " " + folder.path.text() + std::to_string(folder.changes);
    });
    return text;
  }
  std::optional<Spoilt> spoil(const mail::FolderPath&) override { return std::nullopt; }

 private:
  std::shared_ptr<MemoryPlace> place_ = std::make_shared<MemoryPlace>();
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
};

}  // namespace

std::vector<SourceSubject> source_subjects() {
  const store::Caps plain;  // of a source only keys_stable is asked; the rest is the target's
  std::vector<SourceSubject> subjects{
      {"memory", [] { return std::make_unique<MemorySourceHarness>(); }, mail::FolderPath({"Work"}), true, {}},
      {"mbox_file", [plain] { return std::make_unique<MboxSource>("mail.mbox", plain); }, mail::FolderPath({"mail"}),
       false, {}},
      {"mbox_tree", [plain] { return std::make_unique<MboxSource>("tree/", plain); }, mail::FolderPath({"Work"}), false,
       {}},
      {"maildir", [plain] { return std::make_unique<MaildirSource>(plain); }, mail::FolderPath({"Work"}), false, {}}};
  for (SourceSubject& account : dovecot_source_subjects()) subjects.push_back(std::move(account));
  return subjects;
}

}  // namespace mailhaul::conformance
