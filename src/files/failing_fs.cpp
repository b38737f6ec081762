// The file system that stops working at the n-th changing call. Everything else is handed through.
#include "files/failing_fs.hpp"

#include <cerrno>
#include <mutex>
#include <utility>

#include "files/os_error.hpp"

namespace mailhaul::files {
namespace {

// Counts changing calls and says what becomes of each.
class Gate {
 public:
  enum class Way { pass, half, refuse };
  struct Verdict {
    Way way = Way::pass;
    Error error;
  };

  Verdict enter(std::string_view doing, bool is_write) {
    const std::lock_guard guard(mutex_);
    ++calls_;
    if (dead_) return {Way::refuse, dead_error(doing)};
    if (!armed_ || calls_ != at_) return {};
    armed_ = false;
    fired_ = true;
    switch (fault_) {
      case Fault::crash_after:
        dead_ = true;
        return {};
      case Fault::no_space:
        return {Way::refuse, os_error(ENOSPC, doing, "simulated disk")};
      case Fault::io_error:
        return {Way::refuse, os_error(EIO, doing, "simulated disk")};
      case Fault::torn_write:
        dead_ = true;
        return {is_write ? Way::half : Way::refuse, dead_error(doing)};
      case Fault::crash:
        dead_ = true;
        return {Way::refuse, dead_error(doing)};
    }
    return {};
  }

  void arm(std::uint64_t call, Fault fault) {
    const std::lock_guard guard(mutex_);
    at_ = call;
    fault_ = fault;
    armed_ = true;
    fired_ = dead_ = false;
  }
  void disarm() {
    const std::lock_guard guard(mutex_);
    armed_ = dead_ = false;
  }
  std::uint64_t calls() const {
    const std::lock_guard guard(mutex_);
    return calls_;
  }
  bool fired() const {
    const std::lock_guard guard(mutex_);
    return fired_;
  }

 private:
  // `interrupted`: nobody shall take the death of the process for the fault of a message or a folder.
  static Error dead_error(std::string_view doing) {
    return make_error(ErrorKind::interrupted, Scope::run, "simulated crash: cannot " + std::string(doing));
  }

  mutable std::mutex mutex_;
  std::uint64_t calls_ = 0, at_ = 0;
  Fault fault_ = Fault::crash;
  bool armed_ = false, dead_ = false, fired_ = false;
};

// Makes the changing call `call`, if the gate lets it pass.
template <typename Call>
auto through(Gate& gate, std::string_view doing, Call call) -> decltype(call()) {
  Gate::Verdict verdict = gate.enter(doing, /*is_write=*/false);
  if (verdict.way != Gate::Way::pass) return std::move(verdict.error);
  return call();
}

class FailingFile final : public File {
 public:
  FailingFile(Gate& gate, std::unique_ptr<File> inner, bool changed)
      : gate_(gate), inner_(std::move(inner)), changed_(changed) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    return inner_->read_at(offset, into);
  }
  Status write_at(std::uint64_t offset, Octets octets) override {
    changed_ = true;
    Gate::Verdict verdict = gate_.enter("write", /*is_write=*/true);
    if (verdict.way == Gate::Way::pass) return inner_->write_at(offset, octets);
    // Half of it is there, and nobody lives to hear of it: the crash is the one error to tell.
    if (verdict.way == Gate::Way::half) (void)inner_->write_at(offset, octets.first(octets.size() / 2));
    return std::move(verdict.error);
  }
  Result<FileStat> stat() const override { return inner_->stat(); }
  Status truncate(std::uint64_t size) override {
    changed_ = true;
    return through(gate_, "cut", [&] { return inner_->truncate(size); });
  }
  Status set_mtime(Instant instant) override {
    changed_ = true;
    return through(gate_, "set the time", [&] { return inner_->set_mtime(instant); });
  }
  Status sync() override {
    return through(gate_, "sync", [&] { return inner_->sync(); });
  }
  Status close() override {
    if (!changed_) return inner_->close();
    return through(gate_, "close", [&] { return inner_->close(); });
  }
  Result<bool> try_lock(LockKind kind) override { return inner_->try_lock(kind); }
  Status unlock() override { return inner_->unlock(); }

 private:
  Gate& gate_;
  std::unique_ptr<File> inner_;
  bool changed_;
};

class FailingDir final : public Dir {
 public:
  FailingDir(Gate& gate, std::unique_ptr<Dir> inner) : gate_(gate), inner_(std::move(inner)) {}

  Result<std::unique_ptr<File>> open_file(std::string_view name, OpenMode mode) override {
    const bool creates = mode == OpenMode::create || (mode == OpenMode::open_or_create && is_missing(name));
    const auto open = [&] { return inner_->open_file(name, mode); };
    MH_TRY(auto file, creates ? through(gate_, "create", open) : open());
    return std::unique_ptr<File>(std::make_unique<FailingFile>(gate_, std::move(file), creates));
  }
  Result<std::unique_ptr<Dir>> open_dir(std::string_view name) override {
    MH_TRY(auto dir, inner_->open_dir(name));
    return std::unique_ptr<Dir>(std::make_unique<FailingDir>(gate_, std::move(dir)));
  }
  Status make_dir(std::string_view name) override {
    return through(gate_, "make a directory", [&] { return inner_->make_dir(name); });
  }
  Status rename(std::string_view name, Dir& to, std::string_view to_name) override {
    return through(gate_, "rename", [&] { return inner_->rename(name, unwrap(to), to_name); });
  }
  Status replace(std::string_view name, std::string_view to_name) override {
    return through(gate_, "rename", [&] { return inner_->replace(name, to_name); });
  }
  Status link(std::string_view name, Dir& to, std::string_view to_name) override {
    return through(gate_, "link", [&] { return inner_->link(name, unwrap(to), to_name); });
  }
  Status unlink(std::string_view name) override {
    return through(gate_, "remove", [&] { return inner_->unlink(name); });
  }
  Result<FileStat> stat(std::string_view name) const override { return inner_->stat(name); }
  Result<FileStat> stat() const override { return inner_->stat(); }
  Status list(const std::function<Status(std::string_view name, FileKind kind)>& sink) override {
    return inner_->list(sink);
  }
  Status sync() override {
    return through(gate_, "sync a directory", [&] { return inner_->sync(); });
  }
  Status sync_filesystem() override {
    return through(gate_, "sync the file system", [&] { return inner_->sync_filesystem(); });
  }

 private:
  bool is_missing(std::string_view name) const {
    const auto there = inner_->stat(name);
    return !there.ok() && is_not_found(there.error());
  }
  // A directory of another file system goes through as it is: the inner one refuses it.
  static Dir& unwrap(Dir& dir) {
    auto* wrapped = dynamic_cast<FailingDir*>(&dir);
    return wrapped != nullptr ? *wrapped->inner_ : dir;
  }

  Gate& gate_;
  std::unique_ptr<Dir> inner_;
};

class FailingFsImpl final : public FailingFs {
 public:
  explicit FailingFsImpl(FileSystem& inner) : inner_(inner) {}

  Result<std::unique_ptr<Dir>> open_root(const std::string& path) override {
    MH_TRY(auto dir, inner_.open_root(path));
    return std::unique_ptr<Dir>(std::make_unique<FailingDir>(gate_, std::move(dir)));
  }
  // Step by step through this seam, so that a crash can come between two directories.
  Result<std::unique_ptr<Dir>> create_root(const std::string& path) override {
    return create_root_by_steps(*this, path);
  }
  Result<Place> open_place(const std::string& path, bool create_parents) override {
    if (create_parents) {
      auto parent = create_root(split_path(path).first);
      if (!parent.ok()) return std::move(parent).error();
    }
    MH_TRY(Place place, inner_.open_place(path, /*create_parents=*/false));
    place.parent = std::make_unique<FailingDir>(gate_, std::move(place.parent));
    return place;
  }
  Result<FileStat> stat(const std::string& path) override { return inner_.stat(path); }
  Result<std::string> canonical(const std::string& path) override { return inner_.canonical(path); }
  Status before_commit() override {
    return through(gate_, "commit", [&] { return inner_.before_commit(); });
  }

  void arm(std::uint64_t call, Fault fault) override { gate_.arm(call, fault); }
  void disarm() override { gate_.disarm(); }
  std::uint64_t calls() const override { return gate_.calls(); }
  bool fired() const override { return gate_.fired(); }

 private:
  FileSystem& inner_;
  Gate gate_;
};

}  // namespace

std::unique_ptr<FailingFs> make_failing_fs(FileSystem& inner) { return std::make_unique<FailingFsImpl>(inner); }

}  // namespace mailhaul::files
