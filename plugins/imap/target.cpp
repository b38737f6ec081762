// Folders, and what happens when the session ends.
#include "plugins/imap/target.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/bodies.hpp"
#include "plugins/imap/folders.hpp"
#include "plugins/imap/source.hpp"

namespace mailhaul::imap {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTurn{200};
// How long a cancelled run waits for the answers to what has left whole: an answer spares the next run a doubt.
constexpr std::chrono::seconds kGrace{3};

Error not_sent() {
  return make_error(ErrorKind::unreachable, Scope::session, "it had not left when the session ended", {}, Retry::now);
}

/// "V U0": UIDVALIDITY and UIDNEXT when the folder was opened.
struct Mark {
  std::uint64_t uidvalidity = 0;
  Uid uidnext = 1;
};

std::optional<Mark> parse_mark(std::string_view text) {
  const auto parts = split(text, ' ');
  if (parts.size() != 2) return std::nullopt;
  const auto uidvalidity = parse_uint(parts[0]), uidnext = parse_uint(parts[1], 10, 0xFFFF'FFFFU);
  if (!uidvalidity || !uidnext || *uidnext == 0) return std::nullopt;
  return Mark{*uidvalidity, static_cast<Uid>(*uidnext)};
}

/// A server of which nobody knows yet that it counts otherwise may count LF for CRLF, round, or add a field: its size
/// alone must not hide a message that would then be sent twice.
bool may_be_of(std::uint64_t told, std::uint64_t crlf_size) {
  const std::uint64_t slack = std::max<std::uint64_t>(1024, crlf_size / 25);
  return told <= crlf_size ? crlf_size - told <= slack : told - crlf_size <= slack;
}

}  // namespace

ImapTarget::ImapTarget(std::unique_ptr<Session> session, store::AckSink& acks)
    : session_(std::move(session)), acks_(acks), caps_(account_caps(*session_)) {
  session_->set_listener(this);
}

ImapTarget::~ImapTarget() { session_->set_listener(nullptr); }

void ImapTarget::tell(const store::Ticket& ticket,
                      std::variant<store::Stored, store::Refused, store::InDoubt> verdict) {
  ++verdicts_;
  acks_.on_ack({ticket, std::move(verdict)});
}

void ImapTarget::give_back_unsent() {
  enqueue_group();
  for (const auto& group : std::exchange(queue_, {})) {
    for (const auto& parcel : group.parcels) tell(parcel.ticket, store::Refused{not_sent()});
  }
}

/// After the session's end, or a cancel: every ticket gets what can be said of it. What left whole is in doubt; what
/// did not is certainly not stored, for a server stores with the last octet (durability 2.5).
void ImapTarget::break_off() {
  if (broken_) return;
  broken_ = true;
  for (auto& [folder, unseen] : unseen_) {
    for (auto& one : unseen) tell(one.parcel.ticket, std::move(one.verdict));
  }
  for (auto& [id, look] : std::exchange(early_looks_, {})) {
    for (auto& [uid, one] : look.unseen) tell(one.parcel.ticket, std::move(one.verdict));
  }
  for (const auto& [id, group] : sent_) {
    const bool left_whole = session_->client().departed(id) == Departed::all;
    for (const auto& parcel : group.parcels) {
      if (left_whole)
        tell(parcel.ticket, store::InDoubt{});
      else
        tell(parcel.ticket, store::Refused{not_sent()});
    }
  }
  give_back_unsent();
  // To change flags twice does no harm.
  for (const auto& update : std::exchange(updates_, {})) tell(update.ticket, store::Refused{not_sent()});
  unseen_.clear();
  ended_.swap(sent_);
}

/// A cancelled run: what has not left is given back; for what has left whole the answers are waited for a moment, as
/// each spares the next run a doubt.
void ImapTarget::wind_down() {
  const auto& clock = session_->services().clock;
  const auto until = clock.steady() + kGrace;
  give_back_unsent();
  const auto all_left = [this] {
    return std::all_of(sent_.begin(), sent_.end(),
                       [this](const auto& entry) { return session_->client().departed(entry.first) == Departed::all; });
  };
  while (!sent_.empty() && all_left() && clock.steady() < until) {
    if (!session_->turn_to_the_end(milliseconds(50)).ok()) return;
  }
}

Status ImapTarget::guard(Status status) {
  // What was sent before the server asked for a pause is answered yet: no need to be in doubt of it.
  if (!status.ok() && session_->pausing() && !broken_) session_->hear_the_last();
  const bool stopped = session_->pausing() && session_->services().cancel.requested();  // while it was heard
  const bool cancelled = stopped || (!status.ok() && status.error().kind == ErrorKind::interrupted);
  if (cancelled && session_->alive() && !broken_) wind_down();
  if (cancelled || !session_->alive()) break_off();
  return status;
}

template <typename T>
Result<T> ImapTarget::guard(Result<T> result) {
  if (!result.ok()) (void)guard(Status(result.error()));
  return result;
}

Status ImapTarget::folders(const std::function<Status(store::FolderInfo)>& sink) {
  MH_TRY(auto all, guard(list_folders(*session_, Detail::counts)));
  for (auto& folder : all) MH_CHECK(sink(std::move(folder)));
  return {};
}

Status ImapTarget::learn_folders() {
  if (learnt_) return {};
  MH_TRY(const auto all, list_folders(*session_, Detail::names));
  for (const auto& folder : all) {
    there_[folder.path] = folder.path.native;
    if (!folder.selectable) containers_.insert(folder.path);
  }
  learnt_ = true;
  return {};
}

Result<store::FolderHandle> ImapTarget::open_folder(const mail::FolderPath& path, mail::Role role) {
  const store::FolderWish wish{path, role};
  return std::move(open_folders({&wish, 1}).front());
}

/// Made, subscribed and opened in one round trip, all of them; what is there is only opened.
std::vector<Result<store::FolderHandle>> ImapTarget::open_folders(std::span<const store::FolderWish> wishes) {
  using Handle = Result<store::FolderHandle>;
  const auto all = [&](const Error& error) { return std::vector<Handle>(wishes.size(), Handle(error)); };
  if (auto learnt = guard(learn_folders()); !learnt.ok()) return all(learnt.error());
  std::vector<Call> calls;
  std::vector<Result<Opening>> openings;
  // A wish that repeats is answered as the first one.
  const auto first_of = [&](const store::FolderWish& wish) {
    return std::find_if(wishes.begin(), wishes.end(), [&](const auto& other) { return other.path == wish.path; }) - wishes.begin();
  };
  for (const auto& wish : wishes) {
    const bool repeats = &wishes[static_cast<std::size_t>(first_of(wish))] != &wish;
    openings.push_back(repeats ? Result<Opening>(Opening()) : begin_opening(wish, calls));
  }
  std::vector<TaggedResponse> responses;
  if (!calls.empty()) {
    selected_.reset();
    auto answered = guard(session_->run_each(std::move(calls)));
    if (!answered.ok()) return all(answered.error());
    responses = std::move(answered).value();
  }
  std::vector<Handle> handles;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (const auto first = static_cast<std::size_t>(first_of(wishes[i])); first != i)
      handles.push_back(handles[first]);
    else if (!openings[i].ok())
      handles.emplace_back(openings[i].error());
    else
      handles.push_back(opened(*openings[i], std::span(responses).subspan(openings[i]->first_call)));
  }
  return handles;
}

Result<ImapTarget::Opening> ImapTarget::begin_opening(const store::FolderWish& wish, std::vector<Call>& calls) {
  Opening opening;
  opening.path = wish.path;
  if (opened_.count(wish.path) != 0) return opening;
  const auto there = there_.find(wish.path);
  opening.makes = there == there_.end() || containers_.count(wish.path) != 0;
  const auto native = there != there_.end() ? std::optional(there->second) : native_of(wish.path, session_->naming());
  if (!native)
    return make_error(ErrorKind::usage, Scope::folder,
                      "the account cannot hold a folder named " + visible(wish.path.text()),
                      "give it another name with --map");
  opening.native = *native;
  opening.mailbox = std::make_unique<Mailbox>();
  std::vector<Command> commands;
  if (opening.makes) {
    commands.emplace_back("CREATE");
    commands.back().mailbox(*native);
    if (const auto use = special_use(wish.role); !use.empty() && session_->has("CREATE-SPECIAL-USE"))
      commands.back().raw(" (USE (" + std::string(use) + "))");
    commands.emplace_back("SUBSCRIBE");
    commands.back().mailbox(*native);
  }
  commands.push_back(select(*native));
  for (const auto& command : commands) {
    if (auto status = command.check(); !status.ok()) {
      Error error = std::move(status).error();
      error.kind = ErrorKind::usage;
      error.scope = Scope::folder;
      return error;
    }
  }
  opening.first_call = calls.size();
  for (auto& command : commands) {
    calls.push_back({std::move(command), [mailbox = opening.mailbox.get()](Response response) -> Status {
                       mailbox->take(response);
                       return {};
                     }});
  }
  return opening;
}

/// `responses` begin with the answer to its first command.
Result<store::FolderHandle> ImapTarget::opened(Opening& opening, std::span<const TaggedResponse> responses) {
  if (const auto known = opened_.find(opening.path); known != opened_.end()) {
    store::FolderHandle handle = folders_[known->second].handle;
    handle.created = false;
    return handle;
  }
  selected_.reset();  // SELECT closes what was open, also when it fails (RFC 9051 6.3.2)
  const TaggedResponse& first = responses.front();
  const TaggedResponse& selected = responses[opening.makes ? 2 : 0];
  const bool made = opening.makes && first.condition == Condition::ok;
  const std::string name = visible(opening.path.text());
  if (selected.condition != Condition::ok) {
    const bool not_made = opening.makes && !made;
    Error error = session_->refusal(not_made ? first : selected,
                                    (not_made ? "make the folder " : "open the folder ") + name, Scope::folder);
    // A name the server does not like is the user's to change.
    if (not_made && error.kind == ErrorKind::message) {
      error.kind = ErrorKind::usage;
      if (error.hint.empty()) error.hint = "give it another name with --map";
    }
    return error;
  }
  Folder folder;
  folder.native = opening.native;
  folder.mailbox = std::move(*opening.mailbox);
  folder.mailbox.take(selected);
  const auto id = static_cast<std::uint32_t>(folders_.size());
  if (folder.mailbox.read_only)
    return make_error(ErrorKind::usage, Scope::folder, "the folder " + name + " may only be read",
                      "ask for the right to write there (ACL), or choose another folder with --map");
  folder.look_from = static_cast<Uid>(std::min<std::uint64_t>(folder.mailbox.uidnext.value_or(1), 0xFFFF'FFFFU));
  folder.handle = {id, mail::FolderPath(opening.path.components, opening.native), epoch_of(folder.mailbox.uidvalidity),
                   made};
  there_[opening.path] = opening.native;
  containers_.erase(opening.path);
  opened_[opening.path] = id;
  folders_.push_back(folder);
  selected_ = id;
  return folder.handle;
}

Error ImapTarget::replaced(const Folder& folder) {
  return make_error(ErrorKind::identity, Scope::folder,
                    "the folder " + visible(folder.handle.path.text()) + " was replaced by another of its name",
                    "look what became of it; the next run begins there anew");
}

Status ImapTarget::select_folder(std::uint32_t id) {
  if (selected_ == id) return {};
  selected_.reset();
  Folder& folder = folders_[id];
  Mailbox now;
  MH_TRY(const auto response, session_->run(select(folder.native), [&](Response answer) -> Status {
    now.take(answer);
    return {};
  }));
  if (response.condition != Condition::ok)
    return session_->refusal(response, "open the folder " + visible(folder.handle.path.text()), Scope::folder);
  if (epoch_of(now.uidvalidity) != folder.handle.epoch) return replaced(folder);
  folder.mailbox.exists = now.exists;
  selected_ = id;
  return {};
}

Status ImapTarget::subscribe(const store::FolderHandle& folder, bool on) {
  Command command(on ? "SUBSCRIBE" : "UNSUBSCRIBE");
  command.mailbox(folders_[folder.id].native);
  MH_TRY(const auto response, guard(session_->run(std::move(command))));
  if (response.condition == Condition::ok) return {};
  return session_->refusal(response, "subscribe " + visible(folder.path.text()), Scope::folder);
}

Result<std::string> ImapTarget::watermark(const store::FolderHandle& handle) {
  Folder& folder = folders_[handle.id];
  if (std::uint64_t next = folder.mailbox.uidnext.value_or(0); next != 0) {
    // What this session has stored is older than the mark: a twin of it must not be found in its place.
    if (!folder.ours.empty()) next = std::max(next, std::uint64_t{folder.ours.ranges().back().last} + 1);
    return std::to_string(folder.mailbox.uidvalidity.value_or(0)) + " " + std::to_string(next);
  }
  // No UIDNEXT (quirk 65): one above the last message that is there.
  MH_CHECK(guard(select_folder(handle.id)));
  Uid highest = 0;
  if (folder.mailbox.exists != 0) {
    Command command("UID FETCH");
    command.raw(" * (UID)");
    MH_TRY([[maybe_unused]] const auto response,
           guard(session_->run(std::move(command), [&](Response answer) -> Status {
             if (const auto* fetched = std::get_if<FetchResponse>(&answer); fetched != nullptr && fetched->uid)
               highest = std::max(highest, *fetched->uid);
             return {};
           })));
  }
  // From now on as if the server had said so: what was there before is never taken for ours.
  folder.mailbox.uidnext = std::uint64_t{highest} + 1;
  if (highest != 0xFFFF'FFFFU) folder.look_from = std::max(folder.look_from, highest + 1);
  return std::to_string(folder.mailbox.uidvalidity.value_or(0)) + " " + std::to_string(*folder.mailbox.uidnext);
}

Status ImapTarget::find_since(const store::FolderHandle& handle, std::string_view watermark,
                              std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) {
  if (wanted.empty()) return {};
  Folder& folder = folders_[handle.id];
  const auto mark = parse_mark(watermark);
  if (!mark)
    return make_error(
        ErrorKind::damage, Scope::folder,
        "the watermark of " + visible(handle.path.text()) + " cannot be read: \"" + visible(watermark, 40) + "\"");
  if (epoch_of(mark->uidvalidity) != handle.epoch)
    return make_error(
        ErrorKind::identity, Scope::folder,
        "the folder " + visible(handle.path.text()) + " was replaced by another while deliveries to it were in doubt",
        "look what became of it; `mailhaul verify` tells what it holds");
  MH_CHECK(flush());
  // What came meanwhile is told of after SELECT, or NOOP at the latest (quirk 67). Each is waited for: Dovecot begins a
  // FETCH that is right behind them with what it knew before, and a late delivery would be taken for absent.
  selected_.reset();
  MH_CHECK(guard(select_folder(handle.id)));
  MH_TRY([[maybe_unused]] const auto noop, guard(session_->run(Command("NOOP"), [&](Response answer) -> Status {
           folder.mailbox.take(answer);
           return {};
         })));
  UidSet candidates;
  Command command("UID FETCH");
  command.raw(" " + std::to_string(mark->uidnext) + ":* (UID RFC822.SIZE)");
  const bool sizes_lie = session_->quirks().sizes_lie;
  MH_TRY(const auto response, guard(session_->run(std::move(command), [&](Response answer) -> Status {
           folder.mailbox.take(answer);
           const auto* fetched = std::get_if<FetchResponse>(&answer);
           // n:* always names the last message, even an older one (durability 2.5).
           if (fetched == nullptr || !fetched->uid || *fetched->uid < mark->uidnext) return {};
           if (store::is_too_long(fetched->size, session_->longest_message())) return {};  // none of ours
           const bool fits = sizes_lie || !fetched->size ||
                             std::any_of(wanted.begin(), wanted.end(),
                                         [&](const auto& one) { return may_be_of(*fetched->size, one.crlf_size); });
           if (fits) candidates.add(*fetched->uid);
           return {};
         })));
  // In an empty folder "n:*" is BAD for some servers (quirk 66).
  if (response.condition != Condition::ok && folder.mailbox.exists != 0)
    return session_->refusal(response, "list what came to " + visible(handle.path.text()), Scope::folder);
  return guard(read_bodies(*session_, candidates, [&](Uid uid, const mail::MessageFacts& facts) -> Status {
    const bool is_wanted =
        std::any_of(wanted.begin(), wanted.end(), [&](const auto& one) { return one.eid == facts.eid; });
    return is_wanted ? sink({std::to_string(uid), std::nullopt, facts.nid, facts.eid}) : Status();
  }));
}

Status ImapTarget::flush() {
  if (broken_) return guard(session_->turn(milliseconds(0)));
  enqueue_group();
  while (!sent_.empty() || !queue_.empty() || !early_looks_.empty()) {
    MH_CHECK(guard(start_queued()));
    MH_CHECK(guard(session_->turn(kTurn)));
  }
  // What is stored is stored: a cancelled run does not wait for the look at it.
  if (session_->services().cancel.requested()) return guard(Status(interrupted()));
  MH_CHECK(guard(look_at_stored()));
  return guard(send_updates());
}

/// As long as answers are under way they bring verdicts by themselves.
Status ImapTarget::ease() {
  if (broken_) return guard(session_->turn(milliseconds(0)));
  const std::uint64_t before = verdicts_;
  while (verdicts_ == before && (!sent_.empty() || !queue_.empty() || !early_looks_.empty())) {
    MH_CHECK(guard(start_queued()));
    MH_CHECK(guard(session_->turn(kTurn)));
  }
  return verdicts_ == before ? flush() : Status();
}

Status ImapTarget::pump(milliseconds) { return guard(session_->keep_alive()); }

Status ImapTarget::on_untagged(CommandId current, Response response) {
  if (const auto look = early_looks_.find(current); look != early_looks_.end()) {
    const auto* fetched = std::get_if<FetchResponse>(&response);
    if (fetched != nullptr && fetched->uid && fetched->size) {
      const auto one = look->second.unseen.find(*fetched->uid);
      if (one != look->second.unseen.end()) judge(one->second, *fetched);
    }
  }
  // What comes unasked between commands: the selected folder grows.
  if (selected_) folders_[*selected_].mailbox.take(response);
  return {};
}

Status ImapTarget::on_done(CommandId id, const TaggedResponse& response) {
  const auto entry = sent_.find(id);
  if (entry == sent_.end()) {
    end_early_look(id);
    return {};
  }
  Group group = std::move(entry->second);
  sent_.erase(entry);
  sent_octets_ -= std::min(sent_octets_, group.octets);
  if (response.condition == Condition::ok)
    stored(std::move(group), response.code);
  else
    refused(std::move(group), response);
  return {};
}

}  // namespace mailhaul::imap
