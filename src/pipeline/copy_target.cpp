// The target's side of a copy: opening, finding again what an earlier run left in doubt, folders.
#include <algorithm>

#include "pipeline/copy_run.hpp"
#include "pipeline/dry_target.hpp"

namespace mailhaul::pipeline {
namespace {

constexpr unsigned kFruitless = 2;  // losses in a row

}  // namespace

/// A session takes some round trips to open: those of the target are opened while the source's is, if nobody has to be
/// asked for a password. The writing one only in a first run, which is certain to need it.
void CopyRun::begin_opening(const std::string& ledger_path) {
  const auto at_once = [](const store::Descriptor& place, const store::OpenOptions& options) {
    return place.probe == nullptr || options.access.password_at_hand;
  };
  if (target_descriptor_->probe == nullptr || !at_once(*source_descriptor_, job_.source_open) ||
      !at_once(*target_descriptor_, job_.target_open))
    return;
  opening_ = std::async(std::launch::async, [this] {
    return open_existing(*target_descriptor_, job_.target, index_services_, job_.target_open, options_.patience);
  });
  if (options_.dry_run || services_.fs.stat(ledger_path).ok()) return;
  if (auto lanes = begin_lanes(); lanes.ok()) early_lanes_ = std::move(lanes).value();
}

Result<std::unique_ptr<store::Source>> CopyRun::target_as_source() {
  if (opening_.valid()) return opening_.get();
  return open_existing(*target_descriptor_, job_.target, index_services_, job_.target_open, options_.patience);
}

Status CopyRun::open_target() {
  if (target_) return {};
  if (options_.dry_run) {
    target_ = std::make_unique<DryTarget>(target_caps_, index_ ? index_->folders() : std::vector<store::FolderInfo>(),
                                          *deliverer_);
  } else {
    auto target = new_target();
    for (FirstPauses pauses(options_.patience, services_); !target.ok();) {
      MH_TRY(const bool again, pauses.grant(target.error(), [this] { keep_alive(Alive::all); }));
      if (!again) return on(Side::target, std::move(target).error());
      target = new_target();
    }
    target_ = std::move(target).value();
  }
  deliverer_->set_target(target_.get());
  return {};
}

/// nullptr where there is, or is to be, one session only.
Result<std::unique_ptr<Lanes>> CopyRun::begin_lanes() {
  std::unique_ptr<Lanes> none;
  if (target_descriptor_->probe == nullptr || options_.connections < 2) return none;
  MH_TRY(const store::Caps caps, target_descriptor_->target_caps(job_.target, services_, nullptr));
  if (caps.sessions < 2) return none;
  return std::make_unique<Lanes>(
      [this, first = target_options()](std::size_t number, store::Services& services, store::AckSink& acks) {
        store::OpenOptions options = first;
        if (number > 1) options.access.name += " " + std::to_string(number);
        return target_descriptor_->open_target(job_.target, services, acks, options);
      },
      services_);
}

/// The job's, with what the run has learnt of the server.
store::OpenOptions CopyRun::target_options() const {
  store::OpenOptions options = job_.target_open;
  options.access.past.fruitless = target_back_off_.attempts();
  return options;
}

/// A folder that is opened ahead is made, and what is only found out when its mail is read may leave it empty.
bool CopyRun::plans_ahead() const { return !options_.selection.has_dates() && !options_.max_octets; }

/// Where several sessions are possible and wanted, each has a thread. Where they end without any progress again and again,
/// the server may not like more than one.
Result<std::unique_ptr<store::Target>> CopyRun::new_target() {
  lanes_ = nullptr;
  auto lanes = std::move(early_lanes_);
  if (!lanes) {
    MH_TRY(lanes, begin_lanes());
  }
  if (!lanes) return target_descriptor_->open_target(job_.target, services_, *deliverer_, target_options());
  MH_CHECK(lanes->opened(*deliverer_));
  lanes_ = lanes.get();
  if (!shares_.empty() && fruitless_ < kFruitless) lanes->share(shares_, plans_ahead());
  return std::unique_ptr<store::Target>(std::move(lanes));
}

/// Each folder of the target goes to the session that has the least to do so far, the largest first. Not where the first
/// listed of all folders' twins is the one that counts (docs/design/identity.md): there all are read one after the other.
void CopyRun::share_folders() {
  const bool in_order = options_.dedup_scope == DedupScope::account && options_.dedup != Dedup::none;
  const auto work = pending_->loads();
  if (lanes_ == nullptr || work.empty()) return;
  struct Load {
    store::FolderWish wish;
    std::uint64_t octets = 0;
    std::vector<std::uint32_t> sources;
    std::size_t lane = 0;
  };
  std::vector<Load> loads;
  std::map<mail::FolderPath, std::size_t> by_path;
  for (const auto& [folder, octets] : work) {
    const FolderPlan& plan = map_.folders[folder];
    const auto known = by_path.try_emplace(plan.target, loads.size());
    if (known.second) loads.push_back({{plan.target, plan.target_role}, 0, {}, 0});
    loads[known.first->second].octets += octets;
    loads[known.first->second].sources.push_back(folder);
  }
  const std::size_t sessions = in_order ? 1 : std::min({std::size_t{options_.connections}, std::size_t{target_caps_.sessions}, loads.size()});
  std::vector<Load*> by_size;
  for (auto& load : loads) by_size.push_back(&load);
  std::stable_sort(by_size.begin(), by_size.end(), [](const Load* a, const Load* b) { return a->octets > b->octets; });
  std::vector<std::uint64_t> totals(sessions);
  for (Load* const load : by_size) {
    load->lane = static_cast<std::size_t>(std::min_element(totals.begin(), totals.end()) - totals.begin());
    totals[load->lane] += load->octets;
  }
  shares_.assign(sessions, {});
  std::map<std::uint32_t, std::size_t> lane_of;
  for (auto& load : loads) {
    for (const std::uint32_t source : load.sources) lane_of[source] = load.lane;
    shares_[load.lane].push_back(std::move(load.wish));
  }
  pending_->set_lanes(lane_of);
  deliverer_->set_sessions(sessions);
  lanes_->share(shares_, plans_ahead());
}

/// With --dedup-scope account twins are looked for everywhere, so everything that is there must be known first.
Status CopyRun::index_whole_target() {
  if (options_.dedup_scope != DedupScope::account || !index_) return {};
  for (const auto& folder : index_->folders()) {
    progress(Progress::Phase::adopting, folder.path.text());
    MH_CHECK(on(Side::target, index_->refresh(folder.path)));
  }
  return {};
}

Status CopyRun::recover() {
  MH_TRY(const auto intents, ledger_->intents());
  if (intents.empty()) return {};
  intents_left_ = options_.dry_run;
  if (options_.dry_run) return {};
  MH_CHECK(open_target());
  target_caps_ = target_->caps();
  for (auto first = intents.begin(); first != intents.end();) {
    const auto last = std::find_if(first, intents.end(), [&](const auto& intent) { return intent.target_folder != first->target_folder; });
    MH_CHECK(on(Side::target, recover_folder(first->target_folder, {first, last})));
    first = last;
  }
  return {};
}

/// Every delivery in doubt is either found at the target, and then done, or to be made again: at once when it is proven
/// absent, after the settle time where it may still arrive. A restart counts as a lost connection.
Status CopyRun::recover_folder(ledger::RowId id, const std::vector<ledger::Intent>& intents) {
  MH_TRY(const std::string name, ledger_->target_folder_path(id));
  progress(Progress::Phase::recovering, name);
  const auto path = mail::FolderPath::from_text(name);
  if (!path) return make_error(ErrorKind::damage, Scope::run, "the ledger names a folder that has no name");
  MH_TRY(const auto known, ledger_->target_folder(name));
  TargetFolder& folder = *(target_folders_[name] = std::make_unique<TargetFolder>());
  folder.id = id;
  folder.watermark = known.watermark;
  folder.handle.path = *path;
  for (const auto& intent : intents) {
    Doubt doubt;
    doubt.intent = intent;
    doubt.since = start_;
    ++folder.in_doubt;
    doubts_.add(std::move(doubt));
  }
  auto status = deliverer_->steadily([&](store::Target&) { return look_into(folder); });
  if (!status.ok()) {
    // A local store's folder is damaged or locked: that is for a person. A server's may be another one now.
    if (!target_caps_.late_commits || status.error().scope != Scope::folder) return status;
    give_up_folder(folder, status.error());
  }
  if (folder.in_doubt == 0 && !folder.watermark_stays) folder.watermark.clear();
  return ledger_->commit();
}

/// What the run knows of a folder of the target, by the target's own spelling.
Result<TargetFolder*> CopyRun::folder_of(const store::FolderHandle& handle) {
  auto& entry = target_folders_[handle.path.text()];
  if (entry) {
    if (entry->broken) return *entry->broken;
    if (entry->session != deliverer_->session()) MH_CHECK(deliverer_->take_handle(*entry, handle));
    return entry.get();
  }
  MH_CHECK(ledger_->begin());
  MH_TRY(const auto known, ledger_->target_folder(handle.path.text()));
  entry = std::make_unique<TargetFolder>();
  entry->handle = handle;
  entry->id = known.id;
  entry->session = deliverer_->session();
  return entry.get();
}

Status CopyRun::open_folder(std::uint32_t index) {
  MH_CHECK(deliverer_->settle_updates());
  FolderState& state = states_[index];
  const FolderPlan& plan = map_.folders[index];
  store::FolderHandle handle;
  MH_CHECK(deliverer_->steadily([&](store::Target& target) -> Status {
    MH_TRY(handle, target.open_folder(plan.target, plan.target_role));
    return {};
  }));
  const std::string name = handle.path.text();
  MH_TRY(TargetFolder* const folder, folder_of(handle));
  if (!folder->adopted) {
    progress(Progress::Phase::adopting, name);
    // Made by this call, or by this run some time before: then `created` may have been told to a session that is lost.
    const bool is_new = handle.created || (index_ && !index_->lists(handle.path));
    if (index_) MH_CHECK(is_new ? index_->forget(handle.path, handle.epoch) : index_->refresh(handle.path));
    folder->adopted = true;
  }
  const bool decided_by_options = !options_.rules.map.empty() || options_.rules.into.has_value();
  if (!decided_by_options && state.known.target_path != name) {
    MH_CHECK(ledger_->begin());
    MH_CHECK(ledger_->set_target_path(state.known.id, name));
  }
  MH_CHECK(ledger_->commit());
  state.target = folder;
  account_.set_target(index, name);
  if (name != plan.target.text())
    report_.name_changes.push_back(plan.source.path.text() + " -> " + name + ": the target spells it so");
  return {};
}

}  // namespace mailhaul::pipeline
