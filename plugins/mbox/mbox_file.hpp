// One mbox file as source and target see it: its state, its lock for readers, and the scan that splits it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "plugins/mbox/format/splitter.hpp"

namespace mailhaul::mbox {

/// What tells one state of a file from another. Equal texts: nothing was added, removed or rewritten.
struct FileState {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::string tail;  ///< SHA-256 of the last 4 KiB, hexadecimal
  bool operator==(const FileState&) const = default;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<FileState> parse(std::string_view text);
};

/// stat() and tail of an open file.
[[nodiscard]] Result<FileState> read_state(const files::File& file);
/// SHA-256 of the up to 4 KiB before `end`, hexadecimal.
[[nodiscard]] Result<std::string> tail_digest(const files::File& file, std::uint64_t end);
/// The first octets, for find_first_from() and looks_like_mbox().
[[nodiscard]] Result<std::string> read_head(const files::File& file);
/// [offset, offset + want) as far as the file goes.
[[nodiscard]] Result<std::string> read_piece(const files::File& file, std::uint64_t offset, std::size_t want);

/// "FILE is being changed": another program writes to it without a lock (bad-input 9).
[[nodiscard]] Error being_changed(std::string_view file_text);

/// Waits up to 120 s for the shared lock of a reader. A file system without locks is read without one. Errors: locked,
/// interrupted. Released when the file is closed.
[[nodiscard]] Status lock_for_reading(files::File& file, std::string_view file_text, const Clock& clock,
                                      const CancelToken& cancel);

/// Splits [begin, end) of the file; a From_ line stands at `begin`. 1 MiB of memory. Errors: the file's, the sink's,
/// interrupted, and locked when the file became shorter.
[[nodiscard]] Result<Doubts> scan_file(const files::File& file, std::string_view file_text, std::uint64_t begin,
                                       std::uint64_t end, const CancelToken& cancel, const SpanSink& sink);

}  // namespace mailhaul::mbox
