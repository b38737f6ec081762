// The way out: commands become octets as the socket takes them and the server asks for their literals.
#include <algorithm>

#include "base/strings.hpp"
#include "plugins/imap/protocol/client.hpp"

namespace mailhaul::imap {

namespace {

/// What output() gives at once; also how far literals are read ahead.
constexpr std::size_t kPiece = std::size_t{256} << 10U;

Error literal_failed(Error error) {
  error.scope = Scope::session;
  error.retry = Retry::later;
  return error;
}

Error wrong_size(std::uint64_t size) {
  return make_error(ErrorKind::message, Scope::session,
                    "a message that was to have " + std::to_string(size) + " octets has another size now", {},
                    Retry::later);
}

}  // namespace

Client::Flight* Client::writing() {
  const auto at = std::find_if(flight_.begin(), flight_.end(), [](const Flight& flight) { return !flight.written; });
  return at == flight_.end() ? nullptr : &*at;
}

void Client::put(std::string_view octets) {
  buffer_ += octets;
  stream_ += octets.size();
}

void Client::put_secret(std::string_view octets) {
  // Room first: a buffer that grows later leaves a copy behind.
  buffer_.reserve(std::max(buffer_.size() + octets.size(), kPiece) + 1024);
  buffer_is_secret_ = true;
  put(octets);
}

void Client::drop_sent() {
  if (buffer_sent_ < buffer_.size()) return;
  if (buffer_is_secret_) {
    for (volatile char& c : buffer_) c = 0;
    buffer_is_secret_ = false;
  }
  buffer_.clear();
  buffer_sent_ = 0;
}

void Client::note(std::string_view text) {
  if (trace_) trace_line_ += text;
}

void Client::end_note() {
  if (!trace_) return;
  trace_(true, trace_line_);
  trace_line_.clear();
}

Result<Octets> Client::output() {
  if (failed_) return *failed_;
  drop_sent();
  if (buffer_.empty()) {
    if (auto status = fill(); !status) {
      failed_ = std::move(status).error();
      return *failed_;
    }
  }
  const std::string_view rest = std::string_view(buffer_).substr(buffer_sent_);
  return as_octets(rest.substr(0, kPiece));
}

void Client::sent(std::size_t octets) {
  buffer_sent_ += std::min(octets, buffer_.size() - buffer_sent_);
  drop_sent();
}

Status Client::fill() {
  while (buffer_.size() < kPiece) {
    if (filler_ > 0 || owes_line_end_) {
      put_filler();
      continue;
    }
    Flight* const flight = writing();
    if (flight == nullptr || (flight->waits && !flight->go)) break;
    MH_CHECK(put_command(*flight));
  }
  return {};
}

/// Blanks: whatever the server takes them for, they are no command and no message.
void Client::put_filler() {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(filler_, kPiece));
  buffer_.append(count, ' ');
  stream_ += count;
  filler_ -= count;
  if (filler_ > 0) return;
  put("\r\n");
  owes_line_end_ = false;
}

/// As far as there is room and the server lets us.
Status Client::put_command(Flight& flight) {
  if (!flight.begun) {
    flight.begun = true;
    flight.begin = stream_;
    put(flight.tag + " ");
    note(flight.tag + " ");
  }
  auto& parts = flight.command.parts();
  for (; flight.part < parts.size(); ++flight.part) {
    Command::Part& part = parts[flight.part];
    switch (part.kind) {
      case Command::Part::Kind::text:
        put(part.text);
        note(part.text);
        break;
      case Command::Part::Kind::secret:
        put_secret(part.hidden.reveal());
        note("<secret>");
        break;
      case Command::Part::Kind::literal:
        MH_CHECK(put_literal(flight, part));
        if (flight.announced) return {};  // it goes on later
        break;
    }
  }
  put("\r\n");
  end_note();
  flight.written = true;
  flight.end = stream_;
  parts.clear();  // secrets and readers are needed no longer
  return {};
}

void Client::announce(Flight& flight, const Command::Part& part) {
  const bool asks = literals_ == Literals::synchronizing || part.size > most_;
  std::string text = part.binary ? "~{" : "{";
  text += std::to_string(part.size);
  text += asks ? "}" : "+}";
  put(text);
  put("\r\n");
  note(part.is_secret ? "<secret>" : text);
  end_note();
  flight.announced = true;
  flight.waits = asks;
  flight.go = false;
  flight.part_done = 0;
  flight.asked = stream_;
}

Status Client::put_literal(Flight& flight, Command::Part& part) {
  if (!flight.announced) announce(flight, part);
  if (flight.waits && !flight.go) return {};
  if (part.is_secret) put_secret({});
  while (flight.part_done < part.size) {
    if (buffer_.size() >= kPiece) return {};
    const std::size_t before = buffer_.size();
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(part.size - flight.part_done, kPiece - before));
    buffer_.resize(before + count);
    auto read = part.reader(std::as_writable_bytes(std::span(buffer_)).subspan(before, count));
    const std::size_t got = read ? std::min(*read, count) : 0;
    buffer_.resize(before + got);
    if (!read) return literal_failed(std::move(read).error());
    if (got == 0) return wrong_size(part.size);
    flight.part_done += got;
    stream_ += got;
  }
  // Nothing may be left: a message cut short would be stored as if it were whole.
  std::byte more{};
  auto read = part.reader(std::span(&more, 1));
  if (!read) return literal_failed(std::move(read).error());
  if (*read != 0) return wrong_size(part.size);
  note(part.is_secret ? "<secret>" : "<" + std::to_string(part.size) + " octets>");
  flight.announced = flight.waits = flight.go = false;
  return {};
}

/// The server has refused `flight` while we were writing it. A literal that was announced and may not be withheld any
/// more is filled up, as its size was told; its reader is the caller's and may be gone from now on.
void Client::abandon(Flight& flight) {
  if (!flight.announced || (flight.waits && !flight.go)) return;
  filler_ = flight.command.parts()[flight.part].size - flight.part_done;
  owes_line_end_ = true;
  note("<" + std::to_string(filler_) + " octets of filler>");
  end_note();
}

}  // namespace mailhaul::imap
