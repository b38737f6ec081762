// See flaky_place.hpp.
#include "unit/pipeline/flaky_place.hpp"

#include <algorithm>
#include <cstring>

#include "base/checked.hpp"
#include "mail/message_scan.hpp"

namespace mailhaul::pipeline {
namespace {

class Text final : public mail::Content {
 public:
  explicit Text(std::string octets)
      : octets_(std::move(octets)), facts_(mail::scan_message(as_octets(octets_), {.header_id = true})) {}
  [[nodiscard]] const mail::MessageFacts& facts() const override { return facts_; }
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    if (offset >= octets_.size()) return std::size_t{0};
    const std::size_t count = std::min(into.size(), octets_.size() - static_cast<std::size_t>(offset));
    std::memcpy(into.data(), octets_.data() + offset, count);
    return count;
  }

 private:
  std::string octets_;
  mail::MessageFacts facts_;
};

std::string text_of(const mail::Content& content) {
  std::string text;
  const Status read = mail::for_each_piece(content, [&](Octets piece) -> Status {
    text.append(as_text(piece));
    return {};
  });
  return read.ok() ? text : "unreadable";
}

Error other_folder(const std::string& folder) {
  return make_error(ErrorKind::identity, Scope::folder, folder + " is another one than before (UIDVALIDITY)");
}

/// Once dead, a session answers every call with the Error that ended it.
class Session {
 public:
  explicit Session(FlakyPlace& place) : place_(place) {}
  Status step() {
    if (dead_) return *dead_;
    if (auto status = place_.point(); !status.ok()) dead_ = status.error();
    return dead_ ? Status(*dead_) : Status();
  }
  Status die() {
    dead_ = place_.lost();
    return *dead_;
  }

 protected:
  FlakyPlace& place_;
  std::optional<Error> dead_;
};

class FlakySource final : public store::Source, private Session {
 public:
  explicit FlakySource(FlakyPlace& place) : Session(place), caps_(flaky_caps(place)) {}
  [[nodiscard]] const store::Caps& caps() const override { return caps_; }

  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    std::vector<store::FolderInfo> infos;
    place_.with([&](auto& folders) {
      for (const auto& [name, folder] : folders) {
        store::FolderInfo info;
        info.path = folder.path;
        info.epoch = std::to_string(folder.epoch);
        infos.push_back(std::move(info));
      }
    });
    for (auto& info : infos) {
      MH_CHECK(step());
      MH_CHECK(sink(std::move(info)));
    }
    return step();
  }

  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string>,
                              store::ItemSink& sink) override {
    std::vector<store::Item> items;
    MH_CHECK(step());
    MH_CHECK(look(folder, [&](const FlakyFolder& found) {
      for (const auto& [uid, message] : found.messages) {
        store::Item item;
        item.key = std::to_string(uid);
        item.meta = message.meta;
        item.meta_complete = true;
        items.push_back(std::move(item));
      }
    }));
    for (auto& item : items) {
      MH_CHECK(step());
      MH_CHECK(sink.on_item(std::move(item)));
    }
    MH_CHECK(step());
    return store::ListEnd{true, std::to_string(items.size())};
  }

  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override {
    for (const auto& key : keys) {
      MH_CHECK(step());
      bool there = false;
      MH_CHECK(look(folder, [&](const FlakyFolder& found) { there = found.messages.count(*parse_uint(key)) != 0; }));
      store::Item item;
      item.key = key;
      MH_CHECK(there ? sink.on_item(std::move(item)) : sink.on_gone(key));
    }
    return {};
  }

  /// Pulls one batch ahead, as a pipelining store does.
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override {
    MH_CHECK(step());
    MH_TRY(store::FetchBatch batch, next());
    while (!batch.items.empty()) {
      MH_TRY(store::FetchBatch ahead, next());
      for (const auto& item : batch.items) MH_CHECK(fetch_one(*batch.folder, item, sink));
      batch = std::move(ahead);
    }
    return {};
  }
  Status pump(std::chrono::milliseconds) override { return step(); }

 private:
  Status fetch_one(const store::FolderInfo& folder, const store::Item& item, store::FetchSink& sink) {
    MH_CHECK(step());
    std::optional<FlakyMessage> message;
    if (auto status = look(folder,
                           [&](const FlakyFolder& found) {
                             const auto at = found.messages.find(*parse_uint(item.key));
                             if (at != found.messages.end()) message = at->second;
                           });
        !status.ok())
      return sink.on_failed(folder, item, std::move(status).error());
    if (!message) return sink.on_vanished(folder, item);
    if (place_.is_killed(message->octets)) return die();
    return sink.on_message(folder, item, {std::make_shared<Text>(message->octets), message->meta});
  }
  Status look(const store::FolderInfo& folder, const std::function<void(const FlakyFolder&)>& use) {
    bool same = false;
    place_.with([&](auto& folders) {
      const auto at = folders.find(folder.path.text());
      same = at != folders.end() && std::to_string(at->second.epoch) == folder.epoch;
      if (same) use(at->second);
    });
    return same ? Status() : Status(other_folder(folder.path.text()));
  }

  const store::Caps caps_;
};

class FlakyTarget final : public store::Target, private Session {
 public:
  FlakyTarget(FlakyPlace& place, store::AckSink& acks) : Session(place), acks_(acks), caps_(flaky_caps(place)) {}
  [[nodiscard]] const store::Caps& caps() const override { return caps_; }

  Status folders(const std::function<Status(store::FolderInfo)>& sink) override {
    return FlakySource(place_).folders(sink);
  }
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role) override {
    MH_CHECK(alive(step()));
    store::FolderHandle handle{++handles_, path, "", false};
    place_.with([&](auto& folders) {
      auto& folder = folders[path.text()];
      handle.created = folder.path.components.empty();
      folder.path = path;
      handle.epoch = std::to_string(folder.epoch);
      watermarks_[path.text()] = folder.next;
    });
    return handle;
  }
  Result<std::string> watermark(const store::FolderHandle& folder) override {
    MH_CHECK(alive(dead_ ? Status(*dead_) : Status()));
    return std::to_string(watermarks_[folder.path.text()]);
  }
  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) override {
    if (dead_) return *dead_;
    if (sent_.size() >= place_.window) MH_CHECK(answer());
    const std::string text = text_of(*message.content);
    // Dies while the octets are on their way: the last one never left, so this one is certainly not stored.
    if (auto status = place_.is_killed(text) ? die() : step(); !status.ok()) {
      MH_CHECK(alive(status, /*refused=*/ticket));
      return {};
    }
    place_.count_submit();
    sent_.push_back({ticket, folder.path.text(), {text, message.meta}});
    return {};
  }
  Status find_since(const store::FolderHandle& folder, std::string_view watermark,
                    std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) override {
    MH_CHECK(alive(step()));
    place_.count_look();
    std::vector<store::Match> matches;
    bool same = false;
    place_.with([&](auto& folders) {
      auto& found = folders[folder.path.text()];
      same = std::to_string(found.epoch) == folder.epoch;
      for (auto at = found.messages.lower_bound(*parse_uint(watermark)); at != found.messages.end(); ++at) {
        const auto facts = mail::scan_message(as_octets(at->second.octets));
        const bool answers =
            std::any_of(wanted.begin(), wanted.end(), [&](const auto& w) { return w.eid == facts.eid; });
        if (answers) matches.push_back({std::to_string(at->first), std::nullopt, facts.nid, facts.eid});
      }
    });
    if (!same) return other_folder(folder.path.text());
    for (auto& match : matches) MH_CHECK(sink(std::move(match)));
    return {};
  }
  Status update(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                const store::MetaChange& change) override {
    MH_CHECK(flush());
    MH_CHECK(alive(step()));
    place_.with([&](auto& folders) {
      auto& flags = folders[folder.path.text()].messages.at(*parse_uint(key)).meta.flags;
      flags = mail::Flags(static_cast<std::uint8_t>(flags.bits() | change.add_flags.bits()));
    });
    if (auto status = step(); !status.ok()) {
      acks_.on_ack({ticket, store::InDoubt{}});
      return alive(status);
    }
    acks_.on_ack({ticket, store::Stored{key}});
    return {};
  }
  Status flush() override {
    if (dead_) return *dead_;
    while (!sent_.empty()) MH_CHECK(answer());
    return {};
  }
  Status pump(std::chrono::milliseconds) override {
    ++place_.pumps;
    return alive(step());
  }

 private:
  struct Sent {
    store::Ticket ticket;
    std::string folder;
    FlakyMessage message;
  };
  /// The server's answer to the oldest delivery, or the death of the session before it.
  Status answer() {
    const bool kills = place_.is_answer_killed(sent_.front().message.octets);
    MH_CHECK(alive(kills ? die() : step()));
    Sent sent = std::move(sent_.front());
    sent_.erase(sent_.begin());
    if (place_.verdict) {
      if (auto ack = place_.verdict(sent.ticket, sent.message.octets)) {
        ack->ticket = sent.ticket;
        if (std::holds_alternative<store::Stored>(ack->verdict)) place_.add(sent.folder, std::move(sent.message));
        if (std::holds_alternative<store::InDoubt>(ack->verdict))
          place_.arrive_by_fate(sent.folder, std::move(sent.message));
        acks_.on_ack(*ack);
        return {};
      }
    }
    const std::uint64_t uid = place_.add(sent.folder, std::move(sent.message));
    store::Stored stored;
    if (place_.uidplus) stored.key = std::to_string(uid);
    acks_.on_ack({sent.ticket, stored});
    return {};
  }
  /// At the session's death every delivery gets its verdict from inside the call.
  Status alive(Status status, std::optional<store::Ticket> refused = {}) {
    if (status.ok()) return status;
    for (auto& sent : std::exchange(sent_, {})) {
      place_.arrive_by_fate(sent.folder, std::move(sent.message));
      acks_.on_ack({sent.ticket, store::InDoubt{}});
    }
    if (!refused) return status;
    Error error = status.error();
    error.retry = Retry::now;
    acks_.on_ack({*refused, store::Refused{std::move(error)}});
    return {};
  }

  store::AckSink& acks_;
  const store::Caps caps_;
  std::vector<Sent> sent_;
  std::map<std::string, std::uint64_t> watermarks_;
  std::uint32_t handles_ = 0;
};

}  // namespace

Patience patience_of(FakeClock& clock) {
  Patience patience;
  patience.sleep = [&clock](std::chrono::milliseconds time) { clock.advance(time); };
  return patience;
}

std::string letter(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\nbody of " + std::to_string(number) + "\r\n";
}

store::Caps flaky_caps(const FlakyPlace& place) {
  store::Caps caps;
  caps.late_commits = place.late_commits;
  caps.update = place.updates;
  caps.sessions = place.sessions_at_once;
  caps.flags = mail::Flags(31);
  caps.keywords = store::Caps::Keywords::any;
  return caps;
}

bool FlakyPlace::is_killed(const std::string& text) {
  const std::lock_guard lock(mutex_);
  return kills && kills(text);
}

bool FlakyPlace::is_answer_killed(const std::string& text) {
  const std::lock_guard lock(mutex_);
  return kills_answer && kills_answer(text);
}

std::uint64_t FlakyPlace::add(const std::string& folder, FlakyMessage message) {
  const std::lock_guard lock(mutex_);
  FlakyFolder& into = folders_[folder];
  if (into.path.components.empty()) into.path = *mail::FolderPath::from_text(folder);
  into.messages[into.next] = std::move(message);
  return into.next++;
}

void FlakyPlace::put(const std::string& folder, const std::string& octets, mail::Meta meta) {
  add(folder, {octets, std::move(meta)});
}

void FlakyPlace::let_arrive() {
  std::vector<Late> waiting;
  for (auto& late : std::exchange(late_, {})) {
    if (late.at <= clock_.steady())
      add(late.folder, std::move(late.message));
    else
      waiting.push_back(std::move(late));
  }
  late_ = std::move(waiting);
}

void FlakyPlace::with(const std::function<void(std::map<std::string, FlakyFolder>&)>& use) {
  const std::lock_guard lock(mutex_);
  let_arrive();
  use(folders_);
}

std::vector<std::string> FlakyPlace::texts(const std::string& folder) {
  std::vector<std::string> found;
  with([&](auto& folders) {
    for (const auto& [uid, message] : folders[folder].messages) found.push_back(message.octets);
  });
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> FlakyPlace::all_texts() {
  std::vector<std::string> found;
  with([&](auto& folders) {
    for (const auto& [name, folder] : folders)
      for (const auto& [uid, message] : folder.messages) found.push_back(name + "\n" + message.octets);
  });
  std::sort(found.begin(), found.end());
  return found;
}

void FlakyPlace::change_epoch(const std::string& folder) {
  with([&](auto& folders) { ++folders[folder].epoch; });
}

Status FlakyPlace::admit() {
  const std::lock_guard lock(mutex_);
  ++sessions_;
  if (refuse_sessions == 0) return {};
  --refuse_sessions;
  return make_error(ErrorKind::unreachable, Scope::session, "connection refused", "", Retry::later);
}

Error FlakyPlace::lost() {
  if (on_death) on_death();
  Error error = make_error(ErrorKind::unreachable, Scope::session, "the server closed the connection", "try again later",
                           Retry::later);
  error.wait = asks_for;
  return error;
}

Status FlakyPlace::point() {
  {
    const std::lock_guard lock(mutex_);
    if (deaths.count(++points_) == 0) return {};
  }
  return lost();
}

void FlakyPlace::arrive_by_fate(const std::string& folder, FlakyMessage message) {
  const std::lock_guard lock(mutex_);
  const auto after = fate ? fate(doubts_) : std::optional(std::chrono::milliseconds(0));
  ++doubts_;
  if (after) late_.push_back({folder, std::move(message), clock_.steady() + *after});
  let_arrive();
}

void FlakyPlace::count_look() {
  const std::lock_guard lock(mutex_);
  ++looks_;
}
void FlakyPlace::count_submit() {
  const std::lock_guard lock(mutex_);
  ++submitted_;
}
std::uint64_t FlakyPlace::points() {
  const std::lock_guard lock(mutex_);
  return points_;
}
std::uint64_t FlakyPlace::sessions() {
  const std::lock_guard lock(mutex_);
  return sessions_;
}
std::uint64_t FlakyPlace::looks() {
  const std::lock_guard lock(mutex_);
  return looks_;
}
std::uint64_t FlakyPlace::submitted() {
  const std::lock_guard lock(mutex_);
  return submitted_;
}

Result<std::unique_ptr<store::Source>> open_flaky_source(FlakyPlace& place) {
  MH_CHECK(place.admit());
  return std::unique_ptr<store::Source>(std::make_unique<FlakySource>(place));
}

Result<std::unique_ptr<store::Target>> open_flaky_target(FlakyPlace& place, store::AckSink& acks) {
  MH_CHECK(place.admit());
  return std::unique_ptr<store::Target>(std::make_unique<FlakyTarget>(place, acks));
}

}  // namespace mailhaul::pipeline
