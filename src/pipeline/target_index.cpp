// See target_index.hpp.
#include "pipeline/target_index.hpp"

#include <algorithm>

#include "pipeline/places.hpp"

namespace mailhaul::pipeline {
namespace {

constexpr std::uint64_t kCommitEvery = 2'000;  // rows; keeps a transaction small and a lost one cheap

/// A state is remembered with the epoch in which it was: in another one its keys name other messages.
std::string with_epoch(const std::string& epoch, const std::string& state) { return "\n" + epoch + "\n" + state; }

struct Remembered {
  std::optional<std::string> epoch;  ///< nullopt: not told (ledgers of the first release)
  std::string state;
};

Remembered remembered(const std::string& text) {
  if (text.empty() || text.front() != '\n') return {std::nullopt, text};
  const auto end = text.find('\n', 1);
  return end == text.npos ? Remembered{} : Remembered{text.substr(1, end - 1), text.substr(end + 1)};
}

}  // namespace

/// nullptr: it was not there, or could hold no mail.
const store::FolderInfo* TargetIndex::find(const mail::FolderPath& path) const {
  const auto folder = std::find_if(folders_.begin(), folders_.end(), [&](const auto& info) { return info.path == path; });
  return folder == folders_.end() || !folder->selectable ? nullptr : &*folder;
}

bool TargetIndex::lists(const mail::FolderPath& path) const { return find(path) != nullptr; }

Status TargetIndex::refresh(const mail::FolderPath& path) {
  const store::FolderInfo* const folder = find(path);
  if (folder == nullptr) return {};
  MH_CHECK(ledger_.begin());
  MH_TRY(const ledger::TargetFolder known, ledger_.target_folder(path.text()));
  MH_CHECK(ledger_.begin_listing());
  Remembered before = remembered(known.state);
  if (before.epoch && *before.epoch != folder->epoch) {
    // Nothing is located any more: all is read anew and found again by its content.
    MH_CHECK(ledger_.unlocate_unlisted(known.id));
    before.state.clear();
  }
  MH_CHECK(ledger_.commit());
  if (!folder->state.empty() && folder->state == before.state) return {};

  MH_TRY(auto unknown, ledger::PendingTable::make(fs_));
  ListSinks sinks;
  sinks.accept = [&](const store::Item& item) -> Result<bool> {
    MH_CHECK(ledger_.note_listed(item.key));
    MH_TRY(const auto content, ledger_.content_by_key(known.id, item.key));
    if (!content) return true;
    if (dedup_ != Dedup::mail && dedup_ != Dedup::message_id) return false;
    MH_TRY(const bool has_key, ledger_.has_mail_key(content->id));
    return !has_key;
  };
  sinks.gone = [&](const store::Key& key) -> Status {
    MH_CHECK(ledger_.begin());  // joins what follows the listing
    return ledger_.unlocate(known.id, key);
  };
  unread_ = 0;
  sinks.bad = [this](const store::Key&, const Error&) {
    ++unread_;
    return Status();
  };
  const auto since = before.state.empty() ? std::nullopt : std::optional(before.state);
  MH_TRY(const store::ListEnd end, list_into(source_, *folder, since, *unknown, 0, sinks));

  MH_CHECK(ledger_.begin());
  if (end.complete) MH_CHECK(ledger_.unlocate_unlisted(known.id));
  const std::vector<const store::FolderInfo*> infos{folder};
  Reader reader(source_, *unknown, infos, [&](Fetched fetched) { return note_read(std::move(fetched), known.id); });
  MH_CHECK(reader.run());
  // What could not be read may be a message of ours, or one that would be brought twice: it is read again next time.
  if (unread_ != 0)
    events_.note({store::Note::Weight::warning, path.text(),
                  std::to_string(unread_) + " messages of the target could not be read: what equals them may come twice"});
  MH_CHECK(ledger_.set_target_state(known.id, with_epoch(folder->epoch, unread_ == 0 ? end.state : std::string())));
  return ledger_.commit();
}

/// A folder that was just made holds nothing: what an earlier one of its name held is not there any more.
Status TargetIndex::forget(const mail::FolderPath& path, const std::string& epoch) {
  MH_CHECK(ledger_.begin());
  MH_TRY(const ledger::TargetFolder known, ledger_.target_folder(path.text()));
  MH_CHECK(ledger_.begin_listing());
  MH_CHECK(ledger_.unlocate_unlisted(known.id));
  MH_CHECK(ledger_.set_target_state(known.id, with_epoch(epoch, {})));
  return ledger_.commit();
}

Status TargetIndex::note_read(Fetched fetched, ledger::RowId folder) {
  tick_();
  if (const auto* error = std::get_if<Error>(&fetched.result)) {
    // A folder that cannot be read is no empty one.
    if (error->scope != Scope::message) return *error;
    ++unread_;
    return {};
  }
  const auto* message = std::get_if<mail::Message>(&fetched.result);
  if (message == nullptr) return {};
  const auto& facts = message->content->facts();
  const auto loose_key = loose_key_of(facts, dedup_);
  MH_TRY(const auto known, ledger_.content_by_key(folder, fetched.key));
  if (known) {
    if (loose_key) MH_CHECK(ledger_.set_mail_key(known->id, *loose_key));
  } else {
    // One of ours whose key changed (another program rewrote the mbox) is found again by its content.
    MH_TRY(const auto contents, ledger_.contents_by_eid(folder, facts.eid));
    const auto moved = std::find_if(contents.begin(), contents.end(), [](const auto& content) { return content.key.empty(); });
    if (moved != contents.end()) {
      MH_CHECK(ledger_.locate_content(moved->id, fetched.key));
    } else {
      const auto added = ledger_.add_content(folder, fetched.key, facts.eid, facts.nid, loose_key);
      if (!added.ok()) return added.error();
    }
  }
  if (++uncommitted_ % kCommitEvery != 0) return {};
  MH_CHECK(ledger_.commit());
  return ledger_.begin();
}

}  // namespace mailhaul::pipeline
