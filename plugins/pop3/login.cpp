// From a location to a session that may work: dial, TLS, capabilities, login. No credential leaves before the peer has
// proved its name, or is a command of ours, or the user has said in so many words that it need not.
#include <algorithm>

#include "base/base64.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/pop3/session.hpp"
#include "sasl/mechanism.hpp"
#include "store/account_location.hpp"
#include "store/pause.hpp"

namespace mailhaul::pop3 {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using store::query_of;

constexpr milliseconds kTurn{200};
constexpr std::uint16_t kPort = 110, kTlsPort = 995;
// RFC 5034 section 4: longer ones go as an answer to the server's first, empty challenge.
constexpr std::size_t kLongestLine = 255;
// How long a mailbox that is in use is waited for, each time; a session that was cut off lives on for a while.
constexpr seconds kInUse{10};
constexpr seconds kLoginDelay{60}, kLongestLoginDelay{900};

Error insecure(const std::string& what, const std::string& hint) {
  return make_error(ErrorKind::security, Scope::run, what, hint);
}

/// Servers from before RFC 2449 say in words alone that another session has the mailbox (fetchmail looks for "lock").
bool tells_of_lock(std::string_view text) {
  const std::string lower = to_lower_ascii(text);
  const auto has = [&](std::string_view word) { return lower.find(word) != std::string::npos; };
  const bool of_mailbox = has("mailbox") || has("maildrop") || has("mail drop") || has("another session");
  return of_mailbox && (has("lock") || has("in use") || has("busy") || has("another session"));
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const store::Location& location, store::Services& services,
                                               const store::Access& access) {
  if (services.dialer == nullptr)
    return make_error(ErrorKind::bug, Scope::run, "no network was given to the POP3 store", "please report this");
  MH_CHECK(store::check_account_query(location, "pop3"));
  std::unique_ptr<Session> session;
  bool hates_capa = false;
  for (;;) {
    session.reset(new Session(location, services, access));
    session->hates_capa_ = hates_capa;
    MH_CHECK(session->connect(location));
    if (hates_capa) break;
    auto learnt = session->learn();
    if (learnt.ok()) break;
    // Only a connection that ended at CAPA is worth another without it.
    hates_capa = session->hates_capa_;
    if (!hates_capa) return std::move(learnt).error();
    services.events.note({store::Note::Weight::info, "", session->place_ + " hangs up when it is asked for its abilities"});
  }
  MH_CHECK(session->log_in(location));
  session->secret_ = session->sent_secret_ = Secret();
  session->may_quit_ = true;
  return session;
}

Status Session::connect(const store::Location& location) {
  const bool tls = location.scheme == "pop3s";
  net::Destination destination;
  destination.host = location.host;
  destination.port = location.port.value_or(tls ? kTlsPort : kPort);
  destination.family = access_.family;
  destination.timeout = access_.timeout;
  destination.cancel = &services_.cancel;
  destination.tunnel = query_of(location, "tunnel");
  place_ = destination.tunnel.empty() ? location.host + ":" + std::to_string(destination.port) : "the tunnel's server";
  if (tls && destination.tunnel.empty())
    destination.tls = net::TlsOptions{location.host, access_.ca_file, query_of(location, "fingerprint"), "pop3"};
  ProtocolTrace trace;
  const auto remark = [&](const std::string& text) {
    if (services_.trace != nullptr) services_.trace->line(access_.name, store::Trace::Way::remark, text);
  };
  if (services_.trace != nullptr) {
    trace = [this](bool sent, std::string_view line) {
      services_.trace->line(access_.name, sent ? store::Trace::Way::sent : store::Trace::Way::received,
                            without_secret(line));
    };
  }
  remark("dialling " + place_);
  MH_TRY(connection_, services_.dialer->dial(destination));
  Limits limits;
  limits.body = access_.longest_message;
  client_ = std::make_unique<Client>(limits, std::move(trace));
  remark("connected to " + connection_->peer() + (tls ? " with " + connection_->tls() : ""));
  MH_CHECK(await_greeting());
  const bool is_private = destination.tls.has_value() || connection_->is_tunnel();
  return secure(location, /*stls=*/!is_private && query_of(location, "tls") != "off");
}

Status Session::await_greeting() {
  const auto start = last_heard_ = services_.clock.steady();
  while (!client_->greeted()) {
    MH_CHECK(turn(kTurn));
    // One deadline over the whole of it: a greeting that trickles is none (threat 14).
    if (!client_->greeted() && services_.clock.steady() - start > access_.timeout) return die(silence());
  }
  greeting_ = greeted_->text;
  return greeted_->ok ? Status() : die(turned_away(*greeted_, "the connection"));
}

Status Session::secure(const store::Location& location, bool stls) {
  if (!connection_->tls().empty() || connection_->is_tunnel()) return {};
  if (!stls) {
    // ?tls=off: the user's word, and still not for everywhere.
    if (connection_->is_loopback() || access_.allow_plaintext) return {};
    return die(insecure("?tls=off is for this machine alone: " + place_ + " is another one",
                        "use pop3s://, or allow what can be overheard with --allow-plaintext"));
  }
  Command command("STLS");
  command.ends_plaintext();
  MH_TRY(const auto reply, run(std::move(command)));
  if (!reply.ok)
    return die(insecure(place_ + " offers no TLS: " + visible(reply.text),
                        "use pop3s:// if the server has it; without TLS anybody on the way can read along"));
  auto status =
      connection_->start_tls({location.host, access_.ca_file, query_of(location, "fingerprint"), "pop3"}, access_.timeout);
  if (!status.ok()) return die(std::move(status).error());
  client_->begin_tls();  // RFC 2595 4: whatever was said in plain text is void
  return {};
}

Call Session::ask_capabilities() {
  capabilities_.clear();
  return {Command("CAPA", Answer::listing), [this](std::string_view line) {
            take_capability(line);
            return Status();
          }};
}

void Session::take_capability(std::string_view line) {
  constexpr std::size_t kMost = 200;
  if (capabilities_.size() >= kMost) return;
  if (auto capability = parse_capability(line)) capabilities_.emplace(capability->name, capability->arguments);
}

/// -ERR: a server from before RFC 2449, which can do nothing of it.
Status Session::learn() {
  std::vector<Call> calls;
  calls.push_back(ask_capabilities());
  const auto replies = run_each(std::move(calls));
  if (!replies.ok()) {
    hates_capa_ = hung_up_;
    return replies.error();
  }
  client_->set_pipelining(has("PIPELINING") && !access_.past.one_at_a_time);
  return {};
}

Status Session::log_in(const store::Location& location) {
  // POP3 has no greeting that says so: only a command of ours may begin logged in ("doveadm exec pop3").
  if (connection_->is_tunnel()) {
    MH_TRY(const auto reply, run(Command("STAT")));
    if (reply.ok) {
      login_ = "preauthenticated";
      return {};
    }
  }
  if (!access_.password)
    return die(make_error(ErrorKind::unreachable, Scope::run, place_ + " wants a login, and there is no password"));
  const bool as_another = !query_of(location, "authuser").empty();
  const std::string pinned = query_of(location, "auth");
  const bool plainly = equals_ignoring_case(pinned, "user");
  const auto mechanism =
      plainly ? std::nullopt : sasl::choose_mechanism(split(arguments_of("SASL"), ' '), pinned, as_another);
  auto secret = access_.password();
  if (!secret.ok()) return die(std::move(secret).error());
  secret_ = *secret;
  // While a password was asked for the server may have gone.
  last_heard_ = services_.clock.steady();
  if (mechanism) return authenticate(*mechanism, location, *secret);
  if (as_another || (!pinned.empty() && !plainly))
    return die(make_error(ErrorKind::unreachable, Scope::run,
                          place_ + " offers no login that we know" +
                              (has("SASL") ? " (it has " + visible(arguments_of("SASL")) + ")" : std::string()),
                          "known are USER, " + join(sasl::known_mechanisms(), ", ") + "; choose one with ?auth="));
  return log_in_plainly(location, *secret);
}

/// In one step where the line may be so long, and for XOAUTH2 in two: Microsoft 365 knows no other way (getmail6 #256);
/// a server that refuses the bare name gets it in one.
Status Session::authenticate(const std::string& name, const store::Location& location, const Secret& secret) {
  bool in_one_step = name != "XOAUTH2";
  for (bool again = false;; again = true) {
    auto made = sasl::make_mechanism(name, {location.user, query_of(location, "authuser"), secret});
    if (!made.ok()) return die(std::move(made).error());
    const auto mechanism = std::move(made).value();
    auto first = mechanism->initial();
    Command command("AUTH", Answer::login);
    command.argument(mechanism->name()).responses(first ? 1 : 2).alone();
    if (first && in_one_step) {
      sent_secret_ = Secret(first->empty() ? "=" : to_base64(first->reveal()));
      if (again || command.text().size() + sent_secret_.size() + 3 <= kLongestLine) {
        command.secret(sent_secret_).responses(0);
        first.reset();
      }
    }
    bool asked = false;
    challenge_ = [&](std::string_view text) -> Result<Secret> {
      asked = true;
      if (first) {
        sent_secret_ = Secret(to_base64(first->reveal()));
        first.reset();
        return sent_secret_;
      }
      const auto challenge = from_base64(text);
      if (!challenge)
        return make_error(ErrorKind::unreachable, Scope::session, place_ + " sent a challenge that is not Base64");
      MH_TRY(const Secret answer, mechanism->respond(*challenge));
      // The empty answer to a failure report leaves the token the one to be kept out of what is said of it.
      if (!answer.empty()) sent_secret_ = Secret(to_base64(answer.reveal()));
      return Secret(to_base64(answer.reveal()));
    };
    const auto reply = run(std::move(command));
    challenge_ = nullptr;
    if (!reply.ok()) return die(reply.error());
    if (reply->ok) {
      login_ = mechanism->name();
      return {};
    }
    if (!asked && !in_one_step && !again) {
      in_one_step = true;
      continue;
    }
    Error error = login_refused(*reply);
    if (const std::string said = mechanism->failure(); !said.empty()) error.what += " (" + visible(said) + ")";
    return die(std::move(error));
  }
}

Status Session::log_in_plainly(const store::Location& location, const Secret& secret) {
  Command user("USER");
  user.argument(location.user).alone();
  MH_TRY(const auto known, run(std::move(user)));
  if (!known.ok) return die(login_refused(known));
  Command pass("PASS");
  pass.secret(secret).alone();
  MH_TRY(const auto reply, run(std::move(pass)));
  if (!reply.ok) return die(login_refused(reply));
  login_ = "USER";
  return {};
}

std::string Session::without_secret(std::string_view text) const {
  return without_secrets(text, {&secret_, &sent_secret_});
}

Error Session::turned_away(const Reply& reply, const std::string& what) const {
  const std::string said = reply.text.empty() ? reply.code : reply.text;
  Error error = make_error(ErrorKind::unreachable, Scope::session,
                           place_ + " refused " + what + ": " + visible(without_secret(said)), "try again later",
                           Retry::later);
  if (reply.code == "LOGIN-DELAY") {
    const std::string delay = arguments_of("LOGIN-DELAY");
    const auto told = parse_uint(std::string_view(delay).substr(0, delay.find(' ')));
    const auto wait = told ? seconds(std::min<std::uint64_t>(*told, kLongestLoginDelay.count())) : kLoginDelay;
    error.wait = std::max(wait, seconds(1));
    error.hint = "the server wants a pause between two logins";
  } else if (reply.code == "IN-USE" || (reply.code.empty() && tells_of_lock(reply.text))) {
    error.wait = kInUse;
    error.hint = "another program has the mailbox open: close it there, or wait until the server gives it up";
  } else if (reply.code == "SYS/TEMP") {
    error.wait = kInUse;
    error.hint = "the server says that this will pass; try again later";
  }
  if (const auto told = store::pause_in_words(said); told && reply.code != "AUTH") {
    error.wait = std::max(*told, error.wait.value_or(milliseconds(0)));
    error.hint = "the server limits what it does for an account; run the same command again later";
  }
  return error;
}

std::optional<Error> Session::pause_of(const Reply& reply) {
  Error error = turned_away(reply, "a message");
  const bool of_the_account = store::pause_in_words(reply.text).has_value() || reply.code == "LOGIN-DELAY";
  // [SYS/TEMP] may be about this one message (RFC 3206): then it is its own failure after some pauses.
  if (!error.wait) return std::nullopt;
  const bool of_one = !of_the_account && refusals_.is_of_one(access_.past.fruitless);
  return of_one ? std::nullopt : std::optional(std::move(error));
}

Error Session::login_refused(const Reply& reply) const {
  Error error = turned_away(reply, user_.empty() ? "the login" : "the login of " + visible(user_));
  if (error.wait) return error;
  error.retry = Retry::never;
  error.hint = "check user name and password; many providers want an app password or a token (?auth=xoauth2), and some "
               "that POP3 is switched on in their settings first";
  return error;
}

}  // namespace mailhaul::pop3
