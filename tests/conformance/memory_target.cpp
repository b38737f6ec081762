// The memory store: target.
#include <algorithm>
#include <set>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "conformance/memory_store.hpp"
#include "conformance/world.hpp"

namespace mailhaul::conformance {

namespace {

/// The message as this store keeps it: octets of its own, so that the sender's spool is free after the Ack.
Result<mail::ContentPtr> kept_copy(const mail::Content& content, const CancelToken& cancel) {
  std::string octets;
  MH_CHECK(mail::for_each_piece(content, [&](Octets piece) -> Status {
    if (cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
    octets.append(as_text(piece));
    return {};
  }));
  return mail::ContentPtr(std::make_shared<TextContent>(std::move(octets), content.facts()));
}

void touch(MemoryFolder& folder, MemoryMessage& message) { message.change = ++folder.changes; }

void put(MemoryFolder& folder, std::uint64_t number, const MemoryMessage& message) {
  MemoryMessage& kept = folder.messages[number] = message;
  folder.next = std::max(folder.next, number + 1);
  touch(folder, kept);
}

mail::Meta changed(mail::Meta meta, const store::MetaChange& change) {
  const auto bits = (meta.flags.bits() | change.add_flags.bits()) & ~unsigned{change.remove_flags.bits()};
  meta.flags = mail::Flags(static_cast<std::uint8_t>(bits));
  meta.keywords.insert(meta.keywords.end(), change.add_keywords.begin(), change.add_keywords.end());
  std::erase_if(meta.keywords, [&](const std::string& word) {
    return std::any_of(change.remove_keywords.begin(), change.remove_keywords.end(),
                       [&](const std::string& removed) { return equals_ignoring_case(word, removed); });
  });
  mail::normalize_keywords(meta.keywords);
  return meta;
}

class MemoryTarget final : public store::Target {
 public:
  MemoryTarget(std::shared_ptr<MemoryPlace> place, store::Services& services, store::AckSink& acks)
      : place_(std::move(place)), services_(services), acks_(acks), caps_(memory_caps()) {}

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }

  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    return open_memory_source(place_, services_)->folders(sink);
  }

  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role role) override {
    store::FolderHandle handle;
    handle.id = ++handles_;
    handle.path = path;
    bool there = false;
    place_->look([&](const MemoryFolders& folders) {
      const auto at = folders.find(path.components);
      if (at != folders.end()) handle.epoch = std::to_string(at->second.epoch);
      there = at != folders.end();
    });
    if (there) return handle;
    MemoryFolder made;
    made.path = path;
    made.role = role;
    made.epoch = place_->new_epoch();
    handle.epoch = std::to_string(made.epoch);
    handle.created = true;
    MH_CHECK(place_->make_durably([made](MemoryFolders& folders) { folders.emplace(made.path.components, made); }));
    return handle;
  }

  Status rename_folder(const store::FolderHandle& folder, const mail::FolderPath& to) override {
    MH_CHECK(check(folder));
    return place_->make_durably([from = folder.path.components, to](MemoryFolders& folders) {
      auto node = folders.extract(from);
      if (node.empty()) return;
      node.key() = to.components;
      node.mapped().path = to;
      folders.insert(std::move(node));
    });
  }

  Status subscribe(const store::FolderHandle& folder, bool on) override {
    MH_CHECK(check(folder));
    return place_->make_durably(
        [name = folder.path.components, on](MemoryFolders& folders) { folders[name].subscribed = on; });
  }

  Result<std::string> watermark(const store::FolderHandle& folder) override {
    MH_CHECK(check(folder));
    return std::to_string(next_number(folder));
  }

  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) override {
    MH_CHECK(check(folder));
    auto copy = kept_copy(*message.content, services_.cancel);
    if (!copy.ok()) {
      if (copy.error().kind == ErrorKind::interrupted) return copy.error();
      waiting_.push_back({ticket, store::Refused{copy.error()}});
      return {};
    }
    return add(folder, ticket, mail::Message{std::move(copy).value(), std::move(message.meta)});
  }

  Status copy(const store::FolderHandle& folder, const store::Ticket& ticket, const store::FolderHandle& from,
              const store::Key& key, const mail::Meta& meta) override {
    MH_CHECK(check(folder));
    MH_TRY(const auto found, find(from, key));
    if (!found) return refuse(ticket, "no message " + key);
    return add(folder, ticket, mail::Message{found->message.content, meta});
  }

  Status update(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                const store::MetaChange& change) override {
    MH_TRY(const auto found, find(folder, key));
    if (!found) return refuse(ticket, "no message " + key);
    const std::uint64_t number = parse_uint(key).value_or(0);
    MH_CHECK(place_->make([name = folder.path.components, number, change](MemoryFolders& folders) {
      const auto at = folders[name].messages.find(number);
      if (at == folders[name].messages.end()) return;
      at->second.message.meta = changed(at->second.message.meta, change);
      touch(folders[name], at->second);
    }));
    waiting_.push_back({ticket, store::Stored{key}});
    return {};
  }

  Status remove(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                const Digest& expected) override {
    MH_TRY(const auto found, find(folder, key));
    if (!found) return refuse(ticket, "no message " + key);
    if (found->message.content->facts().nid != expected) return refuse(ticket, "message " + key + " is another one");
    const std::uint64_t number = parse_uint(key).value_or(0);
    MH_CHECK(place_->make([name = folder.path.components, number](MemoryFolders& folders) {
      MemoryFolder& in = folders[name];
      if (in.messages.erase(number) != 0) in.gone.emplace_back(++in.changes, number);
    }));
    waiting_.push_back({ticket, store::Stored{}});
    return {};
  }

  Status find_since(const store::FolderHandle& folder, std::string_view watermark,
                    std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) override {
    MH_CHECK(check(folder));
    const auto from = parse_uint(watermark);
    if (!from) return make_error(ErrorKind::damage, Scope::folder, "memory: not a watermark of this store");
    MH_CHECK(place_->sync());  // what is found here is taken for delivered: a power cut must not undo it
    std::vector<store::Match> matches;
    place_->look([&](const MemoryFolders& folders) {
      const MemoryFolder& found = folders.at(folder.path.components);
      for (auto at = found.messages.lower_bound(*from); at != found.messages.end(); ++at) {
        const auto& ticket = at->second.ticket;
        const bool ours = std::any_of(wanted.begin(), wanted.end(),
                                      [&](const store::Wanted& w) { return ticket && *ticket == w.ticket; });
        if (!ours) continue;
        const auto& facts = at->second.message.content->facts();
        matches.push_back({std::to_string(at->first), ticket, facts.nid, facts.eid});
      }
    });
    for (store::Match& match : matches) MH_CHECK(sink(std::move(match)));
    return {};
  }

  Status flush() override {
    if (waiting_.empty()) return {};
    MH_CHECK(place_->sync());
    const auto acks = std::move(waiting_);
    waiting_.clear();
    for (const store::Ack& ack : acks) acks_.on_ack(ack);
    return {};
  }

  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  Status add(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) {
    if (waiting_.size() >= kWindow) MH_CHECK(flush());
    MemoryMessage kept{std::move(message), ticket, 0};
    // The number is chosen where the change is made: another session may write here at the same time.
    auto number = std::make_shared<std::uint64_t>(0);
    MH_CHECK(place_->make([name = folder.path.components, kept, number](MemoryFolders& folders) {
      if (*number == 0) *number = folders[name].next;
      put(folders[name], *number, kept);
    }));
    waiting_.push_back({ticket, store::Stored{std::to_string(*number)}});
    return {};
  }

  Status refuse(const store::Ticket& ticket, const std::string& why) {
    waiting_.push_back({ticket, store::Refused{make_error(ErrorKind::message, Scope::message, "memory: " + why)}});
    return {};
  }

  /// Error: the folder vanished, or is another one of that name.
  Status check(const store::FolderHandle& folder) const {
    bool same = false;
    place_->look([&](const MemoryFolders& folders) {
      const auto at = folders.find(folder.path.components);
      same = at != folders.end() && std::to_string(at->second.epoch) == folder.epoch;
    });
    if (same) return {};
    return make_error(ErrorKind::unreachable, Scope::folder, "memory: folder " + folder.path.text() + " is gone");
  }

  Result<std::optional<MemoryMessage>> find(const store::FolderHandle& folder, const store::Key& key) const {
    MH_CHECK(check(folder));
    std::optional<MemoryMessage> found;
    place_->look([&](const MemoryFolders& folders) {
      const auto& messages = folders.at(folder.path.components).messages;
      const auto at = messages.find(parse_uint(key).value_or(0));
      if (at != messages.end()) found = at->second;
    });
    return found;
  }

  std::uint64_t next_number(const store::FolderHandle& folder) const {
    std::uint64_t next = 0;
    place_->look([&](const MemoryFolders& folders) { next = folders.at(folder.path.components).next; });
    return next;
  }

  static constexpr std::size_t kWindow = 64;  // a batch (house.md): then submit() waits for the sync
  std::shared_ptr<MemoryPlace> place_;
  store::Services& services_;
  store::AckSink& acks_;
  store::Caps caps_;
  std::vector<store::Ack> waiting_;
  std::uint32_t handles_ = 0;
};

}  // namespace

std::unique_ptr<store::Target> open_memory_target(std::shared_ptr<MemoryPlace> place, store::Services& services,
                                                  store::AckSink& acks) {
  return std::make_unique<MemoryTarget>(std::move(place), services, acks);
}

}  // namespace mailhaul::conformance
