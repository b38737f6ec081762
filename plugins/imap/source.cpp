// Folders and listings.
#include "plugins/imap/source.hpp"

#include <algorithm>
#include <map>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/fetch.hpp"
#include "plugins/imap/folders.hpp"

namespace mailhaul::imap {

namespace {

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

/// What is new since a state: everything from that UID on, if the counts tell that nothing has gone.
struct Delta {
  Uid from = 1;
  std::uint64_t messages_before = 0;
};

std::optional<Delta> delta_of(const std::string& since, const std::string& state) {
  const auto before = parse_state(since), now = parse_state(state);
  if (!before || !now) return std::nullopt;
  const bool grew = before->uidvalidity == now->uidvalidity && before->uidnext <= now->uidnext &&
                    before->messages <= now->messages && before->uidnext <= 0xFFFF'FFFFU;
  if (!grew || now->messages - before->messages > now->uidnext - before->uidnext) return std::nullopt;
  return Delta{static_cast<Uid>(before->uidnext), before->messages};
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

Result<Mailbox> ImapSource::open(const store::FolderInfo& folder, std::vector<Command> then,
                                 const UntaggedHandler& handler) {
  MH_CHECK(settle());
  Mailbox mailbox;
  std::optional<Error> trouble;
  // They leave together; what comes of the others is believed only when EXAMINE has shown the right folder. The mailbox
  // stays as EXAMINE told it: what comes or goes meanwhile is for the next listing.
  std::vector<Call> calls;
  calls.push_back({examine(folder.path.native, session_->has("CONDSTORE") || session_->has("QRESYNC")),
                   [&](Response response) -> Status {
                     mailbox.take(response);
                     return {};
                   }});
  const UntaggedHandler rest = [&](Response response) -> Status {
    if (trouble) return {};
    if (!same_epoch(*session_, folder, mailbox)) trouble = other_mailbox(folder);
    if (trouble || !handler) return {};
    // An Error of the sink is kept: the stream must stay in step.
    if (auto status = handler(std::move(response)); !status.ok()) trouble = std::move(status).error();
    return {};
  };
  for (auto& command : then) calls.push_back({std::move(command), rest});
  MH_TRY(const auto responses, session_->run_each(std::move(calls)));
  if (responses.front().condition != Condition::ok) return not_opened(*session_, folder, responses.front());
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

Result<store::ListEnd> ImapSource::list(const store::FolderInfo& folder, std::optional<std::string> since,
                                        store::ItemSink& sink) {
  auto delta = since ? delta_of(*since, folder.state) : std::nullopt;
  UidSet named;
  bool filled = false;  // STATUS told of an empty folder, and it is not any more
  for (;;) {
    const Uid from = delta ? delta->from : 1;
    Listing listing(folder, sink, from, named);
    std::vector<Command> commands;
    // 1:* in an empty mailbox is an error for some servers (quirk 66).
    const bool asks = folder.messages != std::optional<std::uint64_t>(0) || filled;
    if (asks) {
      commands.emplace_back("UID FETCH");
      commands.back().raw(" " + std::to_string(from) + ":*" + std::string(kListItems));
    }
    MH_TRY(const Mailbox mailbox,
           open(folder, std::move(commands), [&](Response response) { return listing.take(response); }));
    filled = !asks && mailbox.exists != 0;
    if (filled) continue;
    store::ListEnd end;
    end.complete = !delta.has_value();
    end.state = state_of(mailbox.uidvalidity, mailbox.uidnext, mailbox.exists, mailbox.highestmodseq);
    note_limit(folder, mailbox.exists);
    // A UIDNEXT below what is there would hide mail next time (bad-input 41); or a message came just now.
    if (listing.highest() >= mailbox.uidnext.value_or(0)) end.state.clear();
    const std::uint64_t expected = (delta ? delta->messages_before : 0) + listing.count();
    const bool grew = !delta && expected > mailbox.exists;  // some came while it was listed
    if (expected == mailbox.exists || listing.moved() || grew) {
      if (expected != mailbox.exists) end.state.clear();
      return end;
    }
    if (delta) {
      // Something has gone as well: a listing of all will tell what.
      delta.reset();
      named = listing.seen();  // of this listing, which ends here
      continue;
    }
    session_->services().events.note({store::Note::Weight::doubtful, folder.path.text(),
                                      "the server counts " + std::to_string(mailbox.exists) +
                                          " messages here, but lists " + std::to_string(listing.count())});
    // What was not listed is not gone.
    end.complete = false;
    end.state.clear();
    return end;
  }
}

Status ImapSource::describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) {
  UidSet wanted;
  for (const auto& key : keys) {
    if (const auto uid = uid_of(key)) wanted.add(*uid);
  }
  std::map<store::Key, store::Item> found;
  std::vector<Command> commands;
  for (const auto& part : wanted.split(session_->quirks().command_octets - 100)) {
    commands.emplace_back("UID FETCH");
    commands.back().uids(part).raw(std::string(kListItems));
  }
  MH_TRY([[maybe_unused]] const Mailbox mailbox, open(folder, std::move(commands), [&](Response response) -> Status {
           const auto* fetched = std::get_if<FetchResponse>(&response);
           if (fetched != nullptr && fetched->uid && wanted.contains(*fetched->uid))
             found[std::to_string(*fetched->uid)] = item_of(*fetched);
           return {};
         }));
  for (const auto& key : keys) {
    const auto item = found.find(key);
    MH_CHECK(item == found.end() ? sink.on_gone(key) : sink.on_item(item->second));
  }
  return {};
}

Status ImapSource::fetch(const store::NextBatch& next, store::FetchSink& sink) {
  MH_CHECK(settle());
  Fetcher fetcher(*session_, next, sink);
  session_->set_listener(&fetcher);
  auto status = fetcher.run();
  session_->set_listener(nullptr);
  return status;
}

Status ImapSource::pump(std::chrono::milliseconds) {
  session_->set_listener(nullptr);
  return session_->keep_alive();
}

}  // namespace mailhaul::imap
