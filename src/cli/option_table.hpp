// Every command and option of docs/user/commands.md: what it is called, what it takes, whether it is there yet.
// The scanner, the parser and the help texts all read this table, so they cannot disagree.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mailhaul::cli {

/// Sets of commands, as bits.
enum Commands : unsigned {
  kNone = 0,
  kCopy = 1,
  kVerify = 2,
  kLs = 4,
  kVersion = 8,
  kHelp = 16,
  kProbe = 32,
  kRuns = kCopy | kVerify,
  kPlaces = kRuns | kLs | kProbe,
  kAll = kPlaces | kVersion | kHelp
};

struct CommandSpec {
  std::string_view name;
  std::string_view arguments;  ///< for help: `SOURCE TARGET`
  std::string_view summary;
  unsigned bit = kNone;          ///< kNone: not there yet
  unsigned least = 0, most = 0;  ///< how many arguments
};

struct OptionSpec {
  std::string_view name;      ///< without `--`; "" when it has only a letter
  char letter = 0;            ///< 0 when it has none
  std::string_view argument;  ///< for help: `GLOB`; "" for a switch
  unsigned commands = kNone;  ///< kNone: not there yet, wherever it is given
  std::string_view help;      ///< "" when it is not there yet

  [[nodiscard]] bool takes_value() const { return !argument.empty(); }
  /// `--folder`, `-4`.
  [[nodiscard]] std::string spelled() const {
    return name.empty() ? std::string("-") + letter : "--" + std::string(name);
  }
};

[[nodiscard]] std::span<const CommandSpec> all_commands();
[[nodiscard]] std::span<const OptionSpec> all_options();
[[nodiscard]] const CommandSpec* find_command(std::string_view name);
[[nodiscard]] const OptionSpec* find_option(std::string_view name);
[[nodiscard]] const OptionSpec* find_option(char letter);

}  // namespace mailhaul::cli
