#include "cli/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/strings.hpp"
#include "cli/values.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::size_t kKeep = 64 * 1024;
constexpr std::size_t kAnyLength = 1 << 20;  // callers cut remote text; a line of ours has no limit worth naming

/// All of it, or the errno that stopped it.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      // A pipe or terminal that somebody else set to non-blocking: wait until it takes more.
      pollfd wanted{fd, POLLOUT, 0};
      if (::poll(&wanted, 1, -1) < 0 && errno != EINTR) return errno;
    } else if (written < 0 && errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

unsigned width_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  return 80;
}

/// Non-ASCII of valid UTF-8 as `\u{e9}`.
std::string escape_non_ascii(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      out += text[at++];
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    std::uint32_t code = lead & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length && at + i < text.size(); ++i) {
      code = (code << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
    }
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (; code != 0; code >>= 4) hex.insert(hex.begin(), kDigits[code & 15U]);
    out += "\\u{" + hex + "}";
    at += length;
  }
  return out;
}

}  // namespace

Environment system_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes it once there are threads
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Look look_of(const Environment& environment, bool no_color, int error_fd) {
  Look look;
  const bool terminal = ::isatty(error_fd) == 1;
  const bool dumb = environment("TERM").value_or("dumb") == "dumb";
  look.live = terminal && !dumb;
  // https://no-color.org: present and not empty.
  look.colour = look.live && !no_color && environment("NO_COLOR").value_or("").empty();
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto locale = to_lower_ascii(environment(name).value_or(""));
    if (locale.empty()) continue;
    const bool plain = locale == "c" || locale == "posix";
    const bool utf8 = locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    look.ascii = !plain && !utf8;
    break;
  }
  return look;
}

std::string Terminal::safe_line(std::string_view text) const {
  const auto line = visible(text, kAnyLength);
  return look_.ascii ? escape_non_ascii(line) : line;
}

std::string Terminal::safe_lines(std::string_view text) const {
  std::string out;
  for (;;) {
    const auto end = text.find('\n');
    out += safe_line(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

void Terminal::out(std::string_view text) { machine(safe_lines(text)); }

void Terminal::machine(std::string_view json) {
  const std::lock_guard guard(mutex_);
  kept_ += json;
  if (kept_.size() >= kKeep) flush_locked();
}

void Terminal::flush_locked() {
  // What a terminal shows of the report must not begin behind the live line.
  if (!kept_.empty()) erase_locked();
  if (out_errno_ == 0) out_errno_ = write_all(out_fd_, kept_);
  kept_.clear();
}

Status Terminal::finish() {
  const std::lock_guard guard(mutex_);
  flush_locked();
  if (out_errno_ == 0) {
    // A file system over the network may tell only at close() that it has no room.
    const int copy = ::fcntl(out_fd_, F_DUPFD_CLOEXEC, 3);
    if (copy >= 0 && ::close(copy) != 0 && errno != EINTR) out_errno_ = errno;
  }
  if (out_errno_ == 0) return {};
  return make_error(ErrorKind::bug, Scope::run,
                    "cannot write to standard output: " + std::generic_category().message(out_errno_),
                    "the run itself is over and its state is kept; only the report is cut short");
}

void Terminal::to_error_locked(const std::string& text) {
  // Nobody is left to be told when stderr itself fails.
  static_cast<void>(write_all(error_fd_, text));
}

void Terminal::erase_locked() {
  if (!live_shown_) return;
  to_error_locked("\r\x1b[K");
  live_shown_ = false;
}

void Terminal::say(std::string_view line) {
  const auto text = safe_line(line) + "\n";
  const std::lock_guard guard(mutex_);
  erase_locked();
  to_error_locked(text);
}

void Terminal::error(const Error& error) {
  const std::string red = look_.colour ? "\x1b[1;31m" : "", cyan = look_.colour ? "\x1b[36m" : "",
                    plain = look_.colour ? "\x1b[0m" : "";
  std::string text = "mailhaul: " + red + "error:" + plain + " " + safe_line(error.what) + "\n";
  if (!error.hint.empty()) text += cyan + "hint:" + plain + " " + safe_line(error.hint) + "\n";
  const std::lock_guard guard(mutex_);
  erase_locked();
  to_error_locked(text);
}

void Terminal::live(std::string_view line) {
  if (!look_.live) return;
  const auto text = safe_line(line);
  const std::lock_guard guard(mutex_);
  // The last column stays free: many terminals wrap when it is written.
  to_error_locked("\r" + std::string(cut_to_columns(text, width_of(error_fd_) - 1)) + "\x1b[K");
  live_shown_ = true;
}

void Terminal::erase_live() {
  const std::lock_guard guard(mutex_);
  erase_locked();
}

}  // namespace mailhaul::cli
