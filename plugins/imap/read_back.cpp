// One look at what the server stored: is it there, of that size, date and flags? (durability 2.5, "verify=size")
#include <algorithm>

#include "base/strings.hpp"
#include "plugins/imap/bodies.hpp"
#include "plugins/imap/source.hpp"
#include "plugins/imap/target.hpp"

namespace mailhaul::imap {

namespace {

/// Between two looks another program may have stored some, too.
constexpr std::size_t kMostLookedAt = 100'000;
constexpr std::string_view kLookItems = " (UID RFC822.SIZE INTERNALDATE FLAGS)";
constexpr std::size_t kEarlyLook = 32;  // a look for each message would be one command more for each

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

/// nullptr: all of them are OK.
const TaggedResponse* first_refusal(std::span<const TaggedResponse> answers) {
  const auto refused = std::find_if(answers.begin(), answers.end(),
                                    [](const TaggedResponse& answer) { return answer.condition != Condition::ok; });
  return refused == answers.end() ? nullptr : &*refused;
}

}  // namespace

/// Where the server told the UIDs and the folder is open, the look at many leaves at once, behind what is on its way: to
/// wait for its answer would leave the line empty for a round trip.
void ImapTarget::look_early(std::uint32_t folder) {
  auto& unseen = unseen_[folder];
  if (selected_ != folder || unseen.size() < kEarlyLook) return;
  UidSet uids;
  for (const auto& one : unseen) {
    if (one.uid) uids.add(*one.uid);
  }
  const auto parts = uids.split(session_->quirks().command_octets - 100);
  if (parts.size() != 1) return;
  Command command("UID FETCH");
  command.uids(parts.front()).raw(kLookItems);
  const auto id = session_->start(std::move(command));
  if (!id.ok()) return;
  EarlyLook& look = early_looks_[*id];
  look.folder = folder;
  // Of two that were given the same UID one waits: a look at both could not tell them apart.
  for (auto one = unseen.begin(); one != unseen.end();) {
    const bool taken = one->uid && look.unseen.try_emplace(*one->uid, std::move(*one)).second;
    one = taken ? unseen.erase(one) : std::next(one);
  }
  if (unseen.empty()) unseen_.erase(folder);
}

/// What was there as it should be is told; the rest is for the look of flush(), which asks and compares thoroughly.
void ImapTarget::end_early_look(CommandId id) {
  auto entry = early_looks_.extract(id);
  if (entry.empty()) return;
  EarlyLook& look = entry.mapped();
  for (auto& [uid, one] : look.unseen) {
    if (one.seen && !one.doubtful)
      tell(folders_[look.folder], std::move(one));
    else
      unseen_[look.folder].push_back(std::move(one));
  }
}

/// One round trip for all folders with something unseen: a server takes the next SELECT only when it is done with the
/// FETCH before it.
Status ImapTarget::look_at_stored() {
  std::deque<Look> looks;
  std::vector<Call> calls;
  const auto add = [&](std::uint32_t id) {
    looks.emplace_back();
    looks.back().folder = id;
    ask_about(looks.back(), calls);
  };
  // The folder that is open first: it costs no SELECT.
  if (selected_ && unseen_.count(*selected_) != 0) add(*selected_);
  for (const auto& [id, unseen] : unseen_) {
    if (selected_ != id) add(id);
  }
  if (looks.empty()) return {};
  if (looks.back().selects) selected_.reset();
  MH_TRY(const auto responses, session_->run_each(std::move(calls)));
  if (const Look& last = looks.back(); last.selects && responses[last.first_call].condition == Condition::ok &&
                                       epoch_of(last.mailbox.uidvalidity) == folders_[last.folder].handle.epoch)
    selected_ = last.folder;
  for (auto& look : looks) {
    std::deque<Unseen> unseen = std::move(unseen_[look.folder]);
    unseen_.erase(look.folder);
    const auto answers = std::span(responses).subspan(look.first_call, look.calls);
    const auto seen = conclude(look, answers, unseen);
    if (seen.ok()) continue;
    // The session is over: what the server confirmed is told with the rest.
    unseen_[look.folder] = std::move(unseen);
    return seen;
  }
  return {};
}

void ImapTarget::ask_about(Look& look, std::vector<Call>& calls) {
  const Folder& folder = folders_[look.folder];
  look.first_call = calls.size();
  for (const auto& one : unseen_[look.folder]) {
    if (one.uid) look.asked.add(*one.uid);
    look.all_known = look.all_known && one.uid;
  }
  // Where the server told no UIDs (no UIDPLUS) the folder is opened again: that alone shows for certain what came.
  look.selects = selected_ != look.folder || !look.all_known;
  if (look.selects) {
    calls.push_back({select(folder.native), [&look](Response response) -> Status {
                       look.mailbox.take(response);
                       return {};
                     }});
  }
  const UntaggedHandler keep = [&look, from = folder.look_from](Response response) -> Status {
    auto* fetched = std::get_if<FetchResponse>(&response);
    if (fetched == nullptr || !fetched->uid || !fetched->size || look.there.size() >= kMostLookedAt) return {};
    // What was not asked for is not kept.
    const bool asked = look.all_known ? look.asked.contains(*fetched->uid) : *fetched->uid >= from;
    if (asked || look.asked.contains(*fetched->uid)) look.there.insert_or_assign(*fetched->uid, std::move(*fetched));
    return {};
  };
  if (look.all_known) {
    for (const auto& part : look.asked.split(session_->quirks().command_octets - 100)) {
      calls.push_back({Command("UID FETCH"), keep});
      calls.back().command.uids(part).raw(kLookItems);
    }
    look.calls = calls.size() - look.first_call;
    return;
  }
  // What came since the last look, in the order of its arrival.
  calls.push_back({Command("UID FETCH"), keep});
  calls.back().command.raw(" " + std::to_string(folder.look_from) + ":*" + std::string(kLookItems));
  look.calls = calls.size() - look.first_call;
}

/// What the folder said of them becomes their verdicts. Error: of the session; the verdicts are not told then.
Status ImapTarget::conclude(Look& look, std::span<const TaggedResponse> answers, std::deque<Unseen>& unseen) {
  Folder& folder = folders_[look.folder];
  if (look.selects) {
    const TaggedResponse& opened = answers.front();
    std::optional<Error> not_there;
    if (opened.code.is("NONEXISTENT") || opened.code.is("TRYCREATE"))
      not_there = session_->refusal(opened, "open the folder " + visible(folder.handle.path.text()), Scope::folder);
    else if (opened.condition == Condition::ok && epoch_of(look.mailbox.uidvalidity) != folder.handle.epoch)
      not_there = replaced(folder);
    if (not_there) {
      // The folder is gone, or another: nobody can say that the mail is there.
      for (auto& one : unseen) tell(one.parcel.ticket, store::Refused{*not_there});
      return {};
    }
    folder.mailbox.exists = look.mailbox.exists;
  }
  if (const auto* const refused = first_refusal(answers)) {
    note_not_shown(folder, unseen.size(), *refused);
    for (auto& one : unseen) tell(one.parcel.ticket, std::move(one.verdict));
    return {};
  }
  if (!look.all_known) give_uids(folder, look.there, unseen);
  MH_CHECK(look_again(look, unseen));
  for (auto& one : unseen) {
    const auto found = one.uid ? look.there.find(*one.uid) : look.there.end();
    if (found != look.there.end()) judge(one, found->second);
  }
  MH_CHECK(compare_content(look.folder, unseen));
  for (auto& one : unseen) tell(folder, std::move(one));
  return {};
}

/// Some servers show a fresh message only after NOOP (quirk 67): what is not there is looked for once more behind one.
Status ImapTarget::look_again(Look& look, std::deque<Unseen>& unseen) {
  UidSet missing;
  for (const auto& one : unseen) {
    if (one.uid && look.there.count(*one.uid) == 0) missing.add(*one.uid);
  }
  if (missing.empty()) return {};
  MH_CHECK(select_folder(look.folder));
  MH_TRY([[maybe_unused]] const auto noop, session_->run(Command("NOOP")));
  std::vector<Command> commands;
  for (const auto& part : missing.split(session_->quirks().command_octets - 100)) {
    commands.emplace_back("UID FETCH");
    commands.back().uids(part).raw(kLookItems);
  }
  MH_TRY(const auto responses, session_->run_all(std::move(commands), [&](Response response) -> Status {
           auto* fetched = std::get_if<FetchResponse>(&response);
           if (fetched != nullptr && fetched->uid && fetched->size && missing.contains(*fetched->uid))
             look.there.insert_or_assign(*fetched->uid, std::move(*fetched));
           return {};
         }));
  if (const auto* const refused = first_refusal(responses)) {
    note_not_shown(folders_[look.folder], missing.count(), *refused);
    for (auto& one : unseen) one.seen = one.seen || (one.uid && missing.contains(*one.uid));
  }
  return {};
}

/// A look that is refused proves nothing against the server's OK; to send them again would double them.
void ImapTarget::note_not_shown(const Folder& folder, std::uint64_t messages, const TaggedResponse& refused) {
  session_->services().events.note({store::Note::Weight::warning, folder.handle.path.text(),
                                    "the server confirmed " + std::to_string(messages) +
                                        " messages and would not show them: " + visible(refused.text) +
                                        "; `mailhaul verify` will tell"});
}

/// Servers store in the order of the commands: each gets the first UID of its size that is nobody's yet.
void ImapTarget::give_uids(Folder& folder, const std::map<Uid, FetchResponse>& there, std::deque<Unseen>& unseen) {
  for (auto& one : unseen) {
    if (one.uid) continue;
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
}

void ImapTarget::judge(Unseen& one, const FetchResponse& there) {
  one.seen = true;
  const mail::Meta& asked = one.parcel.message.meta;
  const mail::Meta is = meta_of(there);
  const Lost lost = lost_of(asked, is);
  one.verdict.lost_flags = one.verdict.lost_flags || lost.flags;
  one.verdict.lost_keywords = one.verdict.lost_keywords || lost.keywords;
  if (asked.received && (!is.received || is.received->instant != asked.received->instant)) one.verdict.lost_date = true;
  one.doubtful = there.size != one.parcel.message.content->facts().crlf_size;
}

/// A size that differs may be the server's way to count (Exchange, hMailServer): the content decides.
Status ImapTarget::compare_content(std::uint32_t folder, std::deque<Unseen>& unseen) {
  UidSet doubtful;
  std::map<Uid, Unseen*> by_uid;
  for (auto& one : unseen) {
    if (!one.doubtful) continue;
    doubtful.add(*one.uid);
    by_uid[*one.uid] = &one;
  }
  if (doubtful.empty()) return {};
  MH_CHECK(select_folder(folder));
  // Only what was read tells: a session that ends in the midst of it makes nothing altered.
  MH_CHECK(read_bodies(*session_, doubtful, [&](Uid uid, const mail::MessageFacts& facts) -> Status {
    const auto entry = by_uid.extract(uid);
    if (!entry.empty())
      entry.mapped()->verdict.altered = facts.eid != entry.mapped()->parcel.message.content->facts().eid;
    return {};
  }));
  for (const auto& [uid, one] : by_uid) one->verdict.altered = true;  // gone meanwhile
  return {};
}

void ImapTarget::tell(Folder& folder, Unseen one) {
  // Without a UID from the server there is only its word, and the look proves nothing against it.
  if (one.seen || !one.uid) return tell(one.parcel.ticket, std::move(one.verdict));
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

}  // namespace mailhaul::imap
