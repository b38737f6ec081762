// The targets under test: memory, one mbox file, an mbox tree, Maildir++; accounts come from imap_subjects.cpp.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "conformance/dovecot_subjects.hpp"
#include "conformance/memory_store.hpp"
#include "conformance/suite.hpp"
#include "files/forgetting_fs.hpp"
#include "plugins/maildir/plugin.hpp"
#include "plugins/mbox/plugin.hpp"
#include "store/registry.hpp"

namespace mailhaul::conformance {

namespace {

/// What tells one file store from another.
struct FileStore {
  const store::Descriptor* (*descriptor)();
  std::string place;   ///< name below the root of the ground; ends with '/' for a tree
  std::string reader;  ///< scheme for the independent reader
  store::Caps (*claims)();
  std::string (*folder_file)(const std::string& component);  ///< what vanish() removes, below the place; "" = the place
};

store::Caps mbox_file_claims() {
  store::Caps caps;
  caps.watermark_per_batch = true;
  caps.exact_octets = false;
  caps.keywords = store::Caps::Keywords::any;
  caps.flags = mail::Flags(31);
  caps.many_folders = false;
  using namespace std::chrono;
  caps.dates_from = sys_days(year{1000} / January / 1);  // the years that asctime writes with four digits
  caps.dates_to = sys_days(year{9999} / December / 31) + hours{24} - seconds{1};
  return caps;
}

store::Caps mbox_tree_claims() {
  store::Caps caps = mbox_file_claims();
  caps.many_folders = true;
  return caps;
}

store::Caps maildir_claims() {
  store::Caps caps;
  caps.keywords = store::Caps::Keywords::limited;
  caps.keywords_limit = 26;
  caps.flags = mail::Flags(31);
  caps.update = true;
  caps.separator = '.';
  return caps;
}

/// Dotlocks that a crash leaves are its owner's to remove; here the owner is this living process, so we do it.
Status remove_dotlocks(files::Dir& dir) {
  std::vector<std::string> locks, folders;
  MH_CHECK(dir.list([&](std::string_view name, files::FileKind) -> Status {
    (name.ends_with(".lock") ? locks : folders).emplace_back(name);
    return {};
  }));
  for (const std::string& name : locks) MH_CHECK(dir.unlink(name));
  for (const std::string& name : folders) {
    MH_TRY(const files::FileStat stat, dir.stat(name));
    if (stat.kind != files::FileKind::directory) continue;
    MH_TRY(const auto inner, dir.open_dir(name));
    MH_CHECK(remove_dotlocks(*inner));
  }
  return dir.sync();
}

class FileHarness final : public TargetHarness {
 public:
  FileHarness(FileStore store, Ground ground) : store_(std::move(store)) {
    if (ground == Ground::disk) {
      real_ = files::make_real_file_system();
      root_ = scratch_.path();
      failing_ = files::make_failing_fs(*real_);
    } else {
      disk_ = files::make_forgetting_fs();
      failing_ = files::make_failing_fs(*disk_);
    }
  }
  FileHarness(FileStore store, std::unique_ptr<files::ForgettingFs> disk)
      : store_(std::move(store)), disk_(std::move(disk)), failing_(files::make_failing_fs(*disk_)) {}

  [[nodiscard]] store::Caps claims() const override { return store_.claims(); }
  [[nodiscard]] files::FileSystem& fs() override { return *failing_; }

  Result<store::Caps> foretell(store::Services& services) override {
    return store_.descriptor()->target_caps(location(), services, nullptr);
  }
  Result<std::unique_ptr<store::Target>> open(store::Services& services, store::AckSink& acks) override {
    return store_.descriptor()->open_target(location(), services, acks, store::OpenOptions{});
  }
  Result<std::unique_ptr<store::Source>> open_source(store::Services& services) override {
    return store_.descriptor()->open_source(location(), services, store::OpenOptions{});
  }

  Result<std::vector<Kept>> read_back() override {
    if (real_) {
      if (!std::filesystem::exists(path())) return std::vector<Kept>{};
      return read_independently(store_.reader + ":" + path());
    }
    const auto there = disk_->stat(path());
    if (!there.ok() && files::is_not_found(there.error())) return std::vector<Kept>{};
    const TempDir copy;
    const std::string target = copy.path() + "/" + store_.place;
    MH_CHECK(export_tree(*disk_, path(), target));
    return read_independently(store_.reader + ":" + target);
  }

  [[nodiscard]] std::unique_ptr<TargetHarness> crash(std::uint64_t seed) const override {
    if (!disk_) return nullptr;
    auto after = disk_->clone();
    after->lose_power(seed);
    if (auto root = after->open_root("/"); root.ok() && store_.reader == "mbox") {
      if (!remove_dotlocks(**root).ok()) return nullptr;
    }
    return std::make_unique<FileHarness>(store_, std::move(after));
  }

  void arm(std::uint64_t call, files::Fault fault) override { failing_->arm(call, fault); }
  void disarm() override { failing_->disarm(); }
  [[nodiscard]] std::uint64_t calls() const override { return failing_->calls(); }
  [[nodiscard]] bool fired() const override { return failing_->fired(); }

  void vanish(const mail::FolderPath& folder) override {
    std::error_code failed;  // the case then finds the folder still there and says so
    std::filesystem::remove_all(path() + store_.folder_file(folder.components.front()), failed);
  }

 private:
  [[nodiscard]] std::string path() const { return root_ + "/" + store_.place; }
  [[nodiscard]] store::Location location() const {
    store::Location location;
    location.scheme = std::string(store_.descriptor()->scheme);
    location.path = path();
    return location;
  }

  FileStore store_;
  TempDir scratch_;
  std::string root_;
  std::unique_ptr<files::FileSystem> real_;
  std::unique_ptr<files::ForgettingFs> disk_;
  std::unique_ptr<files::FailingFs> failing_;
};

std::int64_t seconds_of(const mail::ReceivedDate& date) { return date.instant.time_since_epoch().count(); }

class MemoryHarness final : public TargetHarness {
 public:
  explicit MemoryHarness(std::shared_ptr<MemoryPlace> place) : place_(std::move(place)) {}

  [[nodiscard]] store::Caps claims() const override { return memory_caps(); }
  [[nodiscard]] files::FileSystem& fs() override { return *fs_; }
  Result<store::Caps> foretell(store::Services&) override { return memory_caps(); }
  Result<std::unique_ptr<store::Target>> open(store::Services& services, store::AckSink& acks) override {
    return open_memory_target(place_, services, acks);
  }
  Result<std::unique_ptr<store::Source>> open_source(store::Services& services) override {
    return open_memory_source(place_, services);
  }

  Result<std::vector<Kept>> read_back() override {
    std::vector<Kept> all;
    place_->look([&](const MemoryFolders& folders) {
      for (const auto& [name, folder] : folders) {
        for (const auto& [number, kept] : folder.messages) all.push_back(read(folder, kept));
      }
    });
    return all;
  }

  [[nodiscard]] std::unique_ptr<TargetHarness> crash(std::uint64_t seed) const override {
    return std::make_unique<MemoryHarness>(place_->lose_power(seed));
  }
  void arm(std::uint64_t call, files::Fault fault) override { place_->arm(call, fault); }
  void disarm() override { place_->disarm(); }
  [[nodiscard]] std::uint64_t calls() const override { return place_->calls(); }
  [[nodiscard]] bool fired() const override { return place_->fired(); }
  void vanish(const mail::FolderPath& folder) override {
    (void)place_->make_durably([folder](MemoryFolders& folders) { folders.erase(folder.components); });
  }

 private:
  static Kept read(const MemoryFolder& folder, const MemoryMessage& kept) {
    const mail::MessageFacts facts = mail::scan_message(as_octets(octets_of(*kept.message.content)), {.cid = true});
    Kept one;
    one.folder = folder.path.components;
    one.cid = facts.cid.value();
    one.nid = facts.nid;
    one.eid = facts.eid;
    one.size = facts.size;
    one.flags = kept.message.meta.flags;
    one.keywords = kept.message.meta.keywords;
    if (kept.message.meta.received) one.received = seconds_of(*kept.message.meta.received);
    if (kept.ticket) one.ticket = kept.ticket->hex();
    return one;
  }

  std::shared_ptr<MemoryPlace> place_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
};

TargetSubject file_subject(std::string name, FileStore store, mail::FolderPath folder, bool torn_until_recovery) {
  TargetSubject subject;
  subject.name = std::move(name);
  subject.make = [store](Ground ground) { return std::make_unique<FileHarness>(store, ground); };
  subject.folder = std::move(folder);
  subject.torn_until_recovery = torn_until_recovery;
  return subject;
}

}  // namespace

std::vector<TargetSubject> target_subjects() {
  TargetSubject memory;
  memory.name = "memory";
  memory.make = [](Ground) { return std::make_unique<MemoryHarness>(std::make_shared<MemoryPlace>()); };
  memory.folder = mail::FolderPath({"Work"});
  memory.holds_mail_in_memory = true;
  memory.fewest_crash_points = 6;  // a call is a message or a sync, not a file operation

  const FileStore mbox_file{[] { return &mbox::kMbox; }, "mail.mbox", "mbox", mbox_file_claims,
                            [](const std::string&) { return std::string(); }};
  const FileStore mbox_tree{[] { return &mbox::kMbox; }, "tree/", "mbox", mbox_tree_claims,
                            [](const std::string& name) { return name; }};
  const FileStore maildir{[] { return &maildir::kMaildir; }, "Maildir", "maildir", maildir_claims,
                          [](const std::string& name) { return "/." + name; }};
  std::vector<TargetSubject> subjects{
      memory, file_subject("mbox_file", mbox_file, mail::FolderPath({"mail"}), /*torn_until_recovery=*/true),
      file_subject("mbox_tree", mbox_tree, mail::FolderPath({"Work"}), /*torn_until_recovery=*/true),
      file_subject("maildir", maildir, mail::FolderPath({"Work"}), /*torn_until_recovery=*/false)};
  for (TargetSubject& account : dovecot_target_subjects()) subjects.push_back(std::move(account));
  return subjects;
}

}  // namespace mailhaul::conformance
