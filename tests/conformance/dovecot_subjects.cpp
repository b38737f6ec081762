// Dovecot by `doveadm exec imap` (and pop3): a real session on a pipe, logged in from the start, without port or running server.
// What it holds is read back by doveadm (tests/readers/accountreaders.py), never by our own source.
#include "conformance/dovecot_subjects.hpp"

#include <pwd.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "conformance/maildir_planter.hpp"
#include "plugins/imap/plugin.hpp"
#include "plugins/pop3/plugin.hpp"
#include "store/registry.hpp"

namespace mailhaul::conformance {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDoveadm = "/usr/bin/doveadm";

std::string absence(const std::string& protocol) {
  if (::access(kDoveadm, X_OK) == 0 && ::access(("/usr/lib/dovecot/" + protocol).c_str(), X_OK) == 0) return {};
  return "Dovecot is not installed (dovecot-" + protocol + "d)";
}

/// Who the server runs as: it refuses root.
std::pair<uid_t, gid_t> server_user() {
  if (::geteuid() != 0) return {::geteuid(), ::getegid()};
  const passwd* nobody = ::getpwnam("nobody");
  return nobody != nullptr ? std::pair{nobody->pw_uid, nobody->pw_gid} : std::pair{uid_t{65534}, gid_t{65534}};
}

/// How one kind of Dovecot differs from another.
struct Kind {
  std::string storage;
  char separator;
};

/// A mail root of its own with the configuration that serves it.
class DovecotPlace {
 public:
  explicit DovecotPlace(Kind kind) : kind_(std::move(kind)) {
    fs::create_directories(mail_root());
    const auto [uid, gid] = server_user();
    write_file(conf(), "base_dir = " + scratch_.path() + "/run\nstate_dir = " + scratch_.path() +
                           "/run\nlog_path = /dev/stderr\nprotocols = imap pop3\nssl = no\nfirst_valid_uid = 0\n"
                           "last_valid_uid = 0\nfirst_valid_gid = 0\nmail_uid = " +
                           std::to_string(uid) + "\nmail_gid = " + std::to_string(gid) + "\nmail_home = " +
                           scratch_.path() + "/home\nmail_location = " + kind_.storage + ":~/" + kind_.storage +
                           "\nmail_fsync = never\nnamespace inbox {\n  inbox = yes\n  separator = " +
                           std::string(1, kind_.separator) + "\n}\n");
    give_to_server();
  }

  [[nodiscard]] std::string conf() const { return scratch_.path() + "/dovecot.conf"; }
  [[nodiscard]] std::string mail_root() const { return scratch_.path() + "/home/" + kind_.storage; }
  [[nodiscard]] Result<std::vector<Kept>> read_back() const { return read_independently("doveadm:" + conf()); }

  [[nodiscard]] store::Location location(const std::string& protocol = "imap") const {
    store::Location location;
    location.scheme = protocol;
    location.is_url = true;
    location.user = "test";
    location.host = "localhost";
    // Dovecot's POP3 leaves the greeting to the process that logs in.
    const std::string greeting = protocol == "pop3" ? "printf '+OK\\r\\n'; " : "";
    location.query["tunnel"] = greeting + environment() + " exec " + kDoveadm + " -c " + conf() + " exec " + protocol + " 2>>" + log();
    return location;
  }

  /// Runs `doveadm ARGUMENTS` to its end.
  void doveadm(const std::string& arguments) const {
    const std::string command =
        environment() + " " + kDoveadm + " -c " + conf() + " " + arguments + " >>" + log() + " 2>&1 </dev/null";
    if (std::system(command.c_str()) != 0) return;  // a failure shows in what the case finds afterwards
  }

  /// What was put there by us belongs to the server, and can be reached by it.
  void give_to_server() const {
    if (::geteuid() != 0) return;
    const auto [uid, gid] = server_user();
    std::error_code failed;
    ::chmod(scratch_.path().c_str(), 0711);
    if (::lchown(scratch_.path().c_str(), uid, gid) != 0) return;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path(), failed)) {
      if (::lchown(entry.path().c_str(), uid, gid) != 0) return;
    }
  }

 private:
  [[nodiscard]] std::string environment() const {
    // The home must be one that the server's user may enter.
    return "cd / && HOME=" + scratch_.path() + "/home USER=test";
  }
  [[nodiscard]] std::string log() const { return scratch_.path() + "/log"; }

  TempDir scratch_;
  Kind kind_;
};

store::Caps account_claims(const Kind& kind) {
  store::Caps caps;
  caps.late_commits = true;
  caps.exact_octets = false;
  caps.keywords = store::Caps::Keywords::any;
  caps.flags = mail::Flags(31);
  caps.nul = false;
  caps.zero_octets = false;
  caps.update = true;
  caps.separator = kind.separator;
  return caps;
}

class AccountTarget final : public TargetHarness {
 public:
  explicit AccountTarget(Kind kind) : kind_(kind), place_(std::move(kind)) {}

  [[nodiscard]] store::Caps claims() const override { return account_claims(kind_); }
  [[nodiscard]] files::FileSystem& fs() override { return *fs_; }
  Result<store::Caps> foretell(store::Services& services) override {
    MH_TRY(const auto source, open_source(services));
    return imap::kImap.target_caps(place_.location(), services, source.get());
  }
  Result<std::unique_ptr<store::Target>> open(store::Services& services, store::AckSink& acks) override {
    return imap::kImap.open_target(place_.location(), services, acks, store::OpenOptions{});
  }
  Result<std::unique_ptr<store::Source>> open_source(store::Services& services) override {
    return imap::kImap.open_source(place_.location(), services, store::OpenOptions{});
  }
  Result<std::vector<Kept>> read_back() override { return place_.read_back(); }
  [[nodiscard]] std::unique_ptr<TargetHarness> crash(std::uint64_t) const override { return nullptr; }
  void arm(std::uint64_t, files::Fault) override {}
  void disarm() override {}
  [[nodiscard]] std::uint64_t calls() const override { return 0; }
  [[nodiscard]] bool fired() const override { return false; }
  void vanish(const mail::FolderPath& folder) override { place_.doveadm("mailbox delete " + folder.components.front()); }

 private:
  Kind kind_;
  DovecotPlace place_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
};

/// Planted as files: Dovecot takes up what other programs deliver into its Maildir.
class AccountSource final : public SourceHarness {
 public:
  explicit AccountSource(const store::Descriptor& protocol)
      : protocol_(protocol), place_(kind()), planter_(place_.mail_root()) {
    place_.give_to_server();
  }

  [[nodiscard]] static Kind kind() { return {"maildir", '.'}; }
  [[nodiscard]] store::Caps claims() const override {
    if (&protocol_ == &imap::kImap) return account_claims(kind());
    store::Caps caps;
    caps.keeps_meta = false;
    caps.many_folders = false;
    caps.exact_octets = false;
    return caps;
  }
  [[nodiscard]] files::FileSystem& fs() override { return *fs_; }
  Result<std::unique_ptr<store::Source>> open(store::Services& services) override {
    return protocol_.open_source(place_.location(std::string(protocol_.scheme)), services, store::OpenOptions{});
  }
  void plant(const std::vector<Planted>& mail) override {
    planter_.plant(mail);
    place_.give_to_server();
  }
  void age() override {}  // an account tells no times of its folders
  void take_last(const mail::FolderPath& folder) override {
    planter_.take_last();
    // Within the second of its last look Dovecot's POP3 takes a folder for unchanged.
    const auto soon = fs::file_time_type::clock::now() + std::chrono::seconds(2);
    if (&protocol_ == &pop3::kPop3) fs::last_write_time(planter_.dir_of(folder) + "/cur", soon);
  }
  /// What a client can see. The server's own files change whenever somebody looks.
  [[nodiscard]] std::string fingerprint() const override {
    const auto kept = place_.read_back();
    if (!kept.ok()) return {};
    std::string text;
    for (const Kept& one : *kept) {
      text += mail::FolderPath(one.folder).text() + " " + to_hex(one.cid.octets()) + " " + mail::to_text(visible(one.flags));
      for (const std::string& word : one.keywords) text += " " + word;
      text += " " + std::to_string(one.received.value_or(0)) + "\n";
    }
    return text;
  }
  std::optional<Spoilt> spoil(const mail::FolderPath&) override { return std::nullopt; }

 private:
  /// Dovecot marks as read what a POP3 client fetches: nothing that the client could leave undone.
  [[nodiscard]] mail::Flags visible(mail::Flags flags) const {
    return &protocol_ == &imap::kImap ? flags : flags.set(mail::Flags::seen);
  }

  const store::Descriptor& protocol_;
  DovecotPlace place_;
  MaildirPlanter planter_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
};

/// Dovecot 2.3 answers OK to every date, takes its own time instead of one to come, and tells those before 1970 from its
/// cache as 32 bits without a sign.
bool spoilt_by_dovecot(Instant instant) {
  const auto seconds = instant.time_since_epoch().count();
  return seconds < 0 || seconds > static_cast<std::int64_t>(::time(nullptr));
}

TargetSubject account_subject(std::string name, const Kind& kind) {
  TargetSubject subject;
  subject.name = std::move(name);
  subject.make = [kind](Ground) { return std::make_unique<AccountTarget>(kind); };
  subject.folder = mail::FolderPath({"Work"});
  subject.keeps_power = "its disk is a server's: cuts and kills are tested in tests/server";
  subject.spoils_date = spoilt_by_dovecot;
  subject.absent = absence("imap");
  return subject;
}

}  // namespace

std::vector<TargetSubject> dovecot_target_subjects() {
  return {account_subject("imap_sdbox", {"sdbox", '/'}), account_subject("imap_maildir", {"maildir", '.'})};
}

std::vector<SourceSubject> dovecot_source_subjects() {
  SourceSubject account;
  account.name = "imap_maildir";
  account.make = [] { return std::make_unique<AccountSource>(imap::kImap); };
  account.folder = mail::FolderPath({"Work"});
  account.absent = absence("imap");
  SourceSubject mailbox;
  mailbox.name = "pop3_maildir";
  mailbox.make = [] { return std::make_unique<AccountSource>(pop3::kPop3); };
  mailbox.folder = mail::FolderPath({"INBOX"});
  mailbox.absent = absence("pop3");
  return {account, mailbox};
}

}  // namespace mailhaul::conformance
