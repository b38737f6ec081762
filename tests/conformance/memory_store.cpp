// The memory store: place and source.
#include "conformance/memory_store.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "conformance/world.hpp"

namespace mailhaul::conformance {

namespace {

Error power_is_off() { return make_error(ErrorKind::damage, Scope::session, "memory: power is off"); }

}  // namespace

Status MemoryPlace::step_locked() {
  if (off_) return power_is_off();
  ++calls_;
  if (!armed_ || calls_ != *armed_) return {};
  fired_ = true;
  switch (fault_) {
    case files::Fault::no_space:
      return make_error(ErrorKind::no_space, Scope::session, "memory: no space left");
    case files::Fault::io_error:
      return make_error(ErrorKind::damage, Scope::session, "memory: read or write failed");
    case files::Fault::crash_after:
      off_ = true;
      return {};
    case files::Fault::crash:
    case files::Fault::torn_write:
      break;
  }
  off_ = true;
  return power_is_off();
}

Status MemoryPlace::step() {
  const std::lock_guard lock(mutex_);
  return step_locked();
}

Status MemoryPlace::make(const MemoryChange& change) {
  const std::lock_guard lock(mutex_);
  MH_CHECK(step_locked());
  change(seen_);
  unsynced_.push_back(change);
  return {};
}

Status MemoryPlace::make_durably(const MemoryChange& change) {
  const std::lock_guard lock(mutex_);
  MH_CHECK(step_locked());
  change(seen_);
  change(durable_);
  return {};
}

Status MemoryPlace::sync() {
  const std::lock_guard lock(mutex_);
  MH_CHECK(step_locked());
  for (const MemoryChange& change : unsynced_) change(durable_);
  unsynced_.clear();
  return {};
}

void MemoryPlace::look(const std::function<void(const MemoryFolders&)>& at) const {
  const std::lock_guard lock(mutex_);
  at(seen_);
}

std::uint64_t MemoryPlace::new_epoch() {
  const std::lock_guard lock(mutex_);
  return ++epochs_;
}

void MemoryPlace::arm(std::uint64_t call, files::Fault fault) {
  const std::lock_guard lock(mutex_);
  armed_ = call;
  fault_ = fault;
  fired_ = false;
}

void MemoryPlace::disarm() {
  const std::lock_guard lock(mutex_);
  armed_.reset();
}

std::uint64_t MemoryPlace::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

bool MemoryPlace::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

std::shared_ptr<MemoryPlace> MemoryPlace::lose_power(std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  auto after = std::make_shared<MemoryPlace>();
  after->durable_ = durable_;
  after->epochs_ = epochs_;
  SeededRandom random(seed);
  for (const MemoryChange& change : unsynced_) {
    const bool kept = seed == 1 || (seed > 1 && random.next() % 2 == 0);
    if (kept) change(after->durable_);
  }
  after->seen_ = after->durable_;
  return after;
}

store::Caps memory_caps() {
  store::Caps caps;
  caps.sessions = 8;
  caps.writers_per_folder = 8;
  caps.keywords = store::Caps::Keywords::any;
  caps.flags = mail::Flags(31);
  caps.copy = caps.update = caps.remove = caps.rename = true;
  return caps;
}

namespace {

class MemorySource final : public store::Source {
 public:
  MemorySource(std::shared_ptr<MemoryPlace> place, store::Services& services)
      : place_(std::move(place)), services_(services), caps_(memory_caps()) {}

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }

  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    std::vector<store::FolderInfo> infos;
    place_->look([&](const MemoryFolders& folders) {
      for (const auto& [name, folder] : folders) infos.push_back(info_of(folder));
    });
    for (store::FolderInfo& info : infos) MH_CHECK(sink(std::move(info)));
    return {};
  }

  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string> since,
                              store::ItemSink& sink) override {
    std::vector<store::Item> items;
    std::vector<store::Key> gone;
    store::ListEnd end;
    MH_CHECK(with(folder, [&](const MemoryFolder& found) {
      const auto from = since ? parse_uint(*since) : std::nullopt;
      for (const auto& [number, message] : found.messages) {
        if (!from || message.change > *from) items.push_back(item_of(number, message));
      }
      for (const auto& [change, number] : found.gone) {
        if (from && change > *from) gone.push_back(std::to_string(number));
      }
      end.complete = !from;
      end.state = std::to_string(found.changes);
    }));
    for (store::Item& item : items) MH_CHECK(sink.on_item(std::move(item)));
    for (const store::Key& key : gone) MH_CHECK(sink.on_gone(key));
    return end;
  }

  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override {
    for (const store::Key& key : keys) {
      std::optional<store::Item> item;
      MH_CHECK(with(folder, [&](const MemoryFolder& found) {
        const auto at = found.messages.find(parse_uint(key).value_or(0));
        if (at != found.messages.end()) item = item_of(at->first, at->second);
      }));
      MH_CHECK(item ? sink.on_item(std::move(*item)) : sink.on_gone(key));
    }
    return {};
  }

  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override {
    while (true) {
      MH_TRY(const store::FetchBatch batch, next());
      if (batch.items.empty()) return {};
      for (const store::Item& item : batch.items) {
        if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
        std::optional<mail::Message> message;
        MH_CHECK(with(*batch.folder, [&](const MemoryFolder& found) {
          const auto at = found.messages.find(parse_uint(item.key).value_or(0));
          if (at != found.messages.end()) message = at->second.message;
        }));
        MH_CHECK(message ? sink.on_message(*batch.folder, item, std::move(*message))
                         : sink.on_vanished(*batch.folder, item));
      }
    }
  }

  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  static store::FolderInfo info_of(const MemoryFolder& folder) {
    store::FolderInfo info;
    info.path = folder.path;
    info.role = folder.role;
    info.epoch = std::to_string(folder.epoch);
    info.subscribed = folder.subscribed;
    info.state = std::to_string(folder.changes);
    info.covers = {true, true, true};
    info.messages = folder.messages.size();
    return info;
  }

  static store::Item item_of(std::uint64_t number, const MemoryMessage& message) {
    store::Item item;
    item.key = std::to_string(number);
    item.size = message.message.content->size();
    item.meta = message.message.meta;
    item.meta_complete = true;
    return item;
  }

  /// Error: the folder is not there any more, or is another one of that name.
  Status with(const store::FolderInfo& folder, const std::function<void(const MemoryFolder&)>& use) const {
    bool found = false;
    place_->look([&](const MemoryFolders& folders) {
      const auto at = folders.find(folder.path.components);
      if (at == folders.end() || std::to_string(at->second.epoch) != folder.epoch) return;
      found = true;
      use(at->second);
    });
    if (found) return {};
    return make_error(ErrorKind::unreachable, Scope::folder, "memory: folder " + folder.path.text() + " is gone");
  }

  std::shared_ptr<MemoryPlace> place_;
  store::Services& services_;
  store::Caps caps_;
};

}  // namespace

std::unique_ptr<store::Source> open_memory_source(std::shared_ptr<MemoryPlace> place, store::Services& services) {
  return std::make_unique<MemorySource>(std::move(place), services);
}

}  // namespace mailhaul::conformance
