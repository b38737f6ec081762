// What happens to one message: filtered, a twin, already there, or delivered.
#include <algorithm>
#include <iterator>
#include <utility>

#include "pipeline/copy_run.hpp"

namespace mailhaul::pipeline {
namespace {

// Parked twins hold their content; beyond this the messages they wait for are pushed through.
constexpr std::size_t kParkedMessages = 256;
constexpr std::uint64_t kParkedOctets = 16ULL << 20;
// Adoptions and twins are rows that can be found again: many share one commit.
constexpr std::uint64_t kCommitEvery = 1'000;

}  // namespace

bool CopyRun::date_excludes(const mail::Meta& meta) const {
  const auto& selection = options_.selection;
  if (!selection.has_dates()) return false;
  if (!meta.received) return true;  // no date is in no range
  return (selection.since && meta.received->instant < *selection.since) ||
         (selection.before && meta.received->instant >= *selection.before);
}

Status CopyRun::settle(const Delivery& delivery, Outcome outcome, std::string reason, std::string target_key,
                       std::string twin) {
  if (outcome != Outcome::unknown) MH_CHECK(end_superseded(delivery));
  const auto* content = delivery.message.content.get();
  MessageOutcome line{map_.folders[delivery.folder].source.path.text(),
                      delivery.key,
                      content != nullptr && observer_.wants_outcomes() ? to_hex(content->facts().nid.octets()) : "",
                      outcome,
                      std::move(target_key),
                      std::move(reason),
                      std::move(twin)};
  return account_.settle(delivery.number, delivery.folder, std::move(line),
                         content != nullptr ? content->facts().message_id : "", content != nullptr ? content->size() : 0);
}

/// The message has its end, so nobody will look for its earlier tries any more.
Status CopyRun::end_superseded(const Delivery& delivery) {
  for (const auto& ticket : delivery.superseded) {
    MH_CHECK(ledger_->begin());
    MH_CHECK(ledger_->drop_intent(ticket.instance, ticket.counter));
  }
  return {};
}

Status CopyRun::handle(Fetched fetched) {
  Delivery delivery;
  delivery.number = fetched.number;
  delivery.folder = fetched.folder;
  delivery.key = std::move(fetched.key);
  if (const auto earlier = superseded_.find(fetched.number); earlier != superseded_.end())
    delivery.superseded = earlier->second;
  if (std::holds_alternative<Vanished>(fetched.result))
    return settle(delivery, Outcome::vanished, "it was removed at the source during the run");
  if (auto* error = std::get_if<Error>(&fetched.result)) {
    if (error->kind == ErrorKind::identity) report_.exit = worse_exit(report_.exit, exit_code(*error, Side::source));
    return settle(delivery, Outcome::failed, error->what);
  }
  delivery.message = std::move(std::get<mail::Message>(fetched.result));
  progress_.octets += delivery.message.content->size();
  if (date_excludes(delivery.message.meta)) return settle(delivery, Outcome::filtered, "received date");

  FolderState& state = states_[delivery.folder];
  if (state.target == nullptr && !state.broken) {
    if (auto opened = open_folder(delivery.folder); !opened.ok()) {
      if (opened.error().scope == Scope::run || opened.error().scope == Scope::session) return opened;
      state.broken = std::move(opened).error();
      if (state.broken->kind == ErrorKind::identity)
        report_.exit = worse_exit(report_.exit, exit_code(*state.broken, Side::target));
    }
  }
  if (state.broken) return settle(delivery, Outcome::failed, state.broken->what);
  delivery.source_folder = state.known.id;
  delivery.target = state.target;
  delivery.loose_key = loose_key_of(delivery.message.content->facts(), options_.dedup);
  return decide(std::move(delivery));
}

Status CopyRun::decide(Delivery delivery) {
  const auto& facts = delivery.message.content->facts();
  const ledger::RowId scope = options_.dedup_scope == DedupScope::account ? 0 : delivery.target->id;
  // What is in doubt may be there already, and the ledger does not say so.
  const bool twin_in_doubt =
      options_.dedup == Dedup::none
          ? doubts_.holds_unlisted(scope, facts.nid)
          : doubts_.holds(scope, facts.nid) || (delivery.loose_key && doubts_.holds(scope, *delivery.loose_key));
  if (twin_in_doubt) {
    twins_of_doubts_.push_back(std::move(delivery));
    return {};
  }
  if (options_.dedup != Dedup::none) {
    const bool twin_under_way = deliverer_->under_way(scope, facts.nid) ||
                                (delivery.loose_key && deliverer_->under_way(scope, *delivery.loose_key));
    if (twin_under_way) {
      // If its twin fails it must go itself, so it waits for the twin's ack.
      parked_octets_ += facts.size;
      parked_.push_back(std::move(delivery));
      return {};
    }
  }
  // Inside of the transaction that the batch will need anyway: alone, each question would take a lock of the file's.
  MH_CHECK(ledger_->begin());
  MH_TRY(const auto equal, ledger_->contents_by_eid(scope, facts.eid));
  const ledger::Content* free_one = nullptr;
  for (const auto& content : equal) {
    if (options_.dedup != Dedup::none && content.nid == facts.nid && content.claims > 0)
      return note_twin(delivery, content, /*loose=*/false);
    if (content.claims == 0 && (free_one == nullptr || (free_one->nid != facts.nid && content.nid == facts.nid)))
      free_one = &content;
  }
  if (free_one != nullptr) return adopt(delivery, *free_one);
  if (delivery.loose_key) {
    MH_TRY(const auto alike, ledger_->contents_by_mail_key(scope, *delivery.loose_key));
    if (!alike.empty()) return note_twin(delivery, alike.front(), /*loose=*/true);
  }
  if (options_.mark_seen) delivery.message.meta.flags.set(mail::Flags::seen);
  handed_over_ += facts.size;
  return deliverer_->add(std::move(delivery));
}

Status CopyRun::commit_now_and_then() {
  if (++uncommitted_ % kCommitEvery != 0) return {};
  MH_CHECK(deliverer_->settle_updates());
  return ledger_->commit();
}

Status CopyRun::adopt(const Delivery& delivery, const ledger::Content& content) {
  MH_CHECK(ledger_->begin());
  MH_CHECK(ledger_->record_item(delivery.source_folder, delivery.key, ledger::Done::adopted, content.id));
  if (content.nid != delivery.message.content->facts().nid)
    MH_CHECK(ledger_->set_nid(content.id, delivery.message.content->facts().nid));
  if (delivery.loose_key) MH_CHECK(ledger_->set_mail_key(content.id, *delivery.loose_key));
  MH_CHECK(commit_now_and_then());
  return settle(delivery, Outcome::present, "the target holds it", content.key);
}

Status CopyRun::note_twin(const Delivery& delivery, const ledger::Content& content, bool loose) {
  MH_CHECK(ledger_->begin());
  MH_CHECK(ledger_->record_item(delivery.source_folder, delivery.key,
                                loose ? ledger::Done::loose_duplicate : ledger::Done::duplicate, content.id));
  MH_CHECK(commit_now_and_then());
  MH_CHECK(add_twin_flags(delivery, content));
  return settle(delivery, Outcome::duplicate, loose ? "a message with the same key is there" : "the same message is there",
                content.key, content.key);
}

/// The first twin stays; a later one's flags and keywords are added to it where the target can, else counted. Only on
/// what mailhaul brought: copy changes nothing else.
Status CopyRun::add_twin_flags(const Delivery& delivery, const ledger::Content& content) {
  const mail::Meta& meta = delivery.message.meta;
  const auto more = static_cast<std::uint8_t>(meta.flags.bits() & ~content.flags);
  if (!content.delivered || (more == 0 && meta.keywords.empty())) return {};
  if (!target_caps_.update || content.key.empty() || content.folder != delivery.target->id) {
    ++report_.counts.lost_flags;
    return {};
  }
  MH_CHECK(ledger_->mark_delivered(content.id, static_cast<std::uint8_t>(content.flags | more)));
  store::MetaChange change;
  change.add_flags = mail::Flags(more);
  change.add_keywords = meta.keywords;
  auto status = deliverer_->update(*delivery.target, content.key, change);
  if (status.ok() || status.error().scope == Scope::session || status.error().scope == Scope::run) return status;
  ++report_.counts.lost_flags;
  return {};
}

/// Called by the deliverer once the ledger knows the end of a delivery. Calls nothing of the deliverer.
Status CopyRun::settled(Delivered delivered) {
  Delivery& delivery = delivered.delivery;
  if (const auto* stored = std::get_if<store::Stored>(&delivered.ack.verdict)) {
    report_.counts.lost_keywords += stored->lost_keywords ? 1 : 0;
    // identity.md: a date that nobody knows is counted, whatever the target makes of it.
    report_.counts.lost_dates += stored->lost_date || !delivery.message.meta.received ? 1 : 0;
    report_.counts.lost_flags += stored->lost_flags ? 1 : 0;
    target_progress_ = true;
    target_back_off_.progress();
    delivery.target->alters = delivery.target->alters || stored->altered;
    if (stored->altered)
      account_.altered({map_.folders[delivery.folder].source.path.text(), delivery.key, "", Outcome::copied, "", "", ""},
                       delivery.message.content->facts().message_id);
    return settle(delivery, Outcome::copied, "", stored->key.value_or(""));
  }
  const Error& error = std::get<store::Refused>(delivered.ack.verdict).error;
  if (session_lost(error)) {
    // It never left. That is nobody's fault, least of all the message's: no attempt.
    --delivery.attempts;
    taken_back_.push_back(std::move(delivery));
    return {};
  }
  if (error.scope == Scope::run || error.scope == Scope::session) {
    if (!fatal_) fatal_ = error;
    return {};  // it stays pending: the next run brings it
  }
  if (error.retry != Retry::never && delivery.attempts < kAttempts) {
    to_retry_.push_back(std::move(delivery));
    return {};
  }
  if (error.scope == Scope::folder) states_[delivery.folder].broken = error;
  if (error.kind == ErrorKind::identity) report_.exit = worse_exit(report_.exit, exit_code(error, Side::target));
  return settle(delivery, Outcome::failed, error.what);
}

/// Retries, and twins whose first one got its verdict. A retry is decided anew: its twin may have gone meanwhile.
Status CopyRun::work_off() {
  if (fatal_) return *fatal_;
  std::move(taken_back_.begin(), taken_back_.end(), std::back_inserter(to_retry_));
  taken_back_.clear();
  while (!to_retry_.empty()) {
    Delivery delivery = std::move(to_retry_.front());
    to_retry_.pop_front();
    MH_CHECK(decide(std::move(delivery)));
  }
  if (std::exchange(doubts_changed_, false)) {
    for (auto& delivery : std::exchange(twins_of_doubts_, {})) MH_CHECK(decide(std::move(delivery)));
  }
  if (parked_.empty()) return {};
  if (parked_.size() > kParkedMessages || parked_octets_ > kParkedOctets) MH_CHECK(deliverer_->drain());
  std::deque<Delivery> parked;
  parked.swap(parked_);
  parked_octets_ = 0;
  for (auto& delivery : parked) MH_CHECK(decide(std::move(delivery)));
  return {};
}

}  // namespace mailhaul::pipeline
