#include "cli/cli.hpp"

#include <exception>
#include <new>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/strings.hpp"
#include "cli/arguments.hpp"
#include "cli/frame.hpp"
#include "cli/passwords.hpp"
#include "cli/process.hpp"
#include "cli/report_json.hpp"
#include "cli/terminal.hpp"

namespace mailhaul::cli {
namespace {

/// A line that cannot be run: said on stderr, and as a report when --json stands in it.
int refuse(Terminal& terminal, const Arguments& arguments, const Error& error) {
  const int exit = pipeline::exit_code(error, pipeline::Side::none);
  if (arguments.json) {
    const auto* command = find_command(arguments.command);
    // Behind an option that nobody knows, what looks like a word may be its value, and that a password.
    const auto word = [&](std::size_t i) {
      return i < arguments.words.size() && !arguments.mistake ? arguments.words[i] : std::string();
    };
    if (command != nullptr && (command->bit & kPlaces) != 0) {
      terminal.machine(report_json(failed_report(arguments.command, word(0), word(1), error)));
    } else {
      terminal.machine(error_json(without_password(arguments.command), error, exit));
    }
  }
  const auto written = terminal.finish();
  terminal.error(error);
  if (written.ok()) return exit;
  terminal.error(written.error());
  return pipeline::worse_exit(exit, pipeline::exit_code(written.error(), pipeline::Side::none));
}

/// A failure that no Result carried: memory is out, or a fault of ours.
int refuse_exception(Terminal& terminal, const Arguments& arguments, const std::string& what) {
  return refuse(terminal, arguments,
                make_error(ErrorKind::bug, Scope::run, what,
                           "what was delivered is remembered; please report this, with the command that you typed"));
}

int run_command(Frame& frame, const CommandLine& line) {
  if (const auto* help = std::get_if<HelpOptions>(&line.command)) return run_help_command(frame, *help);
  if (const auto* ls = std::get_if<LsOptions>(&line.command)) return run_ls_command(frame, *ls);
  if (const auto* probe = std::get_if<ProbeOptions>(&line.command)) return run_probe_command(frame, *probe);
  if (const auto* copy = std::get_if<CopyOptions>(&line.command)) return run_copy_command(frame, *copy);
  if (const auto* verify = std::get_if<VerifyOptions>(&line.command)) return run_verify_command(frame, *verify);
  return run_version_command(frame);
}

int run_line(Terminal& terminal, const Environment& environment, const Arguments& arguments,
             EnvironmentPasswords& passwords) {
  const auto line = parse_command_line(arguments);
  if (!line.ok()) return refuse(terminal, arguments, line.error());
  CancelToken cancel;
  const StopSignals signals(cancel);
  const SystemClock clock;
  Frame frame{terminal, environment, line->global, cancel, clock, passwords};
  return run_command(frame, *line);
}

}  // namespace

int run(int argc, char** argv) {
  const auto ready = set_up_process();
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  for (int i = 1; i < argc; ++i) hide_passwords(argv[i]);
  auto passwords = take_environment_passwords();
  const auto environment = system_environment();
  const auto arguments = scan_arguments(words);
  Terminal terminal(look_of(environment, arguments.no_color));
  if (!ready.ok()) return refuse(terminal, arguments, ready.error());
  try {
    return run_line(terminal, environment, arguments, passwords);
  } catch (const std::bad_alloc&) {
    return refuse_exception(terminal, arguments, "there is no memory left");
  } catch (const std::exception& failure) {
    return refuse_exception(terminal, arguments, "a fault of mailhaul: " + visible(failure.what()));
  }
}

}  // namespace mailhaul::cli
