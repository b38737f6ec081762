#include "cli/accounts.hpp"

#include <utility>

#include "base/strings.hpp"
#include "net/connection.hpp"
#include "net/limited_dialer.hpp"

namespace mailhaul::cli {
namespace {

std::string account_of(const store::Location& location) {
  return location.user.empty() ? location.host : location.user + "@" + location.host;
}

/// The first of file, environment and location that is set; nothing where a command is asked.
Result<Secret> given_password(const std::string& side, const AccessOptions& options, Secret environment,
                              Secret location, Frame& frame) {
  if (!options.password_command.empty()) return Secret();
  if (!options.password_file.empty()) {
    return read_password_file("--" + side + "-password-file", options.password_file, frame.clock, frame.cancel);
  }
  return environment.empty() ? location : environment;
}

Status check_ca_file(const std::string& side, const std::string& path, files::FileSystem& fs) {
  if (path.empty()) return {};
  const auto stat = fs.stat(path);
  if (stat.ok() && stat->kind == files::FileKind::regular) return {};
  Error error = stat.ok() ? make_error(ErrorKind::usage, Scope::run, visible(path) + " is no file") : stat.error();
  error.kind = ErrorKind::usage;
  error.hint = "a CA file holds certificates in PEM form";
  return std::move(error).context("--" + side + "-ca");
}

}  // namespace

Accounts::Accounts(Frame& frame)
    : frame_(frame), prompt_(frame.terminal, frame.cancel), dialer_(net::make_dialer(frame.clock, frame.cancel)) {}

Accounts::~Accounts() = default;

Result<store::Access> Accounts::enter(const std::string& side, const AccessOptions& options, store::Location& location,
                                      files::FileSystem& fs) {
  store::Access access;
  access.name = side;
  access.timeout = frame_.global.timeout;
  access.family = frame_.global.family;
  access.allow_plaintext = options.allow_plaintext;
  access.ca_file = options.ca_file;
  if (!location.is_url) {
    for (const auto& [name, value] :
         {std::pair("password-command", options.password_command), std::pair("password-file", options.password_file),
          std::pair("ca", options.ca_file)}) {
      if (value.empty() || frame_.global.quiet) continue;
      frame_.terminal.say("mailhaul: warning: --" + side + "-" + name + " has no effect: the " + side +
                          " is not an account: " + visible(location.text()));
    }
    return access;
  }
  MH_CHECK(check_ca_file(side, options.ca_file, fs));
  PasswordSources sources;
  sources.side = side;
  sources.account = account_of(location);
  sources.command = options.password_command;
  Secret in_location;
  if (location.password) in_location = Secret(std::move(*location.password));
  location.password.reset();
  auto& environment = side == "source" ? frame_.passwords.source : frame_.passwords.target;
  MH_TRY(sources.given, given_password(side, options, std::move(environment), std::move(in_location), frame_));
  access.password_at_hand = !sources.given.empty();
  access.password =
      make_password(std::move(sources), frame_.environment, frame_.clock, frame_.cancel, frame_.terminal, prompt_);
  return access;
}

Status Accounts::open_trace(files::FileSystem& fs) {
  if (frame_.global.trace.empty()) return {};
  MH_TRY(trace_, TraceFile::open(fs, frame_.global.trace, frame_.clock));
  return {};
}

void Accounts::give_to(store::Services& services, std::optional<std::uint64_t> rate) {
  if (rate) limited_ = net::make_limited_dialer(*dialer_, *rate, frame_.clock, frame_.cancel);
  services.dialer = rate ? limited_.get() : dialer_.get();
  services.trace = trace_.get();
}

void Accounts::finish() {
  if (!trace_) return;
  const auto closed = trace_->close();
  if (!closed.ok() && !frame_.global.quiet) frame_.terminal.say("mailhaul: warning: " + closed.error().what);
}

}  // namespace mailhaul::cli
