#include "plugins/mbox/mbox_file.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"
#include "mail/sha256.hpp"
#include "plugins/mbox/format/first_octets.hpp"

namespace mailhaul::mbox {
namespace {

constexpr std::size_t kTail = 4096;
constexpr std::size_t kWindow = 1U << 20U;
constexpr std::chrono::seconds kPatience{120};
constexpr std::chrono::milliseconds kPause{100};

// Two's complement there and back: times before 1970 are negative.
std::string signed_text(std::int64_t value) { return std::to_string(static_cast<std::uint64_t>(value)); }

}  // namespace

std::string FileState::text() const {
  return "v1:" + std::to_string(device) + ":" + std::to_string(inode) + ":" + std::to_string(size) + ":" +
         signed_text(mtime_ns) + ":" + signed_text(ctime_ns) + ":" + tail;
}

std::optional<FileState> FileState::parse(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 7 || parts[0] != "v1" || parts[6].size() != 64) return std::nullopt;
  const auto device = parse_uint(parts[1]), inode = parse_uint(parts[2]), size = parse_uint(parts[3]);
  const auto mtime = parse_uint(parts[4]), ctime = parse_uint(parts[5]);
  if (!device || !inode || !size || !mtime || !ctime) return std::nullopt;
  return FileState{*device, *inode, *size, static_cast<std::int64_t>(*mtime), static_cast<std::int64_t>(*ctime), parts[6]};
}

Result<std::string> read_piece(const files::File& file, std::uint64_t offset, std::size_t want) {
  std::string piece(want, '\0');
  MH_TRY(const std::size_t got, file.read_at(offset, std::as_writable_bytes(std::span(piece))));
  piece.resize(got);
  return piece;
}

Result<std::string> read_head(const files::File& file) { return read_piece(file, 0, kHeadOctets); }

Result<std::string> tail_digest(const files::File& file, std::uint64_t end) {
  const std::uint64_t begin = end - std::min<std::uint64_t>(end, kTail);
  MH_TRY(const std::string tail, read_piece(file, begin, static_cast<std::size_t>(end - begin)));
  return to_hex(mail::sha256(as_octets(tail)).octets());
}

Result<FileState> read_state(const files::File& file) {
  MH_TRY(const files::FileStat stat, file.stat());
  MH_TRY(std::string tail, tail_digest(file, stat.size));
  return FileState{stat.device, stat.inode, stat.size, stat.mtime_ns, stat.ctime_ns, std::move(tail)};
}

Error being_changed(std::string_view file_text) {
  return make_error(ErrorKind::locked, Scope::folder, visible(file_text) + " is being changed",
                    "another program writes to it without a lock; try again when it has finished", Retry::later);
}

Status lock_for_reading(files::File& file, std::string_view file_text, const Clock& clock, const CancelToken& cancel) {
  const auto deadline = clock.steady() + kPatience;
  // A clock that stands still (a test's) must not make this endless: the pauses are counted too.
  for (auto waited = std::chrono::milliseconds(0);; waited += kPause) {
    const auto locked = file.try_lock(files::LockKind::shared);
    // No locks on this file system (some network ones): reading is then guarded by stat and fingerprints alone.
    if (!locked.ok() || *locked) return {};
    if (cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted while waiting for a lock");
    if (waited >= kPatience || clock.steady() >= deadline) break;
    std::this_thread::sleep_for(kPause);
  }
  return make_error(ErrorKind::locked, Scope::folder, visible(file_text) + " is locked by another program",
                    "close the mail program that uses it, then run again", Retry::later);
}

Result<Doubts> scan_file(const files::File& file, std::string_view file_text, std::uint64_t begin, std::uint64_t end,
                         const CancelToken& cancel, const SpanSink& sink) {
  std::string looked;
  const Look look = [&](std::uint64_t offset, std::size_t want) -> Result<std::string_view> {
    MH_TRY(looked, read_piece(file, offset, want));
    if (looked.size() < want) return being_changed(file_text);
    return std::string_view(looked);
  };
  Splitter splitter(begin, end, look, sink);
  std::vector<std::byte> window(static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, end - begin)));
  for (std::uint64_t at = begin; at < end;) {
    if (cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted while reading an mbox");
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(window.size(), end - at));
    MH_TRY(const std::size_t got, file.read_at(at, std::span(window).first(want)));
    if (got < want) return being_changed(file_text);
    MH_CHECK(splitter.feed(std::span(window).first(got)));
    at += got;
  }
  MH_CHECK(splitter.finish());
  return splitter.doubts();
}

}  // namespace mailhaul::mbox
