#include "plugins/pop3/protocol/client.hpp"

#include <algorithm>
#include <cstring>

namespace mailhaul::pop3 {

namespace {

constexpr std::size_t kMostOutput = 64U << 10U;  // of queued commands at once

Error breach(std::string what) {
  return make_error(ErrorKind::security, Scope::session, std::move(what),
                    "this is either an attack on the connection or a broken server");
}

Error endless() {
  Error error = breach("the server sent a message without end");
  error.retry = Retry::later;
  return error;
}

Error nonsense(std::string what) {
  return make_error(ErrorKind::unreachable, Scope::session, std::move(what),
                    "the server's answer makes no sense; try again, and report it with --trace FILE", Retry::later);
}

Error bug(std::string what) { return make_error(ErrorKind::bug, Scope::run, std::move(what)); }

bool breaks_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

void wipe(std::string& text) {
  for (volatile char& c : text) c = 0;
  text.clear();
}

}  // namespace

Status Command::check() const {
  if (!breaks_line(text_) && !(secret_ && breaks_line(secret_->reveal()))) return {};
  return make_error(ErrorKind::usage, Scope::session, "the user name or the password holds a line end or a NUL",
                    "POP3 cannot send that");
}

Client::~Client() {
  if (buffer_is_secret_) wipe(buffer_);
}

void Client::begin_tls() {
  plaintext_over_ = false;
  farewell_.clear();
}

Result<CommandId> Client::start(Command command) {
  MH_CHECK(command.check());
  const bool behind =
      std::any_of(flight_.begin(), flight_.end(), [](const Flight& flight) { return flight.command.is_alone(); });
  if ((command.is_alone() && !flight_.empty()) || behind)
    return bug(command.text() + " was started beside a command that must be alone");
  if (plaintext_over_) return bug(command.text() + " was started between STLS and the encryption");
  flight_.push_back({++last_, std::move(command), false});
  return last_;
}

Status Client::respond(const Secret& line) {
  if (!challenged_) return bug("an answer without a challenge");
  if (breaks_line(line.reveal())) return bug("an answer of more than one line");
  challenged_ = false;
  ++responses_;
  buffer_is_secret_ = true;
  buffer_.reserve(buffer_.size() + line.size() + 2);
  put(line.reveal());
  put("\r\n");
  note(true, "<secret>");
  return {};
}

void Client::put(std::string_view octets) { buffer_ += octets; }

void Client::fill() {
  // A greeting comes first: who talks before it cannot tell it from an answer.
  if (!greeted_) return;
  for (auto& flight : flight_) {
    if (buffer_.size() >= kMostOutput) return;
    if (!flight.written) {
      if (!pipelining_ && &flight != &flight_.front()) return;
      put(flight.command.text());
      std::string shown = flight.command.text();
      if (const auto& secret = flight.command.secret()) {
        // Room at once: no half of it is left behind in memory that was given back.
        buffer_.reserve(buffer_.size() + secret->size() + 3);
        buffer_is_secret_ = true;
        put(" ");
        put(secret->reveal());
        shown += " <secret>";
      }
      put("\r\n");
      flight.written = true;
      note(true, shown);
    }
  }
}

Octets Client::output() {
  if (!failed_) fill();
  return as_octets(std::string_view(buffer_).substr(buffer_sent_));
}

void Client::sent(std::size_t octets) {
  buffer_sent_ += octets;
  if (buffer_sent_ < buffer_.size()) return;
  if (buffer_is_secret_) wipe(buffer_);
  buffer_.clear();
  buffer_sent_ = 0;
  buffer_is_secret_ = false;
}

Status Client::stop(Error error) {
  failed_ = std::move(error);
  return *failed_;
}

Status Client::receive(Octets octets, ClientSink& sink) {
  if (failed_) return *failed_;
  while (!octets.empty()) {
    if (plaintext_over_) return stop(breach("the server sent something between its OK to STLS and the encryption"));
    const bool is_message = in_answer_ && flight_.front().command.answer() == Answer::message;
    auto taken = is_message ? take_message(octets, sink) : take_line(octets, sink);
    if (!taken.ok()) return stop(std::move(taken).error());
    octets = octets.subspan(*taken);
  }
  return {};
}

Result<std::size_t> Client::take_line(Octets in, ClientSink& sink) {
  const std::string_view text = as_text(in);
  const std::size_t end = text.find('\n');
  const std::size_t count = end == text.npos ? text.size() : end + 1;
  if (line_.size() + count > limits_.line + 2) return breach("the server sent a line without end");
  if (end == text.npos) {
    line_ += text;
    return count;
  }
  // LF alone ends a line too (bad-input 67).
  std::string_view line = text.substr(0, end);
  if (!line_.empty()) {
    line_ += line;
    line = line_;
  }
  crlf_ = line.ends_with('\r');
  if (crlf_) line.remove_suffix(1);
  MH_CHECK(on_text(line, sink));
  line_.clear();
  return count;
}

Result<std::size_t> Client::take_message(Octets in, ClientSink& sink) {
  const CommandId id = flight_.front().id;
  MH_TRY(const std::size_t taken, dots_.feed(in, [&](Octets octets) {
           body_ += octets.size();
           if (body_ > limits_.body) return Status(endless());
           return sink.on_octets(id, octets);
         }));
  if (dots_.done()) {
    note(false, "<" + std::to_string(body_) + " octets>");
    after_message_ = true;
    MH_CHECK(finish(sink));
  }
  return taken;
}

Status Client::on_text(std::string_view line, ClientSink& sink) {
  if (in_answer_) return listing_line(line, sink);
  if (!greeted_) {
    note(false, line);
    const auto greeting = parse_reply(line);
    if (!greeting) return nonsense("the server did not begin with a POP3 greeting");
    greeted_ = true;
    return sink.on_greeting(*greeting);
  }
  if (flight_.empty() || !flight_.front().written) return unasked(line);
  return status_line(line, sink);
}

Status Client::unasked(std::string_view line) {
  note(false, line);
  const auto reply = parse_reply(line);
  if (reply && !reply->ok) {
    if (farewell_.empty()) farewell_ = reply->text.empty() ? "-ERR" : reply->text;
    return {};
  }
  // The end was none: a line of one dot that stood in the message (bad-input 63).
  if (after_message_) return nonsense("the server went on after the end of a message");
  return breach("the server answered what was not asked");
}

Status Client::status_line(std::string_view line, ClientSink& sink) {
  Flight& flight = flight_.front();
  const bool in_login = flight.command.answer() == Answer::login;
  if (in_login) {
    if (const auto challenge = parse_challenge(line)) {
      note(false, "+ <secret>");
      challenged_ = true;
      return sink.on_challenge(flight.id, *challenge);
    }
  }
  note(false, line);
  auto reply = parse_reply(line);
  if (!reply) return nonsense("the server answered with what is no POP3");
  if (in_login && reply->ok && responses_ < flight.command.responses()) {
    challenged_ = true;
    return sink.on_challenge(flight.id, {});
  }
  reply_ = std::move(*reply);
  after_message_ = false;
  challenged_ = false;
  responses_ = 0;
  const Answer answer = flight.command.answer();
  if (!reply_.ok || answer == Answer::line || in_login) return finish(sink);
  in_answer_ = true;
  dots_ = DotReader(crlf_);
  body_ = lines_ = listing_ = 0;
  return sink.on_begin(flight.id, reply_);
}

Status Client::listing_line(std::string_view line, ClientSink& sink) {
  note(false, line);
  if (line == ".") return finish(sink);
  if (line.starts_with("..")) line.remove_prefix(1);
  listing_ += line.size();
  if (++lines_ > limits_.lines || listing_ > limits_.listing) return breach("the server sent a listing without end");
  return sink.on_line(flight_.front().id, line);
}

Status Client::finish(ClientSink& sink) {
  in_answer_ = false;
  const Flight flight = std::move(flight_.front());
  flight_.pop_front();
  if (flight.command.is_ending_plaintext() && reply_.ok) plaintext_over_ = true;
  const Reply reply = std::move(reply_);
  return sink.on_done(flight.id, reply);
}

}  // namespace mailhaul::pop3
