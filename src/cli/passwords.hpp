// Where a password comes from: a command, a file, the environment, the location, or a person at the terminal.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "cli/password_command.hpp"
#include "cli/terminal.hpp"

namespace mailhaul::cli {

/// MAILHAUL_SOURCE_PASSWORD and MAILHAUL_TARGET_PASSWORD, or empty.
struct EnvironmentPasswords {
  Secret source, target;
};
/// Takes them out of the environment, also out of what /proc shows of it. Once, before any thread.
[[nodiscard]] EnvironmentPasswords take_environment_passwords();

/// The first line of a file that nobody but its owner can read; `option` names it in errors. A pipe will do
/// (`<(command)`). Errors: security (others can read or change it, it belongs to somebody else), usage (not there,
/// empty, a second line).
[[nodiscard]] Result<Secret> read_password_file(const std::string& option, const std::string& path, const Clock& clock,
                                                const CancelToken& cancel, const PasswordLimits& limits = {});

/// Asks a person at the controlling terminal, whatever stdin and stdout are. Thread-safe: one question at a time.
class PasswordPrompt {
 public:
  PasswordPrompt(Terminal& terminal, const CancelToken& cancel, std::string path = "/dev/tty")
      : terminal_(terminal), cancel_(cancel), path_(std::move(path)) {}
  /// Echo is off while it waits and on again however it ends. Errors, scope session: unreachable (there is no terminal,
  /// an empty answer); interrupted.
  [[nodiscard]] Result<Secret> ask(const std::string& question);

 private:
  Terminal& terminal_;
  const CancelToken& cancel_;
  const std::string path_;
  std::mutex mutex_;
};

/// What there is for one side, in the order in which it counts.
struct PasswordSources {
  std::string side;     ///< "source" or "target"
  std::string account;  ///< for people: "anna@imap.example.org"
  std::string command;  ///< or ""
  Secret given;         ///< of the file, the environment or the location, or empty
};

/// What store::Access::password calls. A command is run each time, so that a token is fresh; what a person said is
/// kept. The objects behind the references outlive it. Errors say which ways there are to give a password.
[[nodiscard]] std::function<Result<Secret>()> make_password(PasswordSources sources, const Environment& environment,
                                                            const Clock& clock, const CancelToken& cancel,
                                                            Terminal& terminal, PasswordPrompt& prompt,
                                                            const PasswordLimits& limits = {});

}  // namespace mailhaul::cli
