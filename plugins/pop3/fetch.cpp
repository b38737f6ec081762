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

/// A hint, and no more than a message can have: sums of it must not wrap.
std::uint64_t size_of(const store::Item& item) { return std::min(item.size.value_or(kUnknownSize), Limits().body); }

}  // namespace

Error names_are_gone(const Session& session, Scope scope) {
  return make_error(ErrorKind::unreachable, scope,
                    session.place() + " gives no lasting names: with the connection the names of its messages were lost",
                    "run the same command again; what has arrived is found by its content",
                    scope == Scope::message ? Retry::later : Retry::never);
}

bool Fetcher::has_room() {
  target_is_slow_ = !sink_.wants_more();
  if (target_is_slow_ || asked_.empty()) return !target_is_slow_;
  return session_.pipelines() && octets_ahead_ < kAheadOctets && asked_.size() < kAheadCommands;
}

Status Fetcher::run() {
  for (;;) {
    MH_CHECK(fill());
    if (asked_.empty() && held_) MH_CHECK(confirm());
    if (asked_.empty() && exhausted_ && to_send_.empty()) return {};
    if (asked_.empty()) MH_CHECK(session_.keep_alive());
    MH_CHECK(session_.turn(target_is_slow_ ? kSlowTurn : kTurn));
  }
}

Status Fetcher::fill() {
  while (has_room()) {
    if (to_send_.empty()) MH_CHECK(pull());
    if (to_send_.empty()) return {};
    Wanted first = std::move(to_send_.front());
    to_send_.pop_front();
    MH_CHECK(ask(std::move(first)));
  }
  return {};
}

Status Fetcher::pull() {
  if (exhausted_) return {};
  MH_TRY(auto batch, next_());
  exhausted_ = batch.items.empty();
  for (auto& item : batch.items) to_send_.push_back({batch.folder, std::move(item), 0});
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
  Command retr("RETR", Answer::message);
  retr.argument(entry->number);
  const std::uint64_t octets = size_of(wanted.item);
  MH_TRY(const CommandId id, session_.start(std::move(retr)));
  octets_ahead_ += octets;
  asked_.push_back({id, std::move(wanted), octets});
  return {};
}

/// A size that LIST had wrong may come of a server that counts otherwise, or of an end that was none: a dot that stood in
/// the message. Then no answer follows, but more of it. So the next answer must come first, if need be to NOOP.
Status Fetcher::confirm() {
  MH_TRY(const CommandId id, session_.start(Command("NOOP")));
  asked_.push_back({id, {}, 0});
  return {};
}

Status Fetcher::release() {
  if (!held_) return {};
  const Held held = std::move(*held_);
  held_.reset();
  return sink_.on_message(*held.wanted.folder, held.wanted.item, held.message);
}

Status Fetcher::on_begin(CommandId, const Reply&) {
  MH_CHECK(release());
  MH_TRY(writer_, session_.services().spool.begin());
  return {};
}

Status Fetcher::on_octets(CommandId, Octets octets) { return writer_ ? writer_->append(octets) : Status(); }

Status Fetcher::on_done(CommandId id, const Reply& reply) {
  MH_CHECK(release());
  if (asked_.empty() || asked_.front().id != id) return {};  // of a fetch that was broken off
  Asked asked = std::move(asked_.front());
  asked_.pop_front();
  octets_ahead_ -= asked.octets;
  if (asked.wanted.folder == nullptr) return {};
  return reply.ok ? arrived(std::move(asked.wanted)) : refused(std::move(asked.wanted), reply);
}

Status Fetcher::arrived(Wanted wanted) {
  if (!writer_) return {};
  const auto writer = std::move(writer_);
  MH_TRY(auto content, writer->finish());
  mail::Message message{std::move(content), {}};
  message.meta.received = mail::received_or_fallback(message.content->facts());
  if (session_.services().cancel.requested()) return interrupted();
  const bool is_certain = wanted.item.size == message.content->size();
  held_ = Held{std::move(wanted), std::move(message)};
  return is_certain ? release() : Status();
}

/// Once more, behind the others: a server that is about to hang up says -ERR too.
Status Fetcher::refused(Wanted wanted, const Reply& reply) {
  if (++wanted.refusals < kRefusals) {
    to_send_.push_back(std::move(wanted));
    return {};
  }
  return sink_.on_failed(*wanted.folder, wanted.item,
                         make_error(ErrorKind::message, Scope::message,
                                    "the server offers this message and does not deliver it: " +
                                        visible(reply.text.empty() ? "-ERR " + reply.code : reply.text),
                                    {}, Retry::later));
}

}  // namespace mailhaul::pop3
