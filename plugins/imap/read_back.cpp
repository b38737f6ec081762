// One look at what the server stored: is it there, of that size, date and flags? (durability 2.5, "verify=size")
#include <algorithm>

#include "base/strings.hpp"
#include "plugins/imap/bodies.hpp"
#include "plugins/imap/source.hpp"
#include "plugins/imap/target.hpp"

namespace mailhaul::imap {

namespace {

/// Flags and keywords that were asked for and are not there.
struct Lost {
  bool flags = false, keywords = false;
};

Lost lost_of(const mail::Meta& asked, const mail::Meta& there) {
  const auto has = [&](const std::string& word) {
    return std::any_of(there.keywords.begin(), there.keywords.end(),
                       [&](const auto& one) { return equals_ignoring_case(one, word); });
  };
  return {(asked.flags.bits() & ~there.flags.bits()) != 0,
          !std::all_of(asked.keywords.begin(), asked.keywords.end(), has)};
}

}  // namespace

Status ImapTarget::look_at_stored() {
  while (!unseen_.empty()) {
    // The folder that is open first: it costs no SELECT.
    auto entry = selected_ ? unseen_.find(*selected_) : unseen_.end();
    if (entry == unseen_.end()) entry = unseen_.begin();
    MH_CHECK(look_at(entry->first));
  }
  return {};
}

Status ImapTarget::look_at(std::uint32_t id) {
  Folder& folder = folders_[id];
  auto& unseen = unseen_[id];
  if (auto opened = select_folder(id); !opened.ok()) {
    if (!session_->alive() || opened.error().kind == ErrorKind::interrupted) return opened;
    // The folder is gone, or another: nobody can say that the mail is there.
    for (auto& one : unseen) tell(one.parcel.ticket, store::Refused{opened.error()});
    unseen_.erase(id);
    return {};
  }
  MH_TRY(const auto there, ask_about(folder, unseen));
  for (auto& one : unseen) {
    const auto found = one.uid ? there.find(*one.uid) : there.end();
    if (found != there.end()) judge(one, found->second);
  }
  MH_CHECK(compare_content(unseen));
  std::deque<Unseen> done = std::move(unseen);
  unseen_.erase(id);
  conclude(folder, std::move(done));
  return {};
}

/// What the folder, which is selected, says of them. Those whose UID the server did not tell get one.
Result<std::map<Uid, FetchResponse>> ImapTarget::ask_about(Folder& folder, std::deque<Unseen>& unseen) {
  UidSet uids;
  bool all_known = true;
  for (const auto& one : unseen) {
    if (one.uid) uids.add(*one.uid);
    all_known = all_known && one.uid;
  }
  const std::string items = " (UID RFC822.SIZE INTERNALDATE FLAGS)";
  std::vector<Command> commands;
  if (all_known) {
    for (const auto& part : uids.split(session_->quirks().command_octets - 100)) {
      commands.emplace_back("UID FETCH");
      commands.back().uids(part).raw(items);
    }
  } else {
    // No UIDPLUS: what came since the last look, in the order of its arrival. NOOP first (quirk 67).
    commands.emplace_back("NOOP");
    commands.emplace_back("UID FETCH");
    commands.back().raw(" " + std::to_string(folder.look_from) + ":*" + items);
  }
  std::map<Uid, FetchResponse> there;
  const UntaggedHandler keep = [&](Response response) -> Status {
    auto* fetched = std::get_if<FetchResponse>(&response);
    if (fetched != nullptr && fetched->uid && fetched->size) there.insert_or_assign(*fetched->uid, std::move(*fetched));
    return {};
  };
  MH_TRY([[maybe_unused]] const auto responses, session_->run_all(std::move(commands), keep));
  if (all_known) return there;
  for (auto& one : unseen) {
    if (one.uid) continue;
    // Servers store in the order of the commands: the first one of that size that is nobody's yet.
    const auto fits = std::find_if(there.lower_bound(folder.look_from), there.end(), [&](const auto& entry) {
      return !folder.ours.contains(entry.first) && entry.second.size == one.parcel.message.content->facts().crlf_size;
    });
    if (fits == there.end()) continue;
    one.uid = fits->first;
    one.verdict.key = std::to_string(fits->first);
    folder.ours.add(fits->first);
  }
  const Uid highest = there.empty() ? 0 : there.rbegin()->first;
  if (highest >= folder.look_from && highest != 0xFFFF'FFFFU) folder.look_from = highest + 1;
  return there;
}

void ImapTarget::judge(Unseen& one, const FetchResponse& there) {
  one.seen = true;
  const mail::Meta& asked = one.parcel.message.meta;
  const mail::Meta is = meta_of(there);
  const Lost lost = lost_of(asked, is);
  one.verdict.lost_flags = one.verdict.lost_flags || lost.flags;
  one.verdict.lost_keywords = one.verdict.lost_keywords || lost.keywords;
  if (asked.received) one.verdict.lost_date = !is.received || is.received->instant != asked.received->instant;
  one.doubtful = there.size != one.parcel.message.content->facts().crlf_size;
}

/// A size that differs may be the server's way to count (Exchange, hMailServer): the content decides.
Status ImapTarget::compare_content(std::deque<Unseen>& unseen) {
  UidSet doubtful;
  std::map<Uid, Unseen*> by_uid;
  for (auto& one : unseen) {
    if (!one.doubtful) continue;
    doubtful.add(*one.uid);
    by_uid[*one.uid] = &one;
    one.verdict.altered = true;
  }
  return read_bodies(*session_, doubtful, [&](Uid uid, const mail::MessageFacts& facts) -> Status {
    const auto entry = by_uid.find(uid);
    if (entry != by_uid.end())
      entry->second->verdict.altered = facts.eid != entry->second->parcel.message.content->facts().eid;
    return {};
  });
}

void ImapTarget::conclude(Folder& folder, std::deque<Unseen> unseen) {
  for (auto& one : unseen) {
    // Without a UID from the server there is only its word, and the look proves nothing against it.
    if (one.seen || !one.uid) {
      tell(one.parcel.ticket, std::move(one.verdict));
      continue;
    }
    // bad-input 50: confirmed and not there. Once may be a filter that moved it; twice, and nothing can be trusted.
    Error error = make_error(ErrorKind::damage, Scope::message,
                             session_->place() + " confirmed a message in " + visible(folder.handle.path.text()) +
                                 " but does not hold it (UID " + std::to_string(*one.uid) + ")",
                             "look at the account with another program; nothing was removed at the source", Retry::now);
    if (++folder.missing > 1) {
      error.scope = Scope::run;
      error.retry = Retry::never;
    }
    tell(one.parcel.ticket, store::Refused{std::move(error)});
  }
}

}  // namespace mailhaul::imap
