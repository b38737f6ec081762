// The target's side of a copy: opening, finding again what an earlier run left in doubt, folders.
#include <algorithm>

#include "pipeline/copy_run.hpp"
#include "pipeline/dry_target.hpp"

namespace mailhaul::pipeline {

Status CopyRun::open_target() {
  if (target_) return {};
  if (options_.dry_run) {
    target_ = std::make_unique<DryTarget>(target_caps_, index_ ? index_->folders() : std::vector<store::FolderInfo>(),
                                          *deliverer_);
  } else {
    auto target = target_descriptor_->open_target(job_.target, services_, *deliverer_, job_.target_open);
    if (!target.ok()) return on(Side::target, std::move(target).error());
    target_ = std::move(target).value();
  }
  deliverer_->set_target(target_.get());
  return {};
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
  intents_left_ = true;
  if (options_.dry_run) return {};
  MH_CHECK(open_target());
  for (auto first = intents.begin(); first != intents.end();) {
    const auto last = std::find_if(first, intents.end(), [&](const auto& intent) { return intent.target_folder != first->target_folder; });
    MH_CHECK(on(Side::target, recover_folder(first->target_folder, {first, last})));
    first = last;
  }
  intents_left_ = false;
  return {};
}

/// Every delivery in doubt is either found at the target, and then done, or proven absent, and then to be made again.
Status CopyRun::recover_folder(ledger::RowId folder, const std::vector<ledger::Intent>& intents) {
  MH_TRY(const std::string name, ledger_->target_folder_path(folder));
  progress(Progress::Phase::recovering, name);
  const auto path = mail::FolderPath::from_text(name);
  if (!path) return make_error(ErrorKind::damage, Scope::run, "the ledger names a folder that has no name");
  MH_TRY(const auto known, ledger_->target_folder(name));
  MH_TRY(const auto handle, target_->open_folder(*path, mail::Role::none));
  std::vector<store::Wanted> wanted;
  for (const auto& intent : intents)
    wanted.push_back({{intent.instance, intent.counter}, intent.nid, intent.eid, intent.crlf_size});
  std::vector<store::Match> matches;
  MH_CHECK(target_->find_since(handle, known.watermark, wanted, [&](store::Match match) {
    matches.push_back(std::move(match));
    return Status();
  }));

  MH_CHECK(ledger_->begin());
  std::vector<bool> used(matches.size(), false);
  const auto take = [&](const ledger::Intent& intent, bool by_ticket) -> Result<bool> {
    for (std::size_t i = 0; i < matches.size(); ++i) {
      const auto& match = matches[i];
      if (used[i] || match.eid != intent.eid) continue;
      const store::Ticket ticket{intent.instance, intent.counter};
      if (by_ticket ? match.ticket != ticket : match.ticket.has_value()) continue;
      if (!by_ticket) {
        MH_TRY(const auto foreign, ledger_->content_by_key(folder, match.key));
        if (foreign) continue;  // it was there before, and stands for another message
      }
      used[i] = true;
      MH_TRY(const auto content, ledger_->add_content(folder, match.key, intent.eid, intent.nid, intent.mail_key));
      MH_CHECK(ledger_->mark_delivered(content, 0));
      MH_CHECK(ledger_->record_item(intent.source_folder, intent.key, ledger::Done::copied, content));
      return true;
    }
    return false;
  };
  for (const auto& intent : intents) {
    MH_TRY(const bool found, take(intent, /*by_ticket=*/true));
    if (!found) {
      MH_TRY([[maybe_unused]] const bool adopted, take(intent, /*by_ticket=*/false));
    }
    MH_CHECK(ledger_->drop_intent(intent.instance, intent.counter));
  }
  return ledger_->commit();
}

Status CopyRun::open_folder(std::uint32_t index) {
  FolderState& state = states_[index];
  const FolderPlan& plan = map_.folders[index];
  MH_TRY(auto handle, target_->open_folder(plan.target, plan.target_role));
  const std::string name = handle.path.text();
  auto& entry = target_folders_[name];
  if (!entry) {
    progress(Progress::Phase::adopting, name);
    if (!handle.created && index_) MH_CHECK(index_->refresh(handle.path));
    MH_CHECK(ledger_->begin());
    MH_TRY(const auto known, ledger_->target_folder(name));
    entry = std::make_unique<TargetFolder>(TargetFolder{handle, known.id, "", 0});
  }
  const bool decided_by_options = !options_.rules.map.empty() || options_.rules.into.has_value();
  if (!decided_by_options && state.known.target_path != name) {
    MH_CHECK(ledger_->begin());
    MH_CHECK(ledger_->set_target_path(state.known.id, name));
  }
  MH_CHECK(ledger_->commit());
  state.target = entry.get();
  account_.set_target(index, name);
  if (name != plan.target.text())
    report_.name_changes.push_back(plan.source.path.text() + " -> " + name + ": the target spells it so");
  return {};
}

}  // namespace mailhaul::pipeline
