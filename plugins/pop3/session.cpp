// Turning: octets both ways, answers to those who wait for them.
#include "plugins/pop3/session.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "store/pause.hpp"

namespace mailhaul::pop3 {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTurn{200};  // how long a wait may keep a cancelled run (bad-input 79: 5 s)
constexpr seconds kIdle{60};
// As many commands as a fetch sends at first: a server whose buffer holds fewer is silent before it has answered them all.
// Later silence is more likely the network's.
constexpr unsigned kFirstWindow = 64;
constexpr seconds kGoodbye{1};  // how long QUIT may take to be answered

}  // namespace

Session::Session(const store::Location& location, store::Services& services, const store::Access& access)
    : services_(services), access_(access), user_(location.user) {
  last_heard_ = last_spoken_ = services_.clock.steady();
}

Session::~Session() {
  if (!client_ || !connection_ || dead_) return;
  // In the middle of something it just closes: that changes as little as QUIT without DELE.
  if (may_quit_ && idle() && !services_.cancel.requested()) {
    const auto until = services_.clock.steady() + kGoodbye;
    if (client_->start(Command("QUIT")).ok()) {
      while (!idle() && services_.clock.steady() < until) {
        // Once QUIT has left, its answer is waited for: a server that is hung up on may keep the mailbox locked.
        if (!exchange(milliseconds(50)).ok()) break;
      }
    }
  }
  connection_->shut_down();
}

Status Session::die(Error error) {
  if (!dead_) {
    // What ends a session ends all that was asked in it.
    if (error.scope == Scope::message || error.scope == Scope::folder) error.scope = Scope::session;
    error.what = without_secret(error.what);
    dead_ = std::move(error);
  }
  return *dead_;
}

Error Session::silence() const {
  const auto waited = std::chrono::duration_cast<seconds>(access_.timeout).count();
  // A port that speaks TLS from the first octet waits for ours, as we wait for its greeting.
  const bool may_be_tls = !client_->greeted() && connection_->tls().empty() && !connection_->is_tunnel();
  return make_error(ErrorKind::unreachable, Scope::session,
                    place_ + " has not answered for " + std::to_string(waited) + " s",
                    may_be_tls ? "is it a port for TLS from the start? Then write pop3s://"
                               : "try again later, or wait longer with --timeout",
                    Retry::later);
}

Error Session::ended() const {
  const std::string why = !client_->farewell().empty() ? "said goodbye: " + visible(client_->farewell())
                          : client_->in_answer()       ? "ended the connection in the middle of an answer"
                                                       : "ended the connection";
  Error error = make_error(ErrorKind::unreachable, Scope::session, place_ + " " + why, "try again later", Retry::later);
  error.wait = store::pause_in_words(client_->farewell());
  return has_stumbled(0) ? out_of_step(std::move(error)) : error;
}

/// Several commands are under way between two answers, and no more than so many that left together were ever answered: the
/// server may have lost what came in one piece with the first, as some do that say PIPELINING all the same.
bool Session::has_stumbled(unsigned answers) const {
  if (together_.empty() || client_->in_answer()) return false;
  return (together_.begin()->second ? messages_together_ : answered_together_) <= answers;
}

Error Session::out_of_step(Error error) const {
  error.one_at_a_time = client_->pipelining() && error.kind == ErrorKind::unreachable;
  return error;
}

void Session::take_pipelining() {
  if (!has("PIPELINING")) return;
  client_->set_pipelining(!access_.past.one_at_a_time);
  if (access_.past.one_at_a_time)
    services_.events.note({store::Note::Weight::info, "",
                           place_ + " gets one command at a time: an earlier connection ended when several were under way, "
                                    "though it offers that (PIPELINING)"});
}

std::string Session::arguments_of(const std::string& capability) const {
  const auto found = capabilities_.find(capability);
  return found == capabilities_.end() ? std::string() : found->second;
}

Result<CommandId> Session::start(Command command) {
  if (dead_) return *dead_;
  // A session that was idle has been silent by right.
  if (idle()) last_heard_ = services_.clock.steady();
  const bool together = !idle() && client_->pipelining();
  const bool asks_message = command.answer() == Answer::message;
  MH_TRY(const CommandId id, client_->start(std::move(command)));
  if (together) together_.emplace(id, asks_message);
  return id;
}

Status Session::turn(milliseconds wait) {
  if (dead_) return *dead_;
  if (services_.cancel.requested()) return interrupted();
  return exchange(wait);
}

Status Session::exchange(milliseconds wait) {
  const auto before = services_.clock.steady();
  const auto step = connection_->step(client_->output(), wait);
  hung_up_ = !step.ok() || step->closed;
  if (!step.ok()) {
    if (!client_->farewell().empty()) return die(ended());
    return die(has_stumbled(0) ? out_of_step(step.error()) : step.error());
  }
  client_->sent(step->sent);
  const auto now = services_.clock.steady();
  if (step->sent != 0) last_spoken_ = now;
  if (step->sent != 0 || !step->received.empty()) last_heard_ = now;
  heard_ += step->received.size();
  if (!step->received.empty()) {
    if (auto status = client_->receive(step->received, *this); !status.ok()) {
      Error error = std::move(status).error().context(place_);
      return die(together_.empty() ? std::move(error) : out_of_step(std::move(error)));
    }
  }
  if (step->closed) return die(ended());
  if (listener_error_) {
    Error error = std::move(*listener_error_);
    listener_error_.reset();
    return error;
  }
  if (!client_->in_message()) {
    floor_.restart();
  } else if (floor_.fell(now - before, step->received.size())) {
    return die(make_error(ErrorKind::unreachable, Scope::session, place_ + " sends less than 128 octets a second",
                          "the network or the server is overloaded; try again later", Retry::later));
  }
  if ((!idle() || !client_->greeted()) && now - last_heard_ > access_.timeout)
    return die(has_stumbled(kFirstWindow) ? out_of_step(silence()) : silence());
  return {};
}

Status Session::finish() {
  while (!idle()) MH_CHECK(turn(kTurn));
  return {};
}

Status Session::keep_alive() {
  if (dead_) return *dead_;
  if (!idle()) return turn(milliseconds(0));
  if (services_.clock.steady() - std::max(last_heard_, last_spoken_) < kIdle) return {};
  // What the server said on its way out is no answer to NOOP.
  for (std::uint64_t before = heard_ + 1; before != heard_ && client_->farewell().empty();) {
    before = heard_;
    MH_CHECK(turn(milliseconds(0)));
  }
  MH_CHECK(still_there());
  MH_TRY([[maybe_unused]] const auto reply, run(Command("NOOP")));
  return {};
}

Status Session::still_there() { return client_->farewell().empty() ? Status() : die(ended()); }

Result<Reply> Session::run(Command command, const LineHandler& handler) {
  std::vector<Call> calls;
  calls.push_back({std::move(command), handler});
  MH_TRY(auto replies, run_each(std::move(calls)));
  return std::move(replies.front());
}

Result<std::vector<Reply>> Session::run_each(std::vector<Call> calls) {
  const std::size_t base = waited_.size();
  // On every way out the entries go, whose handler lives no longer than this call.
  struct Cleaner {
    std::vector<Waited>& waited;
    std::size_t base;
    ~Cleaner() { waited.resize(base); }
  } const cleaner{waited_, base};
  for (auto& call : calls) {
    MH_TRY(const CommandId id, start(std::move(call.command)));
    waited_.push_back({id, &call.handler, std::nullopt});
  }
  const auto all_done = [&] {
    return std::all_of(waited_.begin() + static_cast<std::ptrdiff_t>(base), waited_.end(),
                       [](const Waited& one) { return one.reply.has_value(); });
  };
  while (!all_done()) MH_CHECK(turn(kTurn));
  std::vector<Reply> replies;
  for (std::size_t i = base; i < waited_.size(); ++i) replies.push_back(std::move(*waited_[i].reply));
  return replies;
}

Session::Waited* Session::waited_for(CommandId id) {
  const auto found = std::find_if(waited_.begin(), waited_.end(), [&](const Waited& one) { return one.id == id; });
  return found == waited_.end() ? nullptr : &*found;
}

Status Session::on_greeting(const Reply& greeting) {
  greeted_ = greeting;
  return {};
}

Status Session::on_begin(CommandId id, const Reply& reply) {
  if (waited_for(id) == nullptr) tell([&](Listener& listener) { return listener.on_begin(id, reply); });
  return {};
}

Status Session::on_line(CommandId id, std::string_view line) {
  const Waited* waited = waited_for(id);
  if (waited == nullptr || !*waited->handler || listener_error_) return {};
  if (auto status = (*waited->handler)(line); !status.ok()) listener_error_ = std::move(status).error();
  return {};
}

Status Session::on_octets(CommandId id, Octets octets) {
  tell([&](Listener& listener) { return listener.on_octets(id, octets); });
  return {};
}

Status Session::on_challenge(CommandId, std::string_view text) {
  if (!challenge_) return client_->respond(Secret("*"));
  auto answer = challenge_(text);
  if (answer.ok()) return client_->respond(*answer);
  listener_error_ = std::move(answer).error();
  return client_->respond(Secret("*"));
}

Status Session::on_done(CommandId id, const Reply& reply) {
  if (const auto entry = together_.find(id); entry != together_.end()) {
    ++(entry->second ? messages_together_ : answered_together_);
    together_.erase(entry);
  }
  if (Waited* waited = waited_for(id)) {
    waited->reply = reply;
    return {};
  }
  tell([&](Listener& listener) { return listener.on_done(id, reply); });
  return {};
}

}  // namespace mailhaul::pop3
