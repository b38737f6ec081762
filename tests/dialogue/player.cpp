#include "dialogue/player.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::dialogue {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLoggedLines = 14;

bool holds_password(std::string_view line) {
  if (line.find(kPassword) != std::string_view::npos) return true;
  const auto words = split(line, ' ');
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    const auto octets = from_base64(word);
    return octets && octets->find(kPassword) != std::string::npos;
  });
}

std::string shown(std::string_view octets) { return visible(octets, 300); }

/// What changes a mailbox, or takes it back, and TOP, which servers answer as they like (quirk 72): never, whatever a
/// script expects.
bool is_forbidden_in_pop3(std::string_view line) {
  const std::string verb = to_lower_ascii(line.substr(0, line.find(' ')));
  return verb == "dele" || verb == "top" || verb == "rset";
}

}  // namespace

/// What the store holds; all of it is the player's.
class ScriptedConnection final : public net::Connection {
 public:
  explicit ScriptedConnection(Player& player) : player_(player) {}
  Result<net::Step> step(Octets out, milliseconds wait) override { return player_.step(out, wait); }
  Status start_tls(const net::TlsOptions&, milliseconds) override { return player_.start_tls(); }
  [[nodiscard]] std::string tls() const override { return player_.has_tls_ ? "TLSv1.3 SCRIPTED" : ""; }
  [[nodiscard]] bool is_tunnel() const override { return player_.is_tunnel_; }
  [[nodiscard]] bool is_loopback() const override { return player_.script_.get("loopback") == "yes"; }
  [[nodiscard]] std::string peer() const override { return "192.0.2.1:993"; }
  void shut_down() override {}

 private:
  Player& player_;
};

Result<std::unique_ptr<net::Connection>> Player::dial(const net::Destination& destination) {
  if (!complaint_.empty()) return dead();
  place_ = destination.host + ":" + std::to_string(destination.port);
  has_tls_ = destination.tls.has_value();
  is_tunnel_ = !destination.tunnel.empty();
  is_private_ = has_tls_ || is_tunnel_;
  end_ = End::open;
  to_client_.clear();
  line_said_.clear();
  tags_.clear();
  log_.emplace_back("-- a connection --");
  return std::unique_ptr<net::Connection>(std::make_unique<ScriptedConnection>(*this));
}

const Event* Player::current() const { return at_ < allowed_ ? &script_.events[at_] : nullptr; }

Error Player::dead() const {
  return make_error(ErrorKind::bug, Scope::run, "the dialogue went wrong");  // complaint() says how
}

Result<net::Step> Player::step(Octets out, milliseconds wait) {
  if (!complaint_.empty()) return dead();
  net::Step step;
  const std::size_t most = pieces_ == Pieces::octets ? std::min<std::size_t>(out.size(), 1) : out.size();
  offered_ = out.size();
  if (is_open()) play(out.first(most), step.sent);
  if (!complaint_.empty()) return dead();
  if (!to_client_.empty()) {
    const std::size_t count = pieces_ == Pieces::octets ? 1 : to_client_.size();
    lent_ = to_client_.substr(0, count);
    to_client_.erase(0, count);
    step.received = as_octets(lent_);
    return step;
  }
  if (step.sent > 0) return step;
  if (end_ == End::hung_up) {
    step.closed = true;
    return step;
  }
  if (end_ == End::reset)
    return make_error(ErrorKind::unreachable, Scope::session, place_ + ": connection reset", {}, Retry::later);
  idle(out, wait);
  if (!complaint_.empty()) return dead();
  return step;
}

/// As far as the script goes with what the client has to say. What it does not want is not taken: the octets wait in
/// the client, as if the line were full.
void Player::play(Octets out, std::size_t& taken) {
  while (complaint_.empty() && is_open()) {
    const Event* const event = current();
    if (event == nullptr) {
      if (!take_goodbye(out, taken)) return;
      continue;
    }
    switch (event->kind) {
      case Event::Kind::client:
        if (!take_from_client(*event, out, taken)) return;
        break;
      case Event::Kind::client_any_order:
        if (!take_any_order(out, taken)) return;
        break;
      case Event::Kind::server:
        if (offered_ > taken && script_.get("lockstep") == "yes")
          fail(event, "the client says more before it has heard the answer", out.subspan(taken));
        say(*event);
        ++at_;
        break;
      case Event::Kind::wait:
      case Event::Kind::tls:
        return;
      case Event::Kind::hang_up:
      case Event::Kind::reset:
        if (!to_client_.empty()) return;
        end_ = event->kind == Event::Kind::reset ? End::reset : End::hung_up;
        log_.push_back(event->source);
        ++at_;
        return;
    }
  }
}

/// False when more octets are needed.
bool Player::take_from_client(const Event& event, Octets out, std::size_t& taken) {
  const std::string_view text = as_text(out);
  while (taken < text.size()) {
    const char octet = text[taken];
    if (!match(event, octet)) {
      fail(&event, "the client said something else", out.subspan(taken));
      return false;
    }
    ++taken;
    heard_ += octet;
    listen({&octet, 1});
    const bool parts_done = part_ == event.parts.size();
    if (!parts_done || (event.line_end && line_end_done_ < 2)) continue;
    finish_client_event(event);
    return true;
  }
  return false;
}

bool Player::expect_text(const std::string& text, char octet) {
  if (text[part_done_] != octet) return false;
  if (++part_done_ == text.size()) {
    ++part_;
    part_done_ = 0;
  }
  return true;
}

/// One octet of the client against the event. Parts of no octets do not exist.
bool Player::match(const Event& event, char octet) {
  if (part_ == event.parts.size()) {
    const bool fits = event.line_end && octet == "\r\n"[line_end_done_];
    if (fits) ++line_end_done_;
    return fits;
  }
  const Part& part = event.parts[part_];
  switch (part.kind) {
    case Part::Kind::text:
      return expect_text(part.text, octet);
    case Part::Kind::octets:
      if (++part_done_ == part.octets) {
        ++part_;
        part_done_ = 0;
      }
      return true;
    case Part::Kind::any:
      if (octet != '\r') return true;
      ++part_;
      return match(event, octet);
    case Part::Kind::tag:
      if (octet != ' ') return octet != '\r' && octet != '\n';
      tags_[part.text] = heard_;
      ++part_;
      return match(event, octet);
  }
  return false;
}

void Player::finish_client_event(const Event& event) {
  log_.push_back("C: " + shown(trim(heard_)) + (event.line_end ? "" : " (no line end)"));
  heard_.clear();
  part_ = part_done_ = line_end_done_ = 0;
  ++at_;
}

/// A run of C* lines, whole lines in any order.
bool Player::take_any_order(Octets out, std::size_t& taken) {
  std::size_t end = at_;
  while (end < allowed_ && script_.events[end].kind == Event::Kind::client_any_order) ++end;
  ticked_.resize(end - at_);
  const std::string_view rest = as_text(out).substr(taken);
  const std::size_t line_end = std::min(rest.find('\n'), rest.size() - 1) + 1;
  if (rest.empty()) return false;
  any_order_ += rest.substr(0, line_end);
  listen(rest.substr(0, line_end));
  taken += line_end;
  if (!any_order_.ends_with("\r\n")) return true;
  const std::string_view line = std::string_view(any_order_).substr(0, any_order_.size() - 2);
  for (std::size_t i = 0; i < ticked_.size(); ++i) {
    const Event& event = script_.events[at_ + i];
    std::string pattern;
    for (const Part& part : event.parts) pattern += part.kind == Part::Kind::text ? part.text : "*";
    if (ticked_[i] || !glob_match(pattern, line)) continue;
    ticked_[i] = true;
    if (!event.parts.empty() && event.parts.front().kind == Part::Kind::tag)
      tags_[event.parts.front().text] = std::string(line.substr(0, line.find(' ')));
    log_.push_back("C: " + shown(line));
    any_order_.clear();
    break;
  }
  if (!any_order_.empty()) {
    fail(&script_.events[at_], "the client said what is none of the C* lines", as_octets(any_order_));
    return false;
  }
  if (std::all_of(ticked_.begin(), ticked_.end(), [](bool ticked) { return ticked; })) {
    at_ = end;
    ticked_.clear();
  }
  return true;
}

/// LOGOUT and QUIT need no line of the script: every store that is well says it before it goes.
bool Player::take_goodbye(Octets out, std::size_t& taken) {
  const std::string_view rest = as_text(out).substr(taken);
  if (rest.empty()) return false;
  line_said_ += rest;
  if (script_.is_pop3()) {
    if (!std::string_view("QUIT\r\n").starts_with(line_said_)) {
      line_said_.resize(line_said_.size() - rest.size());
      return false;
    }
    taken += rest.size();
    if (line_said_.ends_with('\n')) to_client_ += "+OK goodbye\r\n";
    return true;
  }
  const std::size_t blank = line_said_.find(' ');
  const std::string_view verb = blank == std::string::npos ? "" : std::string_view(line_said_).substr(blank + 1);
  const bool may_become =
      blank == std::string::npos ? line_said_.size() < 12 : std::string_view("LOGOUT\r\n").starts_with(verb);
  if (!may_become) {
    line_said_.resize(line_said_.size() - rest.size());
    return false;
  }
  taken += rest.size();
  return true;
}

void Player::say(const Event& event) {
  std::string line;
  for (const Part& part : event.parts) {
    if (part.kind == Part::Kind::text) line += part.text;
    if (part.kind == Part::Kind::any) line += "<any>";
    if (part.kind == Part::Kind::octets) line += std::string(part.octets, 'x');
    if (part.kind != Part::Kind::tag) continue;
    const auto tag = tags_.find(part.text);
    if (tag == tags_.end()) fail(&event, "no client's line has bound the tag $" + part.text);
    line += tag == tags_.end() ? "unbound" : tag->second;
  }
  log_.push_back("S: " + shown(line));
  to_client_ += line;
  if (event.line_end) to_client_ += "\r\n";
}

/// Nothing can be done in this turn. Time passes where the script says so; elsewhere two wait for each other.
void Player::idle(Octets out, milliseconds wait) {
  const Event* const event = current();
  if (event != nullptr && event->kind == Event::Kind::wait) {
    const milliseconds some = std::min(wait, event->wait - waited_);
    clock_.pass(some);
    waited_ += some;
    if (waited_ < event->wait) return;
    log_.push_back(event->source);
    waited_ = milliseconds(0);
    ++at_;
    return;
  }
  if (wait.count() == 0) return;
  if (event == nullptr)
    fail(nullptr,
         out.empty() ? "the client waits for more than the script says" : "the client goes on where the script ends",
         out);
  else if (event->kind == Event::Kind::tls)
    fail(event, out.empty() ? "TLS was to start, but the client waits" : "TLS was to start, but the client talks", out);
  else
    fail(event, "the client says nothing more and waits");
}

Status Player::start_tls() {
  if (!complaint_.empty()) return dead();
  if (has_tls_) return make_error(ErrorKind::bug, Scope::run, "TLS was already on");
  std::size_t none = 0;
  offered_ = 0;
  play({}, none);
  const Event* const event = current();
  if (!to_client_.empty()) {
    // What was said in plain text is no handshake: so any TLS library ends.
    return make_error(ErrorKind::security, Scope::run, place_ + ": the TLS handshake failed: wrong version number");
  }
  if (event == nullptr || event->kind != Event::Kind::tls) {
    fail(event, "the client starts TLS");
    return dead();
  }
  log_.push_back(event->source);
  ++at_;
  has_tls_ = is_private_ = true;
  return {};
}

/// Looks at all that the client says for what it must not say.
void Player::listen(std::string_view octets) {
  for (const char c : octets) {
    if (c != '\n') {
      // Messages may be long; no credential is.
      if (line_said_.size() < 65536) line_said_ += c;
      continue;
    }
    judge_line(trim(line_said_));
    line_said_.clear();
  }
}

void Player::judge_line(std::string_view line) {
  const auto limit = parse_uint(script_.get("line-limit"));
  if (limit && line_said_.size() > *limit)
    fail(current(), "the client's line has " + std::to_string(line_said_.size()) + " octets");
  if (script_.is_pop3() && is_forbidden_in_pop3(line))
    fail(current(), "the client said what it must never say", as_octets(line));
  if (!holds_password(line)) return;
  said_password_ = true;
  if (!is_private_ && script_.get("allow-plaintext") != "yes" && script_.get("loopback") != "yes")
    fail(current(), "the client said the password in plain text");
}

std::string Player::expected_text(const Event& event) const {
  std::string text;
  for (const Part& part : event.parts) {
    if (part.kind == Part::Kind::text) text += part.text;
    if (part.kind == Part::Kind::any) text += "<any>";
    if (part.kind == Part::Kind::octets) text += "<" + std::to_string(part.octets) + " octets>";
    if (part.kind != Part::Kind::tag) continue;
    text += "$" + part.text;
  }
  return text;
}

void Player::fail(const Event* event, const std::string& what, Octets out) {
  if (!complaint_.empty()) return;
  const int line = event != nullptr ? event->line : allowed_ == 0 ? 0 : script_.events[allowed_ - 1].line;
  complaint_ = script_.file + ":" + std::to_string(line) + ": " + what + "\n";
  if (event != nullptr && (event->kind == Event::Kind::client || event->kind == Event::Kind::client_any_order))
    complaint_ += "  expected  C: " + shown(expected_text(*event)) + "\n";
  else if (event != nullptr)
    complaint_ += "  script    " + event->source + "\n";
  const std::string_view rest = as_text(out);
  const std::string came = heard_ + std::string(rest.substr(0, rest.find('\n')));
  if (!came.empty()) complaint_ += "  came      C: " + shown(trim(came)) + "\n";
  complaint_ += "  before it\n";
  for (std::size_t i = log_.size() - std::min(log_.size(), kLoggedLines); i < log_.size(); ++i)
    complaint_ += "            " + log_[i] + "\n";
}

std::string Player::complaint() const {
  if (!complaint_.empty()) return complaint_;
  if (at_ >= allowed_) return {};
  const Event& event = script_.events[at_];
  std::string text = script_.file + ":" + std::to_string(event.line) +
                     ": the dialogue ended before this line\n  script    " + event.source + "\n  before it\n";
  for (std::size_t i = log_.size() - std::min(log_.size(), kLoggedLines); i < log_.size(); ++i)
    text += "            " + log_[i] + "\n";
  return text;
}

}  // namespace mailhaul::dialogue
