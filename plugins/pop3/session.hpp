// One logged-in POP3 session: a connection, the protocol engine, and what was learnt at login. Nothing here knows mail.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/connection.hpp"
#include "net/rate_floor.hpp"
#include "plugins/pop3/protocol/client.hpp"
#include "store/pause.hpp"
#include "store/registry.hpp"
#include "store/services.hpp"

namespace mailhaul::pop3 {

/// Hears what is not the answer to run(). All calls come from inside Session's calls, on its thread.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual Status on_begin(CommandId id, const Reply& reply) = 0;
  virtual Status on_octets(CommandId id, Octets octets) = 0;
  virtual Status on_done(CommandId id, const Reply& reply) = 0;
};

/// Takes the lines of a listing.
using LineHandler = std::function<Status(std::string_view)>;

/// One command of several that leave together, and who hears its lines.
struct Call {
  Command command;
  LineHandler handler;
};

/// One thread. After an Error of scope session it is dead: nothing more is sent, every call fails with that Error.
class Session final : private ClientSink {
 public:
  /// Dials, starts TLS, asks for capabilities, logs in. Error: unreachable (exit 4; `wait` is set when the server asked
  /// for a pause: the mailbox is in use, logins too often), security (6), usage.
  static Result<std::unique_ptr<Session>> open(const store::Location& location, store::Services& services,
                                               const store::Access& access);
  /// Sends QUIT if the session is well and idle, and closes. There never was a DELE, so it removes nothing.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Returns the one before.
  Listener* set_listener(Listener* listener) { return std::exchange(listener_, listener); }

  /// Queues a command; its octets leave in the turns that follow.
  Result<CommandId> start(Command command);
  /// Queues a command and turns until it is done; `handler` gets its lines. -ERR is an answer, no Error.
  Result<Reply> run(Command command, const LineHandler& handler = {});
  /// The same with several commands that are sent together where the server allows it.
  Result<std::vector<Reply>> run_each(std::vector<Call> calls);
  /// Moves octets both ways once; waits at most `wait` for the chance to. Error: the session's death (silence for
  /// Access::timeout with a command in flight), or what the listener returned (the session lives then).
  Status turn(std::chrono::milliseconds wait);
  /// Turns until nothing is in flight.
  Status finish();
  /// NOOP when nothing was said for a minute: RFC 1939 lets a server hang up after ten, some do after two.
  Status keep_alive();

  /// Error: the server has said its word on its way out.
  Status still_there();

  [[nodiscard]] bool has(const std::string& capability) const { return capabilities_.count(capability) != 0; }
  /// The arguments of a capability, "" without it.
  [[nodiscard]] std::string arguments_of(const std::string& capability) const;
  [[nodiscard]] const std::map<std::string, std::string>& capabilities() const { return capabilities_; }
  [[nodiscard]] const std::string& greeting() const { return greeting_; }
  [[nodiscard]] const std::string& login() const { return login_; }
  [[nodiscard]] std::string tls() const { return connection_->tls(); }
  [[nodiscard]] bool idle() const { return client_->in_flight() == 0; }
  [[nodiscard]] bool pipelines() const { return client_->pipelining(); }
  /// The server ended the connection when it was asked for its capabilities (fetchmail's FAQ O11).
  [[nodiscard]] bool hates_capa() const { return hates_capa_; }
  [[nodiscard]] const std::string& place() const { return place_; }  ///< "pop.example.org:995", for messages
  [[nodiscard]] store::Services& services() const { return services_; }
  [[nodiscard]] std::uint64_t longest_message() const { return access_.longest_message; }
  /// The session died of a message that was longer than that.
  [[nodiscard]] bool overran() const { return client_->overran(); }

  /// CAPA again: after the login it may tell more (RFC 2449 5).
  [[nodiscard]] Call ask_capabilities();

  /// After CAPA was asked once more.
  void take_pipelining();
  /// The session ends, and the next one may do better without PIPELINING.
  [[nodiscard]] Error out_of_step(Error error) const;
  /// LF in the last message.
  [[nodiscard]] std::uint64_t line_feeds() const { return client_->line_feeds(); }
  /// Messages come with LF alone at the ends of their lines.
  [[nodiscard]] bool lf_only() const { return client_->lf_only(); }

  /// The Error of a mailbox that is not opened; `what` says what was asked ("to list the messages"). With `wait` where the
  /// server asks for a pause: [IN-USE], [SYS/TEMP], [LOGIN-DELAY] (RFC 2449 8, 3206).
  [[nodiscard]] Error turned_away(const Reply& reply, const std::string& what) const;
  /// The Error with which this -ERR to RETR ends the session: the server wants to be left alone for a while. nullopt: it is
  /// about the message.
  [[nodiscard]] std::optional<Error> pause_of(const Reply& reply);
  /// A message came: what was refused before was about those messages.
  void granted() { refusals_.granted(); }

 private:
  store::Refusals refusals_;
  Session(const store::Location& location, store::Services& services, const store::Access& access);

  // login.cpp
  Status connect(const store::Location& location);
  Status await_greeting();
  Status secure(const store::Location& location, bool stls);
  Status learn();
  Status log_in(const store::Location& location);
  Status authenticate(const std::string& mechanism, const store::Location& location, const Secret& secret);
  Status log_in_plainly(const store::Location& location, const Secret& secret);
  void take_capability(std::string_view line);
  [[nodiscard]] Error login_refused(const Reply& reply) const;
  [[nodiscard]] std::string without_secret(std::string_view text) const;

  Status on_greeting(const Reply& greeting) override;
  Status on_begin(CommandId id, const Reply& reply) override;
  Status on_line(CommandId id, std::string_view line) override;
  Status on_octets(CommandId id, Octets octets) override;
  Status on_challenge(CommandId id, std::string_view text) override;
  Status on_done(CommandId id, const Reply& reply) override;

  /// Passes a call on to the listener. Its Error must not end the parser: the stream stays in step, turn() returns it.
  template <typename Call>
  void tell(const Call& call) {
    if (listener_ == nullptr || listener_error_) return;
    if (auto status = call(*listener_); !status.ok()) listener_error_ = std::move(status).error();
  }
  Status exchange(std::chrono::milliseconds wait);
  Status die(Error error);
  [[nodiscard]] Error silence() const;
  [[nodiscard]] Error ended() const;
  [[nodiscard]] bool has_stumbled(unsigned answers) const;

  /// A command of run() or run_each(): its answer is kept for the caller.
  struct Waited {
    CommandId id = 0;
    const LineHandler* handler = nullptr;
    std::optional<Reply> reply;
  };
  Waited* waited_for(CommandId id);

  store::Services& services_;
  const store::Access access_;
  std::string place_;
  const std::string user_;
  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Client> client_;
  Listener* listener_ = nullptr;
  std::vector<Waited> waited_;
  std::function<Result<Secret>(std::string_view)> challenge_;
  std::optional<Reply> greeted_;
  std::optional<Error> dead_;
  std::optional<Error> listener_error_;
  std::chrono::steady_clock::time_point last_heard_, last_spoken_;
  std::uint64_t heard_ = 0;  ///< octets
  std::map<CommandId, bool> together_;  ///< in flight, and left before all answers had come; true: it asks for a message
  unsigned answered_together_ = 0, messages_together_ = 0;  ///< so many of them were answered; of those that asked for messages
  net::RateFloor floor_;

  std::map<std::string, std::string> capabilities_;
  std::string greeting_, login_ = "none";
  Secret secret_, sent_secret_;  ///< during the login: some servers repeat in what they say what we said
  bool hates_capa_ = false;
  bool hung_up_ = false;  ///< the server ended the connection
  bool may_quit_ = false;
};

}  // namespace mailhaul::pop3
