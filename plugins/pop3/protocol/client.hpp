// The client's side of a POP3 session as a state machine: commands in, octets out; octets in, events out. No socket, no
// clock. Answers come in the order of the commands (RFC 2449 6.6), so any number may be in flight where the server says
// PIPELINING; elsewhere each waits for the one before.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/pop3/protocol/command.hpp"
#include "plugins/pop3/protocol/dot_reader.hpp"
#include "plugins/pop3/protocol/limits.hpp"
#include "plugins/pop3/protocol/reply.hpp"

namespace mailhaul::pop3 {

using CommandId = std::uint64_t;  ///< counts up from 1, in the order of start()

/// What a client hears. An Error of a sink ends the session's parser: who can go on keeps it to himself.
class ClientSink {
 public:
  virtual ~ClientSink() = default;
  virtual Status on_greeting(const Reply& greeting) = 0;
  /// The +OK of a listing or a message, before what follows it.
  virtual Status on_begin(CommandId id, const Reply& reply) = 0;
  /// One line of a listing, unstuffed, without its line end.
  virtual Status on_line(CommandId id, std::string_view line) = 0;
  /// Octets of a message, in order, unstuffed.
  virtual Status on_octets(CommandId id, Octets octets) = 0;
  /// A challenge of AUTH, still Base64: answer with Client::respond().
  virtual Status on_challenge(CommandId id, std::string_view text) = 0;
  /// The command is over: -ERR, or +OK and all that follows it.
  virtual Status on_done(CommandId id, const Reply& reply) = 0;
};

/// Hears every line both ways: `sent` true for ours. Secrets are "<secret>", messages "<123 octets>".
using ProtocolTrace = std::function<void(bool sent, std::string_view line)>;

class Client {
 public:
  explicit Client(const Limits& limits, ProtocolTrace trace = {}) : limits_(limits), trace_(std::move(trace)) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Whether commands may leave before the answers of those before them have come. No at first.
  void set_pipelining(bool on) { pipelining_ = on; }
  [[nodiscard]] bool pipelining() const { return pipelining_; }
  /// After STLS: whatever was said before is void.
  void begin_tls();

  /// Queues a command. Error: Command::check(); or bug, when one that is_alone() is in flight.
  [[nodiscard]] Result<CommandId> start(Command command);
  /// For on_challenge: one line, Base64 already; "*" cancels. Traced as <secret>.
  [[nodiscard]] Status respond(const Secret& line);

  /// The next octets to send, empty when there is nothing to send now. The same again until sent() takes them.
  [[nodiscard]] Octets output();
  void sent(std::size_t octets);

  /// Error, final: unreachable for what is no POP3, security for octets behind STLS's +OK, a limit that was passed, and
  /// what nobody asked for; the sink's.
  [[nodiscard]] Status receive(Octets octets, ClientSink& sink);

  [[nodiscard]] std::size_t in_flight() const { return flight_.size(); }
  [[nodiscard]] bool greeted() const { return greeted_; }
  /// LF in the message at hand, or the last one.
  [[nodiscard]] std::uint64_t line_feeds() const { return dots_.line_feeds(); }
  /// It came with LF alone at the ends of its lines.
  [[nodiscard]] bool lf_only() const { return dots_.lf_only(); }
  [[nodiscard]] bool in_message() const { return in_answer_ && flight_.front().command.answer() == Answer::message; }
  /// The message that is on its way passed the limit.
  [[nodiscard]] bool overran() const { return failed_ && body_ > limits_.body; }
  /// In the middle of an answer: a connection that ends now cut it off.
  [[nodiscard]] bool in_answer() const { return in_answer_ || !line_.empty(); }
  /// A -ERR that nobody asked for is the server's word on its way out ("-ERR disconnected for inactivity"); "" = none.
  [[nodiscard]] const std::string& farewell() const { return farewell_; }

 private:
  struct Flight {
    CommandId id = 0;
    Command command;
    bool written = false;  ///< all of it is in the output
  };

  void fill();
  void put(std::string_view octets);
  Result<std::size_t> take_line(Octets in, ClientSink& sink);
  Result<std::size_t> take_message(Octets in, ClientSink& sink);
  Status on_text(std::string_view line, ClientSink& sink);
  Status status_line(std::string_view line, ClientSink& sink);
  Status listing_line(std::string_view line, ClientSink& sink);
  Status finish(ClientSink& sink);
  Status unasked(std::string_view line);
  Status stop(Error error);
  void note(bool sent, std::string_view line) const {
    if (trace_) trace_(sent, line);
  }

  Limits limits_;
  ProtocolTrace trace_;
  bool pipelining_ = false, greeted_ = false;
  bool plaintext_over_ = false;  ///< STLS's +OK has come, begin_tls() has not
  bool challenged_ = false;
  unsigned responses_ = 0;       ///< given to the challenges of the login at hand
  CommandId last_ = 0;
  std::deque<Flight> flight_;
  std::string buffer_;  ///< octets to send
  std::size_t buffer_sent_ = 0;
  bool buffer_is_secret_ = false;
  std::string line_;        ///< of the server, not complete yet
  bool crlf_ = true;        ///< the last one ended so
  bool after_message_ = false;  ///< the last answer was a message, and no other has come yet
  bool in_answer_ = false;  ///< the first command's +OK has come, its end has not
  Reply reply_;             ///< that +OK
  DotReader dots_;
  std::uint64_t body_ = 0, lines_ = 0, listing_ = 0;
  std::string farewell_;
  std::optional<Error> failed_;
};

}  // namespace mailhaul::pop3
