#include "cli/outcomes.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "base/strings.hpp"
#include "cli/json_text.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::size_t kKeep = 64 * 1024;
constexpr std::string_view kFirstOctets = "{\"folder\":";

Result<bool> is_ours_or_empty(const files::File& file) {
  MH_TRY(const auto stat, file.stat());
  if (stat.size == 0) return true;
  std::array<std::byte, kFirstOctets.size()> head{};
  MH_TRY(const auto length, file.read_at(0, head));
  return as_text(Octets(head).first(length)) == kFirstOctets;
}

Result<std::unique_ptr<files::File>> open_empty(files::FileSystem& fs, const std::string& path) {
  MH_TRY(const auto place, fs.open_place(path, /*create_parents=*/false));
  MH_TRY(auto file, place.parent->open_file(place.name, files::OpenMode::open_or_create));
  MH_TRY(const bool fine, is_ours_or_empty(*file));
  if (!fine) {
    return make_error(ErrorKind::usage, Scope::run, visible(path) + " is there and is no outcomes file",
                      "name another file, or remove this one");
  }
  MH_CHECK(file->truncate(0));
  return file;
}

}  // namespace

std::string outcome_line(const pipeline::MessageOutcome& outcome) {
  std::string line = "{\"folder\":" + json_text(outcome.folder) + ",\"key\":" + json_text(outcome.key);
  line += ",\"nid\":" + json_text(outcome.nid) + ",\"outcome\":" + json_text(to_text(outcome.outcome));
  line += ",\"target_key\":" + json_text(outcome.target_key) + ",\"reason\":" + json_text(outcome.reason);
  return line + ",\"twin\":" + json_text(outcome.twin) + "}\n";
}

Result<std::unique_ptr<OutcomesFile>> OutcomesFile::open(files::FileSystem& fs, const std::string& path) {
  auto file = open_empty(fs, path);
  if (!file.ok()) {
    Error error = std::move(file).error().context("--outcomes");
    error.kind = ErrorKind::usage;  // nothing was touched yet
    return error;
  }
  return std::unique_ptr<OutcomesFile>(new OutcomesFile(std::move(file).value(), path));
}

Status OutcomesFile::write(const pipeline::MessageOutcome& outcome) {
  kept_ += outcome_line(outcome);
  return kept_.size() < kKeep ? Status() : flush();
}

Status OutcomesFile::flush() {
  if (auto status = file_->write_at(written_, as_octets(kept_)); !status.ok()) {
    Error error = std::move(status).error().context("--outcomes " + visible(path_));
    error.kind = ErrorKind::bug;  // exit 1: output could not be written
    return error;
  }
  written_ += kept_.size();
  kept_.clear();
  return {};
}

Status OutcomesFile::close() {
  MH_CHECK(flush());
  if (auto status = file_->close(); !status.ok()) {
    Error error = std::move(status).error().context("--outcomes " + visible(path_));
    error.kind = ErrorKind::bug;
    return error;
  }
  return {};
}

}  // namespace mailhaul::cli
