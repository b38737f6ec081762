// Locks: one run a ledger, and the two locks of an mbox.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"

namespace mailhaul::files {

/// Exclusive OFD lock on `path` (made, mode 0600; holds pid, host and start time for the message text; the lock
/// decides, not the pid). Error: locked, "… is locked by another run (pid P since T)". Released on destruction; the
/// file stays.
class RunLock {
 public:
  static Result<std::unique_ptr<RunLock>> acquire(FileSystem& fs, const std::string& path, const Clock& clock);
  ~RunLock();

 private:
  explicit RunLock(std::unique_ptr<File> file);
  std::unique_ptr<File> file_;
};

/// Both locks of an mbox (durability.md 2.6): OFD lock on `file` and dotlock `NAME.lock` in `dir`. Waits for the first,
/// tries the second without waiting, lets go of the first when that fails, pauses 50..500 ms, at most `patience`.
/// A foreign dotlock is removed only when older than 10 minutes, the mbox's size and mtime stand still, and the pid
/// in it is dead on this host. One that a killed run of mailhaul left (its second line says host, boot and start of the
/// process) is removed at once: the kernel lock, which is held by then, proves that nobody stands behind it. So is a
/// blank one from before the last boot: what a power loss leaves of an unsynced lock file. Error: locked (names the lock file and its holder), interrupted when cancelled.
class MboxLock {
 public:
  static Result<std::unique_ptr<MboxLock>> acquire(Dir& dir, const std::string& name, File& file,
                                                   const Clock& clock, const CancelToken& cancel,
                                                   std::chrono::milliseconds patience = std::chrono::seconds(120));
  virtual ~MboxLock() = default;
  virtual Status release() = 0;  ///< both; the destructor does it too, without a check
};

}  // namespace mailhaul::files
