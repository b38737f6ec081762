// One run a ledger, one writer an mbox. The kernel's lock decides where there is one; a dotlock is for the programs
// that know no other (durability: both locks of an mbox).
#include "files/lock.hpp"

#include <signal.h>
#include <time.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "files/os_error.hpp"
#include "mail/dates.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::files {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPoll{20};
constexpr std::uint64_t kShortestPause = 50, kLongestPause = 500;
constexpr std::chrono::minutes kStaleAge{10};
// A lock file holds a pid and perhaps a host.
constexpr std::size_t kLargestLockFile = 4096;

std::string host_name() {
  std::array<char, 256> name{};
  // A host without a name locks as well; the text says so.
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // Before the pool is ready (early boot) the clock must do: the number only keeps two waiters apart.
  if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof number))
    number = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return number;
}

std::string pid_text() { return std::to_string(::getpid()); }

// "KEY value" of a line of a run lock; "" when it is not there.
std::string field(const std::string& text, std::string_view key) {
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return line.substr(key.size() + 1);
  }
  return {};
}

Error locked_by_another_run(const File& file, const std::string& path) {
  std::array<std::byte, kLargestLockFile> octets{};
  std::string text;
  // What it holds is for people only; unreadable, the message says less.
  if (const auto got = file.read_at(0, octets); got.ok()) text = as_text(Octets(octets).first(*got));
  const std::string pid = visible(field(text, "pid"), 20);
  const std::string since = visible(field(text, "since"), 40);
  std::string what = visible(path, 1000) + " is locked by another run";
  if (!pid.empty()) what += " (pid " + pid + (since.empty() ? "" : " since " + since) + ")";
  return make_error(ErrorKind::locked, Scope::run, std::move(what), "wait until it has finished", Retry::later);
}

}  // namespace

RunLock::RunLock(std::unique_ptr<File> file) : file_(std::move(file)) {}
RunLock::~RunLock() = default;

Result<std::unique_ptr<RunLock>> RunLock::acquire(FileSystem& fs, const std::string& path, const Clock& clock) {
  MH_TRY(const Place place, fs.open_place(path, /*create_parents=*/true));
  MH_TRY(auto file, place.parent->open_file(place.name, OpenMode::open_or_create));
  MH_TRY(const bool ours, file->try_lock(LockKind::exclusive));
  if (!ours) return locked_by_another_run(*file, path);
  const auto now = std::chrono::floor<std::chrono::seconds>(clock.wall());
  const std::string text = "pid " + pid_text() + "\nhost " + host_name() + "\nsince " + mail::to_iso(now) + "\n";
  MH_CHECK(file->truncate(0));
  MH_CHECK(file->write_at(0, as_octets(text)));
  return std::unique_ptr<RunLock>(new RunLock(std::move(file)));
}

namespace {

// Time that may be spent waiting. Counts what was slept besides asking the clock, so that a clock that stands still
// (a test's, or one stopped by a suspended machine) cannot make it endless.
class Patience {
 public:
  Patience(const Clock& clock, const CancelToken& cancel, milliseconds limit)
      : clock_(clock), cancel_(cancel), limit_(limit), start_(clock.steady()) {}

  [[nodiscard]] bool over() const { return slept_ >= limit_ || clock_.steady() - start_ >= limit_; }

  // Sleeps in steps of kPoll. Error: interrupted.
  Status pause(milliseconds time) {
    for (milliseconds left = time; left.count() > 0; left -= kPoll) {
      if (cancel_.requested())
        return make_error(ErrorKind::interrupted, Scope::run, "interrupted while waiting for a lock");
      const milliseconds step = std::min(left, kPoll);
      std::this_thread::sleep_for(step);
      slept_ += step;
    }
    return {};
  }

 private:
  const Clock& clock_;
  const CancelToken& cancel_;
  milliseconds limit_, slept_{0};
  std::chrono::steady_clock::time_point start_;
};

// Enough of a file to know whether it is still the same and has not moved.
struct Sight {
  std::uint64_t inode = 0, size = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const Sight&) const = default;
};

Sight sight_of(const FileStat& facts) { return {facts.inode, facts.size, facts.mtime_ns}; }

// NAME.lock of somebody else.
struct Foreign {
  Sight lock, mbox;
  std::string holder;  // for people
  bool dead = false;   // its pid is one of this host and runs no more
};

// The pid as liblockfile ("123\n") and Dovecot ("123:host") write it. Anything else, also mutt's empty file and
// procmail's "0", tells nothing about whether the holder lives.
bool is_dead(std::string_view text) {
  text = trim(text);
  const auto colon = text.find(':');
  if (colon != std::string_view::npos && trim(text.substr(colon + 1)) != host_name()) return false;
  const auto pid = parse_uint(text.substr(0, colon), 10, std::numeric_limits<pid_t>::max());
  if (!pid || *pid <= 1) return false;
  return ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH;
}

// Field 22 of /proc/PID/stat: when the process began, in ticks since the boot. "" when there is no such process.
std::string start_of(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string text;
  std::getline(in, text);
  // The second field is the program's name in parentheses, and may hold blanks and parentheses itself.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  const auto fields = split(std::string_view(text).substr(name_end + 1), ' ');
  constexpr std::size_t kStart = 20;  // field 22, counted from the blank behind the name
  return fields.size() > kStart ? fields[kStart] : std::string();
}

std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(in, text);
  return text;
}

// The second line of a dotlock of ours: who it is beyond doubt, over pids that are given again and over reboots.
std::string own_mark() { return "mailhaul " + host_name() + " " + boot_id() + " " + start_of(pid_text()); }

// Whether a dotlock is one of ours whose run is over. Asked while its mbox's kernel lock is held, which a run of ours
// holds as long as its dotlock stands: a process of ours that lives and is this one (a test's) has let go of it.
bool is_own_leftover(std::string_view text) {
  const auto lines = split(text, '\n');
  if (lines.size() < 2 || !lines[1].starts_with("mailhaul ")) return false;
  const auto words = split(lines[1], ' ');
  const auto pid = parse_uint(lines[0], 10, std::numeric_limits<pid_t>::max());
  if (words.size() != 4 || words[1] != host_name() || !pid) return false;
  if (words[2] != boot_id() || lines[0] == pid_text()) return true;
  return start_of(lines[0]) != words[3];
}

// Nothing but what a power loss leaves of a file that was never synced.
bool is_blank(std::string_view text) { return text.find_first_not_of('\0') == std::string_view::npos; }

// When this machine was started, as the wall clock has it now.
std::chrono::system_clock::time_point boot_time(const Clock& clock) {
  timespec up{};
  if (::clock_gettime(CLOCK_BOOTTIME, &up) != 0) return std::chrono::system_clock::time_point::min();
  return clock.wall() - std::chrono::seconds(up.tv_sec);
}

class HeldMboxLock final : public MboxLock {
 public:
  HeldMboxLock(Dir& dir, std::string lock_name, std::uint64_t inode, File& file)
      : dir_(dir), lock_name_(std::move(lock_name)), inode_(inode), file_(file) {}
  ~HeldMboxLock() override { (void)release(); }  // without a check, as the header says

  Status release() override {
    if (std::exchange(released_, true)) return {};
    // The dotlock first: who has seen it go tries the other lock without waiting.
    auto removed = remove_own();
    MH_CHECK(file_.unlock());
    return removed;
  }

 private:
  // Not ours any more when somebody took it for stale: then it is not ours to remove.
  Status remove_own() {
    const auto there = dir_.stat(lock_name_);
    if (!there.ok()) return is_not_found(there.error()) ? Status{} : Status(there.error());
    return there->inode == inode_ ? dir_.unlink(lock_name_) : Status{};
  }

  Dir& dir_;
  std::string lock_name_;
  std::uint64_t inode_;
  File& file_;
  bool released_ = false;
};

// One attempt to lock an mbox, over as many rounds as patience allows.
class Attempt {
 public:
  Attempt(Dir& dir, const std::string& name, File& file, const Clock& clock, Patience patience)
      : dir_(dir), name_(name), lock_name_(name + ".lock"), file_(file), clock_(clock), patience_(patience) {}

  Result<std::unique_ptr<MboxLock>> run() {
    for (;;) {
      MH_CHECK(wait_for_kernel_lock());
      auto inode = try_dotlock();
      if (inode.ok() && inode->has_value()) return finish(**inode);
      MH_CHECK(file_.unlock());
      if (!inode.ok()) return std::move(inode).error();
      if (patience_.over()) return locked();
      const std::uint64_t spread = kLongestPause - kShortestPause + 1;
      MH_CHECK(patience_.pause(milliseconds(kShortestPause + random_number() % spread)));
    }
  }

 private:
  Status wait_for_kernel_lock() {
    for (;;) {
      MH_TRY(const bool ours, file_.try_lock(LockKind::exclusive));
      if (ours) return {};
      if (patience_.over()) {
        seen_.reset();  // what keeps us out now is not the lock file
        return locked();
      }
      MH_CHECK(patience_.pause(kPoll));
    }
  }

  // The lock file's inode, or nullopt when somebody else has it.
  Result<std::optional<std::uint64_t>> try_dotlock() {
    const auto there = dir_.stat(lock_name_);
    if (!there.ok() && !is_not_found(there.error())) return there.error();
    if (there.ok()) {
      MH_TRY(const bool removed, remove_stale(*there));
      if (!removed) return std::optional<std::uint64_t>{};
    }
    return make_dotlock();
  }

  Result<std::optional<std::uint64_t>> make_dotlock() {
    const std::string unique = unique_name();
    MH_TRY(const std::uint64_t inode, write_pid(unique));
    const Status linked = dir_.link(unique, dir_, lock_name_);
    // NFS may lose the answer of a link that was made; the count of names does not lie.
    const auto names = dir_.stat(unique);
    const bool made = linked.ok() || (names.ok() && names->links == 2);
    if (auto removed = dir_.unlink(unique); !removed.ok()) {
      if (made) (void)dir_.unlink(lock_name_);  // the lock is not taken; the first failure is the one to tell
      return std::move(removed).error();
    }
    if (made) return std::optional(inode);
    if (is_exists(linked.error())) return std::optional<std::uint64_t>{};
    if (linked.error().system == EPERM || linked.error().system == EOPNOTSUPP) return make_exclusively();
    return linked.error();
  }

  // FAT and exFAT have no hard links; O_EXCL is as good where no NFS is between.
  Result<std::optional<std::uint64_t>> make_exclusively() {
    auto inode = write_pid(lock_name_);
    if (inode.ok()) return std::optional(*inode);
    if (is_exists(inode.error())) return std::optional<std::uint64_t>{};
    return std::move(inode).error();
  }

  Result<std::uint64_t> write_pid(const std::string& name) {
    auto opened = dir_.open_file(name, OpenMode::create);
    if (!opened.ok() && is_exists(opened.error()) && name != lock_name_) {
      // A run that died between the two steps left it; nobody else uses it while the kernel lock is ours.
      MH_CHECK(dir_.unlink(name));
      opened = dir_.open_file(name, OpenMode::create);
    }
    if (!opened.ok()) {
      Error error = std::move(opened).error();
      if (error.system == EACCES || error.system == EPERM || error.system == EROFS)
        error.hint = "the directory of an mbox must be writable for its lock file";
      return error;
    }
    File& file = **opened;
    auto written = [&]() -> Result<std::uint64_t> {
      MH_CHECK(file.write_at(0, as_octets(pid_text() + "\n" + own_mark() + "\n")));
      MH_TRY(const FileStat facts, file.stat());
      MH_CHECK(file.close());
      return facts.inode;
    }();
    // The first failure is the one to tell; what is left of the file is tried away.
    if (!written.ok()) (void)dir_.unlink(name);
    return written;
  }

  // Looks at a foreign lock file; removes it when nobody can be behind it. True: it is gone.
  Result<bool> remove_stale(const FileStat& lock) {
    MH_TRY(const FileStat mbox, file_.stat());
    Foreign now{sight_of(lock), sight_of(mbox), {}, false};
    if (const auto text = read_small(dir_, lock_name_, kLargestLockFile); text.ok()) {
      now.holder = visible(trim(*text), 100);
      now.dead = is_dead(*text);
      // A blank one from before the last boot has nobody behind it on this host, and on another one the kernel lock would
      // not have been to be had.
      if (is_own_leftover(*text) || (is_blank(*text) && is_from_before_boot(lock))) return put_away(now.lock);
    }
    const bool stood_still = seen_ && seen_->lock == now.lock && seen_->mbox == now.mbox;
    seen_ = std::move(now);
    if (!stood_still || !seen_->dead || !is_old(lock) || !is_old(mbox)) return false;
    return put_away(seen_->lock);
  }

  bool is_from_before_boot(const FileStat& facts) const {
    const auto boot = std::chrono::floor<std::chrono::seconds>(boot_time(clock_).time_since_epoch());
    return std::chrono::seconds(facts.mtime_ns / 1'000'000'000) < boot;
  }

  bool is_old(const FileStat& facts) const {
    // In seconds: an mtime may be saturated, and a difference of nanoseconds would overflow.
    const auto wall = std::chrono::floor<std::chrono::seconds>(clock_.wall().time_since_epoch());
    return wall - std::chrono::seconds(facts.mtime_ns / 1'000'000'000) > kStaleAge;
  }

  // Between the look and the removal the lock may have changed hands: it is renamed, looked at again, and put back when
  // it is another.
  Result<bool> put_away(const Sight& judged) {
    const std::string unique = unique_name();
    if (auto left = dir_.unlink(unique); !left.ok() && !is_not_found(left.error())) return std::move(left).error();
    auto moved = dir_.rename(lock_name_, dir_, unique);
    if (!moved.ok()) {
      if (is_not_found(moved.error())) return true;
      return std::move(moved).error();
    }
    MH_TRY(const FileStat facts, dir_.stat(unique));
    if (!(sight_of(facts) == judged)) {
      MH_CHECK(dir_.rename(unique, dir_, lock_name_));
      return false;
    }
    MH_CHECK(dir_.unlink(unique));
    return true;
  }

  // A program that rewrote the mbox while we waited left us the lock of a file that is no longer there.
  Result<std::unique_ptr<MboxLock>> finish(std::uint64_t inode) {
    auto lock = std::make_unique<HeldMboxLock>(dir_, lock_name_, inode, file_);
    MH_TRY(const FileStat opened, file_.stat());
    const auto named = dir_.stat(name_);
    if (named.ok() && named->inode == opened.inode && named->device == opened.device)
      return std::unique_ptr<MboxLock>(std::move(lock));
    if (!named.ok() && !is_not_found(named.error())) return named.error();
    return make_error(ErrorKind::locked, Scope::folder,
                      visible(name_) + " was replaced by another program while its lock was waited for", "",
                      Retry::now);
  }

  Error locked() const {
    std::string what = visible(name_);
    if (seen_) {
      what += " is locked: " + visible(lock_name_);
      if (!seen_->holder.empty()) what += " is held by process " + seen_->holder;
      if (seen_->dead) what += " (which does not run any more)";
    } else {
      what += " is locked by another program (kernel lock)";
    }
    return make_error(ErrorKind::locked, Scope::folder, std::move(what),
                      "wait for the program that holds it, or remove a lock file that nobody holds", Retry::later);
  }

  // One name an mbox and host, hidden: what a run that was killed leaves of it is no folder of a tree, and the next run
  // takes its place.
  std::string unique_name() const {
    return ".mailhaul-" + to_hex(mail::sha256(as_octets(host_name() + "\n" + name_)).octets()).substr(0, 16) + ".lock";
  }

  Dir& dir_;
  const std::string& name_;
  const std::string lock_name_;
  File& file_;
  const Clock& clock_;
  Patience patience_;
  std::optional<Foreign> seen_;
};

}  // namespace

Result<std::unique_ptr<MboxLock>> MboxLock::acquire(Dir& dir, const std::string& name, File& file, const Clock& clock,
                                                    const CancelToken& cancel, milliseconds patience) {
  MH_CHECK(check_name(name));
  return Attempt(dir, name, file, clock, Patience(clock, cancel, patience)).run();
}

}  // namespace mailhaul::files
