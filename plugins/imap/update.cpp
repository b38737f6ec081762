// Changes of flags and keywords: gathered, and made folder by folder with the next flush.
#include <algorithm>

#include "base/strings.hpp"
#include "plugins/imap/source.hpp"
#include "plugins/imap/target.hpp"

namespace mailhaul::imap {

namespace {

constexpr std::size_t kMostUpdates = 64;  // that wait for the next flush

}  // namespace

/// Many twins of one run bring flags: they are changed together, with the next flush.
Status ImapTarget::update(const store::FolderHandle& handle, const store::Ticket& ticket, const store::Key& key,
                          const store::MetaChange& change) {
  if (broken_ || !session_->alive()) return guard(session_->turn(std::chrono::milliseconds(0)));
  const auto uid = uid_of(key);
  if (!uid) {
    tell(ticket, store::Refused{make_error(ErrorKind::message, Scope::message, "there is no message " + visible(key))});
    return {};
  }
  const auto& permanent = folders_[handle.id].mailbox.permanent_flags;
  auto add = writable_flags({change.add_flags, change.add_keywords, {}, {}}, permanent);
  auto remove = writable_flags({change.remove_flags, change.remove_keywords, {}, {}}, permanent);
  Update update{handle.id, *uid, ticket, std::move(add.flags), std::move(remove.flags), {}};
  update.verdict.key = key;
  update.verdict.lost_flags = add.lost_flags;
  update.verdict.lost_keywords = add.lost_keywords;
  if (update.add.empty() && update.remove.empty()) {
    tell(ticket, std::move(update.verdict));
    return {};
  }
  updates_.push_back(std::move(update));
  // The ticket is accepted: what fails from here on is told by its verdict, and by the next call.
  if (updates_.size() >= kMostUpdates) (void)flush();
  return {};
}

Status ImapTarget::send_updates() {
  while (!updates_.empty()) MH_CHECK(send_updates_of_one_folder());
  return {};
}

Status ImapTarget::send_updates_of_one_folder() {
  const std::uint32_t folder = updates_.front().folder;
  const auto of_folder = [&](const Update& update) { return update.folder == folder; };
  const auto end = std::stable_partition(updates_.begin(), updates_.end(), of_folder);
  const auto drop = [&] {
    std::vector<Update> done(std::make_move_iterator(updates_.begin()), std::make_move_iterator(end));
    updates_.erase(updates_.begin(), end);
    return done;
  };
  if (auto status = select_folder(folder); !status.ok()) {
    if (!session_->alive() || status.error().kind == ErrorKind::interrupted) return status;
    for (const auto& update : drop()) tell(update.ticket, store::Refused{status.error()});
    return {};
  }
  std::vector<Command> commands;
  std::vector<std::size_t> of_update;  // by command
  for (auto update = updates_.begin(); update != end; ++update) {
    UidSet set;
    set.add(update->uid);
    for (const auto& [verb, flags] :
         {std::pair("+FLAGS.SILENT", &update->add), std::pair("-FLAGS.SILENT", &update->remove)}) {
      if (flags->empty()) continue;
      commands.emplace_back("UID STORE");
      commands.back().uids(set).raw(" " + std::string(verb)).flags(*flags);
      of_update.push_back(static_cast<std::size_t>(update - updates_.begin()));
    }
  }
  // Until they are answered they stay in updates_: the end of the session finds them there.
  MH_TRY(const auto responses, session_->run_all(std::move(commands)));
  auto done = drop();
  std::vector<std::optional<Error>> errors(done.size());
  for (std::size_t i = 0; i < responses.size(); ++i) {
    if (responses[i].condition == Condition::ok) continue;
    errors[of_update[i]] =
        session_->refusal(responses[i], "change the flags of UID " + std::to_string(done[of_update[i]].uid), Scope::message);
  }
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (errors[i])
      tell(done[i].ticket, store::Refused{*errors[i]});
    else
      tell(done[i].ticket, std::move(done[i].verdict));
  }
  return {};
}

}  // namespace mailhaul::imap
