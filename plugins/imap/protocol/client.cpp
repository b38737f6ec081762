// What the client hears and decides; what it sends is in client_output.cpp.
#include "plugins/imap/protocol/client.hpp"

#include <algorithm>
#include <array>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::imap {

namespace {

Error breach(std::string what) {
  return make_error(ErrorKind::security, Scope::session, std::move(what),
                    "this is either an attack on the connection or a broken server");
}

Error bug(std::string what) { return make_error(ErrorKind::bug, Scope::run, std::move(what)); }

bool is_authenticate(const Command& command) { return equals_ignoring_case(command.verb(), "AUTHENTICATE"); }

/// The finalizer of SplitMix64.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EB;
  return value ^ (value >> 31U);
}

/// Six letters and digits from the seed, then the number: none equals another, and none tells the next one (threat 4).
std::string make_tag(std::uint64_t seed, CommandId id) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const std::uint64_t noise = mix(seed ^ mix(id));
  std::string tag;
  for (unsigned i = 0; i < 6; ++i) tag += kLetters[(noise >> (5 * i)) % (i == 0 ? 26 : 32)];
  return tag + std::to_string(id);
}

/// What may come before TLS and does nothing (threat 6).
bool is_harmless(const Response& response) {
  if (std::holds_alternative<CapabilityResponse>(response)) return true;
  const auto* const status = std::get_if<StatusResponse>(&response);
  return status != nullptr && status->condition != Condition::preauth;
}

std::optional<std::uint64_t> number_behind(std::string_view line, std::string_view word) {
  const std::size_t at = line.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(at + word.size());
  return parse_uint(rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size())));
}

BodyHead body_head_of(std::string_view line) {
  BodyHead head;
  if (!line.ends_with('}')) return head;
  head.origin = number_behind(line, "BODY[]<");
  auto uid = number_behind(line, "(UID ");
  if (!uid) uid = number_behind(line, " UID ");
  if (uid && *uid != 0 && *uid <= 0xFFFF'FFFF) head.uid = static_cast<Uid>(*uid);
  return head;
}

}  // namespace

/// The parser's sink for the time of one feed.
class Client::Route final : public ResponseSink {
 public:
  Route(Client& client, ClientSink& sink) : client_(client), sink_(sink) {}

  Status on_response(Response response) override {
    if (client_.plaintext_over_) return injected();
    if (!client_.greeted_) return greet(response);
    if (const auto* tagged = std::get_if<TaggedResponse>(&response)) return finish(*tagged);
    if (client_.plaintext_rules_ && !is_harmless(response)) return breach("the server said too much before encryption");
    if (const auto* plus = std::get_if<ContinuationRequest>(&response)) return go_on(*plus);
    if (const auto* status = std::get_if<StatusResponse>(&response)) note_bye(*status);
    return sink_.on_untagged(client_.oldest(), std::move(response));
  }

  Status on_body_begin(std::uint64_t size) override {
    if (client_.plaintext_over_) return injected();
    if (!client_.greeted_) return no_greeting();
    if (client_.plaintext_rules_) return breach("the server sent a message before encryption");
    return sink_.on_body_begin(client_.oldest(), size);
  }
  Status on_body(Octets octets) override {
    bodies_ += octets.size();
    return sink_.on_body(client_.oldest(), octets);
  }
  Status on_body_end() override { return sink_.on_body_end(client_.oldest()); }

  void on_line(std::optional<std::uint64_t> literal, std::string_view line) override {
    client_.body_head_ = body_head_of(line);
    if (!client_.trace_) return;
    const bool is_challenge = line.starts_with('+') && !literal && !client_.flight_.empty() &&
                              is_authenticate(client_.flight_.front().command);
    if (is_challenge) {
      client_.trace_(false, "+ <secret>");
    } else if (literal) {
      client_.trace_(false, "<" + std::to_string(*literal) + " octets>" + std::string(line));
    } else {
      client_.trace_(false, line);
    }
  }

  [[nodiscard]] std::uint64_t bodies() const { return bodies_; }

 private:
  static Error injected() { return breach("the server sent something between its OK to STARTTLS and the encryption"); }
  static Error no_greeting() {
    return make_error(ErrorKind::unreachable, Scope::session, "the server did not begin with an IMAP greeting", {},
                      Retry::later);
  }

  void note_bye(const StatusResponse& status) {
    // Yandex repeats it without end (MailKit #938): the first one counts.
    if (status.condition != Condition::bye || !client_.bye_.empty()) return;
    client_.bye_ = status.text.empty() ? "BYE" : status.text;
  }

  Status greet(const Response& response) {
    const auto* const greeting = std::get_if<StatusResponse>(&response);
    const bool good =
        greeting != nullptr && greeting->condition != Condition::no && greeting->condition != Condition::bad;
    if (!good) return no_greeting();
    client_.greeted_ = true;
    client_.logged_in_ = greeting->condition == Condition::preauth;
    note_bye(*greeting);
    return sink_.on_greeting(*greeting);
  }

  Status go_on(const ContinuationRequest& request) {
    Flight* const flight = client_.writing();
    if (flight != nullptr && flight->waits && !flight->go && flight->asked <= client_.position()) {
      flight->go = true;
      return {};
    }
    if (!client_.flight_.empty()) {
      const Flight& oldest = client_.flight_.front();
      if (is_authenticate(oldest.command) && client_.has_left(oldest)) {
        client_.challenged_ = true;
        return sink_.on_challenge(oldest.id, request.text);
      }
    }
    // For IDLE and its like; Exchange sends some without reason (MailKit #852).
    return sink_.on_untagged(client_.oldest(), request);
  }

  Status finish(const TaggedResponse& tagged) {
    const auto at = std::find_if(client_.flight_.begin(), client_.flight_.end(),
                                 [&](const Flight& flight) { return flight.tag == tagged.tag; });
    if (at == client_.flight_.end()) return breach("the server answered a command that was not given");
    const bool refused = tagged.condition != Condition::ok;
    if (!client_.has_left(*at)) {
      const bool any = at->begun && at->begin < client_.position();
      if (!any || !refused) return breach("the server answered " + at->command.verb() + " before it was sent");
      if (!at->written) client_.abandon(*at);
    }
    if (at->command.is_ending_plaintext() && !refused) client_.plaintext_over_ = true;
    if (at->command.is_beginning_compression() && !refused) client_.compressed_now_ = true;
    if (at->command.is_alone() && !at->command.is_ending_plaintext() && !refused) client_.logged_in_ = true;
    if (at->command.is_alone()) client_.challenged_ = false;
    client_.unasked_ = 0;
    const CommandId id = at->id;
    client_.flight_.erase(at);
    return sink_.on_done(id, tagged);
  }

  Client& client_;
  ClientSink& sink_;
  std::uint64_t bodies_ = 0;
};

Client::Client(const Limits& limits, std::uint64_t tag_seed, ProtocolTrace trace)
    : limits_(limits), parser_(limits), trace_(std::move(trace)), tag_seed_(tag_seed) {}

void Client::set_literals(Literals kind, std::uint64_t most) {
  literals_ = kind;
  most_ = kind == Literals::minus ? std::min<std::uint64_t>(most, 4096) : most;  // RFC 7888 section 5
}

void Client::begin_tls() {
  parser_ = ResponseParser(limits_);
  plaintext_over_ = false;
  bye_.clear();
  set_literals(Literals::synchronizing, 0);
  unasked_ = 0;
}

std::string Client::take_behind() {
  compressed_now_ = false;
  return std::exchange(behind_, {});
}

Result<CommandId> Client::start(Command command) {
  MH_CHECK(command.check());
  const bool alone = command.is_alone() && !flight_.empty();
  const bool behind =
      std::any_of(flight_.begin(), flight_.end(), [](const Flight& flight) { return flight.command.is_alone(); });
  if (alone || behind) return bug(command.verb() + " was started beside a command that must be alone");
  if (plaintext_over_) return bug(command.verb() + " was started between STARTTLS and the encryption");
  if (compressed_now_) return bug(command.verb() + " was started between COMPRESS and the compression");
  ++last_;
  flight_.emplace_back(last_, make_tag(tag_seed_, last_), std::move(command));
  return last_;
}

Status Client::respond(const Secret& line) {
  if (!challenged_) return bug("an answer without a challenge");
  if (line.reveal().find_first_of("\r\n") != std::string_view::npos) return bug("an answer of more than one line");
  challenged_ = false;
  put_secret(line.reveal());
  note("<secret>");
  put("\r\n");
  end_note();
  flight_.front().end = stream_;
  return {};
}

bool Client::is_in_flight(CommandId id) const {
  return std::any_of(flight_.begin(), flight_.end(), [&](const Flight& flight) { return flight.id == id; });
}

Departed Client::departed(CommandId id) const {
  const auto at = std::find_if(flight_.begin(), flight_.end(), [&](const Flight& flight) { return flight.id == id; });
  if (at == flight_.end() || has_left(*at)) return Departed::all;
  return at->begun && at->begin < position() ? Departed::part : Departed::nothing;
}

bool Client::is_changing_layers() const {
  if (flight_.empty()) return false;
  const Command& oldest = flight_.front().command;
  return oldest.is_ending_plaintext() || oldest.is_beginning_compression();
}

Status Client::stop(Error error) {
  failed_ = std::move(error);
  return *failed_;
}

Status Client::feed(Octets octets, ClientSink& sink) {
  Route route(*this, sink);
  const bool counted_before = counts_unasked();
  if (counted_before) unasked_ += octets.size();
  MH_CHECK(parser_.feed(octets, route));
  // Bodies are asked for, unless no command is there that could have done so.
  if (counted_before && !flight_.empty()) unasked_ -= std::min(unasked_, route.bodies());
  if (unasked_ > limits_.unasked) {
    return breach("the server sends without being asked (limit " + std::to_string(limits_.unasked) + " octets)");
  }
  return {};
}

Status Client::receive(Octets octets, ClientSink& sink) {
  if (failed_) return *failed_;
  if (compressed_now_) return stop(bug("octets were received between COMPRESS and the compression"));
  while (!octets.empty()) {
    if (compressed_now_) {
      behind_ = as_text(octets);
      return {};
    }
    if (plaintext_over_) return stop(breach("the server sent something between its OK to STARTTLS and the encryption"));
    // Line by line then: not even half a line may follow the OK to STARTTLS (threat 3), and what follows that to
    // COMPRESS is no line.
    std::size_t count = octets.size();
    if (is_changing_layers()) count = std::min(as_text(octets).find('\n'), octets.size() - 1) + 1;
    if (auto status = feed(octets.first(count), sink); !status) return stop(std::move(status).error());
    octets = octets.subspan(count);
  }
  return {};
}

}  // namespace mailhaul::imap
