#include "cli/trace.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include "base/bytes.hpp"
#include "base/strings.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::string_view kFirstLine = "# mailhaul trace: seconds, session, > sent, < received, * remark\n";
// A line of a server may be a megabyte; what somebody can use of it is its beginning.
constexpr std::size_t kColumns = 4000;

std::string_view sign(store::Trace::Way way) {
  switch (way) {
    case store::Trace::Way::sent:
      return " > ";
    case store::Trace::Way::received:
      return " < ";
    case store::Trace::Way::remark:
      return " * ";
  }
  return " * ";
}

Result<bool> is_ours_or_empty(const files::File& file) {
  MH_TRY(const auto stat, file.stat());
  if (stat.size == 0) return true;
  std::array<std::byte, kFirstLine.size()> head{};
  MH_TRY(const auto length, file.read_at(0, head));
  return as_text(Octets(head).first(length)) == kFirstLine;
}

Result<std::unique_ptr<files::File>> make_anew(files::FileSystem& fs, const std::string& path) {
  MH_TRY(const auto place, fs.open_place(path, /*create_parents=*/false));
  if (auto earlier = place.parent->open_file(place.name, files::OpenMode::read); earlier.ok()) {
    MH_TRY(const bool fine, is_ours_or_empty(**earlier));
    if (!fine) {
      return make_error(ErrorKind::usage, Scope::run, visible(path) + " is there and is no trace",
                        "name another file, or remove this one");
    }
    // A new file, so that it is for the user alone whatever the mode of the earlier one was.
    MH_CHECK(place.parent->unlink(place.name));
  } else if (!files::is_not_found(earlier.error())) {
    return std::move(earlier).error();
  }
  return place.parent->open_file(place.name, files::OpenMode::create);
}

}  // namespace

Result<std::unique_ptr<TraceFile>> TraceFile::open(files::FileSystem& fs, const std::string& path, const Clock& clock) {
  auto file = make_anew(fs, path);
  if (!file.ok()) {
    Error error = std::move(file).error().context("--trace");
    error.kind = ErrorKind::usage;  // nothing was touched yet
    return error;
  }
  std::unique_ptr<TraceFile> trace(new TraceFile(std::move(file).value(), path, clock));
  trace->write_locked(kFirstLine);
  return trace;
}

void TraceFile::write_locked(std::string_view text) {
  if (failed_) return;
  if (auto status = file_->write_at(written_, as_octets(text)); !status.ok()) {
    failed_ = std::move(status).error();
    return;
  }
  written_ += text.size();
}

void TraceFile::line(std::string_view session, Way way, std::string_view text) {
  const std::lock_guard guard(mutex_);
  const double seconds = std::chrono::duration<double>(clock_.steady() - begin_).count();
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%8.3f ", seconds);
  write_locked(time.data() + visible(session, 60) + std::string(sign(way)) + visible(text, kColumns) + "\n");
}

Status TraceFile::close() {
  const std::lock_guard guard(mutex_);
  if (!failed_) {
    if (auto status = file_->close(); !status.ok()) failed_ = std::move(status).error();
  }
  if (!failed_) return {};
  return Error(*failed_).context("--trace " + visible(path_) + " is cut short");
}

}  // namespace mailhaul::cli
