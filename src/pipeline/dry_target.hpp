// A target that takes everything and writes nothing: `--dry-run` is the same run against it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace mailhaul::pipeline {

class DryTarget final : public store::Target {
 public:
  DryTarget(store::Caps caps, std::vector<store::FolderInfo> folders, store::AckSink& acks)
      : caps_(std::move(caps)), folders_(std::move(folders)), acks_(acks) {}

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    for (const auto& folder : folders_) MH_CHECK(sink(folder));
    return {};
  }
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role) override {
    store::FolderHandle handle{next_++, path, "", true};
    for (const auto& folder : folders_) {
      if (caps_.many_folders && folder.path != path) continue;
      handle.path = folder.path;
      handle.created = false;
    }
    return handle;
  }
  Result<std::string> watermark(const store::FolderHandle&) override { return std::string("dry"); }
  Status submit(const store::FolderHandle&, const store::Ticket& ticket, mail::Message) override {
    acks_.on_ack({ticket, store::Stored{}});
    return {};
  }
  Status update(const store::FolderHandle&, const store::Ticket& ticket, const store::Key&,
                const store::MetaChange&) override {
    acks_.on_ack({ticket, store::Stored{}});
    return {};
  }
  Status find_since(const store::FolderHandle&, std::string_view, std::span<const store::Wanted>,
                    const std::function<Status(store::Match)>&) override {
    return {};
  }
  Status flush() override { return {}; }
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  const store::Caps caps_;
  const std::vector<store::FolderInfo> folders_;
  store::AckSink& acks_;
  std::uint32_t next_ = 0;
};

}  // namespace mailhaul::pipeline
