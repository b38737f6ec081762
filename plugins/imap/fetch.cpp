#include "plugins/imap/fetch.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/strings.hpp"
#include "plugins/imap/source.hpp"

namespace mailhaul::imap {

namespace {

constexpr std::chrono::milliseconds kTurn{200};
constexpr std::chrono::milliseconds kSlowTurn{10};  // how late we notice that the target takes more
// A window of octets, by what the listing said of sizes: at 100 ms a round trip and 1 Gbit/s 12 MiB are under way.
constexpr std::uint64_t kAheadOctets = 16ULL << 20U;
// Some servers hang up on many commands at once (node-imap #518).
constexpr std::size_t kAheadCommands = 12;
// One command: large enough that its own cost does not show, small enough that a lost one costs little.
constexpr std::uint64_t kCommandOctets = 4ULL << 20U;
constexpr std::uint64_t kUnknownSize = 50'000;  // the mean of real mailboxes (docs/design/imap.md)
constexpr std::ptrdiff_t kOpenings = 3;
constexpr std::string_view kItems = " (UID FLAGS INTERNALDATE BODY.PEEK[])";

/// Where Exchange's note in place of a message tells what it is (quirk 15).
std::string head_of(const mail::Content& content) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(content.size(), 2048)), '\0');
  const auto read = content.read(0, std::as_writable_bytes(std::span(head)));
  head.resize(read.ok() ? *read : 0);
  return head;
}

Error replaced(const store::Item& item) {
  return make_error(ErrorKind::message, Scope::message,
                    "Exchange cannot deliver UID " + item.key + ": it sent a note of its own in its place",
                    "open the message in Outlook and save it again, then run the same command again");
}

/// A hint, and no more than a message can have: sums of it must not wrap (bad-input 32).
std::uint64_t size_of(const store::Item& item) { return std::min(item.size.value_or(kUnknownSize), Limits().body); }

}  // namespace

bool Fetcher::has_room() {
  target_is_slow_ = !sink_.wants_more();
  return !target_is_slow_ && !session_.pausing() && octets_ahead_ < kAheadOctets && asked_.size() < kAheadCommands;
}

Status Fetcher::run() {
  for (;;) {
    MH_CHECK(fill());
    if (asked_.empty() && exhausted_ && to_send_.empty() && again_.empty()) return {};
    if (asked_.empty()) MH_CHECK(session_.keep_alive());
    MH_CHECK(session_.turn(target_is_slow_ ? kSlowTurn : kTurn));
  }
}

Status Fetcher::fill() {
  while (has_room()) {
    // Those asked again go first: their folder is likely to be the open one.
    if (auto& queue = again_.empty() ? to_send_ : again_; !queue.empty()) {
      if (must_wait(queue.front())) return {};
      ToSend first = std::move(queue.front());
      queue.pop_front();
      MH_CHECK(send(*first.folder, first.stage, std::move(first.wanted), first.octets));
      continue;
    }
    if (exhausted_) return {};
    MH_TRY(auto batch, next_());
    if (batch.items.empty()) {
      exhausted_ = true;
      return {};
    }
    MH_CHECK(ask(*batch.folder, std::move(batch.items)));
  }
  return {};
}

/// What needs another folder, or is large too, waits for the large one: a part belongs to the folder that is open.
bool Fetcher::must_wait(const ToSend& next) const {
  return large_ && (next.stage == Stage::part || next.folder != large_->folder);
}

Status Fetcher::ask(const store::FolderInfo& folder, std::vector<store::Item> items) {
  std::map<Uid, Wanted> wanted;
  std::uint64_t octets = 0;
  const auto close_set = [&] {
    if (!wanted.empty()) to_send_.push_back({&folder, Stage::together, std::exchange(wanted, {}), octets});
    octets = 0;
  };
  for (auto& item : items) {
    const auto uid = uid_of(item.key);
    if (!uid) {
      MH_CHECK(sink_.on_vanished(folder, item));  // no listing of this folder named it
      continue;
    }
    if (store::is_too_long(item.size, session_.longest_message())) {
      MH_CHECK(sink_.on_failed(folder, item, store::too_long(*item.size, session_.longest_message())));
      continue;
    }
    const std::uint64_t size = size_of(item);
    const bool large = goes_in_parts(item);
    if (large || octets + size > kCommandOctets) close_set();
    octets += size;
    wanted.emplace(*uid, Wanted{std::move(item), std::nullopt});
    if (!large) continue;
    to_send_.push_back({&folder, Stage::part, std::exchange(wanted, {}), octets});
    octets = 0;
  }
  close_set();
  return {};
}

/// A size that no message can have is none. Servers whose sizes lie make a message anew each time (Exchange: with other
/// boundaries), so that parts of it would not fit together.
bool Fetcher::goes_in_parts(const store::Item& item) const {
  return !item.at_once && item.size && *item.size > Parts::kLarge && *item.size <= session_.longest_message() && !session_.quirks().sizes_lie;
}

Status Fetcher::open_folder(const store::FolderInfo& folder) {
  if (!openings_.empty() && openings_.back().folder == &folder) {
    const auto& error = openings_.back().error;
    const auto refusals = std::count_if(openings_.begin(), openings_.end(), [&](const Opening& opening) {
      return opening.folder == &folder && opening.error;
    });
    // Refused for the moment (INUSE): a few more tries before all of it fails.
    if (!error || error->retry != Retry::later || refusals >= kOpenings) return {};
  }
  MH_TRY(const CommandId id, session_.start(examine(folder.path.native, /*condstore=*/false)));
  openings_.push_back({&folder, {}, std::nullopt, false, {}});
  Asked asked;
  asked.folder = &folder;
  asked.opens = true;
  asked.opening = openings_.size() - 1;
  asked_.emplace(id, std::move(asked));
  return {};
}

/// Cuts the set where the command line would grow too long for the server (Yahoo: 1,000 octets).
Status Fetcher::send(const store::FolderInfo& folder, Stage stage, std::map<Uid, Wanted> wanted, std::uint64_t octets) {
  MH_CHECK(open_folder(folder));
  if (stage == Stage::part) {
    auto& [uid, one] = *wanted.begin();
    return begin_large(folder, uid, std::move(one));
  }
  UidSet set;
  for (const auto& [uid, one] : wanted) set.add(uid);
  const auto parts = set.split(session_.quirks().command_octets - 100);
  for (const auto& part : parts) {
    Command command(stage == Stage::search ? "UID SEARCH" : "UID FETCH");
    if (stage == Stage::search) command.raw(" UID");
    command.uids(part);
    if (stage != Stage::search) command.raw(std::string(kItems));
    MH_TRY(const CommandId id, session_.start(std::move(command)));
    Asked asked;
    asked.folder = &folder;
    asked.stage = stage;
    asked.opening = openings_.size() - 1;
    asked.octets = octets / parts.size();
    octets_ahead_ += asked.octets;
    for (auto it = wanted.begin(); it != wanted.end();) {
      if (!part.contains(it->first)) {
        ++it;
        continue;
      }
      asked.open.emplace(it->first, std::move(it->second));
      it = wanted.erase(it);
    }
    asked_.emplace(id, std::move(asked));
  }
  return {};
}

Status Fetcher::on_untagged(CommandId current, Response response) {
  const auto entry = asked_.find(current);
  if (entry == asked_.end()) return {};
  Asked& asked = entry->second;
  Opening& opening = openings_[asked.opening];
  if (asked.opens) {
    opening.mailbox.take(response);
    return {};
  }
  if (const auto* search = std::get_if<SearchResponse>(&response)) {
    for (auto& [id, one] : asked_) {
      if (one.stage != Stage::search || one.opening != asked.opening || one.open.empty()) continue;
      one.searched_there = one.searched_there || search->numbers.contains(one.open.begin()->first);
    }
    return {};
  }
  const auto* fetched = std::get_if<FetchResponse>(&response);
  if (fetched == nullptr || opening.error) return {};
  return take(asked.opening, *fetched);
}

/// Dovecot works on the next FETCH while the output of the last one waits, so the UID alone tells whose answer it is.
/// Another EXAMINE it does not begin before all of them are done (RFC 9051 5.5).
Fetcher::Asked* Fetcher::asked_for(std::size_t opening, Uid uid) {
  for (auto& [id, asked] : asked_) {
    if (asked.opening == opening && asked.open.count(uid) != 0) return &asked;
  }
  return nullptr;
}

Status Fetcher::on_body_begin(CommandId current, std::uint64_t size) {
  body_.reset();
  writer_.reset();
  if (large_ && large_->parts.begin(session_.client().body_head(), size)) {
    large_->arrives = true;
    return {};
  }
  const auto entry = asked_.find(current);
  if (entry == asked_.end() || entry->second.opens) return {};  // a body that nobody asked for is read over
  MH_TRY(writer_, session_.services().spool.begin());
  return {};
}

Status Fetcher::on_body(CommandId, Octets octets) {
  if (large_ && large_->arrives) return large_->parts.append(octets);
  return writer_ ? writer_->append(octets) : Status();
}

Status Fetcher::on_body_end(CommandId) {
  if (!writer_) return {};
  const auto writer = std::move(writer_);
  MH_TRY(body_, writer->finish());
  return {};
}

Status Fetcher::take(std::size_t opening, const FetchResponse& fetched) {
  const mail::ContentPtr body = std::move(body_);
  body_.reset();
  const bool arrived = large_ && std::exchange(large_->arrives, false);
  if (large_ && large_->opening == opening && fetched.uid == large_->parts.uid()) {
    const bool is_part = arrived || fetched.body != FetchResponse::Body::none;
    if (is_part) large_->parts.take(fetched);  // else a change of flags
    return {};
  }
  if (arrived) large_->parts.fail();  // it was of another message after all, which comes when it is asked for again
  if (!fetched.uid) {
    if (!body) return {};  // a change of flags
    return session_.nonsense("delivered a message without its UID");
  }
  Asked* const asked = asked_for(opening, *fetched.uid);
  if (asked == nullptr) {
    // bad-input 35: a UID that was not asked for, or the same once more. The first whole one counts.
    if (body && openings_[opening].ended.contains(*fetched.uid))
      session_.services().events.note({store::Note::Weight::warning, openings_[opening].folder->path.text(),
                                       "the server delivered UID " + std::to_string(*fetched.uid) + " twice"});
    return {};
  }
  const auto entry = asked->open.find(*fetched.uid);
  Wanted& wanted = entry->second;
  const bool should_have_octets = wanted.item.size.value_or(0) != 0;
  if (!body || (body->size() == 0 && should_have_octets)) {
    if (fetched.body == FetchResponse::Body::none) return {};  // flags alone; the body may still come
    wanted.why = make_error(ErrorKind::message, Scope::message,
                            "the server offers UID " + wanted.item.key + " but gives no text");
    return {};
  }
  const store::Item item = std::move(wanted.item);
  asked->open.erase(entry);
  return deliver(opening, item, body, fetched);
}

Status Fetcher::deliver(std::size_t opening, const store::Item& item, const mail::ContentPtr& body,
                        const FetchResponse& fetched) {
  Opening& opened = openings_[opening];
  if (session_.quirks().placeholders && is_placeholder(head_of(*body))) {
    opened.ended.add(*fetched.uid);
    return sink_.on_failed(*opened.folder, item, replaced(item));
  }
  mail::Message message{body, meta_of(fetched)};
  if (session_.quirks().marks_read) keep_unread(opened, item, message.meta);
  if (!fetched.flags) message.meta = item.meta;
  if (!message.meta.received) message.meta.received = mail::received_or_fallback(body->facts());
  if (session_.services().cancel.requested()) return interrupted();
  opened.ended.add(*fetched.uid);
  return sink_.on_message(*opened.folder, item, std::move(message));
}

/// What the listing said counts: it was us who read it.
void Fetcher::keep_unread(Opening& opening, const store::Item& item, mail::Meta& meta) {
  const bool was_read = !(item.flags_known || item.meta_complete) || item.meta.flags.has(mail::Flags::seen);
  if (was_read || !meta.flags.has(mail::Flags::seen)) return;
  meta.flags = mail::Flags(static_cast<std::uint8_t>(meta.flags.bits() & ~mail::Flags::seen));
  if (std::exchange(opening.told_of_marks, true)) return;
  session_.services().events.note({store::Note::Weight::warning, opening.folder->path.text(),
                                   "the server marks messages as read when they are fetched, though it was asked not "
                                   "to; copies keep the mark they had"});
}

Status Fetcher::on_done(CommandId id, const TaggedResponse& response) {
  const auto entry = asked_.find(id);
  if (entry == asked_.end()) return {};
  Asked asked = std::move(entry->second);
  asked_.erase(entry);
  octets_ahead_ -= std::min(octets_ahead_, asked.octets);
  if (asked.opens) return end_of_opening(asked, response);
  if (asked.stage != Stage::part) return end_of(std::move(asked), response);
  if (session_.pausing()) return {};  // asked again by the next session
  if (large_) large_->parts.done(asked.offset, response.condition == Condition::ok);
  return go_on_with_large();
}

Status Fetcher::end_of_opening(Asked& asked, const TaggedResponse& response) {
  Opening& opening = openings_[asked.opening];
  const store::FolderInfo& folder = *asked.folder;
  if (response.condition != Condition::ok) {
    opening.error = not_opened(session_, folder, response);
  } else if (!same_epoch(session_, folder, opening.mailbox)) {
    opening.error = other_mailbox(folder);
  }
  return {};
}

Status Fetcher::end_of(Asked asked, const TaggedResponse& response) {
  // The session ends with its last answer; whoever opens the next one asks again for what has not come.
  if (session_.pausing()) return {};
  const auto& opening = openings_[asked.opening];
  std::map<Uid, Wanted> left = std::move(asked.open);
  if (opening.error) {
    for (const auto& [uid, wanted] : left) MH_CHECK(sink_.on_failed(*asked.folder, wanted.item, *opening.error));
    return {};
  }
  if (left.empty()) return {};
  if (asked.stage == Stage::search) {
    const bool is_there = response.condition != Condition::ok || asked.searched_there;
    for (const auto& [uid, wanted] : left) MH_CHECK(give_up(*asked.folder, wanted, is_there));
    return {};
  }
  if (response.condition != Condition::ok) {
    for (auto& [uid, wanted] : left)
      wanted.why = session_.refusal(response, "deliver UID " + wanted.item.key, Scope::message);
  }
  return try_again(asked, std::move(left));
}

Status Fetcher::begin_large(const store::FolderInfo& folder, Uid uid, Wanted wanted) {
  MH_TRY(auto writer, session_.services().spool.begin());
  const std::uint64_t size = size_of(wanted.item);
  large_.emplace(folder, openings_.size() - 1, std::move(wanted), Parts(uid, size, std::move(writer)));
  return go_on_with_large();
}

Status Fetcher::go_on_with_large() {
  if (!large_) return {};
  while (const auto offset = large_->parts.next()) {
    MH_TRY(const CommandId id, session_.start(large_->parts.command(*offset)));
    Asked asked;
    asked.folder = large_->folder;
    asked.stage = Stage::part;
    asked.opening = large_->opening;
    asked.offset = *offset;
    asked.octets = kCommandOctets;  // less than it brings: others are to find room beside it
    octets_ahead_ += asked.octets;
    asked_.emplace(id, std::move(asked));
  }
  return large_->parts.idle() ? end_large() : Status();
}

/// Whole after all, once and alone, where the parts do not make a message: the server has the word then.
Status Fetcher::end_large() {
  Large large = std::move(*large_);
  large_.reset();
  if (const auto& error = openings_[large.opening].error)
    return sink_.on_failed(*large.folder, large.wanted.item, *error);
  if (large.parts.complete()) {
    MH_TRY(const auto body, large.parts.finish());
    if (body) return deliver(large.opening, large.wanted.item, *body, large.parts.first());
  }
  const std::uint64_t octets = size_of(large.wanted.item);
  std::map<Uid, Wanted> one;
  one.emplace(large.parts.uid(), std::move(large.wanted));
  again_.push_back({large.folder, Stage::alone, std::move(one), octets});
  return {};
}

/// Asked for with others and did not come: alone; alone and did not come: is it there? (bad-input 33, 34)
Status Fetcher::try_again(Asked& asked, std::map<Uid, Wanted> left) {
  const Stage stage = asked.stage == Stage::together ? Stage::alone : Stage::search;
  for (auto& [uid, wanted] : left) {
    const std::uint64_t octets = size_of(wanted.item);
    std::map<Uid, Wanted> one;
    one.emplace(uid, std::move(wanted));
    again_.push_back({asked.folder, stage, std::move(one), octets});
  }
  return {};
}

Status Fetcher::give_up(const store::FolderInfo& folder, const Wanted& wanted, bool is_there) {
  if (!is_there) return sink_.on_vanished(folder, wanted.item);
  if (wanted.why) return sink_.on_failed(folder, wanted.item, *wanted.why);
  return sink_.on_failed(folder, wanted.item,
                         make_error(ErrorKind::message, Scope::message,
                                    "the server lists UID " + wanted.item.key + " but does not deliver it"));
}

}  // namespace mailhaul::imap
