// The one place that writes to stdout and stderr. Nothing else of the program does.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mailhaul::cli {

/// The environment, as it is handed in: nullopt for a variable that is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
[[nodiscard]] Environment system_environment();

/// What the other end of stderr can show.
struct Look {
  bool live = false;  ///< a terminal that understands '\r' and erasing
  bool colour = false;
  bool ascii = false;  ///< the locale names a character set that is not UTF-8
};
/// `no_color`: the option. NO_COLOR, TERM=dumb and LC_ALL/LC_CTYPE/LANG are asked of the environment; a locale of C or
/// none says nothing about the terminal and counts as UTF-8.
[[nodiscard]] Look look_of(const Environment& environment, bool no_color, int error_fd = 2);

/// Lines for people and the report. Thread-safe. Whatever is passed in, no control character but LF leaves it
/// (threats 20): every line goes through visible() once more; machine() is for JSON, whose own rules do the same.
class Terminal {
 public:
  explicit Terminal(Look look, int out_fd = 1, int error_fd = 2) : look_(look), out_fd_(out_fd), error_fd_(error_fd) {}

  /// Text for stdout, kept until it is 64 KiB or finish(). After a failed write the rest is dropped.
  void out(std::string_view text);
  void machine(std::string_view json);
  /// Writes what is kept. Error: stdout did not take all of it (full disk, closed pipe), kind bug = exit 1.
  [[nodiscard]] Status finish();

  /// One line to stderr, above the live line. A stderr that takes nothing is no error: nobody is left to be told.
  void say(std::string_view line);
  /// "mailhaul: error: WHAT" and "hint: …".
  void error(const Error& error);
  /// Shows `line` in place of the last live line, cut to the terminal's width. Only when look().live.
  void live(std::string_view line);
  void erase_live();

  [[nodiscard]] const Look& look() const { return look_; }

 private:
  [[nodiscard]] std::string safe_line(std::string_view text) const;
  [[nodiscard]] std::string safe_lines(std::string_view text) const;
  void flush_locked();
  void erase_locked();
  void to_error_locked(const std::string& text);

  const Look look_;
  const int out_fd_, error_fd_;
  std::mutex mutex_;
  std::string kept_;
  int out_errno_ = 0;
  bool live_shown_ = false;
};

}  // namespace mailhaul::cli
