#include "plugins/pop3/fetch.hpp"

#include <algorithm>
#include <utility>

#include "base/strings.hpp"

namespace mailhaul::pop3 {

namespace {

constexpr std::chrono::milliseconds kTurn{200};
constexpr std::chrono::milliseconds kSlowTurn{10};  // how late we notice that the target takes more
// A window of octets, by what LIST said of sizes: at 100 ms a round trip and 1 Gbit/s 12 MiB are under way.
constexpr std::uint64_t kAheadOctets = 16ULL << 20U;
// 64 small messages hide 100 ms (measured: no gain beyond); commands that a server cannot take yet it leaves in its buffer.
constexpr std::size_t kAheadCommands = 64;
constexpr std::uint64_t kUnknownSize = 50'000;  // the mean of real mailboxes
constexpr unsigned kRefusals = 2;               // after so many a message fails
// Sizes that some servers round (InterChange: to 1,024; quirk 72).
constexpr std::uint64_t kRounding = 1024;
// So many messages must be read twice, and equal, before a server's sizes are known to be mere hints.
constexpr unsigned kAgreed = 3;
constexpr unsigned kShortOnes = 10;

/// A hint, and no more than a message can have: sums of it must not wrap.
std::uint64_t size_of(const store::Item& item) { return std::min(item.size.value_or(kUnknownSize), Limits().body); }

}  // namespace

Error names_are_gone(const Session& session, Scope scope) {
  return make_error(ErrorKind::unreachable, scope,
                    session.place() + (scope == Scope::message
                                             ? " names this message otherwise since the connection was lost"
                                             : " gives no lasting names: with the connection those of its messages were lost"),
                    "run the same command again; what has arrived is found by its content",
                    scope == Scope::message ? Retry::later : Retry::never);
}

bool Fetcher::has_room() {
  target_is_slow_ = !sink_.wants_more();
  if (target_is_slow_ || asked_.empty()) return !target_is_slow_ && !held_;
  const bool alone = asked_.front().wanted.alone || alone_.size() >= kAgreed;
  return !alone && session_.pipelines() && octets_ahead_ < kAheadOctets && asked_.size() < kAheadCommands;
}

Status Fetcher::run() {
  Status status = run_to_the_end();
  // Answers come in the order of the commands: there is no doubt which message it was that had no end.
  if (!status.ok() && session_.overran() && !asked_.empty() && asked_.front().wanted.folder != nullptr) {
    const Wanted& endless = asked_.front().wanted;
    MH_CHECK(sink_.on_failed(*endless.folder, endless.item,
                             make_error(ErrorKind::message, Scope::message,
                                        "the server sent more than " + human_octets(session_.longest_message()) +
                                            " for this message, and no end of it",
                                        {}, Retry::later)));
  }
  return status;
}

Status Fetcher::run_to_the_end() {
  for (;;) {
    MH_CHECK(fill());
    if (asked_.empty() && held_) MH_CHECK(confirm());
    if (asked_.empty() && exhausted_ && to_send_.empty() && alone_.empty()) return {};
    if (asked_.empty()) MH_CHECK(session_.keep_alive());
    MH_CHECK(session_.turn(target_is_slow_ ? kSlowTurn : kTurn));
  }
}

Status Fetcher::fill() {
  while (has_room()) {
    // Second readings come as soon as there are enough of them to learn from, else last.
    const bool idle = asked_.empty();
    const bool enough = idle && alone_.size() >= kAgreed;
    if (!enough && to_send_.empty()) MH_CHECK(pull());
    auto& queue = enough || (idle && to_send_.empty()) ? alone_ : to_send_;
    if (queue.empty()) return {};
    Wanted first = std::move(queue.front());
    queue.pop_front();
    MH_CHECK(ask(std::move(first)));
  }
  return {};
}

Status Fetcher::pull() {
  if (exhausted_) return {};
  MH_TRY(auto batch, next_());
  exhausted_ = batch.items.empty();
  for (auto& item : batch.items) to_send_.push_back({batch.folder, std::move(item), 0, std::nullopt, false, false});
  return {};
}

Status Fetcher::ask(Wanted wanted) {
  if (wanted.folder->epoch != mailbox_.epoch()) return names_are_gone(session_, Scope::session);
  const Entry* entry = nullptr;
  switch (mailbox_.find(wanted.item.key, entry)) {
    case Mailbox::Find::gone:
      return sink_.on_vanished(*wanted.folder, wanted.item);
    case Mailbox::Find::forgotten:
      return sink_.on_failed(*wanted.folder, wanted.item, names_are_gone(session_, Scope::message));
    case Mailbox::Find::there:
      break;
  }
  const std::uint64_t most = session_.longest_message();
  if (store::is_too_long(wanted.item.size, most))
    return sink_.on_failed(*wanted.folder, wanted.item, store::too_long(*wanted.item.size, most));
  Command retr("RETR", Answer::message);
  retr.argument(entry->number);
  const std::uint64_t octets = size_of(wanted.item);
  MH_TRY(const CommandId id, session_.start(std::move(retr)));
  octets_ahead_ += octets;
  asked_.push_back({id, std::move(wanted), octets});
  return {};
}

/// A size that LIST had wrong may come of a server that counts otherwise, or of an end that was none: a line of one dot
/// that stood in the message, an error in the midst of it. Then something else follows than the next answer.
Status Fetcher::confirm() {
  MH_CHECK(session_.still_there());
  MH_TRY(const CommandId id, session_.start(Command("NOOP")));
  asked_.push_back({id, {}, 0});
  return {};
}

/// The next answer began as it should.
Status Fetcher::confirmed() {
  if (!held_) return {};
  Held held = std::move(*held_);
  held_.reset();
  return sink_.on_message(*held.wanted.folder, held.wanted.item, std::move(held.message));
}

Status Fetcher::on_begin(CommandId, const Reply&) {
  after_doubtful_ = false;
  MH_CHECK(confirmed());
  MH_TRY(writer_, session_.services().spool.begin());
  return {};
}

Status Fetcher::on_octets(CommandId, Octets octets) {
  return writer_ ? writer_->append(octets) : Status();
}

Status Fetcher::on_done(CommandId id, const Reply& reply) {
  // -ERR may be the rest of the message before it ("half a message", ".", "-ERR read error"): then every answer from here
  // on belongs to another command than it seems to. Only another session is in step again.
  const bool to_noop = !asked_.empty() && asked_.front().id == id && asked_.front().wanted.folder == nullptr;
  if (!reply.ok && (after_doubtful_ || to_noop))
    return session_.out_of_step(make_error(
        ErrorKind::unreachable, Scope::session,
        session_.place() + " said -ERR behind a message of another size than it listed: " + visible(reply.text),
        "the server's answers can no longer be told apart; try again", Retry::later));
  after_doubtful_ = false;
  MH_CHECK(confirmed());
  if (asked_.empty() || asked_.front().id != id) return {};  // of a fetch that was broken off
  Asked asked = std::move(asked_.front());
  asked_.pop_front();
  octets_ahead_ -= asked.octets;
  if (asked.wanted.folder == nullptr) return {};
  if (reply.ok) {
    session_.granted();
    return arrived(std::move(asked.wanted));
  }
  // It has not failed: whoever opens the next session asks for it again.
  if (auto pause = session_.pause_of(reply)) return std::move(*pause);
  return refused(std::move(asked.wanted), reply.text.empty() ? "-ERR " + reply.code : reply.text);
}

Fetcher::Size Fetcher::size_class(const store::Item& item, const mail::Content& content) const {
  const std::uint64_t size = content.size();
  if (!item.size) return Size::other;
  // Some servers count what lies on their disk, with LF (qmail).
  if (*item.size == size || *item.size == size - session_.line_feeds()) return Size::exact;
  // Dovecot counts what it has; a last line without its end gets one on the way.
  if (*item.size + 2 == size) return Size::exact;
  if (size + kRounding < *item.size) return Size::short_of;
  return size > *item.size + *item.size / 4 + 4 * kRounding ? Size::far_off : Size::other;
}

void Fetcher::note(store::Note::Weight weight, const Wanted& wanted, const std::string& text) {
  session_.services().events.note({weight, wanted.folder->path.text(), session_.place() + " " + text});
}

Status Fetcher::arrived(Wanted wanted) {
  if (!writer_) return make_error(ErrorKind::bug, Scope::run, "a message ended that had not begun", "please report this");
  const auto writer = std::move(writer_);
  MH_TRY(auto content, writer->finish());
  if (session_.services().cancel.requested()) return interrupted();
  if (session_.lf_only() && !std::exchange(told_of_ends_, true))
    note(store::Note::Weight::info, wanted, "ends the lines of its answers with LF alone");
  if (content->size() == 0 && wanted.item.size.value_or(0) != 0) return refused(std::move(wanted), "no text");
  const Size size = size_class(wanted.item, *content);
  after_doubtful_ = size != Size::exact;
  const bool is_believed = size == Size::exact || (size == Size::other && agreed_ >= kAgreed);
  if (!is_believed && !wanted.first_reading) {
    wanted.first_reading = content->facts().nid;
    wanted.was_near = size == Size::other;
    wanted.alone = true;
    alone_.push_back(std::move(wanted));
    return {};
  }
  if (!is_believed) {
    if (*wanted.first_reading != content->facts().nid)
      return refused(std::move(wanted), "it gave two different texts for it");
    if (++agreed_ == kAgreed) {
      // The others that wait for a second reading need one like all others, unless their size was far from the listed.
      const auto near = std::stable_partition(alone_.begin(), alone_.end(), [](const Wanted& one) {
        return !one.first_reading || !one.was_near;
      });
      for (auto other = near; other != alone_.end(); ++other) {
        other->first_reading.reset();
        other->alone = false;
        to_send_.push_back(std::move(*other));
      }
      alone_.erase(near, alone_.end());
    }
    if (!std::exchange(told_of_sizes_, true))
      note(store::Note::Weight::info, wanted, "lists other sizes than its messages have");
    if (size == Size::short_of) tell_short(wanted, content->size());
  }
  mail::Message message{std::move(content), {}};
  message.meta.received = mail::received_or_fallback(message.content->facts());
  held_ = Held{std::move(wanted), std::move(message)};
  return size == Size::exact ? confirmed() : Status();
}

/// The first few by name; who lists all of them too large would fill the report.
void Fetcher::tell_short(const Wanted& wanted, std::uint64_t octets) {
  if (++short_ones_ > kShortOnes) return;
  note(store::Note::Weight::doubtful, wanted,
       short_ones_ == kShortOnes
           ? "lists more messages larger than it gives them: whether they are whole cannot be told"
           : "lists message " + wanted.item.key + " with " + std::to_string(*wanted.item.size) + " octets and gives " +
                 std::to_string(octets) + ", twice: it may be cut off there");
}

/// Once more, alone: a server that is about to hang up says -ERR too.
Status Fetcher::refused(Wanted wanted, const std::string& why) {
  if (++wanted.refusals < kRefusals) {
    wanted.first_reading.reset();
    wanted.alone = true;
    alone_.push_back(std::move(wanted));
    return {};
  }
  return sink_.on_failed(*wanted.folder, wanted.item,
                         make_error(ErrorKind::message, Scope::message,
                                    "the server offers this message and does not deliver it: " + visible(why), {},
                                    Retry::later));
}

}  // namespace mailhaul::pop3
