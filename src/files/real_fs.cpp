// The system's files: descriptors, *at calls, and nothing that follows a symbolic link below a root.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "files/file_system.hpp"
#include "files/os_error.hpp"

namespace mailhaul::files {
namespace {

constexpr int kDirFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
// The kernel moves at most 0x7ffff000 octets a call; smaller steps keep the signed arithmetic plain.
constexpr std::size_t kLargestStep = std::size_t{1} << 30;

// Calls `call` again while a signal interrupts it.
template <typename Call>
auto again(Call call) {
  decltype(call()) answer{};
  do {
    answer = call();
  } while (answer == -1 && errno == EINTR);
  return answer;
}

// A descriptor and who closes it.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// Remembers that openat2 is not there, so that it is asked for once.
struct Kernel {
  std::atomic<bool> has_openat2{true};
};

int open_by_openat2(int directory, const char* name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(again([&] { return ::syscall(SYS_openat2, directory, name, &how, sizeof how); }));
}

// Opens one component. A name has no '/' and is not "..", so O_NOFOLLOW alone says the same as openat2 where that is
// missing (kernels before 5.6: ENOSYS; container filters of that time: EPERM).
int open_beneath(Kernel& kernel, int directory, const char* name, int flags, mode_t mode) {
  flags |= O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  if (kernel.has_openat2.load(std::memory_order_relaxed)) {
    const int fd = open_by_openat2(directory, name, flags, mode);
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
    if (errno == ENOSYS) kernel.has_openat2.store(false, std::memory_order_relaxed);
  }
  return again([&] { return ::openat(directory, name, flags, mode); });
}

// O_NOATIME is for the owner only (EPERM for everybody else).
template <typename Open>
int open_without_atime(Open open) {
  const int fd = open(O_NOATIME);
  if (fd >= 0 || errno != EPERM) return fd;
  return open(0);
}

FileKind kind_of_mode(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::regular;
  if (S_ISDIR(mode)) return FileKind::directory;
  if (S_ISLNK(mode)) return FileKind::symlink;
  return FileKind::other;
}

FileKind kind_of_entry(unsigned char type) {
  if (type == DT_REG) return FileKind::regular;
  if (type == DT_DIR) return FileKind::directory;
  if (type == DT_LNK) return FileKind::symlink;
  return FileKind::other;
}

FileStat to_file_stat(const struct stat& raw) {
  FileStat facts;
  facts.kind = kind_of_mode(raw.st_mode);
  facts.size = static_cast<std::uint64_t>(raw.st_size);
  facts.mtime_ns = to_nanoseconds(raw.st_mtim.tv_sec, raw.st_mtim.tv_nsec);
  facts.ctime_ns = to_nanoseconds(raw.st_ctim.tv_sec, raw.st_ctim.tv_nsec);
  facts.device = raw.st_dev;
  facts.inode = raw.st_ino;
  facts.links = static_cast<std::uint32_t>(raw.st_nlink);
  return facts;
}

Result<off_t> to_offset(std::uint64_t octets, const std::string& path) {
  if (octets > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
    return os_error(EFBIG, "reach offset", path);
  return static_cast<off_t>(octets);
}

class RealFile final : public File {
 public:
  RealFile(Descriptor fd, std::string path) : fd_(fd.release()), path_(std::move(path)) {}
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;
  ~RealFile() override {
    if (fd_ >= 0) ::close(fd_);
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    MH_TRY(off_t at, to_offset(offset, path_));
    std::size_t have = 0;
    while (have < into.size()) {
      const std::size_t want = std::min(into.size() - have, kLargestStep);
      const ssize_t got = again([&] { return ::pread(fd_, into.data() + have, want, at); });
      if (got < 0) return os_error(errno, "read", path_);
      if (got == 0) break;
      have += static_cast<std::size_t>(got);
      at += got;
    }
    return have;
  }

  Status write_at(std::uint64_t offset, Octets octets) override {
    MH_TRY(off_t at, to_offset(offset, path_));
    while (!octets.empty()) {
      const ssize_t done =
          again([&] { return ::pwrite(fd_, octets.data(), std::min(octets.size(), kLargestStep), at); });
      if (done < 0) return os_error(errno, "write", path_);
      // Nothing written and no reason given: to go on would be to loop for ever.
      if (done == 0) return os_error(EIO, "write", path_);
      octets = octets.subspan(static_cast<std::size_t>(done));
      at += done;
    }
    return {};
  }

  Result<FileStat> stat() const override {
    struct stat raw {};
    if (::fstat(fd_, &raw) != 0) return os_error(errno, "look at", path_);
    return to_file_stat(raw);
  }

  Status truncate(std::uint64_t size) override {
    MH_TRY(const off_t at, to_offset(size, path_));
    return judged(again([&] { return ::ftruncate(fd_, at); }), "cut");
  }

  Status set_mtime(Instant instant) override {
    const timespec times[2] = {{0, UTIME_OMIT}, {instant.time_since_epoch().count(), 0}};
    return judged(again([&] { return ::futimens(fd_, times); }), "set the time of");
  }

  Status sync() override {
    return judged(again([&] { return ::fsync(fd_); }), "sync");
  }

  Status close() override {
    if (fd_ < 0) return os_error(EBADF, "close", path_);
    // Linux has closed the descriptor whatever close() answers; EINTR says nothing about the octets.
    const int answer = ::close(std::exchange(fd_, -1));
    if (answer != 0 && errno != EINTR) return os_error(errno, "close", path_);
    return {};
  }

  Result<bool> try_lock(LockKind kind) override {
    struct flock range = whole_file(kind == LockKind::shared ? F_RDLCK : F_WRLCK);
    if (again([&] { return ::fcntl(fd_, F_OFD_SETLK, &range); }) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    return os_error(errno, "lock", path_);
  }

  Status unlock() override {
    struct flock range = whole_file(F_UNLCK);
    return judged(again([&] { return ::fcntl(fd_, F_OFD_SETLK, &range); }), "unlock");
  }

 private:
  static struct flock whole_file(short type) {
    struct flock range {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    return range;
  }
  Status judged(int answer, std::string_view doing) const {
    if (answer != 0) return os_error(errno, doing, path_);
    return {};
  }

  int fd_;
  std::string path_;
};

class RealDir final : public Dir {
 public:
  RealDir(Kernel& kernel, Descriptor fd, std::string path)
      : kernel_(kernel), fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::unique_ptr<File>> open_file(std::string_view name, OpenMode mode) override {
    MH_CHECK(check_name(name));
    const std::string text(name);
    std::string path = join_path(path_, name);
    Descriptor fd(open_by_mode(text.c_str(), mode));
    if (fd.get() < 0) {
      // ENXIO: a socket, or a FIFO that nobody reads.
      if (errno == ENXIO || errno == EISDIR || errno == ENODEV) return not_a_regular_file(path);
      return os_error(errno, "open", path);
    }
    if (mode != OpenMode::create) {  // what this call made is a regular file
      struct stat raw {};
      if (::fstat(fd.get(), &raw) != 0) return os_error(errno, "look at", path);
      if (!S_ISREG(raw.st_mode)) return not_a_regular_file(path);
    }
    return std::unique_ptr<File>(std::make_unique<RealFile>(std::move(fd), std::move(path)));
  }

  Result<std::unique_ptr<Dir>> open_dir(std::string_view name) override {
    MH_CHECK(check_name(name));
    const std::string text(name);
    std::string path = join_path(path_, name);
    Descriptor fd(open_without_atime(
        [&](int extra) { return open_beneath(kernel_, fd_.get(), text.c_str(), kDirFlags | extra, 0); }));
    if (fd.get() < 0) return os_error(is_link(text) ? ELOOP : errno, "open", path);
    return std::unique_ptr<Dir>(std::make_unique<RealDir>(kernel_, std::move(fd), std::move(path)));
  }

  Status make_dir(std::string_view name) override {
    MH_CHECK(check_name(name));
    return judged(::mkdirat(fd_.get(), std::string(name).c_str(), 0700), "make directory", name);
  }

  Status rename(std::string_view name, Dir& to, std::string_view to_name) override {
    MH_TRY(const int target, other(name, to, to_name));
    const std::string from_text(name);
    const std::string to_text(to_name);
    if (::renameat2(fd_.get(), from_text.c_str(), target, to_text.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno == EINVAL || errno == ENOSYS) {
      // NFS and old FUSE file systems do not know RENAME_NOREPLACE.
      if (::linkat(fd_.get(), from_text.c_str(), target, to_text.c_str(), 0) == 0)
        return judged(::unlinkat(fd_.get(), from_text.c_str(), 0), "rename", name);
    }
    return rename_failure(name, to, to_name);
  }

  Status replace(std::string_view name, std::string_view to_name) override {
    MH_CHECK(check_name(name));
    MH_CHECK(check_name(to_name));
    const int answer = ::renameat(fd_.get(), std::string(name).c_str(), fd_.get(), std::string(to_name).c_str());
    return judged(answer, "rename", name);
  }

  Status link(std::string_view name, Dir& to, std::string_view to_name) override {
    MH_TRY(const int target, other(name, to, to_name));
    if (::linkat(fd_.get(), std::string(name).c_str(), target, std::string(to_name).c_str(), 0) == 0) return {};
    return rename_failure(name, to, to_name);
  }

  Status unlink(std::string_view name) override {
    MH_CHECK(check_name(name));
    return judged(::unlinkat(fd_.get(), std::string(name).c_str(), 0), "remove", name);
  }

  Result<FileStat> stat(std::string_view name) const override {
    MH_CHECK(check_name(name));
    struct stat raw {};
    if (::fstatat(fd_.get(), std::string(name).c_str(), &raw, AT_SYMLINK_NOFOLLOW) != 0)
      return os_error(errno, "look at", join_path(path_, name));
    return to_file_stat(raw);
  }

  Result<FileStat> stat() const override {
    struct stat raw {};
    if (::fstat(fd_.get(), &raw) != 0) return os_error(errno, "look at", path_);
    return to_file_stat(raw);
  }

  Status list(const std::function<Status(std::string_view name, FileKind kind)>& sink) override {
    // A stream of its own: the position belongs to the open file description.
    const int fd = open_without_atime([&](int extra) { return ::openat(fd_.get(), ".", kDirFlags | extra); });
    if (fd < 0) return os_error(errno, "list", path_);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
    if (!stream) {
      const int number = errno;
      ::close(fd);
      return os_error(number, "list", path_);
    }
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      MH_CHECK(sink(name, kind_of_entry(entry->d_type)));
    }
    if (errno != 0) return os_error(errno, "list", path_);
    return {};
  }

  Status sync() override {
    return judged(again([&] { return ::fsync(fd_.get()); }), "sync");
  }
  Status sync_filesystem() override {
    return judged(again([&] { return ::syncfs(fd_.get()); }), "sync");
  }

 private:
  // O_NONBLOCK: a FIFO without a writer must not hold us; for regular files it changes nothing.
  int open_by_mode(const char* name, OpenMode mode) {
    const auto open = [&](int flags) {
      return open_beneath(kernel_, fd_.get(), name, flags | O_NONBLOCK, creating(flags));
    };
    switch (mode) {
      case OpenMode::read:
        return open_without_atime([&](int extra) { return open(O_RDONLY | extra); });
      case OpenMode::read_write:
        return open(O_RDWR);
      case OpenMode::create:
        return open(O_RDWR | O_CREAT | O_EXCL);
      case OpenMode::open_or_create:
        return open(O_RDWR | O_CREAT);
    }
    errno = EINVAL;
    return -1;
  }
  // openat2 refuses a mode where nothing is created.
  static mode_t creating(int flags) { return (flags & O_CREAT) != 0 ? 0600 : 0; }

  // O_DIRECTORY|O_NOFOLLOW says ENOTDIR of a link.
  bool is_link(const std::string& name) const {
    const int number = errno;
    struct stat raw {};
    const bool link = ::fstatat(fd_.get(), name.c_str(), &raw, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(raw.st_mode);
    errno = number;
    return link;
  }

  static Result<int> other(std::string_view name, Dir& to, std::string_view to_name) {
    MH_CHECK(check_name(name));
    MH_CHECK(check_name(to_name));
    const auto* real = dynamic_cast<RealDir*>(&to);
    if (real == nullptr) return os_error(EXDEV, "rename to another file system", to_name);
    return real->fd_.get();
  }

  // An existing target is told by its own name, everything else by the name that was to go there.
  Error rename_failure(std::string_view name, Dir& to, std::string_view to_name) const {
    const int number = errno;
    if (number == EEXIST) return os_error(number, "rename", join_path(static_cast<RealDir&>(to).path_, to_name));
    return os_error(number, "rename", join_path(path_, name));
  }
  Status judged(int answer, std::string_view doing, std::string_view name) const {
    if (answer != 0) return os_error(errno, doing, join_path(path_, name));
    return {};
  }
  Status judged(int answer, std::string_view doing) const {
    if (answer != 0) return os_error(errno, doing, path_);
    return {};
  }

  Kernel& kernel_;
  Descriptor fd_;
  std::string path_;
};

class RealFs final : public FileSystem {
 public:
  Result<std::unique_ptr<Dir>> open_root(const std::string& path) override {
    Descriptor fd(
        open_without_atime([&](int extra) { return again([&] { return ::open(path.c_str(), kDirFlags | extra); }); }));
    if (fd.get() < 0) return os_error(errno, "open", path);
    return std::unique_ptr<Dir>(std::make_unique<RealDir>(kernel_, std::move(fd), path));
  }

  Result<std::unique_ptr<Dir>> create_root(const std::string& path) override {
    return create_root_by_steps(*this, path);
  }

  Result<Place> open_place(const std::string& path, bool create_parents) override {
    std::string wanted = path;
    struct stat raw {};
    // The user named the link, so it is followed here, once; Dir::open_file would refuse it.
    if (::lstat(path.c_str(), &raw) == 0 && S_ISLNK(raw.st_mode)) {
      if (::stat(path.c_str(), &raw) != 0) return not_a_regular_file(path);
      MH_TRY(wanted, canonical(path));
    }
    if (wanted.ends_with('/')) return not_a_regular_file(path);
    auto [parent_path, name] = split_path(wanted);
    if (!check_name(name).ok()) return not_a_regular_file(path);
    MH_TRY(auto parent, create_parents ? create_root(parent_path) : open_root(parent_path));
    return Place{std::move(parent), std::move(name)};
  }

  Result<FileStat> stat(const std::string& path) override {
    struct stat raw {};
    if (::stat(path.c_str(), &raw) != 0) return os_error(errno, "look at", path);
    return to_file_stat(raw);
  }

  Result<std::string> canonical(const std::string& path) override {
    std::error_code failed;
    const std::filesystem::path absolute = std::filesystem::absolute(path, failed);
    if (failed) return os_error(failed.value(), "resolve", path);
    std::string resolved = std::filesystem::weakly_canonical(absolute, failed).string();
    if (failed) return os_error(failed.value(), "resolve", path);
    while (resolved.size() > 1 && resolved.ends_with('/')) resolved.pop_back();
    return resolved;
  }

  Status before_commit() override { return {}; }

 private:
  Kernel kernel_;
};

}  // namespace

std::unique_ptr<FileSystem> make_real_file_system() { return std::make_unique<RealFs>(); }

}  // namespace mailhaul::files
