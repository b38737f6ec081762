#include "cli/state.hpp"

#include <pwd.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/strings.hpp"

namespace mailhaul::cli {
namespace {

constexpr const char* kHint = "name the ledger yourself: --ledger FILE";

std::optional<std::string> absolute(std::optional<std::string> path) {
  // XDG base directories: a relative path is invalid and is to be ignored. So is a relative HOME here: the ledger
  // must not depend on where the user stands.
  if (!path || !path->starts_with('/')) return std::nullopt;
  return path;
}

std::optional<std::string> home_of_account() {
  std::vector<char> buffer(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  if (entry.pw_dir == nullptr) return std::nullopt;
  return std::string(entry.pw_dir);
}

std::optional<std::string> default_directory(const Environment& environment) {
  if (auto state = absolute(environment("XDG_STATE_HOME"))) return *state + "/mailhaul";
  auto home = absolute(environment("HOME"));
  if (!home) home = absolute(home_of_account());
  if (!home) return std::nullopt;
  return *home + "/.local/state/mailhaul";
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool can_write(files::FileSystem& fs, const std::string& directory) {
  const auto stat = fs.stat(directory);
  return stat.ok() && stat->kind == files::FileKind::directory && ::access(directory.c_str(), W_OK | X_OK) == 0;
}

Result<std::string> find_spool(files::FileSystem& fs, const Environment& environment, const std::string& preferred) {
  std::vector<std::string> candidates{preferred};
  if (auto temporary = absolute(environment("TMPDIR"))) candidates.push_back(*temporary);
  candidates.insert(candidates.end(), {"/var/tmp", "/tmp"});
  for (auto& candidate : candidates) {
    if (can_write(fs, candidate)) return std::move(candidate);
  }
  return make_error(ErrorKind::usage, Scope::run, "there is no directory for messages that are on their way",
                    "set TMPDIR to a directory that can be written");
}

}  // namespace

Result<StatePlaces> find_state(files::FileSystem& fs, const Environment& environment, const std::string& ledger_option,
                               StateUse use) {
  StatePlaces places;
  places.ledger_file = ledger_option;
  if (!ledger_option.empty()) {
    if (ledger_option.ends_with('/')) {
      return make_error(ErrorKind::usage, Scope::run, "--ledger names a directory: " + visible(ledger_option),
                        "name a file, which may be a new one");
    }
    places.ledger_directory = parent_of(ledger_option);
  } else {
    auto directory = default_directory(environment);
    if (!directory) {
      return make_error(ErrorKind::usage, Scope::run,
                        "no place for the ledger: neither XDG_STATE_HOME nor HOME is set, and this user has no home",
                        kHint);
    }
    places.ledger_directory = std::move(*directory);
  }
  if (use == StateUse::write) {
    if (auto made = fs.create_root(places.ledger_directory); !made.ok()) {
      Error error = std::move(made).error().context("the ledger's directory");
      if (error.kind != ErrorKind::no_space) {
        error.kind = ErrorKind::usage;  // nothing was touched, and another place helps
        error.hint = kHint;
      }
      return error;
    }
  }
  MH_TRY(places.spool_directory, find_spool(fs, environment, places.ledger_directory));
  return places;
}

}  // namespace mailhaul::cli
