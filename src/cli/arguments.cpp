#include "cli/arguments.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "cli/values.hpp"

namespace mailhaul::cli {
namespace {

Error mistake(std::string what, std::string hint) {
  return make_error(ErrorKind::usage, Scope::run, std::move(what), std::move(hint));
}

std::string shown(std::string_view argument) { return "'" + visible(without_password(std::string(argument))) + "'"; }

Error unknown_option(std::string_view spelled) {
  std::vector<std::string> names;
  for (const auto& option : all_options()) {
    if (!option.name.empty()) names.push_back("--" + std::string(option.name));
  }
  const auto near = nearest(spelled, names);
  if (!near && spelled.find("pass") != std::string_view::npos) {
    return mistake("unknown option " + shown(spelled),
                   "no option takes the password itself: --source-password-command, --source-password-file, "
                   "MAILHAUL_SOURCE_PASSWORD in the environment, or a prompt");
  }
  return mistake("unknown option " + shown(spelled),
                 near ? "did you mean " + *near + "?" : "mailhaul help COMMAND lists the options of a command");
}

/// One run of the scanner over the line.
class Scanner {
 public:
  explicit Scanner(const std::vector<std::string>& arguments) : in_(arguments) {}

  Arguments run() {
    bool options_end = false;
    for (at_ = 0; at_ < in_.size(); ++at_) {
      const std::string& argument = in_[at_];
      if (options_end || argument.size() < 2 || argument.front() != '-') {
        word(argument);
      } else if (argument == "--") {
        options_end = true;
      } else if (argument[1] == '-') {
        long_option(argument);
      } else {
        letters(argument);
      }
    }
    return std::move(out_);
  }

 private:
  void fail(Error error) {
    if (!out_.mistake) out_.mistake = std::move(error);
  }

  void word(const std::string& argument) {
    if (!named_) {
      out_.command = argument;
      named_ = true;
    } else {
      out_.words.push_back(argument);
    }
  }

  void long_option(const std::string& argument) {
    const auto equals = argument.find('=');
    const std::string spelled = argument.substr(0, equals);
    const auto* option = find_option(std::string_view(spelled).substr(2));
    if (option == nullptr) return fail(unknown_option(spelled));
    if (equals == std::string::npos) return take(*option);
    if (!option->takes_value()) return fail(mistake(spelled + " takes no value", {}));
    give(*option, argument.substr(equals + 1));
  }

  void letters(const std::string& argument) {
    for (const char letter : argument.substr(1)) {
      const auto* option = find_option(letter);
      if (option == nullptr)
        return fail(unknown_option(argument.size() == 2 ? argument : argument + " (-" + letter + ")"));
      take(*option);
    }
  }

  void take(const OptionSpec& option) {
    if (!option.takes_value()) return give(option, {});
    if (at_ + 1 == in_.size()) return fail(needs_value(option));
    give(option, in_[++at_]);
  }

  void give(const OptionSpec& option, std::string value) {
    if (option.takes_value() && value.empty()) return fail(needs_value(option));
    if (option.name == "json") out_.json = true;
    if (option.name == "no-color") out_.no_color = true;
    if (option.name == "help") out_.help = true;
    if (option.name == "version") out_.version = true;
    out_.given.emplace_back(&option, std::move(value));
  }

  static Error needs_value(const OptionSpec& option) {
    return mistake(option.spelled() + " needs a value", option.spelled() + " " + std::string(option.argument));
  }

  const std::vector<std::string>& in_;
  std::size_t at_ = 0;
  bool named_ = false;
  Arguments out_;
};

Status check_command(const Arguments& arguments) {
  const auto* command = find_command(arguments.command);
  if (command == nullptr) {
    std::vector<std::string> names;
    for (const auto& spec : all_commands()) names.emplace_back(spec.name);
    const auto near = nearest(arguments.command, names);
    return mistake("unknown command " + shown(arguments.command),
                   near ? "did you mean " + *near + "?" : "mailhaul help lists the commands");
  }
  if (command->bit == kNone) {
    return mistake("the command " + arguments.command + " is not there yet", "mailhaul help lists those that are");
  }
  return {};
}

Status check_words(const Arguments& arguments, const CommandSpec& command) {
  const auto count = arguments.words.size();
  const std::string usage = "mailhaul " + std::string(command.name) + " [OPTIONS] " + std::string(command.arguments);
  if (count < command.least) {
    if (command.least == 1) return mistake(arguments.command + " needs a LOCATION", usage);
    return mistake(arguments.command + (count == 0 ? " needs a SOURCE and a TARGET" : " needs a TARGET too"), usage);
  }
  if (count > command.most) {
    return mistake("unexpected argument " + shown(arguments.words[command.most]),
                   command.most == 0 ? std::string() : usage + " (a name with blanks needs quotes)");
  }
  return {};
}

/// Where a password may begin: behind `scheme://`, or where the slashes or the scheme itself were forgotten.
std::optional<std::size_t> begin_of_user(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kLocal{"mbox", "maildir", "archive"};  // their path is a path
  static constexpr std::array<std::string_view, 4> kServers{"imap", "imaps", "pop3", "pop3s"};
  const auto scheme_end = text.find(':');
  if (scheme_end == std::string_view::npos) return std::nullopt;
  const auto scheme = to_lower_ascii(text.substr(0, scheme_end));
  const auto is_among = [&](const auto& list) { return std::find(list.begin(), list.end(), scheme) != list.end(); };
  if (is_among(kLocal)) return std::nullopt;
  if (text.substr(scheme_end, 3) == "://") return scheme_end + 3;
  if (is_among(kServers)) return text.find_first_not_of('/', scheme_end + 1);
  return text.find_first_of("/ ") == std::string_view::npos ? std::optional<std::size_t>(0) : std::nullopt;
}

/// Where the password of `scheme://user:password@host` lies in the text: first octet and length.
std::optional<std::pair<std::size_t, std::size_t>> find_password(std::string_view text) {
  const auto user = begin_of_user(text);
  if (!user) return std::nullopt;
  const auto begin = *user;
  const auto end = std::min(text.find_first_of("/?", begin), text.size());
  const auto colon = text.find(':', begin);
  if (colon == std::string_view::npos || colon >= end) return std::nullopt;
  auto at = text.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < colon) {
    // `user@host:993/a@b` has a port there; `user:pa/ss@host` a password that should have been percent-encoded.
    const auto digits = text.substr(colon + 1, end - colon - 1);
    if (at != std::string_view::npos || parse_uint(digits).has_value()) return std::nullopt;
    at = text.rfind('@');
    if (at == std::string_view::npos || at < colon) return std::nullopt;
  }
  if (at == colon + 1) return std::nullopt;
  return std::make_pair(colon + 1, at - colon - 1);
}

}  // namespace

Arguments scan_arguments(const std::vector<std::string>& arguments) { return Scanner(arguments).run(); }

Status check_arguments(const Arguments& arguments) {
  if (!arguments.command.empty()) MH_CHECK(check_command(arguments));
  if (arguments.mistake) return *arguments.mistake;
  for (const auto& [option, value] : arguments.given) {
    if (option->commands == kNone) {
      return mistake(option->spelled() + " is not there yet",
                     "mailhaul help " + (arguments.command.empty() ? "COMMAND" : arguments.command) +
                         " lists the options that are");
    }
  }
  if (arguments.help || arguments.version) return {};
  const auto* command = find_command(arguments.command);
  if (command == nullptr) return mistake("a command is missing", "mailhaul help lists the commands");
  for (const auto& [option, value] : arguments.given) {
    if ((option->commands & command->bit) != 0) continue;
    return mistake(option->spelled() + " does not go with " + arguments.command,
                   "mailhaul help " + arguments.command + " lists the options that do");
  }
  return check_words(arguments, *command);
}

bool hide_passwords(char* argument) {
  const auto found = find_password(argument);
  if (found) std::memset(argument + found->first, '*', found->second);
  return found.has_value();
}

std::string without_password(std::string text) {
  if (const auto found = find_password(text)) text.replace(found->first - 1, found->second + 1, "");
  return text;
}

}  // namespace mailhaul::cli
