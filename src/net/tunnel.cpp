#include "net/tunnel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

constexpr std::chrono::milliseconds kGrace = std::chrono::seconds(1);
constexpr int kNapMs = 10;
/// How long the exit status is waited for after the end of output: the kernel closes a dying process's pipes a little
/// before it can be reaped.
constexpr std::chrono::milliseconds kStatusGrace{100};

/// What ssh, gpg and a server's imap binary need to find their user's things, and no more.
constexpr std::array kKeptVariables{"PATH",
                                    "HOME",
                                    "USER",
                                    "LOGNAME",
                                    "SHELL",
                                    "LANG",
                                    "LC_ALL",
                                    "LC_CTYPE",
                                    "TZ",
                                    "TMPDIR",
                                    "TERM",
                                    "DISPLAY",
                                    "WAYLAND_DISPLAY",
                                    "XAUTHORITY",
                                    "GNUPGHOME",
                                    "XDG_RUNTIME_DIR",
                                    "DBUS_SESSION_BUS_ADDRESS",
                                    "SSH_AUTH_SOCK",
                                    "SSH_ASKPASS",
                                    "KRB5CCNAME"};

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  [[nodiscard]] int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return connection_lost(errno);
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

/// A write to a pipe that nobody reads raises SIGPIPE in the thread that writes; there is no MSG_NOSIGNAL for pipes.
/// The program ignores that signal, but a room does not rely on it.
class NoSigpipe {
 public:
  NoSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const timespec at_once{};
    if (raised_ && !was_pending_) {
      while (::sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  void raised() { raised_ = true; }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
  bool raised_ = false;
};

/// The attributes and file actions of posix_spawn(3), which is fork and exec without our memory in between.
class Spawn {
 public:
  Spawn() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawn_file_actions_init(&actions_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// errno of the failure, or 0.
  int run(const std::string& command, int input, int output, pid_t& child) {
    sigset_t none;
    sigset_t usual;
    ::sigemptyset(&none);
    ::sigemptyset(&usual);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGXFSZ}) ::sigaddset(&usual, number);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setsigdefault(&attributes_, &usual);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    for (const int failure : {::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO),
                              ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO),
                              ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1)}) {
      if (failure != 0) return failure;
    }
    std::string shell = "sh";
    std::string option = "-c";
    std::string text = command;
    std::array<char*, 4> arguments{shell.data(), option.data(), text.data(), nullptr};
    std::vector<std::string> kept;
    for (const char* name : kKeptVariables) {
      if (const char* value = std::getenv(name)) kept.push_back(std::string(name) + "=" + value);
    }
    std::vector<char*> environment;
    for (auto& one : kept) environment.push_back(one.data());
    environment.push_back(nullptr);
    return ::posix_spawn(&child, "/bin/sh", &actions_, &attributes_, arguments.data(), environment.data());
  }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t actions_{};
};

/// The process we started, and its group.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}

  /// Reaps it if it has ended. True from then on.
  bool ended() {
    if (ended_) return true;
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_) status_ = status;
    ended_ = got == pid_ || (got < 0 && errno == ECHILD);  // ECHILD: somebody ignores SIGCHLD; the kernel reaped it
    return ended_;
  }
  bool ended_within(std::chrono::milliseconds grace, const Clock& clock) {
    for (const auto deadline = clock.steady() + grace; !ended();) {
      if (clock.steady() >= deadline) return false;
      (void)::poll(nullptr, 0, kNapMs);  // a nap; a signal may cut it short
    }
    return true;
  }
  void signal(int number) {
    // Not reaped yet, so its number, and that of its group, cannot be another's by now.
    if (!ended_) (void)::kill(-pid_, number);
  }
  /// What to tell of an end that was no success; nullopt for exit 0 or an unknown status.
  [[nodiscard]] std::optional<Error> failure() const {
    if (!status_ || *status_ == 0) return std::nullopt;
    const std::string hint = "run it by hand to see what it says";
    if (WIFSIGNALED(*status_)) {
      return unreachable("it was ended by signal " + std::to_string(WTERMSIG(*status_)), hint);
    }
    const int code = WEXITSTATUS(*status_);
    if (code == 127) return unreachable("it ended with exit status 127: not found", hint, Retry::never);
    if (code == 126) return unreachable("it ended with exit status 126: not executable", hint, Retry::never);
    return unreachable("it ended with exit status " + std::to_string(code), hint);
  }

 private:
  pid_t pid_;
  bool ended_ = false;
  std::optional<int> status_;
};

class TunnelWire final : public Wire {
 public:
  TunnelWire(Descriptor to_child, Descriptor from_child, pid_t pid, const Clock& clock)
      : to_child_(std::move(to_child)), from_child_(std::move(from_child)), child_(pid), clock_(clock) {}
  TunnelWire(const TunnelWire&) = delete;
  TunnelWire& operator=(const TunnelWire&) = delete;
  ~TunnelWire() override {
    to_child_.close();
    if (ended_while_drained()) return;
    child_.signal(SIGTERM);
    from_child_.close();
    if (child_.ended_within(kGrace, clock_)) return;
    child_.signal(SIGKILL);
    (void)child_.ended_within(kGrace, clock_);  // one that not even SIGKILL ends waits for a disk; we do not
  }

  Result<std::size_t> write(Octets out) override {
    NoSigpipe guard;
    const ssize_t sent = ::write(to_child_.get(), out.data(), out.size());
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
    if (errno != EPIPE) return connection_lost(errno);
    guard.raised();
    // A process that dies closes its input before its output, so this is where its end is often noticed first.
    (void)child_.ended_within(kStatusGrace, clock_);  // it may have closed its input and go on
    if (auto failure = child_.failure()) return std::move(*failure);
    Error error = unreachable("it no longer reads what is sent to it", "run it by hand to see what it says");
    error.system = EPIPE;
    return error;
  }

  Result<Arrived> read(std::span<std::byte> room) override {
    const ssize_t got = ::read(from_child_.get(), room.data(), room.size());
    if (got > 0) return Arrived{static_cast<std::size_t>(got), false};
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Arrived{};
    if (got < 0) return connection_lost(errno);
    (void)child_.ended_within(kStatusGrace, clock_);  // it may have closed its output and go on
    if (auto failure = child_.failure()) return std::move(*failure);
    return Arrived{0, true};
  }

  void finish() override { to_child_.close(); }
  Interest descriptors() const override { return {from_child_.get(), to_child_.get()}; }
  std::string peer() const override { return "a command"; }
  bool is_tunnel() const override { return true; }
  bool is_loopback() const override { return false; }

 private:
  /// Its output is read meanwhile: a server that dies of SIGPIPE may not have stored what it was given.
  bool ended_while_drained() {
    std::array<std::byte, 16384> waste;
    for (const auto deadline = clock_.steady() + kGrace; !child_.ended();) {
      if (clock_.steady() >= deadline) return false;
      pollfd entry{from_child_.get(), POLLIN, 0};
      (void)::poll(&entry, 1, kNapMs);
      if (::read(from_child_.get(), waste.data(), waste.size()) <= 0) (void)::poll(nullptr, 0, 1);
    }
    return true;
  }

  Descriptor to_child_;
  Descriptor from_child_;
  Child child_;
  const Clock& clock_;
};

/// Ours alone: O_NONBLOCK belongs to this end's description, so the command still has a pipe that blocks.
bool set_nonblocking(const Descriptor& end) {
  const int flags = ::fcntl(end.get(), F_GETFL);
  return flags >= 0 && ::fcntl(end.get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

Result<std::unique_ptr<Wire>> start_tunnel(const std::string& command, const Clock& clock) {
  if (command.find('\0') != std::string::npos) {
    return make_error(ErrorKind::usage, Scope::run, "it has a NUL in it");
  }
  MH_TRY(Pipe to_child, make_pipe());
  MH_TRY(Pipe from_child, make_pipe());
  if (!set_nonblocking(to_child.write_end) || !set_nonblocking(from_child.read_end)) return connection_lost(errno);
  pid_t pid = 0;
  if (const int failure = Spawn().run(command, to_child.read_end.get(), from_child.write_end.get(), pid)) {
    Error error = unreachable("/bin/sh cannot be started: " + std::generic_category().message(failure), "");
    error.system = failure;
    return error;
  }
  return std::unique_ptr<Wire>(
      std::make_unique<TunnelWire>(std::move(to_child.write_end), std::move(from_child.read_end), pid, clock));
}

}  // namespace mailhaul::net
