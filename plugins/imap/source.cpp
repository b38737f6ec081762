// Folders and listings.
#include "plugins/imap/source.hpp"

#include <algorithm>
#include <map>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/changes.hpp"
#include "plugins/imap/fetch.hpp"
#include "plugins/imap/folders.hpp"

namespace mailhaul::imap {

namespace {

// UIDs that were given since and are not there any more: to list all is cheaper than to look for more of them.
constexpr std::uint64_t kMostUnnamed = 100'000;
constexpr std::string_view kListItems = " (UID FLAGS INTERNALDATE RFC822.SIZE)";

store::Item item_of(const FetchResponse& fetched) {
  store::Item item;
  item.key = std::to_string(*fetched.uid);
  item.object_id = fetched.object_id;
  item.size = fetched.size;
  item.meta = meta_of(fetched);
  item.flags_known = fetched.flags.has_value();
  item.meta_complete = fetched.flags.has_value() && item.meta.received.has_value();
  return item;
}

/// One listing: passes items on, and watches what the server says of its own count.
class Listing {
 public:
  /// `named` were passed on before: they are only counted.
  Listing(const store::FolderInfo& folder, store::ItemSink& sink, Uid from, const UidSet& named)
      : folder_(folder), sink_(sink), from_(from), named_(named) {}

  Status take(const Response& response) {
    if (std::holds_alternative<ExpungeResponse>(response) || std::holds_alternative<VanishedResponse>(response))
      moved_ = true;
    const auto* fetched = std::get_if<FetchResponse>(&response);
    // Courier tells "* 0 FETCH" of nothing (quirk 52); a FETCH without UID is an unasked change of flags.
    if (fetched == nullptr || !fetched->uid || fetched->number == 0) return {};
    if (!fetched->size && !fetched->internaldate) return {};  // a change of flags, which names the UID with CONDSTORE
    // n:* always names the last message, even an older one (durability 2.5).
    if (*fetched->uid < from_) return {};
    if (seen_.contains(*fetched->uid)) {
      if (!fetched->size) return {};  // a change of flags told meanwhile
      return make_error(
          ErrorKind::security, Scope::folder,
          "the listing of " + folder_.path.text() + " names UID " + std::to_string(*fetched->uid) + " twice",
          "nothing of this folder can be trusted; ask the server's people");
    }
    seen_.add(*fetched->uid);
    return named_.contains(*fetched->uid) ? Status() : sink_.on_item(item_of(*fetched));
  }
  [[nodiscard]] const UidSet& seen() const { return seen_; }
  [[nodiscard]] std::uint64_t count() const { return seen_.count(); }
  [[nodiscard]] bool moved() const { return moved_; }
  [[nodiscard]] Uid highest() const { return seen_.empty() ? 0 : seen_.ranges().back().last; }

 private:
  const store::FolderInfo& folder_;
  store::ItemSink& sink_;
  const Uid from_;
  const UidSet& named_;
  UidSet seen_;
  bool moved_ = false;
};

Command list_from(Uid first) {
  Command command("UID FETCH");
  command.raw(" " + std::to_string(first) + ":*" + std::string(kListItems));
  return command;
}

/// The state to remember. A UIDNEXT below what is there would hide mail next time (bad-input 41); or a message came
/// just now.
std::string state_after(const Mailbox& mailbox, const Listing& listing) {
  if (listing.highest() >= mailbox.uidnext.value_or(0)) return {};
  return state_of(mailbox.uidvalidity, mailbox.uidnext, mailbox.exists, mailbox.highestmodseq);
}

/// From which UID on there is something to list; nullopt: 1:* in an empty mailbox is an error for some servers (quirk 66).
std::optional<Uid> first_of(const store::FolderInfo& folder, const Changes* changes) {
  if (folder.messages == std::optional<std::uint64_t>(0)) return std::nullopt;
  return changes != nullptr ? changes->from() : Uid{1};
}

bool lies_below(const mail::FolderPath& path, const mail::FolderPath& below) {
  return below.components.empty() || path.starts_with(below);
}

}  // namespace

store::Caps protocol_caps() {
  store::Caps caps;
  caps.sessions = 8;  // Gmail allows 15 to all programs together, Dovecot 10 from one address
  caps.late_commits = true;
  caps.exact_octets = false;                   // line ends become CRLF
  caps.keywords = store::Caps::Keywords::any;  // PERMANENTFLAGS of each folder has the last word
  caps.flags = mail::Flags(31);
  caps.nul = false;
  caps.zero_octets = false;
  caps.update = true;
  return caps;
}

store::Caps account_caps(const Session& session) {
  store::Caps caps = protocol_caps();
  caps.max_octets = session.append_limit();
  caps.separator = session.naming().separator.value_or('\0');
  return caps;
}

std::optional<Uid> uid_of(const store::Key& key) {
  const auto number = parse_uint(key, 10, 0xFFFF'FFFFU);
  if (!number || *number == 0 || std::to_string(*number) != key) return std::nullopt;
  return static_cast<Uid>(*number);
}

mail::Meta meta_of(const FetchResponse& fetched) {
  mail::Meta meta;
  if (fetched.flags) read_flags(*fetched.flags, meta);
  if (fetched.internaldate) meta.received = parse_internaldate(*fetched.internaldate);
  meta.labels = fetched.gmail_labels;
  return meta;
}

Error not_opened(const Session& session, const store::FolderInfo& folder, const TaggedResponse& response) {
  return session.refusal(response, "open the folder " + visible(folder.path.text()), Scope::folder);
}

bool same_epoch(const Session& session, const store::FolderInfo& folder, const Mailbox& mailbox) {
  const bool is_private = folder.epoch.starts_with("session-");
  return folder.epoch == (is_private ? session.private_epoch() : epoch_of(mailbox.uidvalidity));
}

Error other_mailbox(const store::FolderInfo& folder) {
  return make_error(ErrorKind::identity, Scope::folder,
                    "the folder " + visible(folder.path.text()) + " is not the one it was: its UIDVALIDITY changed",
                    "run the same command again: it will be read anew, and nothing is brought twice");
}

Status ImapSource::settle() {
  ahead_.forget();
  session_->set_listener(nullptr);
  return session_->finish();
}

Status ImapSource::folders(const std::function<Status(store::FolderInfo)>& sink) {
  MH_CHECK(settle());
  MH_TRY(auto all, list_folders(*session_, Detail::counts));
  bool any = below_.components.empty();
  for (auto& folder : all) {
    if (!lies_below(folder.path, below_)) continue;
    any = true;
    // Without UIDVALIDITY no key outlives the session (bad-input 40).
    if (folder.epoch.empty() && folder.selectable) folder.epoch = session_->private_epoch();
    MH_CHECK(sink(std::move(folder)));
  }
  if (any) return {};
  return make_error(ErrorKind::unreachable, Scope::session,
                    session_->place() + " has no folder " + visible(below_.text()), "`mailhaul ls` shows what it has");
}

/// ENABLE QRESYNC, once and only when it is of use: from then on VANISHED comes where EXPUNGE came.
Result<bool> ImapSource::can_tell_vanished() {
  if (tells_vanished_) return *tells_vanished_;
  tells_vanished_ = false;
  // RFC 5161 3.1: not while a mailbox is open.
  if (!session_->has("QRESYNC") || (opened_any_ && !session_->has("UNSELECT"))) return false;
  MH_CHECK(settle());
  std::vector<Command> commands;
  if (opened_any_) commands.emplace_back("UNSELECT");
  commands.emplace_back("ENABLE");
  commands.back().raw(" QRESYNC");
  bool enabled = false;
  MH_TRY(const auto responses, session_->run_all(std::move(commands), [&](Response response) -> Status {
    const auto* told = std::get_if<EnabledResponse>(&response);
    if (told == nullptr) return {};
    enabled = enabled || std::any_of(told->words.begin(), told->words.end(),
                                     [](const std::string& word) { return equals_ignoring_case(word, "QRESYNC"); });
    return {};
  }));
  tells_vanished_ = enabled && responses.back().condition == Condition::ok;
  return *tells_vanished_;
}

/// EXAMINE, and the list of messages from that UID on; nullopt: there are none to be listed.
std::vector<Command> ImapSource::opening(const store::FolderInfo& folder, const Changes* changes,
                                         std::optional<Uid> from) const {
  const bool asks_vanished = changes != nullptr && changes->asks_vanished();
  const bool has_modseq = session_->has("CONDSTORE") || session_->has("QRESYNC");
  std::vector<Command> commands;
  commands.push_back(examine(folder.path.native, has_modseq && !asks_vanished));
  if (asks_vanished) commands.back().raw(changes->parameters());
  if (from) commands.push_back(list_from(*from));
  return commands;
}

Result<Mailbox> ImapSource::open(const store::FolderInfo& folder, std::vector<Command> commands,
                                 const UntaggedHandler& handler, For use, Changes* changes) {
  if (use != For::listing) MH_CHECK(settle());
  opened_any_ = true;
  Mailbox mailbox;
  std::optional<Error> trouble;
  // They leave together; what comes of the others is believed only when EXAMINE has shown the right folder. The mailbox
  // stays as EXAMINE told it: what comes or goes meanwhile is for the next listing.
  const UntaggedHandler first = [&](Response response) -> Status {
    mailbox.take(response);
    if (changes != nullptr) changes->take(response);
    return {};
  };
  const UntaggedHandler rest = [&](Response response) -> Status {
    if (trouble) return {};
    if (!same_epoch(*session_, folder, mailbox)) trouble = other_mailbox(folder);
    if (trouble || !handler) return {};
    // An Error of the sink is kept: the stream must stay in step.
    if (auto status = handler(std::move(response)); !status.ok()) trouble = std::move(status).error();
    return {};
  };
  std::vector<Call> calls;
  for (auto& command : commands) calls.push_back({std::move(command), calls.empty() ? first : rest});
  MH_TRY(const auto responses,
         use == For::listing ? ahead_.run(folder, std::move(calls)) : session_->run_each(std::move(calls)));
  if (responses.front().condition != Condition::ok) {
    // NO is about the folder; parameters that it does not know a server calls BAD.
    if (changes != nullptr && responses.front().condition == Condition::bad) changes->refuse();
    return not_opened(*session_, folder, responses.front());
  }
  if (!same_epoch(*session_, folder, mailbox)) return other_mailbox(folder);
  if (trouble) return *trouble;
  for (const auto& response : responses) {
    // A set of messages of an empty folder is BAD for some (quirk 66).
    if (response.condition != Condition::ok && mailbox.exists != 0)
      return session_->refusal(response, "list " + visible(folder.path.text()), Scope::folder);
  }
  return mailbox;
}

/// Some servers show no more than a certain number of messages and say nothing of the others (quirks 7, 35).
void ImapSource::note_limit(const store::FolderInfo& folder, std::uint64_t exists) {
  if (exists == 0 || exists != session_->quirks().most_shown) return;
  session_->services().events.note({store::Note::Weight::warning, folder.path.text(),
                                    "it has exactly " + std::to_string(exists) +
                                        " messages, as many as this server shows at most: there may be more"});
}

/// What came and what has gone; nullopt where the counts do not prove it. `named`: what was passed on all the same.
Result<std::optional<store::ListEnd>> ImapSource::list_changes(const store::FolderInfo& folder, Changes& changes,
                                                               store::ItemSink& sink, UidSet& named) {
  Listing listing(folder, sink, changes.from(), named);
  const auto opened = open(
      folder, opening(folder, &changes, first_of(folder, &changes)),
      [&](Response response) { return listing.take(response); }, For::listing, &changes);
  named = listing.seen();
  if (!opened.ok()) {
    // A server that does not take the parameters of QRESYNC opens the folder without.
    if (!changes.asks_vanished() || !changes.refused()) return opened.error();
    tells_vanished_ = false;
    return std::optional<store::ListEnd>();
  }
  const Mailbox& mailbox = *opened;
  store::ListEnd end;
  end.complete = false;
  end.state = state_after(mailbox, listing);
  const auto gone = changes.gone(mailbox, listing.count());
  if (!gone) {
    // Something went while it was listed: what is new is new, and the next listing tells the rest.
    const bool went_meanwhile = listing.moved() && !changes.asks_vanished();
    if (!went_meanwhile) return std::optional<store::ListEnd>();
    end.state.clear();
    return std::optional(end);
  }
  // An earlier run that did not end well knows messages that came after the state: those that are not there now have gone.
  const std::uint64_t end_of_new = std::max<std::uint64_t>(mailbox.uidnext.value_or(0), std::uint64_t{listing.highest()} + 1);
  if (end_of_new - std::min<std::uint64_t>(changes.from(), end_of_new) > listing.count() + kMostUnnamed)
    return std::optional<store::ListEnd>();
  for (const UidSet::Range& range : gone->ranges()) {
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid) MH_CHECK(sink.on_gone(std::to_string(uid)));
  }
  for (std::uint64_t uid = changes.from(); uid < end_of_new; ++uid) {
    if (!listing.seen().contains(static_cast<Uid>(uid))) MH_CHECK(sink.on_gone(std::to_string(uid)));
  }
  note_limit(folder, mailbox.exists);
  return std::optional(end);
}

Result<store::ListEnd> ImapSource::list(const store::FolderInfo& folder, std::optional<std::string> since,
                                        store::ItemSink& sink) {
  UidSet named;
  MH_TRY(auto changes, changes_of(folder, since));
  if (changes) {
    MH_TRY(auto end, list_changes(folder, *changes, sink, named));
    if (end) return std::move(*end);
  }
  bool filled = false;  // STATUS told of an empty folder, and it is not any more
  for (;;) {
    Listing listing(folder, sink, 1, named);
    const auto from = filled ? std::optional<Uid>(1) : first_of(folder, nullptr);
    const bool asks = from.has_value();
    MH_TRY(const Mailbox mailbox,
           open(folder, opening(folder, nullptr, from), [&](Response response) { return listing.take(response); },
                For::listing));
    filled = !asks && mailbox.exists != 0;
    if (filled) continue;
    store::ListEnd end;
    end.state = state_after(mailbox, listing);
    note_limit(folder, mailbox.exists);
    if (listing.count() == mailbox.exists) return end;
    end.state.clear();
    // Some came while it was listed, or something went.
    if (listing.moved() || listing.count() > mailbox.exists) return end;
    session_->services().events.note({store::Note::Weight::doubtful, folder.path.text(),
                                      "the server counts " + std::to_string(mailbox.exists) +
                                          " messages here, but lists " + std::to_string(listing.count())});
    // What was not listed is not gone.
    end.complete = false;
    return end;
  }
}

Result<std::optional<Changes>> ImapSource::changes_of(const store::FolderInfo& folder,
                                                      const std::optional<std::string>& since) {
  auto changes = since ? Changes::between(*since, folder.state) : std::nullopt;
  if (changes && changes->wants_vanished()) {
    MH_TRY(const bool tells, can_tell_vanished());
    if (tells) changes->ask_vanished();
  }
  if (changes && !changes->is_worth_trying()) changes.reset();
  return changes;
}

Status ImapSource::expect_listings(std::vector<store::ListingWish> wishes) {
  MH_CHECK(settle());
  std::vector<Ahead::Planned> planned;
  for (const auto& wish : wishes) {
    MH_TRY(const auto changes, changes_of(*wish.folder, wish.since));
    const Changes* const asked = changes ? &*changes : nullptr;
    planned.push_back({wish.folder, opening(*wish.folder, asked, first_of(*wish.folder, asked))});
  }
  ahead_.plan(std::move(planned));
  return {};
}

Status ImapSource::describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) {
  UidSet wanted;
  for (const auto& key : keys) {
    if (const auto uid = uid_of(key)) wanted.add(*uid);
  }
  std::map<store::Key, store::Item> found;
  std::vector<Command> commands = opening(folder, nullptr, std::nullopt);
  for (const auto& part : wanted.split(session_->quirks().command_octets - 100)) {
    commands.emplace_back("UID FETCH");
    commands.back().uids(part).raw(std::string(kListItems));
  }
  MH_TRY([[maybe_unused]] const Mailbox mailbox, open(folder, std::move(commands), [&](Response response) -> Status {
           const auto* fetched = std::get_if<FetchResponse>(&response);
           if (fetched != nullptr && fetched->uid && wanted.contains(*fetched->uid))
             found[std::to_string(*fetched->uid)] = item_of(*fetched);
           return {};
         }, For::other));
  for (const auto& key : keys) {
    const auto item = found.find(key);
    MH_CHECK(item == found.end() ? sink.on_gone(key) : sink.on_item(item->second));
  }
  return {};
}

Status ImapSource::fetch(const store::NextBatch& next, store::FetchSink& sink) {
  MH_CHECK(settle());
  opened_any_ = true;
  Fetcher fetcher(*session_, next, sink);
  session_->set_listener(&fetcher);
  auto status = fetcher.run();
  session_->set_listener(nullptr);
  return status;
}

Status ImapSource::pump(std::chrono::milliseconds) {
  if (!ahead_.has_begun()) session_->set_listener(nullptr);
  return session_->keep_alive();
}

}  // namespace mailhaul::imap
