// The disk behind forgetting_fs: inodes with what was written and what was synced, and the moment the power goes.
// Knows no names of the seam; not thread-safe. Private to src/files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "files/file_system.hpp"

namespace mailhaul::files {

struct Inode;
using InodePtr = std::shared_ptr<Inode>;
using Entries = std::map<std::string, InodePtr, std::less<>>;

/// A change of a file that was not synced: a write, or (with `octets` empty) a new size.
struct PendingChange {
  std::uint64_t offset = 0;  ///< of a cut: the new size
  std::vector<std::byte> octets;
};

/// A file or a directory, as programs see it and as the platter has it.
struct Inode {
  std::uint64_t number = 0;
  FileKind kind = FileKind::regular;
  std::uint32_t links = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::int64_t synced_mtime_ns = 0;

  // Files.
  std::vector<std::byte> octets, synced_octets;
  std::vector<PendingChange> pending;
  std::size_t readers_lock = 0;       ///< handles that hold it shared
  const void* writer_lock = nullptr;  ///< the handle that holds it alone

  // Directories. `past`: what each changed name led to since the last sync, oldest first, the present one not in it.
  Entries entries, synced_entries;
  std::map<std::string, std::vector<InodePtr>, std::less<>> past;
};

/// The whole disk.
class SimulatedDisk {
 public:
  SimulatedDisk();
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;
  ~SimulatedDisk();

  [[nodiscard]] const InodePtr& root() const { return root_; }
  /// Counts the losses of power: a handle of an earlier one is dead.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  [[nodiscard]] InodePtr make_inode(FileKind kind);
  /// Lets `name` lead to `target`, or (null) to nothing.
  void set_entry(Inode& dir, std::string_view name, InodePtr target);
  void write(Inode& file, std::uint64_t offset, Octets octets);
  void resize(Inode& file, std::uint64_t size);
  void set_mtime(Inode& file, std::int64_t nanoseconds);

  static void sync(Inode& inode);
  void sync_all();
  /// As ForgettingFs::lose_power.
  void lose_power(std::uint64_t seed);
  [[nodiscard]] std::unique_ptr<SimulatedDisk> clone() const;

 private:
  /// Every inode that is seen, synced or was seen since the last sync, by number.
  [[nodiscard]] std::map<std::uint64_t, InodePtr> all_inodes() const;
  void drop_everything();
  std::int64_t tick();

  InodePtr root_;
  std::uint64_t next_number_ = 2;
  std::int64_t now_ns_;
  std::uint64_t generation_ = 0;
};

}  // namespace mailhaul::files
