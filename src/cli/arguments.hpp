// The command line as words and options, before anybody asks what their values mean. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "cli/option_table.hpp"

namespace mailhaul::cli {

/// What scan_arguments() found. The first mistake is kept and the scan goes on, so that `json` and `no_color` are
/// known however the line is wrong.
struct Arguments {
  std::string command;             ///< the first word, or ""
  std::vector<std::string> words;  ///< those after it
  std::vector<std::pair<const OptionSpec*, std::string>> given;
  bool json = false, no_color = false, help = false, version = false;
  std::optional<Error> mistake;
};

/// Options may stand before and after the command and between its arguments; `--` ends them; `-` is a word. The value
/// of an option is what follows '=' or the next argument, whatever it looks like. Mistakes: usage.
[[nodiscard]] Arguments scan_arguments(const std::vector<std::string>& arguments);

/// Whether the line as scanned can be run: the command is known and there, and so is each option, and they go together.
[[nodiscard]] Status check_arguments(const Arguments& arguments);

/// Overwrites the password of every `scheme://user:password@` in place with '*'. True when there was one.
bool hide_passwords(char* argument);
/// The same for a text that is about to be shown.
[[nodiscard]] std::string without_password(std::string text);

}  // namespace mailhaul::cli
