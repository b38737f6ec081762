#include "cli/password_command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace mailhaul::cli {
namespace {

using namespace std::chrono_literals;

// How soon a request to stop is seen, and the end of a command whose children hold its output open.
constexpr int kTurnMs = 50;

Error failed(std::string what, std::string hint = {}) {
  return make_error(ErrorKind::unreachable, Scope::session, std::move(what), std::move(hint));
}

Error interrupted() { return make_error(ErrorKind::interrupted, Scope::run, "stopped while a password was asked for"); }

std::string system_text(int number) { return std::generic_category().message(number); }

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

/// posix_spawn(3)'s two sets of wishes.
class SpawnWishes {
 public:
  SpawnWishes(int output, bool own_group) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    // pinentry and the like ask at our terminal; from anything else a command could only take what is not meant for it.
    if (own_group) ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, 1);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    // What we ignore would stay ignored in a shell, whose pipes need SIGPIPE to end.
    sigset_t defaults, none;
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::sigaddset(&defaults, SIGXFSZ);
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (own_group) flags |= POSIX_SPAWN_SETPGROUP;
    ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
  }
  ~SpawnWishes() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnWishes(const SpawnWishes&) = delete;
  SpawnWishes& operator=(const SpawnWishes&) = delete;
  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// A shell that is running or has ended. Killed, with all it started where it has a process group of its own, when it
/// still runs at the end.
class Shell {
 public:
  static Result<std::unique_ptr<Shell>> start(const std::string& command, const Environment& environment, int output) {
    std::vector<std::string> variables;
    for (const char* name : {"PATH", "HOME", "LANG", "GNUPGHOME", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"}) {
      if (const auto value = environment(name)) variables.push_back(std::string(name) + "=" + *value);
    }
    std::vector<char*> envp;
    for (auto& variable : variables) envp.push_back(variable.data());
    envp.push_back(nullptr);
    std::array<std::string, 3> words{"sh", "-c", command};
    std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
    // A command that may ask at the terminal must stay in the terminal's foreground group, or it would be stopped.
    const bool own_group = ::isatty(0) != 1;
    const SpawnWishes wishes(output, own_group);
    pid_t pid = 0;
    const int number = ::posix_spawn(&pid, "/bin/sh", wishes.actions(), wishes.attributes(), argv.data(), envp.data());
    if (number != 0) return failed("cannot start /bin/sh: " + system_text(number));
    return std::unique_ptr<Shell>(new Shell(pid, own_group));
  }
  ~Shell() {
    if (has_ended()) return;
    ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  [[nodiscard]] bool has_ended() {
    if (status_) return true;
    int status = 0;
    const pid_t found = ::waitpid(pid_, &status, WNOHANG);
    if (found == 0 || (found < 0 && errno == EINTR)) return false;
    status_ = found == pid_ ? status : 0;  // somebody else has waited for it: then nobody knows
    return true;
  }
  /// "" for success, else what became of it. After has_ended().
  [[nodiscard]] std::string failure() const {
    if (WIFSIGNALED(*status_)) return "was ended by signal " + std::to_string(WTERMSIG(*status_));
    const int code = WEXITSTATUS(*status_);
    return code == 0 ? std::string() : "ended with exit status " + std::to_string(code);
  }

 private:
  Shell(pid_t pid, bool own_group) : pid_(pid), own_group_(own_group) {}
  const pid_t pid_;
  const bool own_group_;
  std::optional<int> status_;
};

}  // namespace

Result<Secret> read_secret(int fd, const Clock& clock, const CancelToken& cancel, const PasswordLimits& limits,
                           const std::function<bool()>& is_over) {
  const auto end = clock.steady() + limits.time;
  std::string text;
  text.reserve(limits.octets + 1);  // a string that grows leaves its octets behind where it was
  bool over = false;
  while (text.size() <= limits.octets) {
    pollfd wanted{fd, POLLIN, 0};
    const int ready = ::poll(&wanted, 1, over ? 0 : kTurnMs);
    if (ready > 0) {
      const std::size_t before = text.size();
      text.resize(limits.octets + 1);
      const auto length = ::read(fd, text.data() + before, text.size() - before);
      const int number = errno;
      text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
      if (length == 0) break;
      if (length > 0 || number == EINTR || number == EAGAIN) continue;
      const Secret wiped(std::move(text));
      return failed("cannot be read: " + system_text(number));
    }
    if (over) break;
    const bool late = clock.steady() >= end;
    if (cancel.requested() || late) {
      const Secret wiped(std::move(text));
      return cancel.requested() ? interrupted()
                                : failed("did not end within " + std::to_string(limits.time / 1s) + " s");
    }
    over = is_over();
  }
  return Secret(std::move(text));
}

Result<Secret> only_line(const Secret& text, const std::string& what) {
  const auto all = text.reveal();
  if (all.find('\0') != std::string_view::npos) return failed(what + " a NUL, which no password has");
  const auto end = all.find('\n');
  auto line = all.substr(0, end);
  const auto rest = end == std::string_view::npos ? std::string_view() : all.substr(end);
  if (rest.find_first_not_of("\r\n") != std::string_view::npos) return failed(what + " more than one line");
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return failed(what + " nothing");
  return Secret(std::string(line));
}

Result<Secret> run_password_command(const std::string& command, const Environment& environment, const Clock& clock,
                                    const CancelToken& cancel, const PasswordLimits& limits) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("cannot be started: " + system_text(errno));
  Descriptor ours(ends[0]), theirs(ends[1]);
  const auto begin = clock.steady();
  MH_TRY(const auto shell, Shell::start(command, environment, theirs.get()));
  theirs.reset();
  auto text = read_secret(ours.get(), clock, cancel, limits, [&] { return shell->has_ended(); });
  if (!text.ok()) return std::move(text).error();
  if (text->size() > limits.octets) return failed("printed more than " + std::to_string(limits.octets / 1024) + " KiB");
  ours.reset();
  while (!shell->has_ended()) {
    if (cancel.requested()) return interrupted();
    if (clock.steady() - begin >= limits.time) {
      return failed("did not end within " + std::to_string(limits.time / 1s) + " s");
    }
    ::poll(nullptr, 0, 10);
  }
  if (const auto failure = shell->failure(); !failure.empty()) return failed(failure);
  return only_line(*text, "ended with exit status 0 but printed");
}

}  // namespace mailhaul::cli
