// A disk in memory that keeps apart what was written and what was synced, so that a test can lose power.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "files/file_system.hpp"

namespace mailhaul::files {

/// All paths are absolute; "/" exists. Entries of a directory are durable after Dir::sync (or sync_filesystem), octets,
/// size and mtime of a file after File::sync (or sync_filesystem). A file made durable by File::sync whose entry was not
/// synced is lost. Thread-safe. Locks work among the handles of one disk.
class ForgettingFs : public FileSystem {
 public:
  /// Loses power: unsynced changes are kept, dropped, or torn (writes cut at 512-octet borders, tails zero-filled)
  /// one by one as the seed decides, per file and per directory entry; a rename may survive on one side, both or
  /// none as long as the file's durable state allows. All open handles are dead afterwards (every call fails).
  /// seed 0: drops everything unsynced. seed 1: keeps everything.
  virtual void lose_power(std::uint64_t seed) = 0;
  /// A deep copy of the disk as it is, handles not included.
  [[nodiscard]] virtual std::unique_ptr<ForgettingFs> clone() const = 0;
};

[[nodiscard]] std::unique_ptr<ForgettingFs> make_forgetting_fs();

}  // namespace mailhaul::files
