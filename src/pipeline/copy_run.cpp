// The steps of a copy.
#include "pipeline/copy_run.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace mailhaul::pipeline {
namespace {

// The queue between reading and writing: a few batches. More would only hold memory, for the disk is the slower side.
constexpr std::uint64_t kQueueOctets = 16ULL << 20;
constexpr std::size_t kQueueMessages = 512;
// What a server may have under way for us when the queue is full: its session must not stand still with it.
constexpr std::uint64_t kQueueSlack = 32ULL << 20U;
// house.md: a batch waits at most 200 ms for more.
constexpr auto kBatchPatience = std::chrono::milliseconds(200);

store::Services with(const store::Services& services, store::Events& events, files::Spool& spool,
                     const CancelToken& cancel) {
  return {services.clock, services.fs, spool, cancel, events, services.random, services.dialer, services.trace};
}

}  // namespace

Report run_copy(const Job& job, Observer& observer) { return CopyRun(job, observer).run(); }

CopyRun::CopyRun(const Job& job, Observer& observer)
    : job_(job),
      options_(job.options),
      observer_(observer),
      notes_(job.services.events),
      services_(with(job.services, notes_, job.services.spool, job.services.cancel)),
      index_cancel_(&job.services.cancel),
      index_services_(with(job.services, notes_, job.facts_spool, index_cancel_)),
      account_(report_, observer),
      start_(job.services.clock.steady()),
      target_back_off_(job.options.patience, job.services.cancel),
      doubts_(job.options.settle) {}

Report CopyRun::run() {
  report_.command = "copy";
  report_.source = job_.source.text();
  report_.target = job_.target.text();
  report_.dry_run = options_.dry_run;
  if (auto status = execute(); !status.ok()) {
    report_.exit = worse_exit(report_.exit, exit_code(status.error(), error_side_));
    report_.error = std::move(status).error();
  }
  if (opening_.valid()) {
    index_cancel_.request();
    opening_.wait();
  }
  early_lanes_.reset();
  finish();
  report_.seconds = std::chrono::duration<double>(services_.clock.steady() - start_).count();
  return std::move(report_);
}

Status CopyRun::on(Side side, Status status) {
  if (!status.ok()) error_side_ = side;
  return status;
}

void CopyRun::progress(Progress::Phase phase, const std::string& folder) {
  progress_.phase = phase;
  progress_.folder = folder;
  progress_.total = report_.counts.listed;
  progress_.done = account_.done();
  progress_.copied = report_.counts.copied;
  progress_.failed = report_.counts.failed;
  progress_.in_doubt = doubts_.open();
  const auto left = progress_.in_doubt == 0 ? SteadyTime::duration(0) : doubts_.last_look() - services_.clock.steady();
  progress_.wait = std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(left));
  observer_.on_progress(progress_);
}

Status CopyRun::execute() {
  progress(Progress::Phase::connecting);
  MH_CHECK(prepare());
  // First of all: a torn message that a stopped run left must be gone before anybody reads the target.
  MH_CHECK(recover());
  MH_CHECK(plan_folders());
  MH_CHECK(plan_listings());
  for (std::uint32_t i = 0; i < map_.folders.size(); ++i) {
    if (services_.cancel.requested()) return interrupted();
    MH_CHECK(list_folder(i));
  }
  MH_CHECK(transfer());
  return settle_doubts();
}

Status CopyRun::prepare() {
  MH_TRY(source_descriptor_, job_.registry.find(job_.source));
  MH_TRY(target_descriptor_, job_.registry.find(job_.target));
  if (source_descriptor_->open_source == nullptr)
    return make_error(ErrorKind::unsupported, Scope::run, job_.source.text() + " cannot be read");
  if (target_descriptor_->open_target == nullptr)
    return make_error(ErrorKind::unsupported, Scope::run,
                      job_.target.text() + ": " + std::string(target_descriptor_->read_only),
                      std::string(target_descriptor_->instead));
  MH_TRY(identities_, identify(job_, *source_descriptor_, *target_descriptor_));
  const std::string path = job_.ledger_file.empty()
                               ? ledger::ledger_path(job_.ledger_directory, identities_.source, identities_.target)
                               : job_.ledger_file;
  begin_opening(path);
  auto source = open_steady(*source_descriptor_, job_.source, services_, job_.source_open, options_.patience);
  if (!source.ok()) return on(Side::source, std::move(source).error());
  source_ = std::move(source).value();
  if (options_.mark_seen && source_->caps().keeps_meta)
    return make_error(ErrorKind::usage, Scope::run,
                      "--seen is for POP3, whose mail has no flags; " + job_.source.text() + " keeps them",
                      "leave it out: flags are copied as they are");
  if (!options_.dry_run) {
    MH_TRY(lock_, ledger::PairLock::acquire(services_.fs, job_.ledger_directory, path, identities_.target, services_.clock));
  }
  MH_TRY(ledger_, ledger::Ledger::open(services_.fs, path,
                                       options_.dry_run ? ledger::Ledger::Mode::scratch : ledger::Ledger::Mode::read_write,
                                       identities_.source, identities_.target, services_.random.next(),
                                       std::chrono::system_clock::to_time_t(services_.clock.wall())));
  deliverer_ = std::make_unique<Deliverer>(*ledger_, services_.clock,
                                           [this](Delivered delivered) { return settled(std::move(delivered)); });
  deliverer_->set_update_done([this](const store::Ack& ack) {
    if (std::holds_alternative<store::Stored>(ack.verdict))
      ++report_.counts.updated;
    else
      ++report_.counts.lost_flags;
  });
  if (!options_.dry_run) deliverer_->set_reconnect([this](const Error& why) { return reopen_target(why); });
  MH_TRY(pending_, ledger::PendingTable::make(services_.fs));
  return {};
}

Status CopyRun::plan_folders() {
  auto folders = collect_folders(*source_);
  if (!folders.ok()) return on(Side::source, std::move(folders).error());
  TargetNames names;
  auto there = target_as_source();
  if (!there.ok()) return on(Side::target, std::move(there).error());
  target_source_ = std::move(there).value();
  if (target_source_) {
    auto target_folders = collect_folders(*target_source_);
    if (!target_folders.ok()) return on(Side::target, std::move(target_folders).error());
    names.folders = std::move(target_folders).value();
  }
  auto caps = target_descriptor_->target_caps(job_.target, services_, target_source_.get());
  if (!caps.ok()) return on(Side::target, std::move(caps).error());
  target_caps_ = std::move(caps).value();
  names.separator = target_caps_.separator;
  std::optional<Error> ledger_error;
  const auto earlier = [&](const std::string& path) -> std::optional<std::string> {
    auto known = ledger_->find_source_folder(path);
    if (!known.ok()) {
      ledger_error = std::move(known).error();
      return std::nullopt;
    }
    if (!*known || (*known)->target_path.empty()) return std::nullopt;
    return (*known)->target_path;
  };
  MH_TRY(map_, map_folders(*folders, names, options_.selection, options_.rules, earlier));
  if (ledger_error) return *ledger_error;
  report_.name_changes = map_.name_changes;
  for (const auto& view : map_.skipped_views)
    notes_.note({store::Note::Weight::info, view, "skipped: it shows mail that lies in other folders (name it with --folder)"});
  if (target_source_)
    index_ = std::make_unique<TargetIndex>(*ledger_, *target_source_, std::move(names.folders), options_.dedup, services_.fs,
                                           notes_, [this] { keep_alive(reading_ ? Alive::target : Alive::all_but_index); });
  states_.resize(map_.folders.size());
  for (const auto& plan : map_.folders) {
    source_folders_.push_back(&plan.source);
    account_.add_folder(plan.source.path.text(), plan.target.text());
  }
  return {};
}

bool CopyRun::reconsider(ledger::Done done) const {
  // A twin by a looser rule than today's is a message that was never brought over.
  if (done == ledger::Done::duplicate) return options_.dedup == Dedup::none;
  if (done == ledger::Done::loose_duplicate) return options_.dedup == Dedup::none || options_.dedup == Dedup::exact;
  return false;
}

/// Which folders have to be listed, and since when: told to the source before the first is.
Status CopyRun::plan_listings() {
  std::vector<store::ListingWish> wishes;
  for (std::uint32_t index = 0; index < map_.folders.size(); ++index) {
    const store::FolderInfo& folder = map_.folders[index].source;
    FolderState& state = states_[index];
    const std::string name = folder.path.text();
    MH_TRY(const auto found, ledger_->find_source_folder(name));
    if (found && found->epoch == folder.epoch) {
      state.known = *found;
      MH_TRY(const auto counts, ledger_->count_items(found->id));
      const bool twins_again = (counts.duplicate != 0 && reconsider(ledger::Done::duplicate)) ||
                               (counts.loose_duplicate != 0 && reconsider(ledger::Done::loose_duplicate));
      if (twins_again) state.known.state.clear();
      state.unchanged = !state.known.state.empty() && state.known.state == folder.state && folder.covers.new_mail;
    } else {
      if (found) doubts_.void_keys(found->id);
      MH_CHECK(ledger_->begin());
      MH_TRY(state.known, ledger_->source_folder(name, folder.epoch));
    }
    if (!state.unchanged) wishes.push_back({&folder, since_of(state)});
  }
  MH_CHECK(ledger_->commit());
  return on(Side::source, source_->expect_listings(std::move(wishes)));
}

std::optional<std::string> CopyRun::since_of(const FolderState& state) {
  return state.known.state.empty() ? std::nullopt : std::optional(state.known.state);
}

Status CopyRun::list_folder(std::uint32_t index) {
  const store::FolderInfo& folder = map_.folders[index].source;
  FolderState& state = states_[index];
  const std::string name = folder.path.text();
  progress(Progress::Phase::listing, name);
  if (state.unchanged) return count_known(index);
  MH_CHECK(ledger_->begin());
  MH_CHECK(ledger_->begin_listing());
  std::uint64_t known_listed = 0;
  ListSinks sinks;
  sinks.accept = [&](const store::Item& item) -> Result<bool> {
    if (services_.cancel.requested()) return interrupted();
    MH_TRY(const auto known, ledger_->find_item(state.known.id, item.key));
    if (known && !reconsider(known->done)) {
      ++known_listed;
      MH_CHECK(ledger_->note_listed(item.key));
      return false;
    }
    if (known) MH_CHECK(ledger_->forget_item(state.known.id, item.key));
    if (intents_left_) {
      MH_TRY(const bool in_doubt, ledger_->has_intent(state.known.id, item.key));
      if (in_doubt) {
        MH_CHECK(account_.listed_done(index, {name, item.key, "", Outcome::unknown, "", "delivery in doubt", ""}));
        return false;
      }
    }
    if (options_.selection.has_dates() && item.meta.received && date_excludes(item.meta)) {
      MH_CHECK(account_.listed_done(index, {name, item.key, "", Outcome::filtered, "", "received date", ""}));
      return false;
    }
    if (Doubt* doubt = doubts_.of_item(state.known.id, item.key); doubt != nullptr && !doubt->listed) {
      // It is sent again when it is certain that the earlier delivery did not arrive, and read only then.
      account_.listed_open(index);
      doubt->listed = Doubt::Listed{pending_->skip(), row_of(item, index)};
      return false;
    }
    account_.listed_open(index);
    if (report_.counts.listed % 256 == 0) progress(Progress::Phase::listing, name);
    return true;
  };
  sinks.gone = [&](const store::Key& key) { return ledger_->forget_item(state.known.id, key); };
  sinks.bad = [&](const store::Key& key, Error error) {
    return account_.listed_done(index, {name, key, "", Outcome::failed, "", error.what, ""});
  };
  auto end = list_into(*source_, folder, since_of(state), *pending_, index, sinks);
  if (!end.ok()) {
    // A folder that cannot be listed takes the run with it only when the session is gone: the others go on.
    if (end.error().scope == Scope::run || end.error().scope == Scope::session)
      return on(Side::source, std::move(end).error());
    notes_.note({store::Note::Weight::doubtful, name, end.error().what});
    state.listed_state.clear();
    report_.exit = worse_exit(report_.exit, exit_code(end.error(), Side::source));
    return ledger_->commit();
  }
  state.listed_state = end->state;
  if (end->complete) {
    doubts_.void_unlisted(state.known.id);
    MH_TRY(const auto counts, ledger_->count_items(state.known.id));
    const std::uint64_t known = counts.copied + counts.adopted + counts.duplicate + counts.loose_duplicate;
    if (known != known_listed) {
      note_gone(name, known - known_listed, known_listed == 0 && report_.folders[index].listed != 0);
      MH_CHECK(ledger_->end_listing(state.known.id));
    }
  }
  MH_CHECK(ledger_->commit());
  return count_known(index);
}

/// Mail that went away at the source is nobody's fault and stays at the target; if all of it did, while other mail is
/// there, the names are more likely to have changed (bad-input 62, quirk 75).
void CopyRun::note_gone(const std::string& folder, std::uint64_t count, bool all_renamed) {
  const std::string what = std::to_string(count) + (count == 1 ? " message" : " messages") + " of earlier runs ";
  if (all_renamed)
    notes_.note({store::Note::Weight::warning, folder,
                 "none of the " + what + "is listed under its old name: what is listed is read and told apart by its content"});
  else
    notes_.note({store::Note::Weight::info, folder,
                 what + (count == 1 ? "is no longer listed under its name" : "are no longer listed under their names")});
}

/// Messages that the ledger knows: present, or twins as before. Whether listed or covered by an equal state.
Status CopyRun::count_known(std::uint32_t index) {
  const ledger::SourceFolder& folder = states_[index].known;
  MH_TRY(const auto counts, ledger_->count_items(folder.id));
  account_.known(index, Outcome::present, counts.copied + counts.adopted);
  account_.known(index, Outcome::duplicate, counts.duplicate + counts.loose_duplicate);
  if (!observer_.wants_outcomes()) return {};
  const std::string name = map_.folders[index].source.path.text();
  return ledger_->for_each_item(folder.id, [&](std::string_view key, ledger::KnownItem item) -> Status {
    MH_TRY(const auto content, ledger_->content(item.content));
    const bool twin = item.done == ledger::Done::duplicate || item.done == ledger::Done::loose_duplicate;
    return observer_.on_outcome({name, std::string(key), content ? to_hex(content->nid.octets()) : "",
                                 twin ? Outcome::duplicate : Outcome::present, content ? content->key : "",
                                 "delivered by an earlier run", ""});
  });
}

Status CopyRun::transfer() {
  if (pending_->count() == 0) return {};
  if (!target_caps_.many_folders) {
    std::size_t with_mail = 0;
    for (const auto& line : report_.folders) with_mail += line.listed != 0 ? 1 : 0;
    if (with_mail > 1)
      return make_error(ErrorKind::usage, Scope::run,
                        job_.target.text() + " is one folder, but the source has mail in " + std::to_string(with_mail),
                        "end the path with '/' for a tree of folders, or choose one with --folder");
  }
  MH_CHECK(open_target());
  MH_CHECK(index_whole_target());
  if (options_.newest_first) pending_->set_order(ledger::PendingTable::Order::newest_first);
  share_folders();
  return read_and_deliver(*pending_, {});
}

Status CopyRun::read_and_deliver(ledger::PendingTable& pending, const std::vector<std::uint64_t>& numbers) {
  const bool has_session = source_descriptor_->probe != nullptr;
  FetchQueue queue(kQueueOctets, kQueueMessages, has_session ? kQueueSlack : 0);
  Reader reader(
      *source_, pending, source_folders_,
      [&](Fetched fetched) {
        if (!numbers.empty()) fetched.number = numbers[fetched.number];
        return queue.push(std::move(fetched));
      },
      [&] { return queue.has_room(); });
  reading_ = true;
  std::thread reading([&] { queue.finish(reader.run()); });
  Status status = take_from(queue);
  queue.close();
  reading.join();
  reading_ = false;
  return status;
}

Status CopyRun::take_from(FetchQueue& queue) {
  for (;;) {
    if (services_.cancel.requested()) return interrupted();
    Fetched fetched;
    switch (queue.pop(fetched, kBatchPatience)) {
      case FetchQueue::State::item:
        MH_CHECK(on(Side::target, handle(std::move(fetched))));
        if (options_.max_octets && handed_over_ >= *options_.max_octets) {
          MH_CHECK(finish_deliveries());
          if (account_.open() == 0) break;
          return make_error(ErrorKind::interrupted, Scope::run, "--max-bytes is reached",
                            "run the same command again to go on", Retry::later);
        }
        break;
      case FetchQueue::State::idle:
        MH_CHECK(on(Side::target, deliverer_->drain()));
        break;
      case FetchQueue::State::finished: {
        // What was read is delivered also when the source broke off.
        Status source_end = on(Side::source, queue.end_status());
        MH_CHECK(finish_deliveries());
        return source_end;
      }
    }
    keep_alive(Alive::both_targets);
    MH_CHECK(on(Side::target, work_off()));
    progress(Progress::Phase::copying);
  }
}

/// Until nothing is under way; what is in doubt then is left to settle_doubts().
Status CopyRun::finish_deliveries() {
  do {
    if (services_.cancel.requested()) return interrupted();
    MH_CHECK(on(Side::target, deliverer_->drain()));
    if (target_caps_.late_commits) doubt(deliverer_->take_unanswered(Deliverer::Which::in_doubt));
    MH_CHECK(on(Side::target, work_off()));
  } while (deliverer_->unanswered() != 0 || !parked_.empty() || !to_retry_.empty());
  return {};
}

/// After whatever end: what was acknowledged is recorded, what was not is in doubt.
Status CopyRun::settle_leftovers() {
  if (!ledger_ || !deliverer_) return {};
  if (target_) (void)target_->flush();  // its acks count, also of a full one; its failure shows as doubt below
  report_.counts.lost_flags += deliverer_->open_updates();
  MH_CHECK(deliverer_->record());
  for (const auto& delivery : deliverer_->take_unanswered(Deliverer::Which::all))
    MH_CHECK(settle(delivery, Outcome::unknown, "the target gave no answer"));
  MH_CHECK(leave_doubts());
  target_.reset();
  MH_CHECK(ledger_->begin());
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const FolderState& state = states_[i];
    if (state.known.id == 0 || !account_.all_done(i) || state.listed_state == state.known.state) continue;
    if (state.listed_state.empty()) continue;
    MH_CHECK(ledger_->set_source_state(state.known.id, state.listed_state));
  }
  return ledger_->commit();
}

void CopyRun::finish() {
  progress(Progress::Phase::finishing);
  const auto add_error = [this](Status status) {
    if (status.ok()) return;
    report_.exit = worse_exit(report_.exit, exit_code(status.error(), error_side_));
    if (!report_.error) report_.error = std::move(status).error();
  };
  add_error(settle_leftovers());
  add_error(account_.close());
  notes_.give_to(report_);
  if (report_.counts.failed != 0 || report_.counts.altered != 0) report_.exit = worse_exit(report_.exit, 3);
  if (report_.counts.unknown != 0) report_.exit = worse_exit(report_.exit, 8);
}

}  // namespace mailhaul::pipeline
