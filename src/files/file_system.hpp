// The file system seam: real (real_fs.cpp), failing on purpose (failing_fs.hpp), and a simulated disk that forgets what
// was not synced (forgetting_fs.hpp). Every store file goes through it. A name is one path component: never "",
// ".", "..", never with '/' or NUL (refused as security). No symbolic link below a root is ever followed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace mailhaul::files {

enum class FileKind { regular, directory, symlink, other };

/// Times in nanoseconds since 1970 (saturated).
struct FileStat {
  FileKind kind = FileKind::other;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::uint64_t device = 0, inode = 0;
  std::uint32_t links = 1;
};

enum class OpenMode {
  read,            ///< O_RDONLY|O_NOATIME where allowed, O_NONBLOCK, regular files only
  read_write,      ///< must exist
  create,          ///< O_EXCL, mode 0600, read and write
  open_or_create,  ///< mode 0600, read and write
};

enum class LockKind { shared, exclusive };

/// An open regular file. One thread at a time, except read_at which may be called from any. Destructor closes
/// without a check and never commits anything.
class File {
 public:
  virtual ~File() = default;
  /// Fills `into` as far as the file goes (short only at its end).
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const = 0;
  virtual Status write_at(std::uint64_t offset, Octets octets) = 0;  ///< all of it, or an Error
  virtual Result<FileStat> stat() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Status set_mtime(Instant instant) = 0;
  /// After an Error the file's unsynced octets are lost for good: never repeat it, write a new file.
  virtual Status sync() = 0;
  virtual Status close() = 0;
  /// Open-file-description lock on the whole file; false when somebody else holds it. Released by close or unlock.
  virtual Result<bool> try_lock(LockKind kind) = 0;
  virtual Status unlock() = 0;
};

/// An open directory. Calls are relative to it and stay beneath it. Thread rule: one thread at a time.
class Dir {
 public:
  virtual ~Dir() = default;
  virtual Result<std::unique_ptr<File>> open_file(std::string_view name, OpenMode mode) = 0;
  virtual Result<std::unique_ptr<Dir>> open_dir(std::string_view name) = 0;
  virtual Status make_dir(std::string_view name) = 0;  ///< mode 0700; an existing directory is an Error
  /// Never replaces. An existing target name is ErrorKind::message with what "… exists".
  virtual Status rename(std::string_view name, Dir& to, std::string_view to_name) = 0;
  /// Atomically takes the place of `to_name` in this same directory, if it is there. For small files of ours only.
  virtual Status replace(std::string_view name, std::string_view to_name) = 0;
  virtual Status link(std::string_view name, Dir& to, std::string_view to_name) = 0;
  virtual Status unlink(std::string_view name) = 0;
  virtual Result<FileStat> stat(std::string_view name) const = 0;  ///< of the link itself; not_found() when missing
  virtual Result<FileStat> stat() const = 0;
  /// Streams the names (without "." and ".."), in the directory's own order. kind may be `other` when the system
  /// does not tell: ask stat(). An Error of the sink stops it.
  virtual Status list(const std::function<Status(std::string_view name, FileKind kind)>& sink) = 0;
  virtual Status sync() = 0;             ///< entries of this directory become durable
  virtual Status sync_filesystem() = 0;  ///< all written octets and inodes of the file system become durable
};

/// True for the Error of a name that is not there.
[[nodiscard]] bool is_not_found(const Error& error);
/// True for the Error of a name that is already there (create, rename, link, make_dir).
[[nodiscard]] bool is_exists(const Error& error);

/// Where a path leads: the directory that holds it, and its last component.
struct Place {
  std::unique_ptr<Dir> parent;
  std::string name;
};

/// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Opens an existing directory; symbolic links in the given path itself are followed (the user named it).
  virtual Result<std::unique_ptr<Dir>> open_root(const std::string& path) = 0;
  /// The same, making what is missing (mode 0700), durably.
  virtual Result<std::unique_ptr<Dir>> create_root(const std::string& path) = 0;
  /// The parent (made when `create_parents`) and name of a path to a file.
  virtual Result<Place> open_place(const std::string& path, bool create_parents) = 0;
  /// Kind of what the path leads to, following links; not_found when missing.
  virtual Result<FileStat> stat(const std::string& path) = 0;
  /// Absolute, links resolved as far as the path exists, rest appended lexically.
  virtual Result<std::string> canonical(const std::string& path) = 0;
  /// Asked by Db before each COMMIT: the failing seam's chance to stop there. Real: success.
  virtual Status before_commit() = 0;
};

/// The system's files. Never destroyed before what it opened.
[[nodiscard]] std::unique_ptr<FileSystem> make_real_file_system();

/// Reads a whole small file; Error when it is larger than `limit`.
[[nodiscard]] Result<std::string> read_small(Dir& dir, std::string_view name, std::size_t limit);

}  // namespace mailhaul::files
