// `--source-password-command`: a shell command that prints a password.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "cli/terminal.hpp"

namespace mailhaul::cli {

/// No password is longer, and nobody waits longer for one; tests are less patient.
struct PasswordLimits {
  std::size_t octets = 64 * 1024;
  std::chrono::milliseconds time = std::chrono::seconds(30);
};

/// Runs `/bin/sh -c command` and takes the first line of what it prints. Of the environment it gets PATH, HOME, LANG,
/// GNUPGHOME, DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR; its standard error is ours, its standard input our terminal
/// or nothing. Errors, which never quote the output: unreachable, scope session, with its exit status (it failed,
/// printed nothing or a second line or too much, hangs); interrupted. Blocks; any thread.
[[nodiscard]] Result<Secret> run_password_command(const std::string& command, const Environment& environment,
                                                  const Clock& clock, const CancelToken& cancel,
                                                  const PasswordLimits& limits = {});

/// The first line, without its line end, of what a command or file holds. Error, with `what` in front: nothing there, a
/// second line that is not empty, a NUL. Kind unreachable, scope session.
[[nodiscard]] Result<Secret> only_line(const Secret& text, const std::string& what);

/// Reads to the end of what `fd` gives, but no more than `limits.octets` + 1 octets. `is_over`, asked before each wait:
/// nobody writes any more; what lies there then is the end. Error: interrupted; unreachable when it takes too long.
[[nodiscard]] Result<Secret> read_secret(int fd, const Clock& clock, const CancelToken& cancel,
                                         const PasswordLimits& limits, const std::function<bool()>& is_over);

}  // namespace mailhaul::cli
