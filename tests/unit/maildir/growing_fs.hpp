// A file system in which files opened for reading grow: another program writes to a message while it is read.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "files/file_system.hpp"

namespace mailhaul::maildir::test {

/// After `growths` reads have found one octet more in the file than the one before, it stands still.
class GrowingFs final : public files::FileSystem {
 public:
  GrowingFs(files::FileSystem& inner, std::string path) : inner_(inner), path_(std::move(path)) {}
  int growths = 0;

  Result<std::unique_ptr<files::Dir>> open_root(const std::string& path) override {
    return wrap(inner_.open_root(path));
  }
  Result<std::unique_ptr<files::Dir>> create_root(const std::string& path) override { return inner_.create_root(path); }
  Result<files::Place> open_place(const std::string& path, bool create_parents) override {
    return inner_.open_place(path, create_parents);
  }
  Result<files::FileStat> stat(const std::string& path) override { return inner_.stat(path); }
  Result<std::string> canonical(const std::string& path) override { return inner_.canonical(path); }
  Status before_commit() override { return inner_.before_commit(); }

 private:
  class GrowingFile final : public files::File {
   public:
    GrowingFile(GrowingFs& fs, std::unique_ptr<files::File> inner) : fs_(fs), inner_(std::move(inner)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
      if (fs_.growths > 0) {
        --fs_.growths;
        std::ofstream(fs_.path_, std::ios::app | std::ios::binary) << '+';
      }
      return inner_->read_at(offset, into);
    }
    Status write_at(std::uint64_t offset, Octets octets) override { return inner_->write_at(offset, octets); }
    Result<files::FileStat> stat() const override { return inner_->stat(); }
    Status truncate(std::uint64_t size) override { return inner_->truncate(size); }
    Status set_mtime(Instant instant) override { return inner_->set_mtime(instant); }
    Status sync() override { return inner_->sync(); }
    Status close() override { return inner_->close(); }
    Result<bool> try_lock(files::LockKind kind) override { return inner_->try_lock(kind); }
    Status unlock() override { return inner_->unlock(); }

   private:
    GrowingFs& fs_;
    std::unique_ptr<files::File> inner_;
  };

  class GrowingDir final : public files::Dir {
   public:
    GrowingDir(GrowingFs& fs, std::unique_ptr<files::Dir> inner) : fs_(fs), inner_(std::move(inner)) {}
    Result<std::unique_ptr<files::File>> open_file(std::string_view name, files::OpenMode mode) override {
      MH_TRY(std::unique_ptr<files::File> file, inner_->open_file(name, mode));
      return std::unique_ptr<files::File>(std::make_unique<GrowingFile>(fs_, std::move(file)));
    }
    Result<std::unique_ptr<files::Dir>> open_dir(std::string_view name) override {
      return fs_.wrap(inner_->open_dir(name));
    }
    Status make_dir(std::string_view name) override { return inner_->make_dir(name); }
    Status rename(std::string_view name, files::Dir& to, std::string_view to_name) override {
      return inner_->rename(name, to, to_name);
    }
    Status replace(std::string_view name, std::string_view to_name) override { return inner_->replace(name, to_name); }
    Status link(std::string_view name, files::Dir& to, std::string_view to_name) override {
      return inner_->link(name, to, to_name);
    }
    Status unlink(std::string_view name) override { return inner_->unlink(name); }
    Result<files::FileStat> stat(std::string_view name) const override { return inner_->stat(name); }
    Result<files::FileStat> stat() const override { return inner_->stat(); }
    Status list(const std::function<Status(std::string_view name, files::FileKind kind)>& sink) override {
      return inner_->list(sink);
    }
    Status sync() override { return inner_->sync(); }
    Status sync_filesystem() override { return inner_->sync_filesystem(); }

   private:
    GrowingFs& fs_;
    std::unique_ptr<files::Dir> inner_;
  };

  Result<std::unique_ptr<files::Dir>> wrap(Result<std::unique_ptr<files::Dir>> dir) {
    if (!dir.ok()) return dir;
    return std::unique_ptr<files::Dir>(std::make_unique<GrowingDir>(*this, std::move(*dir)));
  }

  files::FileSystem& inner_;
  std::string path_;
};

}  // namespace mailhaul::maildir::test
