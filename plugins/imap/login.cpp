// From a location to a session that may work: dial, TLS, login, and what the server can do. No credential leaves before
// the peer has proved its name, or is a command of ours, or the user has said in so many words that it need not.
#include <algorithm>

#include "base/base64.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"
#include "net/compressed.hpp"
#include "plugins/imap/session.hpp"
#include "sasl/mechanism.hpp"
#include "store/account_location.hpp"
#include "store/pause.hpp"

namespace mailhaul::imap {

namespace {

using std::chrono::milliseconds;
using store::query_of;

constexpr milliseconds kTurn{200};
constexpr std::uint16_t kPort = 143, kTlsPort = 993;
// Literals larger than this wait for the server's word, so that it can refuse before the octets have gone: at 100 ms a
// round trip costs as much as 1 MiB at 100 Mbit/s.
constexpr std::uint64_t kUnaskedLiteral = 4ULL << 20U;

Error no_compression(const std::string& what) {
  return make_error(ErrorKind::unsupported, Scope::run, what,
                    "--compress auto compresses only where the server can, --compress off nowhere");
}

Error insecure(const std::string& what, const std::string& hint) {
  return make_error(ErrorKind::security, Scope::run, what, hint);
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const store::Location& location, store::Services& services,
                                               const store::Access& access) {
  if (services.dialer == nullptr)
    return make_error(ErrorKind::bug, Scope::run, "no network was given to the IMAP store", "please report this");
  MH_CHECK(store::check_account_query(location, "imap"));
  std::unique_ptr<Session> session(new Session(location, services, access));
  MH_CHECK(session->connect(location));
  MH_CHECK(session->log_in(location));
  session->secret_ = session->sent_secret_ = Secret();
  MH_CHECK(session->learn());
  MH_CHECK(session->compress());
  session->may_pause_ = true;
  session->private_epoch_ = "session-" + to_hex(services.random.next());
  session->may_log_out_ = true;
  return session;
}

Status Session::connect(const store::Location& location) {
  const bool tls = location.scheme == "imaps";
  net::Destination destination;
  destination.host = location.host;
  destination.port = location.port.value_or(tls ? kTlsPort : kPort);
  destination.family = access_.family;
  destination.timeout = access_.timeout;
  destination.cancel = &services_.cancel;
  destination.tunnel = query_of(location, "tunnel");
  place_ = destination.tunnel.empty() ? location.host + ":" + std::to_string(destination.port) : "the tunnel's server";
  if (tls && destination.tunnel.empty())
    destination.tls = net::TlsOptions{location.host, access_.ca_file, query_of(location, "fingerprint"), "imap"};
  ProtocolTrace trace;
  if (services_.trace != nullptr) {
    trace = [this](bool sent, std::string_view line) {
      services_.trace->line(access_.name, sent ? store::Trace::Way::sent : store::Trace::Way::received,
                            without_secret(line));
    };
    services_.trace->line(access_.name, store::Trace::Way::remark, "dialling " + place_);
  }
  MH_TRY(connection_, services_.dialer->dial(destination));
  Limits limits;
  limits.body = access_.longest_message;
  client_ = std::make_unique<Client>(limits, services_.random.next(), std::move(trace));
  if (services_.trace != nullptr)
    services_.trace->line(access_.name, store::Trace::Way::remark,
                          "connected to " + connection_->peer() + (tls ? " with " + connection_->tls() : ""));
  const bool is_private = destination.tls.has_value() || connection_->is_tunnel();
  if (is_private) client_->set_plaintext_rules(false);
  MH_CHECK(await_greeting());
  return secure(location, /*starttls=*/!is_private && query_of(location, "tls") != "off");
}

Status Session::await_greeting() {
  const auto start = last_heard_ = services_.clock.steady();
  while (!client_->greeted()) {
    MH_CHECK(turn(kTurn));
    // One deadline over the whole of it: a greeting that trickles is none (threat 14).
    if (!client_->greeted() && services_.clock.steady() - start > access_.timeout) return die(silence());
  }
  greeting_ = greeted_->text;
  quirks_ = quirks_of(greeting_, {}, place_);
  if (greeted_->condition != Condition::bye) {
    if (greeted_->code.is("CAPABILITY")) take_capabilities(greeted_->code.words);
    return {};
  }
  Error error = make_error(ErrorKind::unreachable, Scope::session, place_ + " turned us away: " + visible(greeting_),
                           "try again later", Retry::later);
  error.wait = store::pause_in_words(greeting_);
  return die(std::move(error));
}

Status Session::secure(const store::Location& location, bool starttls) {
  const bool has_tls = !connection_->tls().empty();
  if (has_tls || connection_->is_tunnel()) return {};
  if (greeted_->condition == Condition::preauth)
    return die(insecure(place_ + " says that we are logged in already, without TLS",
                        "somebody may stand between; use imaps:// if the server has it"));
  if (!starttls) {
    // ?tls=off: the user's word, and still not for everywhere.
    if (!connection_->is_loopback() && !access_.allow_plaintext)
      return die(insecure("?tls=off is for this machine alone: " + place_ + " is another one",
                          "use imaps://, or allow what can be overheard with --allow-plaintext"));
    client_->set_plaintext_rules(false);
    return {};
  }
  Command command("STARTTLS");
  command.ends_plaintext();
  MH_TRY(const auto response, run(std::move(command)));
  if (response.condition != Condition::ok)
    return die(insecure(place_ + " offers no TLS: " + visible(response.text),
                        "use imaps:// if the server has it; without TLS anybody on the way can read along"));
  MH_CHECK([&]() -> Status {
    auto status = connection_->start_tls({location.host, access_.ca_file, query_of(location, "fingerprint"), "imap"},
                                         access_.timeout);
    return status.ok() ? Status() : die(std::move(status).error());
  }());
  // RFC 9051 6.2.1: whatever was said in plain text is void.
  client_->begin_tls();
  client_->set_plaintext_rules(false);
  capabilities_.clear();
  append_limit_.reset();
  greeting_is_void_ = true;
  quirks_ = quirks_of({}, {}, place_);
  return {};
}

Status Session::log_in(const store::Location& location) {
  if (greeted_->condition == Condition::preauth) {
    login_ = "preauthenticated";
    return {};
  }
  if (capabilities_.empty()) MH_CHECK(ask_capabilities());
  if (!access_.password)
    return die(make_error(ErrorKind::unreachable, Scope::run, place_ + " wants a login, and there is no password"));
  const std::string authuser = query_of(location, "authuser");
  std::vector<std::string> offered;
  for (const auto& capability : capabilities_) {
    if (capability.starts_with("AUTH=")) offered.push_back(capability.substr(5));
  }
  const std::string pinned = query_of(location, "auth");
  const auto mechanism = sasl::choose_mechanism(offered, pinned, !authuser.empty());
  auto secret = access_.password();
  if (!secret.ok()) return die(std::move(secret).error());
  secret_ = *secret;
  if (mechanism) return authenticate(*mechanism, location, std::move(secret).value());
  if (has("LOGINDISABLED") || !authuser.empty() || !pinned.empty())
    return die(make_error(ErrorKind::unreachable, Scope::run,
                          place_ + " offers no login that we know" +
                              (offered.empty() ? std::string() : " (it has " + visible(join(offered, ", ")) + ")"),
                          "known are " + join(sasl::known_mechanisms(), ", ") + "; choose one with ?auth="));
  return log_in_plainly(location, *secret);
}

Status Session::authenticate(const std::string& name, const store::Location& location, Secret secret) {
  auto made = sasl::make_mechanism(name, {location.user, query_of(location, "authuser"), std::move(secret)});
  if (!made.ok()) return die(std::move(made).error());
  const auto mechanism = std::move(made).value();
  auto first = mechanism->initial();
  Command command("AUTHENTICATE");
  command.raw(" " + std::string(mechanism->name())).alone();
  if (first && has("SASL-IR")) {
    // RFC 4959: an empty first response is "=".
    sent_secret_ = Secret(first->empty() ? "=" : to_base64(first->reveal()));
    command.secret(sent_secret_);
    first.reset();
  }
  challenge_ = [&](std::string_view text) -> Result<Secret> {
    if (first) {
      // Without SASL-IR the server asks first, with an empty challenge (Exchange: "+" and nothing behind it).
      sent_secret_ = Secret(to_base64(first->reveal()));
      first.reset();
      return sent_secret_;
    }
    const auto challenge = from_base64(trim(text));
    if (!challenge)
      return make_error(ErrorKind::unreachable, Scope::session, place_ + " sent a challenge that is not Base64");
    MH_TRY(const Secret answer, mechanism->respond(*challenge));
    // The empty answer to a failure report leaves the token the one to be kept out of what is said of it.
    if (!answer.empty()) sent_secret_ = Secret(to_base64(answer.reveal()));
    return Secret(to_base64(answer.reveal()));
  };
  auto response = run(std::move(command));
  challenge_ = nullptr;
  if (!response.ok()) return die(std::move(response).error());
  if (response->condition != Condition::ok) {
    Error error = login_refused(*response);
    if (const std::string said = mechanism->failure(); !said.empty()) error.what += " (" + visible(said) + ")";
    return die(std::move(error));
  }
  login_ = mechanism->name();
  return {};
}

Status Session::log_in_plainly(const store::Location& location, const Secret& secret) {
  Command command("LOGIN");
  command.astring(location.user).secret(secret).alone();
  MH_TRY(const auto response, run(std::move(command)));
  if (response.condition != Condition::ok) return die(login_refused(response));
  login_ = "LOGIN";
  return {};
}

/// A server that repeats the password is not to bring it into a report or a trace, as it is or in what was sent of it.
std::string Session::without_secret(std::string_view text) const {
  return without_secrets(text, {&secret_, &sent_secret_});
}

Error Session::login_refused(const TaggedResponse& response) const {
  const Code& code = response.code;
  const std::string who = user_.empty() ? "the login" : "the login of " + visible(user_);
  Error error =
      make_error(ErrorKind::unreachable, Scope::session,
                 place_ + " refused " + who + ": " + visible(without_secret(response.text)),
                 "check user name and password; many providers want an app password or a token (?auth=xoauth2)");
  // Outlook.com says this of good tokens too, for a while (quirk 16).
  const bool not_connected = response.text.find("authenticated but not connected") != std::string::npos;
  const auto told = store::pause_in_words(response.text);
  if (told || code.is("UNAVAILABLE") || code.is("INUSE") || code.is("LIMIT") || code.is("THROTTLED") || not_connected) {
    error.retry = Retry::later;
    error.hint = "the server says that this may pass; try again later";
    error.wait = told.value_or(store::kPause);
  }
  if (code.is("PRIVACYREQUIRED")) error.hint = "the server wants TLS: use imaps://, or imap:// without ?tls=off";
  return error;
}

Status Session::ask_capabilities() {
  MH_TRY(const auto response, run(Command("CAPABILITY")));
  return response.condition == Condition::ok ? Status()
                                             : die(refusal(response, "tell its capabilities", Scope::session));
}

void Session::take_capabilities(const std::vector<std::string>& words) {
  capabilities_.clear();
  append_limit_.reset();
  for (const auto& word : words) {
    capabilities_.insert(word);
    // RFC 7889; without a number each mailbox has its own.
    if (word.starts_with("APPENDLIMIT=")) append_limit_ = parse_uint(std::string_view(word).substr(12));
  }
  const bool plus = has("LITERAL+");
  client_->set_literals(plus              ? Literals::plus
                        : has("LITERAL-") ? Literals::minus
                                          : Literals::synchronizing,
                        kUnaskedLiteral);
}

void Session::take_namespace(const NamespaceResponse& answer) {
  if (!answer.personal.empty()) {
    naming_.prefix = answer.personal.front().prefix;
    if (answer.personal.front().separator) naming_.separator = answer.personal.front().separator;
  }
  foreign_prefixes_.clear();
  for (const auto* group : {&answer.others, &answer.shared}) {
    for (const auto& entry : *group) {
      if (!entry.prefix.empty() && entry.prefix != naming_.prefix) foreign_prefixes_.push_back(entry.prefix);
    }
  }
}

/// One round trip for all there is to know. Capabilities are asked again: those before login are another list, and some
/// proxies (iCloud) say them wrongly in the answer to a login.
Status Session::learn() {
  std::vector<Command> commands;
  commands.emplace_back("CAPABILITY");
  // NetEase lets nobody in who has not said its name (quirk 43). ID where it is not known is answered by BAD.
  if (has("ID") || !has("IMAP4REV2")) {
    commands.emplace_back("ID");
    commands.back().raw(R"( ("name" "mailhaul"))");
  }
  if (!quirks_.skip_namespace) commands.emplace_back("NAMESPACE");
  commands.emplace_back("LIST");
  commands.back().raw(R"( "" "")");
  MH_TRY(const auto responses, run_all(std::move(commands), [this](Response response) -> Status {
           if (auto* id = std::get_if<IdResponse>(&response)) id_ = std::move(id->fields);
           if (const auto* names = std::get_if<NamespaceResponse>(&response)) take_namespace(*names);
           // LIST "" "" tells the separator alone (RFC 9051 6.3.9); where NAMESPACE is missing or wrong it is all there
           // is.
           if (const auto* list = std::get_if<ListResponse>(&response); list != nullptr && !naming_.separator)
             naming_.separator = list->separator;
           return {};
         }));
  quirks_ = quirks_of(greeting_is_void_ ? std::string_view() : greeting_, id_, place_);
  if (capabilities_.empty()) return nonsense("tells no capabilities");
  return {};
}

/// RFC 4978. Behind the login, so that no secret shares a compressed stream with what others can choose.
Status Session::compress() {
  if (access_.compress == store::Compress::off) return {};
  const bool must = access_.compress == store::Compress::on;
  if (!has("COMPRESS=DEFLATE"))
    return must ? die(no_compression(place_ + " does not offer compression (COMPRESS=DEFLATE)")) : Status();
  Command command("COMPRESS");
  command.raw(" DEFLATE").begins_compression();
  MH_TRY(const auto response, run(std::move(command)));
  if (response.condition != Condition::ok)
    return must ? die(no_compression(place_ + " refused to compress: " + visible(response.text))) : Status();
  const std::string behind = client_->take_behind();
  auto compressed = net::compress(std::move(connection_), place_, services_.clock, as_octets(behind));
  if (!compressed.ok()) return die(std::move(compressed).error());
  connection_ = std::move(compressed).value();
  if (services_.trace != nullptr)
    services_.trace->line(access_.name, store::Trace::Way::remark, "compressed from here on, both ways (DEFLATE)");
  return {};
}

}  // namespace mailhaul::imap
