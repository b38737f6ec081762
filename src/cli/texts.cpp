// `mailhaul version` and `mailhaul help`.
#include <Poco/Environment.h>

#include "base/strings.hpp"
#include "cli/frame.hpp"
#include "cli/help.hpp"
#include "cli/report_json.hpp"

namespace mailhaul::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "g++ " __VERSION__;
#else
  return "unknown";
#endif
}

std::string poco_version() {
  const auto number = Poco::Environment::libraryVersion();  // 0xAABBCCDD: major, minor, patch, and a stage
  return std::to_string(number >> 24) + "." + std::to_string((number >> 16) & 255) + "." +
         std::to_string((number >> 8) & 255);
}

int show_texts(Frame& frame, const std::string& text,
               const std::vector<std::pair<std::string, std::string>>& for_machines) {
  if (frame.global.json) {
    frame.terminal.machine(texts_json(for_machines));
  } else {
    frame.terminal.out(text);
  }
  const auto written = frame.terminal.finish();
  if (written.ok()) return 0;
  frame.terminal.error(written.error());
  return pipeline::exit_code(written.error(), pipeline::Side::none);
}

}  // namespace

int run_version_command(Frame& frame) {
  const std::string libraries = "Poco " + poco_version() + ", " + option_parser_version();
  return show_texts(
      frame, "mailhaul " MAILHAUL_VERSION "\ncompiler: " + compiler() + "\nlibraries: " + libraries + "\n",
      {{"command", "version"}, {"version", MAILHAUL_VERSION}, {"compiler", compiler()}, {"libraries", libraries}});
}

int run_help_command(Frame& frame, const HelpOptions& options) {
  if (const auto text = help_text(options.topic)) {
    return show_texts(frame, *text, {{"command", "help"}, {"topic", options.topic}, {"text", *text}});
  }
  const bool later = find_command(options.topic) != nullptr;
  const auto error = make_error(
      ErrorKind::usage, Scope::run,
      later ? "the command " + options.topic + " is not there yet" : "no help on '" + visible(options.topic) + "'",
      "mailhaul help lists the commands; other topics: locations, exit-codes");
  const int exit = pipeline::exit_code(error, pipeline::Side::none);
  if (frame.global.json) frame.terminal.machine(error_json("help", error, exit));
  frame.terminal.error(error);
  const auto written = frame.terminal.finish();
  return written.ok() ? exit : pipeline::worse_exit(exit, pipeline::exit_code(written.error(), pipeline::Side::none));
}

}  // namespace mailhaul::cli
