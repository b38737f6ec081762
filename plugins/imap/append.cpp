// APPEND and MULTIAPPEND (RFC 3502): wrapping, sending, blaming.
#include <algorithm>

#include "base/strings.hpp"
#include "mail/crlf_view.hpp"
#include "plugins/imap/target.hpp"

namespace mailhaul::imap {

namespace {

constexpr std::chrono::milliseconds kTurn{200};
// house.md: a MULTIAPPEND group is at most 64 messages and 4 MiB. Larger messages stream, each in a command of its own.
constexpr std::size_t kGroupMessages = 64;
constexpr std::uint64_t kGroupOctets = 4ULL << 20U;
// Under way at once: at 100 ms a round trip, enough for 80 MB/s, and what a lost session puts in doubt.
constexpr std::uint64_t kWindowOctets = 8ULL << 20U;
constexpr std::size_t kWindowCommands = 8;  // durability 2.5: P

/// From octets that live as long as the command, or, for a large message, straight from its content.
LiteralReader reader_of(std::string_view octets, const mail::ContentPtr& content) {
  if (octets.empty()) {
    return [reader = mail::CrlfReader(content)](std::span<std::byte> into) mutable { return reader.read(into); };
  }
  return [octets, at = std::size_t{0}](std::span<std::byte> into) mutable -> Result<std::size_t> {
    const std::size_t some = std::min(into.size(), octets.size() - at);
    std::copy_n(as_octets(octets).data() + at, some, into.data());
    at += some;
    return some;
  };
}

}  // namespace

Result<ImapTarget::Parcel> ImapTarget::wrap(const Folder& folder, const store::Ticket& ticket, mail::Message message) {
  const mail::MessageFacts& facts = message.content->facts();
  const auto refuse = [](const std::string& what, const std::string& hint) {
    return make_error(ErrorKind::message, Scope::message, what, hint);
  };
  // Dovecot stores NUL as another octet and says OK; Gmail hangs up; RFC 9051 4.3 forbids it.
  if (facts.has_nul)
    return refuse("it holds a NUL octet, which IMAP cannot carry", "keep this message in a Maildir or an mbox");
  // A literal of 0 octets cancels a MULTIAPPEND (RFC 3502), and no server stores one.
  if (facts.size == 0)
    return refuse("it has no octets, which IMAP cannot store", "keep this message in a Maildir or an mbox");
  // The look at it, and every later run, could not read it back.
  if (facts.crlf_size > session_->longest_message()) return store::too_long(facts.crlf_size, session_->longest_message());
  if (caps_.max_octets && facts.crlf_size > *caps_.max_octets)
    return refuse("it has " + human_octets(facts.crlf_size) + ", the account takes " + human_octets(*caps_.max_octets) +
                      " at most",
                  "keep this message in a Maildir or an mbox");
  Parcel parcel;
  parcel.ticket = ticket;
  auto flags = writable_flags(message.meta, folder.mailbox.permanent_flags);
  parcel.flags = std::move(flags.flags);
  parcel.lost_flags = flags.lost_flags;
  parcel.lost_keywords = flags.lost_keywords;
  if (message.meta.received) {
    if (auto date = to_internaldate(*message.meta.received))
      parcel.date = std::move(*date);
    else
      parcel.lost_date = true;
    // It is told back rightly at first, and later, from the server's cache, as 32 bits without a sign.
    if (session_->quirks().unsigned_dates && message.meta.received->instant.time_since_epoch().count() < 0)
      parcel.lost_date = true;
  }
  if (facts.crlf_size <= kGroupOctets) {
    // Read whole before anything is sent: a spool that fails in the middle of a literal would cost the session.
    parcel.octets.reserve(facts.crlf_size);
    mail::CrlfFilter filter;
    MH_CHECK(mail::for_each_piece(*message.content, [&](Octets piece) -> Status {
      filter.append(piece, parcel.octets);
      return {};
    }));
  }
  parcel.message = std::move(message);
  return parcel;
}

bool ImapTarget::has_room() const {
  return sent_.empty() || (sent_octets_ < kWindowOctets && sent_.size() < kWindowCommands);
}

/// Until the queue is empty: then at most one window is under way and one group is being filled.
Status ImapTarget::wait_for_room() {
  MH_CHECK(start_queued());
  while (!queue_.empty()) {
    MH_CHECK(session_->turn(kTurn));
    MH_CHECK(start_queued());
  }
  return {};
}

Status ImapTarget::submit(const store::FolderHandle& handle, const store::Ticket& ticket, mail::Message message) {
  if (broken_ || !session_->alive()) return guard(session_->turn(std::chrono::milliseconds(0)));
  if (handle.id >= folders_.size())
    return make_error(ErrorKind::bug, Scope::run, "a folder that was not opened", "please report this");
  const std::uint64_t octets = message.content->facts().crlf_size;
  const bool fits = group_.parcels.empty() || (group_.folder == handle.id && group_.parcels.size() < kGroupMessages &&
                                               group_.octets + octets <= kGroupOctets);
  if (!fits) enqueue_group();
  MH_CHECK(guard(wait_for_room()));
  MH_TRY(auto parcel, wrap(folders_[handle.id], ticket, std::move(message)));
  group_.folder = handle.id;
  group_.octets += octets;
  group_.parcels.push_back(std::move(parcel));
  // The ticket is accepted: what fails from here on is told by its verdict, and by the next call.
  if (group_.parcels.size() < kGroupMessages && group_.octets < kGroupOctets) return {};
  enqueue_group();
  if (guard(start_queued()).ok()) (void)guard(session_->turn(std::chrono::milliseconds(0)));
  return {};
}

void ImapTarget::enqueue_group() {
  if (!group_.parcels.empty()) enqueue(std::move(group_));
  group_ = {};
}

/// One command for all where the server takes that, else one for each.
void ImapTarget::enqueue(Group group) {
  if (group.parcels.size() == 1 || session_->has("MULTIAPPEND")) {
    queue_.push_back(std::move(group));
    return;
  }
  for (auto& parcel : group.parcels) {
    Group one;
    one.folder = group.folder;
    one.octets = parcel.message.content->facts().crlf_size;
    one.parcels.push_back(std::move(parcel));
    queue_.push_back(std::move(one));
  }
}

Status ImapTarget::start_queued() {
  // A full account is not asked again and again (durability 2.5: stop all appends to it).
  for (; full_ && !queue_.empty(); queue_.pop_front()) {
    for (const auto& parcel : queue_.front().parcels) tell(parcel.ticket, store::Refused{*full_});
  }
  while (!queue_.empty() && has_room()) {
    Group& group = queue_.front();
    Command command("APPEND");
    command.mailbox(folders_[group.folder].native);
    for (const auto& parcel : group.parcels) {
      // Flags always, even none: GreenMail and gromox refuse large literals without (quirk 69).
      command.flags(parcel.flags);
      if (!parcel.date.empty()) command.raw(" " + parcel.date);
      command.literal(parcel.message.content->facts().crlf_size, reader_of(parcel.octets, parcel.message.content));
    }
    MH_TRY(const CommandId id, session_->start(std::move(command)));
    sent_octets_ += group.octets;
    // Moving a vector leaves its elements where they are: the readers go on pointing at them.
    sent_.emplace(id, std::move(group));
    queue_.pop_front();
  }
  return {};
}

void ImapTarget::stored(Group group, const Code& code) {
  limits_ = 0;
  Folder& folder = folders_[group.folder];
  // bad-input 49: a set that does not fit is no proof of anything; the look at the folder will tell.
  const bool told =
      code.is("APPENDUID") && code.uids.size() == group.parcels.size() && code.number == folder.mailbox.uidvalidity;
  // Another UIDVALIDITY: the folder was replaced under us. Opening it again for the look will show that.
  if (code.is("APPENDUID") && code.number != folder.mailbox.uidvalidity) selected_.reset();
  auto& unseen = unseen_[group.folder];
  for (std::size_t i = 0; i < group.parcels.size(); ++i) {
    Unseen one;
    one.parcel = std::move(group.parcels[i]);
    one.parcel.octets.clear();
    one.parcel.octets.shrink_to_fit();
    one.verdict.lost_flags = one.parcel.lost_flags;
    one.verdict.lost_keywords = one.parcel.lost_keywords;
    one.verdict.lost_date = one.parcel.lost_date;
    if (told) {
      one.uid = code.uids[i];
      one.verdict.key = std::to_string(*one.uid);
      folder.ours.add(*one.uid);
    }
    unseen.push_back(std::move(one));
  }
  look_early(group.folder);
}

/// NO and BAD: nothing of the command is stored. A group is halved until the one to blame is alone.
void ImapTarget::refused(Group group, const TaggedResponse& response) {
  Folder& folder = folders_[group.folder];
  Error error = session_->refusal(response, "store a message in " + visible(folder.handle.path.text()), Scope::message);
  // LIMIT may be about one message (RFC 5530; Dovecot: quota_max_mail_size) or about the account: two in a row tell.
  const bool limit_again = error.scope == Scope::message && response.code.is("LIMIT") && group.parcels.size() == 1 && ++limits_ > 1;
  if (limit_again) {
    error.kind = ErrorKind::no_space;
    error.scope = Scope::run;
    error.retry = Retry::later;
    error.hint = "the account has come to a limit of its server; raise it, then run the same command again";
  }
  const bool for_all = error.scope != Scope::message;  // full, or the folder is gone: halving would not help
  if (group.parcels.size() > 1 && !for_all) {
    const auto middle = group.parcels.begin() + static_cast<std::ptrdiff_t>(group.parcels.size() / 2);
    Group second;
    second.folder = group.folder;
    second.parcels.assign(std::make_move_iterator(middle), std::make_move_iterator(group.parcels.end()));
    group.parcels.erase(middle, group.parcels.end());
    for (Group* half : {&group, &second}) {
      half->octets = 0;
      for (const auto& parcel : half->parcels) half->octets += parcel.message.content->facts().crlf_size;
      enqueue(std::move(*half));
    }
    return;
  }
  if (error.kind == ErrorKind::no_space) full_ = error;
  for (auto& parcel : group.parcels) {
    const bool has_keywords =
        std::any_of(parcel.flags.begin(), parcel.flags.end(), [](const auto& flag) { return flag[0] != '\\'; });
    if (!for_all && has_keywords && !parcel.without_keywords && !response.code.is("TOOBIG")) {
      // Zimbra refuses a message for a keyword that it announced (quirk 48).
      std::erase_if(parcel.flags, [](const auto& flag) { return flag[0] != '\\'; });
      parcel.without_keywords = true;
      parcel.lost_keywords = true;
      Group alone;
      alone.folder = group.folder;
      alone.octets = parcel.message.content->facts().crlf_size;
      alone.parcels.push_back(std::move(parcel));
      enqueue(std::move(alone));
      continue;
    }
    tell(parcel.ticket, store::Refused{error});
  }
}

}  // namespace mailhaul::imap
