// `verify` and `ls`: reading without writing.
#include <map>

#include "ledger/comparison.hpp"
#include "ledger/ledger.hpp"
#include "ledger/pending.hpp"
#include "ledger/place.hpp"
#include "pipeline/account.hpp"
#include "pipeline/folder_map.hpp"
#include "pipeline/jobs.hpp"
#include "pipeline/places.hpp"
#include "pipeline/reader.hpp"

namespace mailhaul::pipeline {
namespace {

constexpr std::size_t kKeptFailures = 1'000;
constexpr std::chrono::seconds kKeepAlive{10};  // how often the session that waits is asked whether it is well

/// A key that names its folder too, for comparisons over more than one.
std::string in_folder(std::size_t folder, const std::string& key) { return std::to_string(folder) + '\n' + key; }

class VerifyRun {
 public:
  VerifyRun(const Job& job, Observer& observer)
      : job_(job), observer_(observer), notes_(job.services.events),
        services_{job.services.clock, job.services.fs, job.facts_spool, job.services.cancel, notes_, job.services.random,
                  job.services.dialer, job.services.trace} {}

  Report run() {
    const auto start = services_.clock.steady();
    report_.command = "verify";
    report_.source = job_.source.text();
    report_.target = job_.target.text();
    if (auto status = execute(); !status.ok()) {
      report_.exit = exit_code(status.error(), error_side_);
      report_.error = std::move(status).error();
    }
    notes_.give_to(report_);
    const VerifyCounts& counts = report_.verify;
    if (counts.missing != 0 || counts.different != 0 || counts.flags_differ != 0 || counts.dates_differ != 0)
      report_.exit = worse_exit(report_.exit, 13);
    if (counts.unreadable != 0) report_.exit = worse_exit(report_.exit, 3);
    report_.seconds = std::chrono::duration<double>(services_.clock.steady() - start).count();
    return std::move(report_);
  }

 private:
  /// Source folders that go to one place, and the folders of that place.
  struct Group {
    std::vector<std::size_t> plans;
    std::vector<std::size_t> targets;
  };

  Status on(Side side, Status status) {
    if (!status.ok()) error_side_ = side;
    return status;
  }

  Status execute();
  Status open();
  std::map<std::string, Group> groups() const;
  Status compare(const std::string& name, const Group& group);
  Status read(Side side, store::Source& source, const store::FolderInfo& folder, std::size_t index);
  Status add(Side side, const store::FolderInfo& folder, std::size_t index, Fetched fetched);
  Status take(const ledger::Verdict& verdict);
  Result<std::optional<std::string>> ledger_pair(const std::string& source_key);
  Status unreadable(const std::string& folder, const std::string& key, const std::string& why);

  const Job& job_;
  Observer& observer_;
  NoteCollector notes_;
  store::Services services_;
  Report report_;
  Side error_side_ = Side::none;
  Progress progress_;
  std::unique_ptr<store::Source> source_, target_;
  std::vector<store::FolderInfo> target_folders_;
  bool target_has_one_folder_ = false;
  std::chrono::steady_clock::time_point pumped_{};
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<ledger::Comparison> comparison_;
  FolderMap map_;
};

Status VerifyRun::open() {
  MH_TRY(const auto* source, job_.registry.find(job_.source));
  MH_TRY(const auto* target, job_.registry.find(job_.target));
  if (source->open_source == nullptr || target->open_source == nullptr)
    return make_error(ErrorKind::unsupported, Scope::run,
                      (source->open_source == nullptr ? job_.source : job_.target).text() + " cannot be read");
  MH_TRY(const Identities identities, identify(job_, *source, *target));
  auto opened = open_steady(*source, job_.source, services_, job_.source_open, job_.options.patience);
  if (!opened.ok()) return on(Side::source, std::move(opened).error());
  source_ = std::move(opened).value();
  opened = open_steady(*target, job_.target, services_, job_.target_open, job_.options.patience);
  if (!opened.ok()) return on(Side::target, std::move(opened).error());
  target_ = std::move(opened).value();

  const std::string path = job_.ledger_file.empty()
                               ? ledger::ledger_path(job_.ledger_directory, identities.source, identities.target)
                               : job_.ledger_file;
  if (services_.fs.stat(path).ok()) {
    // The ledger only helps to tell "different" from "missing" and to find a folder's name: verify proves without it.
    auto ledger = ledger::Ledger::open(services_.fs, path, ledger::Ledger::Mode::read_only, identities.source,
                                       identities.target, 0, 0);
    if (ledger.ok())
      ledger_ = std::move(ledger).value();
    else
      notes_.note({store::Note::Weight::warning, "", "compared without the ledger: " + ledger.error().what});
  }
  TargetNames names;
  if (target->target_caps != nullptr) {
    MH_TRY(const auto caps, target->target_caps(job_.target, services_, target_.get()));
    names.separator = caps.separator;
  }
  target_has_one_folder_ = !target_->caps().many_folders;
  auto source_folders = collect_folders(*source_);
  if (!source_folders.ok()) return on(Side::source, std::move(source_folders).error());
  auto target_folders = collect_folders(*target_);
  if (!target_folders.ok()) return on(Side::target, std::move(target_folders).error());
  target_folders_ = names.folders = std::move(target_folders).value();
  const auto earlier = [this](const std::string& folder) -> std::optional<std::string> {
    if (!ledger_) return std::nullopt;
    const auto known = ledger_->find_source_folder(folder);
    if (!known.ok() || !*known || (*known)->target_path.empty()) return std::nullopt;
    return (*known)->target_path;
  };
  MH_TRY(map_, map_folders(*source_folders, names, job_.options.selection, job_.options.rules, earlier));
  report_.name_changes = map_.name_changes;
  return {};
}

std::map<std::string, VerifyRun::Group> VerifyRun::groups() const {
  std::map<std::string, Group> groups;
  const bool whole_account = job_.options.dedup_scope == DedupScope::account && job_.options.dedup != Dedup::none;
  for (std::size_t i = 0; i < map_.folders.size(); ++i) {
    const bool together = whole_account || target_has_one_folder_;
    groups[together ? std::string() : map_.folders[i].target.text()].plans.push_back(i);
  }
  for (std::size_t t = 0; t < target_folders_.size(); ++t) {
    if (!target_folders_[t].selectable) continue;
    const bool together = whole_account || target_has_one_folder_;
    const auto group = groups.find(together ? std::string() : target_folders_[t].path.text());
    if (group != groups.end()) group->second.targets.push_back(t);
  }
  return groups;
}

Status VerifyRun::execute() {
  MH_CHECK(open());
  MH_TRY(comparison_, ledger::Comparison::make(services_.fs));
  for (const auto& [name, group] : groups()) MH_CHECK(compare(name, group));
  return {};
}

Status VerifyRun::compare(const std::string& name, const Group& group) {
  MH_CHECK(comparison_->begin());
  for (const std::size_t plan : group.plans) MH_CHECK(on(Side::source, read(Side::source, *source_, map_.folders[plan].source, plan)));
  for (const std::size_t index : group.targets) MH_CHECK(on(Side::target, read(Side::target, *target_, target_folders_[index], index)));
  using Twins = ledger::Comparison::Twins;
  const Twins twins = job_.options.dedup == Dedup::none    ? Twins::multiset
                      : job_.options.dedup == Dedup::exact ? Twins::exact
                                                           : Twins::loose;
  std::uint64_t extra = 0;
  MH_CHECK(comparison_->finish(twins, [this](const std::string& key) { return ledger_pair(key); },
                               [this](const ledger::Verdict& verdict) { return take(verdict); }, extra));
  report_.verify.extra += extra;
  for (const std::size_t plan : group.plans)
    report_.folders.push_back({map_.folders[plan].source.path.text(),
                               name.empty() ? map_.folders[plan].target.text() : name, 0, 0, 0});
  return {};
}

Status VerifyRun::unreadable(const std::string& folder, const std::string& key, const std::string& why) {
  ++report_.verify.unreadable;
  if (report_.failures.size() < kKeptFailures) report_.failures.push_back({folder, key, "", "unreadable", why});
  return {};
}

Status VerifyRun::read(Side side, store::Source& source, const store::FolderInfo& folder, std::size_t index) {
  progress_.phase = Progress::Phase::verifying;
  progress_.folder = folder.path.text();
  MH_TRY(auto pending, ledger::PendingTable::make(services_.fs));
  ListSinks sinks;
  sinks.accept = [](const store::Item&) -> Result<bool> { return true; };
  sinks.gone = [](const store::Key&) { return Status(); };
  sinks.bad = [&](const store::Key& key, Error error) { return unreadable(folder.path.text(), key, error.what); };
  MH_TRY([[maybe_unused]] const auto end, list_into(source, folder, std::nullopt, *pending, 0, sinks));
  progress_.total += pending->count();
  const std::vector<const store::FolderInfo*> folders{&folder};
  Reader reader(source, *pending, folders, [&](Fetched fetched) { return add(side, folder, index, std::move(fetched)); });
  return reader.run();
}

Status VerifyRun::add(Side side, const store::FolderInfo& folder, std::size_t index, Fetched fetched) {
  if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
  ++progress_.done;
  observer_.on_progress(progress_);
  if (const auto now = services_.clock.steady(); now - pumped_ > kKeepAlive) {
    pumped_ = now;
    (void)(side == Side::source ? target_ : source_)->pump(std::chrono::milliseconds(0));
  }
  if (std::holds_alternative<Vanished>(fetched.result)) return {};
  if (const auto* error = std::get_if<Error>(&fetched.result))
    return unreadable(folder.path.text(), fetched.key, error->what);
  const auto& message = std::get<mail::Message>(fetched.result);
  const auto& facts = message.content->facts();
  progress_.octets += facts.size;
  const auto& selection = job_.options.selection;
  if (side == Side::source && selection.has_dates()) {
    if (!message.meta.received) return {};
    if (selection.since && message.meta.received->instant < *selection.since) return {};
    if (selection.before && message.meta.received->instant >= *selection.before) return {};
  }
  if (!facts.header_id)
    return make_error(ErrorKind::bug, Scope::run,
                      "a message to be compared came without the digest of its header block");
  ledger::ComparedMessage row;
  row.key = in_folder(index, fetched.key);
  row.message_id = facts.message_id;
  row.nid = facts.nid;
  row.eid = facts.eid;
  row.header_id = *facts.header_id;
  row.loose_key = loose_key_of(facts, job_.options.dedup);
  row.meta = message.meta;
  row.knows_meta = (side == Side::source ? source_ : target_)->caps().keeps_meta;
  return comparison_->add(side == Side::source ? ledger::Comparison::Side::source : ledger::Comparison::Side::target, row);
}

Result<std::optional<std::string>> VerifyRun::ledger_pair(const std::string& source_key) {
  const std::size_t split = source_key.find('\n');
  if (!ledger_ || split == std::string::npos) return std::optional<std::string>();
  const auto& plan = map_.folders[std::stoul(source_key.substr(0, split))];
  MH_TRY(const auto folder, ledger_->find_source_folder(plan.source.path.text()));
  if (!folder) return std::optional<std::string>();
  MH_TRY(const auto item, ledger_->find_item(folder->id, source_key.substr(split + 1)));
  if (!item) return std::optional<std::string>();
  MH_TRY(const auto content, ledger_->content(item->content));
  if (!content || content->key.empty()) return std::optional<std::string>();
  MH_TRY(const std::string name, ledger_->target_folder_path(content->folder));
  for (std::size_t i = 0; i < target_folders_.size(); ++i)
    if (target_folders_[i].path.text() == name) return std::optional(in_folder(i, content->key));
  return std::optional<std::string>();
}

Status VerifyRun::take(const ledger::Verdict& verdict) {
  VerifyCounts& counts = report_.verify;
  ++counts.checked;
  const std::size_t split = verdict.source_key.find('\n');
  const auto& plan = map_.folders[std::stoul(verdict.source_key.substr(0, split))];
  const bool flags_differ = verdict.flags_differ && !job_.options.content_only;
  const bool dates_differ = verdict.dates_differ && !job_.options.content_only;
  counts.flags_differ += flags_differ ? 1 : 0;
  counts.dates_differ += dates_differ ? 1 : 0;
  std::string reason;
  switch (verdict.kind) {
    case ledger::Verdict::Kind::identical: ++counts.identical; break;
    case ledger::Verdict::Kind::equivalent: ++counts.equivalent; break;
    case ledger::Verdict::Kind::missing: ++counts.missing; reason = "missing"; break;
    case ledger::Verdict::Kind::different: ++counts.different; reason = "different"; break;
  }
  if (reason.empty() && flags_differ) reason = "flags_differ";
  if (reason.empty() && dates_differ) reason = "dates_differ";
  if (!reason.empty() && report_.failures.size() < kKeptFailures)
    report_.failures.push_back({plan.source.path.text(), verdict.source_key.substr(split + 1), verdict.message_id, reason,
                                verdict.detail});
  return {};
}

/// `ls` of one folder: what the listing tells, and a read of those messages of which it does not tell enough.
Status summarize(store::Source& source, const store::FolderInfo& folder, const Job& job, FolderSummary& summary) {
  MH_TRY(auto pending, ledger::PendingTable::make(job.services.fs));
  const auto count = [&](std::uint64_t octets, mail::Flags flags) {
    ++summary.messages;
    summary.octets += octets;
    summary.unseen += flags.has(mail::Flags::seen) ? 0 : 1;
  };
  ListSinks sinks;
  sinks.accept = [&](const store::Item& item) -> Result<bool> {
    if (job.services.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
    if (!item.size || !(item.flags_known || item.meta_complete)) return true;
    count(*item.size, item.meta.flags);
    return false;
  };
  sinks.gone = [](const store::Key&) { return Status(); };
  sinks.bad = [&](const store::Key&, Error error) {
    job.services.events.note({store::Note::Weight::doubtful, folder.path.text(), error.what});
    return Status();
  };
  MH_TRY([[maybe_unused]] const auto end, list_into(source, folder, std::nullopt, *pending, 0, sinks));
  if (pending->count() == 0) return {};  // to fetch nothing would end what was asked ahead
  const std::vector<const store::FolderInfo*> folders{&folder};
  Reader reader(source, *pending, folders, [&](Fetched fetched) -> Status {
    if (const auto* message = std::get_if<mail::Message>(&fetched.result)) count(message->content->size(), message->meta.flags);
    if (const auto* error = std::get_if<Error>(&fetched.result)) return sinks.bad(fetched.key, *error);
    return {};
  });
  return reader.run();
}

Status list_all(const Job& job, store::Services& services, const std::function<void(const FolderSummary&)>& sink) {
  MH_TRY(const auto* descriptor, job.registry.find(job.source));
  if (descriptor->open_source == nullptr)
    return make_error(ErrorKind::unsupported, Scope::run, job.source.text() + " cannot be read");
  MH_TRY(auto source, open_steady(*descriptor, job.source, services, job.source_open, job.options.patience));
  MH_TRY(const auto folders, collect_folders(*source));
  Job own{job.registry, services, job.facts_spool, job.source, job.target, job.source_open, job.target_open, job.options, job.ledger_directory,
          job.ledger_file};
  std::vector<store::ListingWish> wishes;
  for (const auto& folder : folders) {
    if (folder.selectable) wishes.push_back({&folder, std::nullopt});
  }
  MH_CHECK(source->expect_listings(std::move(wishes)));
  for (const auto& folder : folders) {
    FolderSummary summary;
    summary.path = folder.path.text();
    summary.role = std::string(mail::to_text(folder.role));
    summary.selectable = folder.selectable;
    if (folder.selectable) MH_CHECK(summarize(*source, folder, own, summary));
    sink(summary);
  }
  return {};
}

}  // namespace

Report run_verify(const Job& job, Observer& observer) { return VerifyRun(job, observer).run(); }

Report run_ls(const Job& job, const std::function<void(const FolderSummary&)>& sink) {
  Report report;
  report.command = "ls";
  report.source = job.source.text();
  NoteCollector notes(job.services.events);
  store::Services services{job.services.clock, job.services.fs, job.facts_spool, job.services.cancel, notes, job.services.random,
                           job.services.dialer, job.services.trace};
  if (auto status = list_all(job, services, sink); !status.ok()) {
    report.exit = exit_code(status.error(), Side::source);
    report.error = std::move(status).error();
  }
  notes.give_to(report);
  return report;
}

}  // namespace mailhaul::pipeline
