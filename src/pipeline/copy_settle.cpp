// What a copy does about a lost session of the target, and about deliveries in doubt (docs/design/durability.md).
#include <algorithm>
#include <utility>

#include "pipeline/attribution.hpp"
#include "pipeline/copy_run.hpp"

namespace mailhaul::pipeline {
namespace {

// Servers end a session after 30 minutes of silence, boxes between here and there much sooner.
constexpr auto kKeepAlive = std::chrono::seconds(5);
// Two sessions that end without any progress may be chance.
constexpr unsigned kDeaths = 3;

ledger::Intent intent_of(const Delivery& delivery) {
  const auto& facts = delivery.message.content->facts();
  return {delivery.ticket.instance,
          delivery.ticket.counter,
          delivery.source_folder,
          delivery.key,
          delivery.target->id,
          facts.nid,
          facts.eid,
          delivery.loose_key,
          facts.crlf_size};
}

}  // namespace

/// A lost session is found at the next use: only the keeping alive is done here.
void CopyRun::keep_alive(Alive who) {
  const auto now = services_.clock.steady();
  if (now - pumped_ < kKeepAlive) return;
  pumped_ = now;
  const auto pump = [](auto& session) { (void)session->pump(std::chrono::milliseconds(0)); };
  if (target_) pump(target_);
  if ((who == Alive::both_targets || who == Alive::all) && target_source_) pump(target_source_);
  if ((who == Alive::all_but_index || who == Alive::all) && source_) pump(source_);
}

/// Called from inside the deliverer when the target's session is lost. Error: the run ends.
Status CopyRun::reopen_target(const Error& why) {
  Error last = why;
  MH_CHECK(bury_session(last));
  for (;;) {
    progress(Progress::Phase::connecting);
    if (const auto text = target_back_off_.note(job_.target.text(), last))
      notes_.note({store::Note::Weight::warning, "", *text});
    MH_CHECK(target_back_off_.pause(last, [this] { keep_alive(Alive::both_targets); }));
    auto opened = new_target();
    if (!opened.ok()) {
      if (opened.error().retry == Retry::never || opened.error().kind == ErrorKind::interrupted)
        return std::move(opened).error();
      last = std::move(opened).error();
      continue;
    }
    target_ = std::move(opened).value();
    deliverer_->set_target(target_.get());
    Status status = look_into(doubts_.never_looked_for());
    if (status.ok()) status = deliverer_->repeat_updates(/*counts=*/!last.wait);
    if (status.ok() || !session_lost(status.error())) return status;
    last = std::move(status).error();
    MH_CHECK(bury_session(last));
  }
}

/// What the dead session acknowledged is recorded; what never left is taken back; the rest is in doubt.
Status CopyRun::bury_session(const Error& why) {
  if (!why.wait)  // else its pause is told
    notes_.note(
        {store::Note::Weight::info, "", job_.target.text() + ": connection lost (" + why.what + "), reconnecting"});
  target_.reset();
  deliverer_->set_target(nullptr);
  auto unanswered = deliverer_->take_unanswered(Deliverer::Which::all);
  const bool at_one_that_never_left = unanswered.empty();
  doubt(std::move(unanswered));
  MH_CHECK(deliverer_->record());
  fruitless_ = target_progress_ ? 0 : fruitless_ + 1;
  // A message at which every session ends is not tried for ever. A pause is asked for whatever is brought.
  if (!std::exchange(target_progress_, false) && !why.wait && at_one_that_never_left && !taken_back_.empty()) {
    const auto first = std::min_element(taken_back_.begin(), taken_back_.end(),
                                        [](const auto& a, const auto& b) { return a.ticket < b.ticket; });
    if (++first->deaths >= kDeaths) {
      const Delivery poison = std::move(*first);
      taken_back_.erase(first);
      MH_CHECK(settle(poison, Outcome::failed, "the target ends the connection at this message"));
    }
  }
  std::move(taken_back_.begin(), taken_back_.end(), std::back_inserter(to_retry_));
  taken_back_.clear();
  return {};
}

void CopyRun::doubt(std::vector<Delivery> deliveries) {
  for (auto& delivery : deliveries) {
    ++delivery.target->in_doubt;
    Doubt doubt;
    doubt.intent = intent_of(delivery);
    doubt.since = services_.clock.steady();
    doubt.delivery = std::move(delivery);
    doubts_.add(std::move(doubt));
  }
}

TargetFolder* CopyRun::opened_folder(ledger::RowId id) {
  for (auto& [name, folder] : target_folders_)
    if (folder->id == id) return folder.get();
  return nullptr;
}

/// One look at each of these folders. Error: of the session or the run; a folder's own is told, and its deliveries stay
/// in doubt.
Status CopyRun::look_into(const std::set<ledger::RowId>& folders) {
  for (const ledger::RowId id : folders) {
    TargetFolder* folder = opened_folder(id);
    if (folder == nullptr) continue;
    Status status = look_into(*folder);
    if (status.ok()) continue;
    if (status.error().scope != Scope::folder) return status;
    give_up_folder(*folder, status.error());
  }
  return {};
}

void CopyRun::give_up_folder(TargetFolder& folder, const Error& error) {
  const bool told = std::none_of(doubts_.all().begin(), doubts_.all().end(), [&](const Doubt& doubt) {
    return doubt.intent.target_folder == folder.id && !doubt.given_up;
  });
  if (told) return;
  notes_.note({store::Note::Weight::warning, folder.handle.path.text(), error.what});
  report_.exit = worse_exit(report_.exit, exit_code(error, Side::target));
  if (error.kind == ErrorKind::identity) folder.broken = error;
  for (auto& doubt : doubts_.all())
    if (doubt.intent.target_folder == folder.id) doubt.given_up = true;
}

Status CopyRun::look_into(TargetFolder& folder) {
  const auto now = services_.clock.steady();
  std::vector<std::list<Doubt>::iterator> doubts;
  std::vector<Sought> sought;
  std::vector<store::Wanted> wanted;
  for (auto doubt = doubts_.all().begin(); doubt != doubts_.all().end(); ++doubt) {
    if (doubt->intent.target_folder != folder.id) continue;
    doubts.push_back(doubt);
    sought.push_back({doubt->intent, doubt->delivery ? doubt->delivery->message.meta.flags.bits() : std::uint8_t{0}});
    wanted.push_back({doubt->ticket(), doubt->intent.nid, doubt->intent.eid, doubt->intent.crlf_size});
  }
  if (doubts.empty()) return {};
  MH_CHECK(deliverer_->refresh(folder));
  std::vector<store::Match> matches;
  MH_CHECK(target_->find_since(folder.handle, folder.watermark, wanted, [&](store::Match match) {
    matches.push_back(std::move(match));
    return Status();
  }));
  MH_TRY(const auto found, attribute(*ledger_, folder.id, sought, matches));
  MH_CHECK(ledger_->commit());
  doubts_.looked(folder.id, now);
  for (std::size_t i = 0; i < doubts.size(); ++i) {
    if (found[i])
      MH_CHECK(arrived(folder, doubts_.take(doubts[i]), *found[i]));
    else if (!doubts[i]->given_up && (!target_caps_.late_commits || doubts_.settled(*doubts[i], now)))
      MH_CHECK(did_not_arrive(folder, doubts[i]));
  }
  // Nothing is under way here: the next delivery begins where the folder ends now, and a later look need not go back to
  // the beginning of the run.
  if (folder.in_doubt == 0 && !folder.watermark_stays) folder.watermark.clear();
  return {};
}

/// The ledger knows it already.
Status CopyRun::arrived(TargetFolder& folder, Doubt doubt, const store::Key& key) {
  --folder.in_doubt;
  target_progress_ = true;
  target_back_off_.progress();
  doubts_changed_ = true;
  if (doubt.delivery) return settle(*doubt.delivery, Outcome::copied, "found after the connection was lost", key);
  if (!doubt.listed) return {};
  return settle(delivery_of(*doubt.listed), Outcome::present, "delivered by an earlier run", key);
}

/// It was waited for long enough (or the target stores nothing late): now, and only now, it may be sent again.
Status CopyRun::did_not_arrive(TargetFolder& folder, std::list<Doubt>::iterator doubt) {
  const bool tried_enough = doubt->delivery && doubt->delivery->attempts >= kAttempts;
  if (target_caps_.late_commits && (tried_enough || folder.alters)) {
    doubt->given_up = true;
    return {};
  }
  doubts_changed_ = true;
  --folder.in_doubt;
  folder.watermark_stays = folder.watermark_stays || target_caps_.late_commits;
  Doubt ended = doubts_.take(doubt);
  if (ended.delivery) {
    ended.delivery->in_doubt = false;
    ended.delivery->superseded.push_back(ended.ticket());
    if (tried_enough) return settle(*ended.delivery, Outcome::failed, "the target ends the connection at this message");
    to_retry_.push_back(std::move(*ended.delivery));
    return {};
  }
  if (ended.listed) {
    late_.push_back(std::move(ended));
    return {};
  }
  MH_CHECK(ledger_->begin());
  return ledger_->drop_intent(ended.intent.instance, ended.intent.counter);
}

Delivery CopyRun::delivery_of(const Doubt::Listed& listed) {
  Delivery delivery;
  delivery.number = listed.number;
  delivery.folder = listed.item.folder;
  delivery.key = listed.item.key;
  return delivery;
}

/// When everything else is done: looks again and again, until each delivery was found, sent anew, or given up.
Status CopyRun::settle_doubts() {
  for (;;) {
    MH_CHECK(finish_deliveries());
    if (!late_.empty()) {
      MH_CHECK(deliver_late());
      continue;
    }
    const auto next = doubts_.next_look();
    if (!next) return {};
    const auto now = services_.clock.steady();
    if (*next > now) {
      const auto tick = [this] {
        keep_alive(Alive::all);
        progress(Progress::Phase::settling);
      };
      MH_CHECK(wait_for(options_.patience, services_.cancel, std::chrono::ceil<std::chrono::milliseconds>(*next - now),
                        tick));
    }
    const auto due = doubts_.due(services_.clock.steady());
    // A session that dies in the middle of a look is replaced; what it did not see is looked for once more.
    MH_CHECK(on(Side::target, deliverer_->steadily([&](store::Target&) { return look_into(due); })));
  }
}

/// Deliveries of an earlier run that did not arrive: only now are their messages read.
Status CopyRun::deliver_late() {
  MH_TRY(auto pending, ledger::PendingTable::make(services_.fs));
  std::vector<std::uint64_t> numbers;
  // All of them were listed; GCC 12 does not see that.
  const auto number = [](const Doubt& doubt) { return doubt.listed ? doubt.listed->number : 0; };
  std::sort(late_.begin(), late_.end(), [&](const Doubt& a, const Doubt& b) { return number(a) < number(b); });
  MH_CHECK(pending->begin());
  for (const auto& doubt : std::exchange(late_, {})) {
    MH_CHECK(pending->add(doubt.listed->item));
    numbers.push_back(doubt.listed->number);
    superseded_[doubt.listed->number].push_back(doubt.ticket());
  }
  MH_CHECK(pending->end());
  return read_and_deliver(*pending, numbers);
}

/// What the end of the run leaves in doubt: its intents stay, and the next run goes on with them. In a folder that is
/// another one now nothing will be found any more: there the next run begins anew, by content.
Status CopyRun::leave_doubts() {
  std::set<ledger::RowId> replaced;
  for (const auto& [name, folder] : target_folders_)
    if (folder->broken && folder->broken->kind == ErrorKind::identity) replaced.insert(folder->id);
  MH_CHECK(ledger_->begin());
  for (const auto& doubt : doubts_.all()) {
    if (doubt.delivery)
      MH_CHECK(settle(*doubt.delivery, Outcome::unknown, "the target gave no answer, and it was not found there"));
    else if (doubt.listed)
      MH_CHECK(settle(delivery_of(*doubt.listed), Outcome::unknown, "delivery in doubt"));
    if (replaced.count(doubt.intent.target_folder) != 0)
      MH_CHECK(ledger_->drop_intent(doubt.intent.instance, doubt.intent.counter));
  }
  return ledger_->commit();
}

}  // namespace mailhaul::pipeline
