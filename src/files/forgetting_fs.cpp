// The simulated disk behind the file system seam: names, handles, locks, errors. What is kept and what is lost is
// decided in simulated_disk.cpp.
#include "files/forgetting_fs.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <utility>
#include <vector>

#include "base/strings.hpp"
#include "files/os_error.hpp"
#include "files/simulated_disk.hpp"

namespace mailhaul::files {
namespace {

constexpr std::uint64_t kDevice = 0x6d68;
// A test that writes beyond has an offset wrong.
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 30;

// One disk and the mutex that every handle takes.
struct Shared {
  std::mutex mutex;
  std::unique_ptr<SimulatedDisk> disk = std::make_unique<SimulatedDisk>();
};
using SharedPtr = std::shared_ptr<Shared>;

FileStat to_file_stat(const Inode& inode) {
  FileStat facts;
  facts.kind = inode.kind;
  facts.size = inode.kind == FileKind::regular ? inode.octets.size() : inode.entries.size() * 32;
  facts.mtime_ns = inode.mtime_ns;
  facts.ctime_ns = inode.ctime_ns;
  facts.device = kDevice;
  facts.inode = inode.number;
  facts.links = inode.links;
  return facts;
}

// What every handle has: the disk, the inode, and the loss of power it does not outlive.
class Handle {
 public:
  Handle(SharedPtr shared, InodePtr inode, std::string path)
      : shared_(std::move(shared)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        generation_(shared_->disk->generation()) {}

  // Calls `work` under the mutex, unless the power was lost since.
  template <typename Work>
  auto locked(std::string_view doing, Work work) const -> decltype(work()) {
    const std::lock_guard guard(shared_->mutex);
    if (generation_ != shared_->disk->generation()) return os_error(ESTALE, doing, path_);
    return work();
  }
  [[nodiscard]] SimulatedDisk& disk() const { return *shared_->disk; }
  [[nodiscard]] Inode& inode() const { return *inode_; }
  [[nodiscard]] const InodePtr& inode_ptr() const { return inode_; }
  [[nodiscard]] const SharedPtr& shared() const { return shared_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  SharedPtr shared_;
  InodePtr inode_;
  std::string path_;
  std::uint64_t generation_;
};

class ForgettingFile final : public File {
 public:
  ForgettingFile(Handle handle, bool writable) : handle_(std::move(handle)), writable_(writable) {}
  ForgettingFile(const ForgettingFile&) = delete;
  ForgettingFile& operator=(const ForgettingFile&) = delete;
  ~ForgettingFile() override { (void)close(); }  // without a check, as the header says

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    return with<Result<std::size_t>>("read", [&]() -> Result<std::size_t> {
      const auto& octets = handle_.inode().octets;
      if (offset >= octets.size()) return std::size_t{0};
      const auto at = static_cast<std::size_t>(offset);
      const std::size_t got = std::min(into.size(), octets.size() - at);
      std::copy_n(octets.begin() + static_cast<std::ptrdiff_t>(at), got, into.begin());
      return got;
    });
  }
  Status write_at(std::uint64_t offset, Octets octets) override {
    return changing("write", [&]() -> Status {
      if (offset > kLargestFile || octets.size() > kLargestFile - offset) return os_error(EFBIG, "write", path());
      handle_.disk().write(handle_.inode(), offset, octets);
      return {};
    });
  }
  Result<FileStat> stat() const override {
    return with<Result<FileStat>>("look at", [&] { return Result<FileStat>(to_file_stat(handle_.inode())); });
  }
  Status truncate(std::uint64_t size) override {
    return changing("cut", [&]() -> Status {
      if (size > kLargestFile) return os_error(EFBIG, "cut", path());
      handle_.disk().resize(handle_.inode(), size);
      return {};
    });
  }
  Status set_mtime(Instant instant) override {
    return with<Status>("set the time of", [&]() -> Status {
      handle_.disk().set_mtime(handle_.inode(), to_nanoseconds(instant.time_since_epoch().count(), 0));
      return {};
    });
  }
  Status sync() override {
    return with<Status>("sync", [&]() -> Status {
      SimulatedDisk::sync(handle_.inode());
      return {};
    });
  }
  Status close() override {
    return with<Status>("close", [&]() -> Status {
      drop_lock();
      open_ = false;
      return {};
    });
  }
  Result<bool> try_lock(LockKind kind) override {
    return with<Result<bool>>("lock", [&]() -> Result<bool> {
      Inode& inode = handle_.inode();
      if (kind == LockKind::exclusive && !writable_) return os_error(EBADF, "lock", path());
      if (inode.writer_lock != nullptr && inode.writer_lock != this) return false;
      const std::size_t other_readers = inode.readers_lock - (shared_ ? 1 : 0);
      if (kind == LockKind::exclusive && other_readers > 0) return false;
      drop_lock();
      shared_ = kind == LockKind::shared;
      if (shared_) {
        ++inode.readers_lock;
      } else {
        inode.writer_lock = this;
      }
      return true;
    });
  }
  Status unlock() override {
    return with<Status>("unlock", [&]() -> Status {
      drop_lock();
      return {};
    });
  }

 private:
  template <typename Answer, typename Work>
  Answer with(std::string_view doing, Work work) const {
    return handle_.locked(doing, [&]() -> Answer {
      if (!open_) return os_error(EBADF, doing, path());
      return work();
    });
  }
  template <typename Work>
  Status changing(std::string_view doing, Work work) {
    return with<Status>(doing, [&]() -> Status {
      if (!writable_) return os_error(EBADF, doing, path());
      return work();
    });
  }
  void drop_lock() {
    Inode& inode = handle_.inode();
    if (std::exchange(shared_, false)) --inode.readers_lock;
    if (inode.writer_lock == this) inode.writer_lock = nullptr;
  }
  [[nodiscard]] const std::string& path() const { return handle_.path(); }

  Handle handle_;
  bool writable_;
  bool open_ = true;
  bool shared_ = false;
};

class ForgettingDir final : public Dir {
 public:
  explicit ForgettingDir(Handle handle) : handle_(std::move(handle)) {}

  Result<std::unique_ptr<File>> open_file(std::string_view name, OpenMode mode) override {
    MH_CHECK(check_name(name));
    return handle_.locked("open", [&]() -> Result<std::unique_ptr<File>> {
      InodePtr found = find(name);
      const bool may_create = mode == OpenMode::create || mode == OpenMode::open_or_create;
      if (found && mode == OpenMode::create) return os_error(EEXIST, "create", at(name));
      if (!found && !may_create) return os_error(ENOENT, "open", at(name));
      if (!found) {
        found = handle_.disk().make_inode(FileKind::regular);
        handle_.disk().set_entry(handle_.inode(), name, found);
      }
      if (found->kind != FileKind::regular) return not_a_regular_file(at(name));
      const bool writable = mode != OpenMode::read;
      return std::unique_ptr<File>(std::make_unique<ForgettingFile>(child(std::move(found), name), writable));
    });
  }
  Result<std::unique_ptr<Dir>> open_dir(std::string_view name) override {
    MH_CHECK(check_name(name));
    return handle_.locked("open", [&]() -> Result<std::unique_ptr<Dir>> {
      InodePtr found = find(name);
      if (!found) return os_error(ENOENT, "open", at(name));
      if (found->kind != FileKind::directory) return os_error(ENOTDIR, "open", at(name));
      return std::unique_ptr<Dir>(std::make_unique<ForgettingDir>(child(std::move(found), name)));
    });
  }
  Status make_dir(std::string_view name) override {
    MH_CHECK(check_name(name));
    return handle_.locked("make directory", [&]() -> Status {
      if (find(name)) return os_error(EEXIST, "make directory", at(name));
      handle_.disk().set_entry(handle_.inode(), name, handle_.disk().make_inode(FileKind::directory));
      return {};
    });
  }
  Status rename(std::string_view name, Dir& to, std::string_view to_name) override {
    return between(name, to, to_name, "rename", [&](InodePtr moved, ForgettingDir& target) -> Status {
      if (moved->kind == FileKind::directory && is_below(*moved, target.handle_.inode()))
        return os_error(EINVAL, "rename", at(name));
      handle_.disk().set_entry(target.handle_.inode(), to_name, std::move(moved));
      handle_.disk().set_entry(handle_.inode(), name, nullptr);
      return {};
    });
  }
  Status replace(std::string_view name, std::string_view to_name) override {
    MH_CHECK(check_name(name));
    MH_CHECK(check_name(to_name));
    return handle_.locked("rename", [&]() -> Status {
      InodePtr moved = find(name);
      const InodePtr there = find(to_name);
      if (!moved) return os_error(ENOENT, "rename", at(name));
      if (moved == there) return {};  // rename(2): two names of one file stay
      const bool is_dir = moved->kind == FileKind::directory;
      if (is_dir) return os_error(there ? ENOTDIR : EISDIR, "rename", at(name));
      if (there && there->kind == FileKind::directory) return os_error(EISDIR, "rename", at(to_name));
      handle_.disk().set_entry(handle_.inode(), to_name, std::move(moved));
      handle_.disk().set_entry(handle_.inode(), name, nullptr);
      return {};
    });
  }
  Status link(std::string_view name, Dir& to, std::string_view to_name) override {
    return between(name, to, to_name, "link", [&](InodePtr linked, ForgettingDir& target) -> Status {
      if (linked->kind == FileKind::directory) return os_error(EPERM, "link", at(name));
      handle_.disk().set_entry(target.handle_.inode(), to_name, std::move(linked));
      return {};
    });
  }
  Status unlink(std::string_view name) override {
    MH_CHECK(check_name(name));
    return handle_.locked("remove", [&]() -> Status {
      const InodePtr found = find(name);
      if (!found) return os_error(ENOENT, "remove", at(name));
      if (found->kind == FileKind::directory) return os_error(EISDIR, "remove", at(name));
      handle_.disk().set_entry(handle_.inode(), name, nullptr);
      return {};
    });
  }
  Result<FileStat> stat(std::string_view name) const override {
    MH_CHECK(check_name(name));
    return handle_.locked("look at", [&]() -> Result<FileStat> {
      const InodePtr found = find(name);
      if (!found) return os_error(ENOENT, "look at", at(name));
      return to_file_stat(*found);
    });
  }
  Result<FileStat> stat() const override {
    return handle_.locked("look at", [&]() -> Result<FileStat> { return to_file_stat(handle_.inode()); });
  }
  Status list(const std::function<Status(std::string_view name, FileKind kind)>& sink) override {
    // The sink may change the directory: it hears of a copy, without the mutex.
    using Names = std::vector<std::pair<std::string, FileKind>>;
    MH_TRY(const Names names, handle_.locked("list", [&]() -> Result<Names> {
      Names copy;
      for (const auto& [name, inode] : handle_.inode().entries) copy.emplace_back(name, inode->kind);
      return copy;
    }));
    for (const auto& [name, kind] : names) MH_CHECK(sink(name, kind));
    return {};
  }
  Status sync() override {
    return handle_.locked("sync", [&]() -> Status {
      SimulatedDisk::sync(handle_.inode());
      return {};
    });
  }
  Status sync_filesystem() override {
    return handle_.locked("sync", [&]() -> Status {
      handle_.disk().sync_all();
      return {};
    });
  }

 private:
  // The checks that rename and link share, then `work`.
  template <typename Work>
  Status between(std::string_view name, Dir& to, std::string_view to_name, std::string_view doing, Work work) {
    MH_CHECK(check_name(name));
    MH_CHECK(check_name(to_name));
    auto* target = dynamic_cast<ForgettingDir*>(&to);
    if (target == nullptr || target->handle_.shared() != handle_.shared()) return os_error(EXDEV, doing, at(name));
    return handle_.locked(doing, [&]() -> Status {
      InodePtr found = find(name);
      if (!found) return os_error(ENOENT, doing, at(name));
      if (target->find(to_name)) return os_error(EEXIST, doing, target->at(to_name));
      return work(std::move(found), *target);
    });
  }
  static bool is_below(const Inode& top, const Inode& wanted) {
    if (&top == &wanted) return true;
    return std::any_of(top.entries.begin(), top.entries.end(),
                       [&](const auto& entry) { return is_below(*entry.second, wanted); });
  }
  [[nodiscard]] InodePtr find(std::string_view name) const {
    const auto found = handle_.inode().entries.find(name);
    return found != handle_.inode().entries.end() ? found->second : nullptr;
  }
  [[nodiscard]] Handle child(InodePtr inode, std::string_view name) const {
    return {handle_.shared(), std::move(inode), at(name)};
  }
  [[nodiscard]] std::string at(std::string_view name) const { return join_path(handle_.path(), name); }

  Handle handle_;
};

class ForgettingFsImpl final : public ForgettingFs {
 public:
  explicit ForgettingFsImpl(SharedPtr shared) : shared_(std::move(shared)) {}

  Result<std::unique_ptr<Dir>> open_root(const std::string& path) override {
    const std::lock_guard guard(shared_->mutex);
    MH_TRY(InodePtr found, walk(path, "open"));
    if (found->kind != FileKind::directory) return os_error(ENOTDIR, "open", path);
    return std::unique_ptr<Dir>(std::make_unique<ForgettingDir>(Handle(shared_, std::move(found), path)));
  }
  Result<std::unique_ptr<Dir>> create_root(const std::string& path) override {
    return create_root_by_steps(*this, path);
  }
  Result<Place> open_place(const std::string& path, bool create_parents) override {
    auto [parent_path, name] = split_path(path);
    if (path.ends_with('/') || !check_name(name).ok()) return not_a_regular_file(path);
    MH_TRY(auto parent, create_parents ? create_root(parent_path) : open_root(parent_path));
    return Place{std::move(parent), std::move(name)};
  }
  Result<FileStat> stat(const std::string& path) override {
    const std::lock_guard guard(shared_->mutex);
    MH_TRY(const InodePtr found, walk(path, "look at"));
    return to_file_stat(*found);
  }
  Result<std::string> canonical(const std::string& path) override {
    if (!path.starts_with('/')) return os_error(EINVAL, "resolve", path);
    std::string resolved = std::filesystem::path(path).lexically_normal().string();
    while (resolved.size() > 1 && resolved.ends_with('/')) resolved.pop_back();
    return resolved;
  }
  Status before_commit() override { return {}; }

  void lose_power(std::uint64_t seed) override {
    const std::lock_guard guard(shared_->mutex);
    shared_->disk->lose_power(seed);
  }
  std::unique_ptr<ForgettingFs> clone() const override {
    const std::lock_guard guard(shared_->mutex);
    auto copy = std::make_shared<Shared>();
    copy->disk = shared_->disk->clone();
    return std::make_unique<ForgettingFsImpl>(std::move(copy));
  }

 private:
  // The mutex is held.
  Result<InodePtr> walk(const std::string& path, std::string_view doing) const {
    if (!path.starts_with('/')) return os_error(EINVAL, doing, path);
    InodePtr at = shared_->disk->root();
    for (const std::string& part : split(path, '/')) {
      if (part.empty() || part == ".") continue;
      if (at->kind != FileKind::directory) return os_error(ENOTDIR, doing, path);
      const auto next = at->entries.find(part);
      if (next == at->entries.end()) return os_error(ENOENT, doing, path);
      at = next->second;
    }
    return at;
  }

  SharedPtr shared_;
};

}  // namespace

std::unique_ptr<ForgettingFs> make_forgetting_fs() {
  return std::make_unique<ForgettingFsImpl>(std::make_shared<Shared>());
}

}  // namespace mailhaul::files
