#include "cli/passwords.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "base/strings.hpp"

namespace mailhaul::cli {
namespace {

Secret take_variable(const char* name) {
  char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
  if (value == nullptr) return {};
  Secret taken{std::string(value)};
  // /proc/PID/environ shows the memory that the kernel filled, not what unsetenv(3) leaves of the list.
  std::memset(value, '*', std::strlen(value));
  ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return taken;
}

Error file_error(ErrorKind kind, const std::string& option, std::string what, std::string hint = {}) {
  return make_error(kind, Scope::run, option + ": " + std::move(what), std::move(hint));
}

/// Closes what it holds, unless it holds nothing.
class Open {
 public:
  explicit Open(int fd) : fd_(fd) {}
  ~Open() {
    if (fd_ >= 0) ::close(fd_);
  }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  const int fd_;
};

Status check_owner(int fd, const std::string& option, const std::string& path) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return file_error(ErrorKind::usage, option, visible(path) + " cannot be looked at");
  if (S_ISDIR(facts.st_mode)) return file_error(ErrorKind::usage, option, visible(path) + " is a directory");
  const bool others_read = (facts.st_mode & (S_IRGRP | S_IROTH)) != 0;
  const bool others_write = (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (others_read || others_write) {
    return file_error(ErrorKind::security, option,
                      visible(path) + (others_read ? " is readable by others" : " can be changed by others"),
                      "chmod 600 " + visible(path));
  }
  // root may read what a user keeps for a run that root starts; else only root's files and our own are nobody else's.
  if (facts.st_uid != 0 && facts.st_uid != ::geteuid() && ::geteuid() != 0) {
    return file_error(ErrorKind::security, option, visible(path) + " belongs to another user",
                      "use a file of your own, with mode 600");
  }
  return {};
}

/// A terminal that does not show what is typed, until the object dies.
class Silence {
 public:
  explicit Silence(int fd) : fd_(fd), was_terminal_(::tcgetattr(fd, &before_) == 0) {
    if (!was_terminal_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    // Ctrl-Z and Ctrl-\ would leave the terminal as it is now; Ctrl-C goes through our handler, and so through here.
    silent.c_cc[VSUSP] = silent.c_cc[VQUIT] = _POSIX_VDISABLE;
    ::tcsetattr(fd, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (was_terminal_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  [[nodiscard]] bool was_terminal() const { return was_terminal_; }

 private:
  const int fd_;
  termios before_{};
  const bool was_terminal_;
};

void write_text(int fd, std::string_view text) {
  // A terminal that takes nothing has nobody in front of it; the answer will say so.
  static_cast<void>(::write(fd, text.data(), text.size()) < 0);
}

/// What is typed up to the line end. nullopt: a request to stop.
std::optional<Secret> read_answer(int fd, const CancelToken& cancel) {
  constexpr std::size_t kLongest = 4096;  // no terminal in canonical mode gives more in a line
  std::string text;
  text.reserve(kLongest);
  while (text.size() < kLongest && !text.ends_with('\n')) {
    if (cancel.requested()) {
      const Secret wiped(std::move(text));
      return std::nullopt;
    }
    // Not read(2), which SA_RESTART would begin again after Ctrl-C.
    pollfd wanted{fd, POLLIN, 0};
    if (::poll(&wanted, 1, 100) <= 0) continue;
    char letter = 0;
    const auto length = ::read(fd, &letter, 1);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (length <= 0) break;
    text += letter;
  }
  if (text.ends_with('\n')) text.pop_back();
  return Secret(std::move(text));
}

std::string ways(const std::string& side) {
  const std::string upper = side == "source" ? "SOURCE" : "TARGET";
  return "give it with --" + side + "-password-command CMD, --" + side + "-password-file FILE or MAILHAUL_" + upper +
         "_PASSWORD; on a terminal mailhaul asks";
}

}  // namespace

EnvironmentPasswords take_environment_passwords() {
  return {take_variable("MAILHAUL_SOURCE_PASSWORD"), take_variable("MAILHAUL_TARGET_PASSWORD")};
}

Result<Secret> read_password_file(const std::string& option, const std::string& path, const Clock& clock,
                                  const CancelToken& cancel, const PasswordLimits& limits) {
  // Not blocking: a FIFO without a writer must not hold the run up for ever.
  const Open file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    return file_error(ErrorKind::usage, option, visible(path) + ": " + std::generic_category().message(errno));
  }
  MH_CHECK(check_owner(file.get(), option, path));
  auto text = read_secret(file.get(), clock, cancel, limits, [] { return false; });
  if (text.ok() && text->size() > limits.octets) {
    return file_error(ErrorKind::usage, option,
                      visible(path) + " holds more than " + std::to_string(limits.octets / 1024) + " KiB");
  }
  if (text.ok()) text = only_line(*text, "holds");
  if (text.ok()) return text;
  const auto kind = text.error().kind == ErrorKind::interrupted ? ErrorKind::interrupted : ErrorKind::usage;
  return file_error(kind, option, visible(path) + " " + text.error().what,
                    "it must hold the password as its only line");
}

Result<Secret> PasswordPrompt::ask(const std::string& question) {
  const std::lock_guard guard(mutex_);
  const Open tty(::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
  const auto nobody = [] {
    return make_error(ErrorKind::unreachable, Scope::session, "there is no terminal to ask at");
  };
  if (tty.get() < 0) return nobody();
  terminal_.erase_live();
  std::optional<Secret> answer;
  {
    const Silence silence(tty.get());
    if (!silence.was_terminal()) return nobody();
    write_text(tty.get(), visible(question, 300) + " ");
    answer = read_answer(tty.get(), cancel_);
    write_text(tty.get(), "\n");
  }
  if (!answer) {
    return make_error(ErrorKind::interrupted, Scope::run, "stopped while a password was asked for");
  }
  if (answer->empty()) return make_error(ErrorKind::unreachable, Scope::session, "nothing was typed");
  return std::move(*answer);
}

namespace {

/// One side's password, as the session that needs it asks for it. Shared by the threads of that side.
class Password {
 public:
  Password(PasswordSources sources, Environment environment, const Clock& clock, const CancelToken& cancel,
           Terminal& terminal, PasswordPrompt& prompt, const PasswordLimits& limits)
      : sources_(std::move(sources)),
        environment_(std::move(environment)),
        clock_(clock),
        cancel_(cancel),
        terminal_(terminal),
        prompt_(prompt),
        limits_(limits) {}

  Result<Secret> get() {
    const std::lock_guard guard(mutex_);
    if (!sources_.command.empty()) return of_command();
    if (!sources_.given.empty()) return sources_.given;
    auto answer = prompt_.ask("Password for " + sources_.account + " (" + sources_.side + "):");
    if (answer.ok()) {
      sources_.given = *answer;
      return answer;
    }
    Error error = std::move(answer).error();
    if (error.kind == ErrorKind::interrupted) return error;
    error.what = "no password for the " + sources_.side + " " + visible(sources_.account) + ": " + error.what;
    error.hint = ways(sources_.side);
    return error;
  }

 private:
  Result<Secret> of_command() {
    terminal_.erase_live();  // what it says on stderr shall not stand behind our progress
    auto secret = run_password_command(sources_.command, environment_, clock_, cancel_, limits_);
    if (secret.ok() || secret.error().kind == ErrorKind::interrupted) return secret;
    Error error = std::move(secret).error();
    error.what = "the password command of the " + sources_.side + " " + error.what;
    error.hint = "try --" + sources_.side +
                 "-password-command by hand: it must print the password as its only line, end with 0, and need no "
                 "environment but PATH, HOME, LANG, GNUPGHOME, DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR";
    return error;
  }

  PasswordSources sources_;
  const Environment environment_;
  const Clock& clock_;
  const CancelToken& cancel_;
  Terminal& terminal_;
  PasswordPrompt& prompt_;
  const PasswordLimits limits_;
  std::mutex mutex_;
};

}  // namespace

std::function<Result<Secret>()> make_password(PasswordSources sources, const Environment& environment,
                                              const Clock& clock, const CancelToken& cancel, Terminal& terminal,
                                              PasswordPrompt& prompt, const PasswordLimits& limits) {
  auto password = std::make_shared<Password>(std::move(sources), environment, clock, cancel, terminal, prompt, limits);
  return [password] { return password->get(); };
}

}  // namespace mailhaul::cli
