// The client's side of an IMAP session as a state machine: commands in, octets out; octets in, events out. No socket,
// no clock. Any number of commands may be in flight; the caller sees to it that their untagged answers cannot be
// confused (RFC 9051 5.5).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "plugins/imap/protocol/command.hpp"
#include "plugins/imap/protocol/response.hpp"

namespace mailhaul::imap {

using CommandId = std::uint64_t;  ///< counts up from 1, in the order of start()

/// What the server may be sent without being asked first (RFC 7888).
enum class Literals { synchronizing, minus, plus };

/// How far a command has left us.
enum class Departed { nothing, part, all };

/// What stands in a FETCH response before the body that it delivers: "* 3 FETCH (UID 7 BODY[]<8388608> {100}". A hint,
/// for the response is understood only when it is whole; items behind the body are not in it.
struct BodyHead {
  std::optional<Uid> uid;
  std::optional<std::uint64_t> origin;
};

/// What a client hears. `current` is the oldest command in flight, to which untagged data belongs; 0 = none.
class ClientSink {
 public:
  virtual ~ClientSink() = default;
  virtual Status on_greeting(const StatusResponse& greeting) = 0;
  /// Everything untagged but the greeting.
  virtual Status on_untagged(CommandId current, Response response) = 0;
  virtual Status on_body_begin(CommandId current, std::uint64_t size) = 0;
  virtual Status on_body(CommandId current, Octets octets) = 0;
  virtual Status on_body_end(CommandId current) = 0;
  /// `+` while AUTHENTICATE is in flight: answer with Client::respond(). `text` is still Base64.
  virtual Status on_challenge(CommandId current, std::string_view text) = 0;
  /// The command is over. A literal of it that had not begun is never sent.
  virtual Status on_done(CommandId id, const TaggedResponse& response) = 0;
};

/// Hears every line both ways: `sent` true for ours. Secrets are "<secret>", literals "<123 octets>".
using ProtocolTrace = std::function<void(bool sent, std::string_view line)>;

class Client {
 public:
  /// `tag_seed`: random; tags cannot be foretold (threat 4).
  Client(const Limits& limits, std::uint64_t tag_seed, ProtocolTrace trace = {});

  /// After login and after each CAPABILITY. `most`: octets up to which a literal goes without being asked; larger ones
  /// wait for '+', so that the server can refuse. LITERAL- allows 4,096 at most, whatever `most` says.
  void set_literals(Literals kind, std::uint64_t most);
  /// While set, only the greeting, CAPABILITY data, tagged responses and untagged OK/NO/BAD/BYE without effect are
  /// accepted; all else is ErrorKind::security (threats 5, 6; PREAUTH is the caller's to judge). Set at first.
  void set_plaintext_rules(bool on) { plaintext_rules_ = on; }
  [[nodiscard]] bool plaintext_rules() const { return plaintext_rules_; }
  /// After STARTTLS: whatever was said before is void.
  void begin_tls();
  /// Once after the OK to COMPRESS (RFC 4978): what receive() was given behind it, which is compressed already. Until
  /// then no command may be started and nothing more received.
  [[nodiscard]] std::string take_behind();

  /// Queues a command. Error: Command::check(); or bug, when one that is_alone() is in flight.
  [[nodiscard]] Result<CommandId> start(Command command);
  /// For on_challenge: one line, Base64 already; "*" cancels. Traced as <secret>.
  [[nodiscard]] Status respond(const Secret& line);

  /// The next octets to send, at most 256 KiB, empty when there is nothing to send now (all sent, or a literal waits
  /// for its '+'). The same octets again until sent() takes them. Error: a LiteralReader failed or did not give what it
  /// promised (scope session, retry later; the commit byte has not gone).
  [[nodiscard]] Result<Octets> output();
  void sent(std::size_t octets);

  /// Error, final: as ResponseParser; security for a tag that is not in flight, or octets behind STARTTLS's OK.
  [[nodiscard]] Status receive(Octets octets, ClientSink& sink);

  [[nodiscard]] Departed departed(CommandId id) const;  ///< of a command in flight; `all` for one that is done
  [[nodiscard]] std::size_t in_flight() const { return flight_.size(); }
  [[nodiscard]] CommandId oldest() const { return flight_.empty() ? 0 : flight_.front().id; }
  [[nodiscard]] bool is_in_flight(CommandId id) const;
  /// The server's word on its way out (untagged BYE), "" = none.
  [[nodiscard]] const std::string& bye() const { return bye_; }
  [[nodiscard]] bool greeted() const { return greeted_; }
  /// Of the body that begins: within on_body_begin(). Empty for a body that came as a quoted string.
  [[nodiscard]] const BodyHead& body_head() const { return body_head_; }

 private:
  class Route;
  struct Flight {
    Flight(CommandId number, std::string its_tag, Command its_command)
        : id(number), tag(std::move(its_tag)), command(std::move(its_command)) {}
    CommandId id;
    std::string tag;
    Command command;
    std::size_t part = 0;         // the part on its way
    std::uint64_t part_done = 0;  // octets of it put into the output
    bool begun = false;           // its tag is in the output
    bool announced = false;       // the literal at hand is
    bool waits = false;           // for '+' before the literal at hand
    bool go = false;              // '+' came for it
    bool written = false;         // all of it is in the output
    std::uint64_t begin = 0;      // position in the output stream before its first octet
    std::uint64_t asked = 0;      // … behind the announcement that waits
    std::uint64_t end = 0;        // … behind its last octet, once written
  };

  [[nodiscard]] Flight* writing();  // the one whose octets come next
  [[nodiscard]] bool has_left(const Flight& flight) const { return flight.written && flight.end <= position(); }
  [[nodiscard]] std::uint64_t position() const { return stream_ - (buffer_.size() - buffer_sent_); }
  [[nodiscard]] bool is_changing_layers() const;  // the oldest command ends with octets of another kind
  [[nodiscard]] bool counts_unasked() const { return flight_.empty() || !greeted_ || !logged_in_; }

  void put(std::string_view octets);
  void put_secret(std::string_view octets);
  void put_filler();
  [[nodiscard]] Status fill();
  [[nodiscard]] Status put_command(Flight& flight);
  [[nodiscard]] Status put_literal(Flight& flight, Command::Part& part);
  void announce(Flight& flight, const Command::Part& part);
  void abandon(Flight& flight);
  void drop_sent();
  [[nodiscard]] Status feed(Octets octets, ClientSink& sink);
  [[nodiscard]] Status stop(Error error);
  void note(std::string_view text);  // adds to the trace's line of ours
  void end_note();

  Limits limits_;
  ResponseParser parser_;
  ProtocolTrace trace_;
  std::string trace_line_;
  Literals literals_ = Literals::synchronizing;
  std::uint64_t most_ = 0;
  bool plaintext_rules_ = true, greeted_ = false, logged_in_ = false;
  bool challenged_ = false;      // a '+' of AUTHENTICATE is not answered yet
  bool plaintext_over_ = false;  // STARTTLS's OK has come, begin_tls() has not
  bool compressed_now_ = false;  // COMPRESS's OK has come, take_behind() has not
  std::string behind_;
  BodyHead body_head_;
  std::uint64_t tag_seed_;
  std::string bye_;
  CommandId last_ = 0;
  std::deque<Flight> flight_;
  std::string buffer_;  // octets to send
  std::size_t buffer_sent_ = 0;
  bool buffer_is_secret_ = false;
  std::uint64_t stream_ = 0;    // position in the output stream of the buffer's end
  std::uint64_t filler_ = 0;    // octets that an abandoned literal still owes
  bool owes_line_end_ = false;  // … and the end of its command
  std::uint64_t unasked_ = 0;   // octets since the last tagged response that count
  std::optional<Error> failed_;
};

}  // namespace mailhaul::imap
