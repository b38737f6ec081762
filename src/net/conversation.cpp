#include "net/conversation.hpp"

#include <algorithm>
#include <utility>

#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

constexpr std::size_t kRoom = 256 * 1024;  // a system call a quarter MiB: 2,813 for 384 MiB where 16 KiB cost 49,000
constexpr std::chrono::milliseconds kFarewell{200};

}  // namespace

Conversation::Conversation(std::unique_ptr<Wire> wire, std::string place, TlsContexts& contexts, const Clock& clock,
                           const CancelToken& cancel)
    : wire_(std::move(wire)),
      place_(std::move(place)),
      contexts_(contexts),
      clock_(clock),
      cancel_(cancel),
      received_(kRoom) {}

Conversation::~Conversation() {
  if (tls_ && !dead_) flush(*tls_);  // octets that step() said are on their way
}

Error Conversation::dead(Error error) {
  dead_ = std::move(error).context(place_);
  return *dead_;
}

Result<Step> Conversation::step(Octets out, std::chrono::milliseconds wait) {
  if (dead_) return *dead_;
  if (late_error_) return dead(*std::move(late_error_));
  // Once a stop is asked for, nothing wakes early any more, but no wait is longer than a slice: so a caller that says
  // goodbye in order neither hangs nor spins.
  const bool stopping = cancel_.requested();
  const Deadline deadline = clock_.steady() + (stopping ? std::min(wait, kSlice) : wait);
  for (;;) {
    turn_sent_ = 0;
    auto turn = tls_ ? tls_turn(out) : plain_turn(out);
    if (!turn && turn_sent_ > 0) {
      // What has left is told first: whoever does not hear of it takes it for never sent, and sends it again.
      late_error_ = std::move(turn).error();
      Step step;
      step.sent = turn_sent_;
      return step;
    }
    if (!turn) return dead(std::move(turn).error());
    if (turn->sent > 0 || !turn->received.empty() || turn->closed) return turn;
    const bool has_output = !out.empty() || (tls_ && !tls_->outgoing().empty());
    const Wake wake = wait_until(clock_, stopping ? nullptr : &cancel_, deadline, interest(has_output));
    if (wake != Wake::ready) return Step{};
  }
}

Interest Conversation::interest(bool has_output) const {
  Interest both = wire_->descriptors();
  if (wire_ended_ || tls_ended_) both.readable = -1;
  if (!has_output || write_error_ || ended_) both.writable = -1;
  return both;
}

std::size_t Conversation::send(Octets out) {
  if (out.empty() || write_error_ || ended_) return 0;
  auto sent = wire_->write(out);
  if (sent) return *sent;
  write_error_ = std::move(sent).error();
  return 0;
}

Result<Step> Conversation::plain_turn(Octets out) {
  Step step;
  if (!ending_) step.sent = turn_sent_ = send(out);
  if (!wire_ended_) {
    MH_TRY(const Arrived arrived, wire_->read(received_));
    step.received = Octets(received_).first(arrived.octets);
    wire_ended_ = arrived.end;
  }
  if (!step.received.empty()) return step;
  if (write_error_) return *write_error_;
  step.closed = wire_ended_;
  return step;
}

Result<Step> Conversation::tls_turn(Octets out) {
  Step step;
  // More is taken only when what was taken before has left for the kernel: "sent" then means nearly sent.
  if (!ending_ && !write_error_ && !out.empty() && tls_->outgoing().empty()) {
    const Octets piece = out.first(std::min(out.size(), kRoom));
    MH_CHECK(tls_->write(piece));
    step.sent = turn_sent_ = piece.size();
  }
  flush(*tls_);
  if (tls_ended_) {
    step.closed = true;
    return step;
  }
  MH_TRY(Arrived arrived, tls_->read(received_));
  if (arrived.octets == 0 && !arrived.end) {
    MH_TRY(const bool fed, feed(*tls_));
    if (fed) {
      MH_TRY(arrived, tls_->read(received_));
    }
  }
  step.received = Octets(received_).first(arrived.octets);
  tls_ended_ = arrived.end;
  if (!step.received.empty()) return step;
  step.closed = tls_ended_;
  if (step.closed) return step;
  if (write_error_) return *write_error_;
  if (wire_ended_) {
    // RFC 8446 6.1: without close_notify nobody can tell an end from a cut. What it means is for the protocol to say:
    // many servers do this after LOGOUT.
    return unreachable("the connection ended without TLS's farewell (close_notify)",
                       "the server or something before it cut the connection: try again later");
  }
  return step;
}

void Conversation::flush(TlsSession& tls) {
  tls.sent(send(tls.outgoing()));
  if (ending_ && !ended_ && tls.outgoing().empty()) {
    ended_ = true;
    wire_->finish();
  }
}

/// True when the peer sent something.
Result<bool> Conversation::feed(TlsSession& tls) {
  if (wire_ended_) return false;
  from_wire_.resize(kRoom);
  MH_TRY(const Arrived arrived, wire_->read(from_wire_));
  wire_ended_ = arrived.end;
  tls.feed(Octets(from_wire_).first(arrived.octets));
  return arrived.octets > 0;
}

Status Conversation::start_tls(const TlsOptions& options, std::chrono::milliseconds timeout) {
  return secure(options, timeout, TlsSession::Begin::after_plain);
}

Status Conversation::begin_with_tls(const TlsOptions& options, std::chrono::milliseconds timeout) {
  return secure(options, timeout, TlsSession::Begin::at_once);
}

Status Conversation::secure(const TlsOptions& options, std::chrono::milliseconds timeout, TlsSession::Begin begin) {
  if (dead_) return *dead_;
  if (tls_) return dead(make_error(ErrorKind::bug, Scope::run, "TLS was already on"));
  auto made = TlsSession::make(contexts_, options, begin, clock_);
  if (!made) return dead(std::move(made).error());
  if (auto shaken = shake_hands(**made, timeout); !shaken) return dead(std::move(shaken).error());
  tls_ = std::move(made).value();
  return {};
}

/// One deadline over the whole of it, however many octets the peer lets trickle.
Status Conversation::shake_hands(TlsSession& tls, std::chrono::milliseconds timeout) {
  const Deadline deadline = clock_.steady() + timeout;
  for (;;) {
    auto state = tls.handshake();
    flush(tls);  // on failure too: the alert that tells the server why
    if (!state) return std::move(state).error();
    if (*state == TlsSession::Handshake::done && tls.outgoing().empty()) return {};
    MH_TRY(const bool fed, feed(tls));
    if (fed && clock_.steady() < deadline && !cancel_.requested()) continue;
    if (write_error_) return *write_error_;
    if (wire_ended_) {
      return unreachable("the server closed the connection in the middle of the TLS handshake",
                         "does this port speak TLS? The server's log may say more");
    }
    switch (wait_until(clock_, &cancel_, deadline, interest(!tls.outgoing().empty()))) {
      case Wake::ready:
        break;
      case Wake::cancel:
        return interrupted();
      case Wake::time:
        return unreachable("the TLS handshake was not done within " + duration_text(timeout),
                           "is this the right port? --timeout gives it longer");
    }
  }
}

void Conversation::shut_down() {
  if (dead_ || ending_) return;
  ending_ = true;
  if (!tls_) {
    ended_ = true;
    wire_->finish();
    return;
  }
  tls_->close_notify();
  const Deadline deadline = clock_.steady() + kFarewell;
  for (flush(*tls_); !ended_ && !write_error_; flush(*tls_)) {
    // What the peer does not take in time goes out with later steps.
    if (wait_until(clock_, nullptr, deadline, {-1, wire_->descriptors().writable}) != Wake::ready) return;
  }
}

}  // namespace mailhaul::net
