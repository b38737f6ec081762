// A file system that stops working at the n-th changing call: as if the process had died there, or the disk failed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "files/file_system.hpp"

namespace mailhaul::files {

/// What happens at the chosen call.
enum class Fault {
  crash,        ///< this call does nothing and fails, and so does every later one (also before_commit)
  crash_after,  ///< this call takes effect, every later one fails
  torn_write,   ///< a write takes half its octets, then as crash; other calls: as crash
  no_space,     ///< this call fails once with ErrorKind::no_space
  io_error,     ///< this call fails once with ErrorKind::damage (EIO)
};

/// Counts the changing calls (write_at, truncate, set_mtime, sync, close of a written file, create, make_dir, rename, replace, link, unlink, dir
/// sync, sync_filesystem, before_commit) of what it wraps and applies one fault. Thread-safe.
class FailingFs : public FileSystem {
 public:
  virtual void arm(std::uint64_t call, Fault fault) = 0;  ///< calls are numbered from 1
  virtual void disarm() = 0;
  [[nodiscard]] virtual std::uint64_t calls() const = 0;  ///< so far
  [[nodiscard]] virtual bool fired() const = 0;
};

/// `inner` must outlive it.
[[nodiscard]] std::unique_ptr<FailingFs> make_failing_fs(FileSystem& inner);

}  // namespace mailhaul::files
