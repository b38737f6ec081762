// The order of steps here is the promise of docs/design/durability.md; do not reorder.
#include "pipeline/delivery.hpp"

#include <utility>

namespace mailhaul::pipeline {
namespace {

// house.md: a batch = a MULTIAPPEND group = at most 64 messages, 4 MiB.
constexpr std::size_t kBatchMessages = 64;
constexpr std::uint64_t kBatchOctets = 4ULL << 20;
// Beyond four batches without an answer a target has stopped being faster than its disk.
constexpr std::size_t kWindowMessages = 4 * kBatchMessages;
constexpr std::uint64_t kWindowOctets = 4 * kBatchOctets;

}  // namespace

void Deliverer::mark_under_way(const Delivery& delivery, int change) {
  const auto mark = [&](const Digest& digest) {
    for (const ledger::RowId scope : {delivery.target->id, ledger::RowId{0}}) {
      const auto entry = digests_under_way_.try_emplace({scope, digest}, 0).first;
      entry->second += change;
      if (entry->second == 0) digests_under_way_.erase(entry);
    }
  };
  mark(delivery.message.content->facts().nid);
  if (delivery.loose_key) mark(*delivery.loose_key);
}

bool Deliverer::under_way(ledger::RowId target_folder, const Digest& digest) const {
  return digests_under_way_.count({target_folder, digest}) != 0;
}

Status Deliverer::add(Delivery delivery) {
  if (!batch_.empty() && batch_.front().target != delivery.target) MH_CHECK(send());
  batch_octets_ += delivery.message.content->size();
  mark_under_way(delivery, 1);
  batch_.push_back(std::move(delivery));
  if (batch_.size() >= kBatchMessages || batch_octets_ >= kBatchOctets) return send();
  return {};
}

Status Deliverer::send() {
  if (batch_.empty()) return record();
  MH_TRY(const bool announced, announce());
  if (!announced) return record();
  MH_CHECK(submit_batch());
  if (target_->caps().watermark_per_batch || unanswered_.size() > kWindowMessages || unanswered_octets_ > kWindowOctets) {
    MH_CHECK(target_->flush());
    return record();
  }
  return {};
}

/// Makes the batch's intents durable, together with the acks that came meanwhile: one sync a batch. false: the folder
/// takes nothing, and its batch is refused.
Result<bool> Deliverer::announce() {
  TargetFolder& folder = *batch_.front().target;
  const bool fresh_watermark = target_->caps().watermark_per_batch || folder.watermark.empty();
  if (fresh_watermark) {
    auto watermark = target_->watermark(folder.handle);
    if (!watermark.ok()) {
      // A lock that is not to be had stops the run (exit 9); any other fault of one folder leaves the others.
      if (watermark.error().scope != Scope::folder || watermark.error().kind == ErrorKind::locked)
        return std::move(watermark).error();
      for (auto& delivery : std::exchange(batch_, {}))
        answered_.push_back({std::move(delivery), {{}, store::Refused{watermark.error()}}});
      batch_octets_ = 0;
      return false;
    }
    // While older deliveries are in doubt their lower watermark must stay.
    if (folder.in_doubt == 0) folder.watermark = std::move(watermark).value();
  }
  std::vector<Delivered> answers;
  answers.swap(answered_);
  MH_CHECK(ledger_.begin());
  MH_CHECK(record_answers(answers));
  if (fresh_watermark) MH_CHECK(ledger_.set_watermark(folder.id, folder.watermark));
  for (auto& delivery : batch_) {
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
  for (auto& delivery : batch) {
    const store::Ticket ticket = delivery.ticket;
    const store::FolderHandle& handle = delivery.target->handle;
    mail::Message message = delivery.message;
    unanswered_octets_ += message.content->size();
    unanswered_.emplace(ticket, std::move(delivery));
    // Not accepted is as good as refused: no ack will come, and nothing was stored.
    if (auto status = target_->submit(handle, ticket, std::move(message)); !status.ok())
      on_ack({ticket, store::Refused{std::move(status).error()}});
  }
  return {};
}

void Deliverer::on_ack(const store::Ack& ack) {
  if (const auto update = updates_.find(ack.ticket); update != updates_.end()) {
    if (std::holds_alternative<store::InDoubt>(ack.verdict)) return;
    updates_.erase(update);
    if (update_done_) update_done_(ack);
    return;
  }
  const auto entry = unanswered_.find(ack.ticket);
  if (entry == unanswered_.end()) return;  // a verdict twice: the first one counts
  if (std::holds_alternative<store::InDoubt>(ack.verdict)) return;  // a later verdict, or the next run, decides
  unanswered_octets_ -= entry->second.message.content->size();
  answered_.push_back({std::move(entry->second), ack});
  unanswered_.erase(entry);
}

Status Deliverer::record_stored(const Delivery& delivery, const store::Stored& stored) {
  const auto& facts = delivery.message.content->facts();
  MH_TRY(const auto content, ledger_.add_content(delivery.target->id, stored.key.value_or(""), facts.eid, facts.nid,
                                                 delivery.loose_key));
  MH_CHECK(ledger_.mark_delivered(content, delivery.message.meta.flags.bits()));
  MH_CHECK(ledger_.record_item(delivery.source_folder, delivery.key, ledger::Done::copied, content));
  return ledger_.drop_intent(delivery.ticket.instance, delivery.ticket.counter);
}

Status Deliverer::record_answers(const std::vector<Delivered>& answers) {
  for (const auto& delivered : answers) {
    if (const auto* stored = std::get_if<store::Stored>(&delivered.ack.verdict))
      MH_CHECK(record_stored(delivered.delivery, *stored));
    else
      MH_CHECK(ledger_.drop_intent(delivered.ack.ticket.instance, delivered.ack.ticket.counter));
  }
  return {};
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
  if (target_ != nullptr) MH_CHECK(target_->flush());
  return record();
}

Status Deliverer::update(const TargetFolder& folder, const store::Key& key, const store::MetaChange& change) {
  const store::Ticket ticket{ledger_.instance(), ledger_.next_counter()};
  updates_.emplace(ticket, true);
  Status status = target_->update(folder.handle, ticket, key, change);
  if (!status.ok()) updates_.erase(ticket);
  return status;
}

std::vector<Delivery> Deliverer::take_unanswered() {
  std::vector<Delivery> left;
  for (auto& [ticket, delivery] : unanswered_) left.push_back(std::move(delivery));
  unanswered_.clear();
  return left;
}

}  // namespace mailhaul::pipeline
