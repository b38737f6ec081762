// Turning: octets both ways, answers to those who wait for them.
#include "plugins/imap/session.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "store/pause.hpp"

namespace mailhaul::imap {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTurn{200};  // how long a wait may keep a cancelled run (bad-input 79: 5 s)
constexpr seconds kIdle{120};       // silence after which an idle session says NOOP
constexpr std::size_t kMostAlerts = 20;
constexpr seconds kGoodbye{1};  // how long LOGOUT may take to leave

/// LIMIT in answer to these may be about what they bring (RFC 5530), and about the account.
bool brings_something(std::string_view verb) { return verb == "APPEND" || verb == "CREATE" || verb == "UID STORE"; }

/// The refusal may repeat the folder's name.
bool names_a_folder(std::string_view verb) {
  static constexpr std::array<std::string_view, 5> kVerbs{"EXAMINE", "SELECT", "STATUS", "CREATE", "SUBSCRIBE"};
  return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

}  // namespace

Session::Session(const store::Location& location, store::Services& services, const store::Access& access)
    : services_(services), access_(access), user_(location.user) {
  last_heard_ = last_spoken_ = services_.clock.steady();
}

Session::~Session() {
  if (!client_ || !connection_ || dead_) return;
  // A session that is in the middle of something is not logged out: LOGOUT behind a literal would be mail.
  if (may_log_out_ && client_->in_flight() == 0 && !services_.cancel.requested()) {
    const auto until = services_.clock.steady() + kGoodbye;
    if (client_->start(Command("LOGOUT")).ok()) {
      while (client_->in_flight() != 0 && services_.clock.steady() < until) {
        const auto octets = client_->output();
        if (!octets.ok() || octets->empty()) break;
        auto step = connection_->step(*octets, milliseconds(50));
        if (!step.ok() || step->closed) break;
        client_->sent(step->sent);
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

Error Session::nonsense(const std::string& what) {
  (void)die(make_error(ErrorKind::unreachable, Scope::session, place_ + ": " + what,
                       "the server's answer makes no sense; try again, and report it with --trace FILE", Retry::later));
  return *dead_;
}

Error Session::silence() const {
  const auto waited = std::chrono::duration_cast<seconds>(access_.timeout).count();
  // A port that speaks TLS from the first octet waits for ours, as we wait for its greeting.
  const bool may_be_tls = !client_->greeted() && connection_->tls().empty() && !connection_->is_tunnel();
  return make_error(ErrorKind::unreachable, Scope::session,
                    place_ + " has not answered for " + std::to_string(waited) + " s",
                    may_be_tls ? "is it a port for TLS from the start? Then write imaps://"
                               : "try again later, or wait longer with --timeout",
                    Retry::later);
}

Result<CommandId> Session::start(Command command) {
  if (dead_) return *dead_;
  if (pause_) return *pause_;
  // A session that was idle has been silent by right.
  if (client_->in_flight() == 0) last_heard_ = services_.clock.steady();
  std::string verb = command.verb();
  MH_TRY(const CommandId id, client_->start(std::move(command)));
  verbs_.emplace(id, std::move(verb));
  return id;
}

Status Session::turn(milliseconds wait) {
  if (dead_) return *dead_;
  if (services_.cancel.requested()) return interrupted();
  return turn_to_the_end(wait);
}

Status Session::turn_to_the_end(milliseconds wait) {
  if (dead_) return *dead_;
  const auto octets = client_->output();
  if (!octets.ok()) return die(octets.error());
  const auto before = services_.clock.steady();
  const auto step = connection_->step(*octets, wait);
  if (!step.ok()) {
    return die(client_->bye().empty() && !pause_ ? step.error() : ended({}));
  }
  client_->sent(step->sent);
  const auto now = services_.clock.steady();
  if (step->sent != 0) last_spoken_ = now;
  if (step->sent != 0 || !step->received.empty()) last_heard_ = now;
  if (!step->received.empty()) {
    if (auto status = client_->receive(step->received, *this); !status.ok()) {
      Error error = std::move(status).error();
      return die(std::move(error).context(place_));
    }
  }
  if (step->closed) return die(ended("ended the connection"));
  if (listener_error_) {
    Error error = std::move(*listener_error_);
    listener_error_.reset();
    return error;
  }
  // Only in a message: in the midst of long work a server says no more than "* OK still here".
  if (!in_body_) {
    floor_.restart();
  } else if (floor_.fell(now - before, step->received.size())) {
    return die(make_error(ErrorKind::unreachable, Scope::session, place_ + " sends less than 128 octets a second",
                          "the network or the server is overloaded; try again later", Retry::later));
  }
  if (pause_ && client_->in_flight() == 0) return die(*pause_);
  if ((client_->in_flight() != 0 || !client_->greeted()) && now - last_heard_ > access_.timeout) return die(silence());
  return {};
}

/// Exchange hangs up right behind its word on a pause (quirk 13): that word counts.
Error Session::ended(const std::string& without_bye) const {
  if (pause_) return *pause_;
  const std::string why = client_->bye().empty() ? without_bye : "said goodbye: " + visible(client_->bye());
  Error error = make_error(ErrorKind::unreachable, Scope::session, place_ + " " + why, "try again later", Retry::later);
  error.wait = store::pause_in_words(client_->bye());
  return error;
}

void Session::hear_the_last() {
  while (pause_ && turn(kTurn).ok()) {
  }
}

Status Session::finish() {
  while (client_->in_flight() != 0) MH_CHECK(turn(kTurn));
  return {};
}

Status Session::keep_alive() {
  if (dead_) return *dead_;
  if (client_->in_flight() != 0) return turn(milliseconds(0));
  const auto now = services_.clock.steady();
  if (now - std::max(last_heard_, last_spoken_) < kIdle) return {};
  MH_TRY([[maybe_unused]] const auto response, run(Command("NOOP")));
  return {};
}

Result<TaggedResponse> Session::run(Command command, const UntaggedHandler& handler) {
  std::vector<Command> commands;
  commands.push_back(std::move(command));
  MH_TRY(auto responses, run_all(std::move(commands), handler));
  return std::move(responses.front());
}

Result<std::vector<TaggedResponse>> Session::run_all(std::vector<Command> commands, const UntaggedHandler& handler) {
  std::vector<Call> calls;
  for (auto& command : commands) calls.push_back({std::move(command), handler});
  return run_each(std::move(calls));
}

Result<std::vector<TaggedResponse>> Session::run_each(std::vector<Call> calls) {
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
                       [](const Waited& one) { return one.response.has_value(); });
  };
  while (!all_done()) MH_CHECK(turn(kTurn));
  std::vector<TaggedResponse> responses;
  for (std::size_t i = base; i < waited_.size(); ++i) responses.push_back(std::move(*waited_[i].response));
  return responses;
}

/// RFC 9051 7.1: the text must be shown to the user.
void Session::show_alert(const Code& code, const std::string& text) {
  // In plain text anybody may have said it. And a server that alarms without end is heard so many times.
  const bool is_trusted = !client_->plaintext_rules() && alerts_.size() < kMostAlerts;
  if (!is_trusted || !code.is("ALERT") || !alerts_.insert(visible(text)).second) return;
  services_.events.note({store::Note::Weight::warning, "", place_ + " says: " + visible(without_secret(text))});
}

Status Session::on_greeting(const StatusResponse& greeting) {
  greeted_ = greeting;
  return {};
}

Status Session::on_untagged(CommandId current, Response response) {
  // Capabilities are taken wherever they come (RFC 9051 7.2.2).
  if (const auto* capability = std::get_if<CapabilityResponse>(&response)) take_capabilities(capability->words);
  if (const auto* status = std::get_if<StatusResponse>(&response)) show_alert(status->code, status->text);
  for (auto& one : waited_) {
    if (one.id != current || one.response) continue;
    return *one.handler ? (*one.handler)(std::move(response)) : Status();
  }
  if (listener_ == nullptr || listener_error_) return {};
  if (auto status = listener_->on_untagged(current, std::move(response)); !status.ok())
    listener_error_ = std::move(status).error();
  return {};
}

// A listener's Error must not end the parser: the stream stays in step, and turn() returns it.
Status Session::on_body_begin(CommandId current, std::uint64_t size) {
  in_body_ = true;
  if (listener_ == nullptr || listener_error_) return {};
  if (auto status = listener_->on_body_begin(current, size); !status.ok()) listener_error_ = std::move(status).error();
  return {};
}

Status Session::on_body(CommandId current, Octets octets) {
  if (listener_ == nullptr || listener_error_) return {};
  if (auto status = listener_->on_body(current, octets); !status.ok()) listener_error_ = std::move(status).error();
  return {};
}

Status Session::on_body_end(CommandId current) {
  in_body_ = false;
  if (listener_ == nullptr || listener_error_) return {};
  if (auto status = listener_->on_body_end(current); !status.ok()) listener_error_ = std::move(status).error();
  return {};
}

Status Session::on_challenge(CommandId, std::string_view text) {
  if (!challenge_) return client_->respond(Secret("*"));
  auto answer = challenge_(text);
  if (!answer.ok()) {
    listener_error_ = std::move(answer).error();
    return client_->respond(Secret("*"));
  }
  return client_->respond(*answer);
}

Status Session::on_done(CommandId id, const TaggedResponse& response) {
  show_alert(response.code, response.text);
  if (response.condition == Condition::ok) refusals_.granted();
  const auto started = verbs_.extract(id);
  if (auto pause = pause_of(response, started.empty() ? std::string_view() : started.mapped())) {
    paused_.insert(response.tag);
    if (!pause_) pause_ = std::move(pause);
  }
  for (auto& one : waited_) {
    if (one.id != id) continue;
    one.response = response;
    return {};
  }
  if (listener_ == nullptr || listener_error_) return {};
  if (auto status = listener_->on_done(id, response); !status.ok()) listener_error_ = std::move(status).error();
  return {};
}

/// A server that wants to be left alone for a while says so in answer to whatever it was asked: nothing is wrong with that
/// message or folder. Where only one of them may be meant, it is its own failure after some pauses.
std::optional<Error> Session::pause_of(const TaggedResponse& response, std::string_view verb) {
  const Code& code = response.code;
  if (!may_pause_ || response.condition == Condition::ok) return std::nullopt;
  // What is said of a name may hold any words.
  for (const std::string_view of_one : {"NONEXISTENT", "TRYCREATE", "ALREADYEXISTS", "CANNOT", "NOPERM", "TOOBIG"}) {
    if (code.is(of_one)) return std::nullopt;
  }
  auto wait = store::pause_in_words(response.text);
  if (!wait && code.is("THROTTLED")) wait = store::kPause;  // Gmail
  // A server without codes may repeat the name of a folder, which may be "Rate limits".
  const bool maybe_a_name = names_a_folder(verb) && wait == store::kPause && !code.is("THROTTLED");
  if (maybe_a_name) wait.reset();
  const bool maybe_of_one = maybe_a_name || code.is("UNAVAILABLE") || code.is("INUSE") ||
                            (code.is("LIMIT") && !brings_something(verb));
  if (!wait && maybe_of_one && !refusals_.is_of_one(access_.past.fruitless)) wait = store::kPause;
  if (!wait) return std::nullopt;
  Error error = make_error(
      ErrorKind::unreachable, Scope::session,
      place_ + " wants to be left alone for a while: " + visible(response.text.empty() ? code.name : response.text),
      "the server limits what it does for an account; run the same command again later", Retry::later);
  error.wait = wait;
  return error;
}

Error Session::refusal(const TaggedResponse& response, const std::string& what, Scope scope) const {
  if (pause_ && paused_.count(response.tag) != 0) return *pause_;
  const Code& code = response.code;
  const bool is_bad = response.condition == Condition::bad;
  Error error =
      make_error(ErrorKind::message, scope,
                 place_ + " refused to " + what + ": " + visible(response.text.empty() ? code.name : response.text));
  // GroupWise and others tell of the quota in words alone (quirk 56).
  const bool tells_quota = code.name.empty() && !is_bad && mentions(response.text, "quota");
  if (code.is("OVERQUOTA") || tells_quota) {
    error.kind = ErrorKind::no_space;
    error.scope = Scope::run;
    error.hint = "the account is full; make room or raise its quota, then run the same command again";
    error.retry = Retry::later;
  } else if (code.is("UNAVAILABLE") || code.is("INUSE") || code.is("SERVERBUG")) {
    error.retry = Retry::later;
  } else if (code.is("TRYCREATE") || code.is("NONEXISTENT")) {
    error.scope = std::max(scope, Scope::folder);
    error.hint = "the folder is no longer there";
  } else if (code.is("NOPERM")) {
    error.hint = "this user may not do that here; ask for the right (ACL)";
  } else if (is_bad) {
    error.hint = "the server did not understand the command; please report this with --trace FILE";
  }
  return error;
}

}  // namespace mailhaul::imap
