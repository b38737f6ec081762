#include "cli/frame.hpp"

#include <utility>

#include "base/strings.hpp"
#include "cli/report_json.hpp"
#include "cli/report_text.hpp"

namespace mailhaul::cli {

Result<store::Location> read_location(Frame& frame, const store::Registry& registry, const std::string& text) {
  MH_TRY(auto location, store::parse_location(text));
  if (location.password && !frame.global.quiet) {
    frame.terminal.say("mailhaul: warning: a password on the command line can be read by other users: " +
                       visible(location.text()));
  }
  MH_TRY(const auto* descriptor, registry.find(location));
  if (descriptor->probe != nullptr && !location.is_url) {
    return make_error(ErrorKind::usage, Scope::run, "location names no host",
                      "an account is written " + location.scheme + "://user@host");
  }
  return location;
}

pipeline::Report failed_report(const std::string& command, const std::string& source, const std::string& target,
                               const Error& error) {
  pipeline::Report report;
  report.command = command;
  report.source = without_password(source);
  report.target = without_password(target);
  report.exit = pipeline::exit_code(error, pipeline::Side::none);
  report.error = error;
  return report;
}

namespace {

/// The end of every report: what stdout did not take, and the error of the run.
int finish_report(Frame& frame, const pipeline::Report& report) {
  const auto written = frame.terminal.finish();
  if (report.error) frame.terminal.error(*report.error);
  if (written.ok()) return report.exit;
  frame.terminal.error(written.error());
  return pipeline::worse_exit(report.exit, pipeline::exit_code(written.error(), pipeline::Side::none));
}

}  // namespace

int show_report(Frame& frame, const pipeline::Report& report, const std::vector<pipeline::FolderSummary>& folders) {
  if (frame.global.json) {
    frame.terminal.machine(report_json(report, folders));
  } else if (report.command == "ls") {
    if (!report.error || !folders.empty()) frame.terminal.out(folders_text(folders));
  } else if (!frame.global.quiet || report.exit != 0) {
    frame.terminal.out(report_text(report, frame.global.verbose ? Detail::verbose : Detail::normal));
  }
  return finish_report(frame, report);
}

int show_probe(Frame& frame, const pipeline::Report& report, const store::Probe& probe) {
  if (frame.global.json) {
    frame.terminal.machine(probe_json(report, probe));
  } else if (!report.error) {
    frame.terminal.out(probe_text(report.source, probe));
  }
  return finish_report(frame, report);
}

}  // namespace mailhaul::cli
