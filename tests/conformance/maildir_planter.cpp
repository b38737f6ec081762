// See maildir_planter.hpp.
#include "conformance/maildir_planter.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace mailhaul::conformance {

namespace {

using mail::Flags;

void make_maildir(const std::string& dir) {
  for (const char* sub : {"/cur", "/new", "/tmp"}) std::filesystem::create_directories(dir + sub);
}

void set_times(const std::string& path, std::int64_t seconds) {
  timespec when{};
  when.tv_sec = seconds;
  const std::array<timespec, 2> times{when, when};
  (void)::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
}

}  // namespace

void write_file(const std::string& path, const std::string& octets) {
  std::ofstream out(path, std::ios::binary | std::ios::out | std::ios::trunc);
  out << octets;
}

MaildirPlanter::MaildirPlanter(std::string root) : root_(std::move(root)) { make_maildir(root_); }

std::string MaildirPlanter::dir_of(const mail::FolderPath& folder) const {
  return folder.is_inbox() ? root_ : root_ + "/." + folder.components.front();
}

void MaildirPlanter::plant(const std::vector<Planted>& mail) {
  for (const Planted& one : mail) {
    const std::string dir = dir_of(one.folder);
    make_maildir(dir);
    ++count_;
    std::string letters;
    for (const auto& [flag, letter] : {std::pair{Flags::draft, 'D'},
                                       {Flags::flagged, 'F'},
                                       {Flags::answered, 'R'},
                                       {Flags::seen, 'S'},
                                       {Flags::deleted, 'T'}}) {
      if (one.meta.flags.has(flag)) letters += letter;
    }
    if (!one.meta.keywords.empty()) {  // the suite plants one keyword only
      write_file(dir + "/dovecot-keywords", "0 " + one.meta.keywords.front() + "\n");
      letters += 'a';
    }
    const bool in_new = letters.empty() && count_ % 2 == 0;
    const std::string base = std::to_string(1'000'000'000 + count_) + ".P1Q" + std::to_string(count_) + ".example";
    last_ = dir + (in_new ? "/new/" + base : "/cur/" + base + ":2," + letters);
    write_file(last_, one.octets);
    if (one.meta.received) set_times(last_, one.meta.received->instant.time_since_epoch().count());
  }
}

void MaildirPlanter::take_last() {
  namespace fs = std::filesystem;
  if (fs::remove(last_)) return;
  // A server that looked has moved it into cur and given it flags.
  const fs::path path(last_);
  const std::string name = path.filename().string(), base = name.substr(0, name.find(':'));
  for (const auto& entry : fs::directory_iterator(path.parent_path().parent_path() / "cur")) {
    const std::string there = entry.path().filename().string();
    if (there.substr(0, there.find(':')) == base) fs::remove(entry.path());
  }
}

}  // namespace mailhaul::conformance
