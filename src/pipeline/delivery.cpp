// The order of steps here is the promise of docs/design/durability.md; do not reorder.
#include "pipeline/delivery.hpp"

#include <algorithm>
#include <utility>

#include "pipeline/patience.hpp"

namespace mailhaul::pipeline {
namespace {

// durability.md: a batch = a MULTIAPPEND group = at most 64 messages, 4 MiB.
constexpr std::size_t kBatchMessages = 64;
constexpr std::uint64_t kBatchOctets = 4ULL << 20;
// A place on this machine answers for certain, and pays for its syncs by the batch (ADR 15). What comes slowly is not
// held for so many: it is made durable as often as elsewhere.
constexpr std::size_t kLocalMessages = 256;
constexpr std::uint64_t kLocalOctets = 16ULL << 20;
constexpr std::chrono::milliseconds kLocalWait{200};
// Beyond so many batches without an answer a target has stopped being faster than its disk. One with several sessions
// has twice a round trip's worth on its way: the answer, and the look at what was stored.
constexpr std::size_t kWindowMessages = 4 * kBatchMessages, kSharedMessages = 16 * kBatchMessages;
constexpr std::uint64_t kWindowOctets = 4 * kBatchOctets;
// A change of flags that kills sessions is not worth a third one.
constexpr int kUpdateAttempts = 3;

}  // namespace

void DigestMarks::mark(ledger::RowId folder, const Digest& nid, const std::optional<Digest>& loose, int change) {
  const auto count = [&](const Digest& digest) {
    for (const ledger::RowId scope : {folder, ledger::RowId{0}}) {
      const auto entry = counts_.try_emplace({scope, digest}, 0).first;
      entry->second += change;
      if (entry->second == 0) counts_.erase(entry);
    }
  };
  count(nid);
  if (loose) count(*loose);
}

void Deliverer::mark_under_way(const Delivery& delivery, int change) {
  under_way_.mark(delivery.target->id, delivery.message.content->facts().nid, delivery.loose_key, change);
}

void Deliverer::set_target(store::Target* target) {
  target_ = target;
  ++session_;
  is_local_ = target != nullptr && !target->caps().late_commits;
}

Status Deliverer::steadily(const std::function<Status(store::Target&)>& call) {
  for (;;) {
    Status status = call(*target_);
    if (status.ok() || !reconnect_ || !session_lost(status.error())) return status;
    MH_CHECK(reconnect_(status.error()));
  }
}

Status Deliverer::take_handle(TargetFolder& folder, store::FolderHandle handle) {
  const bool opened_before = folder.session != 0;
  if (opened_before && (handle.epoch != folder.handle.epoch || handle.created)) {
    folder.broken = make_error(ErrorKind::identity, Scope::folder,
                               "the target's folder " + folder.handle.path.text() + " was replaced by another during the run",
                               "look what became of it; the next run begins there anew");
    return *folder.broken;
  }
  folder.handle = std::move(handle);
  folder.session = session_;
  // Nothing of before the loss can arrive any more: the end of the folder as the new session sees it will do.
  if (opened_before && folder.in_doubt == 0 && !folder.watermark_stays) folder.watermark.clear();
  return {};
}

Status Deliverer::refresh(TargetFolder& folder) {
  if (folder.broken) return *folder.broken;
  if (folder.session == session_) return {};
  MH_TRY(auto handle, target_->open_folder(folder.handle.path, mail::Role::none));
  return take_handle(folder, std::move(handle));
}

Status Deliverer::add(Delivery delivery) {
  if (!batch_.empty() && batch_.front().target != delivery.target) MH_CHECK(send());
  if (batch_.empty()) batch_begun_ = clock_.steady();
  batch_octets_ += delivery.message.content->size();
  mark_under_way(delivery, 1);
  batch_.push_back(std::move(delivery));
  return is_complete() ? send() : Status();
}

bool Deliverer::is_complete() const {
  if (batch_.size() < kBatchMessages && batch_octets_ < kBatchOctets) return false;
  if (!is_local_ || batch_.size() >= kLocalMessages || batch_octets_ >= kLocalOctets) return true;
  return clock_.steady() - batch_begun_ >= kLocalWait;
}

Status Deliverer::send() {
  if (batch_.empty()) {
    // The commit takes what is known of twins with it.
    MH_CHECK(settle_updates());
    return record();
  }
  MH_TRY(const bool announced, announce());
  if (!announced) return record();
  MH_CHECK(submit_batch());
  const bool takes_one_batch = target_->caps().watermark_per_batch;
  if (is_local_ || takes_one_batch) MH_CHECK(steadily([](store::Target& target) { return target.flush(); }));
  if (takes_one_batch) return record();
  for (std::size_t before = 0; is_full() && before != open_deliveries();) {
    before = open_deliveries();
    MH_CHECK(steadily([](store::Target& target) { return target.ease(); }));
  }
  // Their ends are made durable with the next batch.
  return answered_.size() > kWindowMessages ? record() : Status();
}

bool Deliverer::is_full() const {
  const std::size_t messages = sessions_ == 0 ? kWindowMessages : kSharedMessages * sessions_;
  return open_deliveries() > messages || unanswered_octets_ > kWindowOctets * std::max<std::size_t>(sessions_, 1);
}

/// Makes the batch's intents durable, together with the acks that came meanwhile: one sync a batch. false: the folder
/// takes nothing, and its batch is refused.
Result<bool> Deliverer::announce() {
  MH_CHECK(settle_updates());
  TargetFolder& folder = *batch_.front().target;
  bool fresh_watermark = false;
  std::string watermark;
  auto ready = steadily([&](store::Target& target) -> Status {
    MH_CHECK(refresh(folder));
    fresh_watermark = target.caps().watermark_per_batch || folder.watermark.empty();
    if (!fresh_watermark) return {};
    MH_TRY(watermark, target.watermark(folder.handle));
    return {};
  });
  if (!ready.ok()) {
    // A lock that is not to be had stops the run (exit 9); any other fault of one folder leaves the others.
    if (ready.error().scope != Scope::folder || ready.error().kind == ErrorKind::locked)
      return std::move(ready).error();
    for (auto& delivery : std::exchange(batch_, {}))
      answered_.push_back({std::move(delivery), {delivery.ticket, store::Refused{ready.error()}}});
    batch_octets_ = 0;
    return false;
  }
  // While older deliveries are in doubt their lower watermark must stay.
  if (fresh_watermark && folder.in_doubt == 0) folder.watermark = std::move(watermark);
  std::vector<Delivered> answers;
  answers.swap(answered_);
  MH_CHECK(ledger_.begin());
  MH_CHECK(record_answers(answers));
  if (fresh_watermark && folder.in_doubt == 0) MH_CHECK(ledger_.set_watermark(folder.id, folder.watermark));
  for (auto& delivery : batch_) {
    for (const auto& ticket : std::exchange(delivery.superseded, {}))
      MH_CHECK(ledger_.drop_intent(ticket.instance, ticket.counter));
    delivery.ticket = {ledger_.instance(), ledger_.next_counter()};
    ++delivery.attempts;
    const auto& facts = delivery.message.content->facts();
    MH_CHECK(ledger_.add_intent({delivery.ticket.instance, delivery.ticket.counter, delivery.source_folder, delivery.key,
                                 folder.id, facts.nid, facts.eid, delivery.loose_key, facts.crlf_size}));
  }
  MH_CHECK(ledger_.commit());
  MH_CHECK(tell(std::move(answers)));
  return true;
}

Status Deliverer::submit_batch() {
  std::vector<Delivery> batch;
  batch.swap(batch_);
  batch_octets_ = 0;
  std::optional<Error> lost;
  for (auto& delivery : batch) {
    const store::Ticket ticket = delivery.ticket;
    const store::FolderHandle& handle = delivery.target->handle;
    mail::Message message = delivery.message;
    unanswered_octets_ += message.content->size();
    unanswered_.emplace(ticket, std::move(delivery));
    auto status = lost ? Status(*lost) : target_->submit(handle, ticket, std::move(message));
    if (status.ok()) continue;
    if (session_lost(status.error())) lost = status.error();
    // A target that gave this very ticket its verdict before it failed had accepted it.
    if (const auto entry = unanswered_.find(ticket); entry != unanswered_.end() && entry->second.in_doubt) continue;
    // Not accepted is as good as refused: no ack will come, and nothing was stored.
    on_ack({ticket, store::Refused{std::move(status).error()}});
  }
  return lost && reconnect_ ? reconnect_(*lost) : Status();
}

void Deliverer::on_ack(const store::Ack& ack) {
  const auto* refused = std::get_if<store::Refused>(&ack.verdict);
  const bool in_doubt = std::holds_alternative<store::InDoubt>(ack.verdict);
  if (const auto update = updates_.find(ack.ticket); update != updates_.end()) {
    if (in_doubt || (refused != nullptr && session_lost(refused->error))) return;  // the next session is asked again
    updates_.erase(update);
    if (update_done_) update_done_(ack);
    return;
  }
  const auto entry = unanswered_.find(ack.ticket);
  if (entry == unanswered_.end()) return;  // a verdict twice: the first one counts
  Delivery& delivery = entry->second;
  if (in_doubt) {
    in_doubt_ += delivery.in_doubt ? 0 : 1;
    delivery.in_doubt = true;
    return;
  }
  in_doubt_ -= delivery.in_doubt ? 1 : 0;
  delivery.in_doubt = false;
  unanswered_octets_ -= delivery.message.content->size();
  answered_.push_back({std::move(delivery), ack});
  unanswered_.erase(entry);
}

Status Deliverer::record_stored(const Delivery& delivery, const store::Stored& stored) {
  const auto& facts = delivery.message.content->facts();
  return ledger_.record_delivery({delivery.source_folder, delivery.key, delivery.target->id,
                                  stored.key ? std::string_view(*stored.key) : std::string_view(), facts.eid, facts.nid,
                                  delivery.loose_key, delivery.message.meta.flags.bits()});
}

/// Acks come nearly in the order of the tickets: one statement for each row of them without a gap.
Status Deliverer::drop_intents_of(const std::vector<Delivered>& answers) {
  for (std::size_t at = 0; at < answers.size();) {
    const store::Ticket first = answers[at].ack.ticket;
    std::uint64_t last = first.counter;
    for (++at; at < answers.size(); ++at, ++last) {
      const store::Ticket& next = answers[at].ack.ticket;
      if (next.instance != first.instance || next.counter != last + 1) break;
    }
    MH_CHECK(ledger_.drop_intents(first.instance, first.counter, last));
  }
  return {};
}

Status Deliverer::record_answers(const std::vector<Delivered>& answers) {
  for (const auto& delivered : answers) {
    if (const auto* stored = std::get_if<store::Stored>(&delivered.ack.verdict))
      MH_CHECK(record_stored(delivered.delivery, *stored));
  }
  return drop_intents_of(answers);
}

/// Only what the ledger knows durably is told.
Status Deliverer::tell(std::vector<Delivered> answers) {
  for (auto& delivered : answers) {
    mark_under_way(delivered.delivery, -1);
    MH_CHECK(settled_(std::move(delivered)));
  }
  return {};
}

Status Deliverer::record() {
  if (answered_.empty()) return {};
  std::vector<Delivered> answers;
  answers.swap(answered_);
  MH_CHECK(ledger_.begin());
  MH_CHECK(record_answers(answers));
  MH_CHECK(ledger_.commit());
  return tell(std::move(answers));
}

Status Deliverer::drain() {
  MH_CHECK(send());
  if (target_ != nullptr) MH_CHECK(steadily([](store::Target& target) { return target.flush(); }));
  return record();
}

Status Deliverer::update(TargetFolder& folder, const store::Key& key, const store::MetaChange& change) {
  const store::Ticket ticket{ledger_.instance(), ledger_.next_counter()};
  updates_.emplace(ticket, Update{&folder, key, change});
  Status status = steadily([&](store::Target& target) -> Status {
    // A session that was opened meanwhile has been asked by repeat_updates().
    if (updates_.count(ticket) == 0 || updates_.at(ticket).repeated) return {};
    MH_CHECK(refresh(folder));
    return target.update(folder.handle, ticket, key, change);
  });
  if (!status.ok()) updates_.erase(ticket);
  return status;
}

Status Deliverer::settle_updates() {
  if (updates_.empty()) return {};
  return steadily([](store::Target& target) { return target.flush(); });
}

Status Deliverer::repeat_updates(bool counts) {
  std::vector<store::Ticket> left;
  for (const auto& [ticket, update] : updates_) left.push_back(ticket);
  for (const auto& ticket : left) {
    const auto entry = updates_.find(ticket);
    if (entry == updates_.end()) continue;
    Update& update = entry->second;
    update.repeated = true;
    update.attempts += counts ? 1 : 0;
    Status status = update.attempts > kUpdateAttempts
                        ? Status(make_error(ErrorKind::message, Scope::message, "no session lived to answer"))
                        : refresh(*update.folder);
    if (status.ok()) status = target_->update(update.folder->handle, ticket, update.key, update.change);
    if (status.ok()) continue;
    if (session_lost(status.error())) return status;
    on_ack({ticket, store::Refused{std::move(status).error()}});
  }
  return {};
}

std::vector<Delivery> Deliverer::take_unanswered(Which which) {
  std::vector<Delivery> taken;
  for (auto entry = unanswered_.begin(); entry != unanswered_.end();) {
    Delivery& delivery = entry->second;
    if (which == Which::in_doubt && !delivery.in_doubt) {
      ++entry;
      continue;
    }
    in_doubt_ -= delivery.in_doubt ? 1 : 0;
    delivery.in_doubt = true;
    unanswered_octets_ -= delivery.message.content->size();
    mark_under_way(delivery, -1);
    taken.push_back(std::move(delivery));
    entry = unanswered_.erase(entry);
  }
  return taken;
}

}  // namespace mailhaul::pipeline
