// One logged-in IMAP session: a connection, the protocol engine, and what was learnt at login. Source and Target are
// built on it; nothing here knows mail.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/connection.hpp"
#include "net/rate_floor.hpp"
#include "plugins/imap/protocol/client.hpp"
#include "plugins/imap/protocol/names.hpp"
#include "plugins/imap/quirks.hpp"
#include "store/pause.hpp"
#include "store/registry.hpp"
#include "store/services.hpp"

namespace mailhaul::imap {

/// Hears what is not the answer to run(). All calls come from inside Session's calls, on its thread.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual Status on_untagged(CommandId current, Response response) = 0;
  virtual Status on_body_begin(CommandId current, std::uint64_t size) = 0;
  virtual Status on_body(CommandId current, Octets octets) = 0;
  virtual Status on_body_end(CommandId current) = 0;
  virtual Status on_done(CommandId id, const TaggedResponse& response) = 0;
};

/// Untagged data that belongs to a command of run().
using UntaggedHandler = std::function<Status(Response)>;

/// One command of several that leave together, and who hears its untagged data.
struct Call {
  Command command;
  UntaggedHandler handler;
};

/// One thread. After an Error of scope session it is dead: nothing more is sent, every call fails with that Error.
class Session final : private ClientSink {
 public:
  /// Dials, starts TLS, logs in, asks for capabilities, ID and NAMESPACE, starts compression as Access has it. Error:
  /// unreachable (exit 4/5), security (6), usage; scope session, retry never for a login refused and for names that do
  /// not exist; unsupported, scope run, where compression must be and cannot.
  static Result<std::unique_ptr<Session>> open(const store::Location& location, store::Services& services,
                                               const store::Access& access);
  /// Sends LOGOUT if the session is well and idle, does not wait for its answer, and closes.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Returns the one before.
  Listener* set_listener(Listener* listener) { return std::exchange(listener_, listener); }

  /// Queues a command; its octets leave in the turns that follow. Pipelined: it is for the caller not to confuse
  /// answers.
  Result<CommandId> start(Command command);
  /// Queues a command and turns until it is done; other commands in flight go on and reach the listener. `handler` gets
  /// the untagged data of this command. NO and BAD are answers, not Errors.
  Result<TaggedResponse> run(Command command, const UntaggedHandler& handler = {});
  /// The same with the answers of several commands that are sent together.
  Result<std::vector<TaggedResponse>> run_all(std::vector<Command> commands, const UntaggedHandler& handler = {});
  Result<std::vector<TaggedResponse>> run_each(std::vector<Call> calls);
  /// Moves octets both ways once; waits at most `wait` for the chance to. Error: the session's death (timeout: silence
  /// for Access::timeout with a command in flight), or what the listener returned (the session lives then).
  Status turn(std::chrono::milliseconds wait);
  /// The same although the run was cancelled: to hear the end of what has left already.
  Status turn_to_the_end(std::chrono::milliseconds wait);
  /// Turns until nothing is in flight.
  Status finish();
  /// NOOP when nothing was said for two minutes; servers log out after 30 (RFC 9051 5.4), some after 10.
  Status keep_alive();

  [[nodiscard]] bool has(std::string_view capability) const {
    return capabilities_.count(std::string(capability)) != 0;
  }
  [[nodiscard]] const std::set<std::string>& capabilities() const { return capabilities_; }
  [[nodiscard]] std::optional<std::uint64_t> append_limit() const { return append_limit_; }
  [[nodiscard]] const Naming& naming() const { return naming_; }
  void set_separator(char separator) { naming_.separator = separator; }
  [[nodiscard]] const std::vector<std::string>& foreign_prefixes() const { return foreign_prefixes_; }
  [[nodiscard]] const Quirks& quirks() const { return quirks_; }
  [[nodiscard]] const std::string& greeting() const { return greeting_; }
  [[nodiscard]] const std::string& login() const { return login_; }
  /// The epoch of folders that have none of their own: another one in each session.
  [[nodiscard]] const std::string& private_epoch() const { return private_epoch_; }
  [[nodiscard]] std::string tls() const { return connection_->tls(); }
  [[nodiscard]] bool alive() const { return !dead_; }
  /// The server asked for a pause: nothing more is sent, and with the last answer to what was sent the session ends.
  [[nodiscard]] bool pausing() const { return pause_.has_value(); }
  /// Turns until it has.
  void hear_the_last();
  [[nodiscard]] const Client& client() const { return *client_; }
  [[nodiscard]] const std::string& place() const { return place_; }  ///< "imap.example.org:993", for messages
  [[nodiscard]] store::Services& services() const { return services_; }
  [[nodiscard]] std::uint64_t longest_message() const { return access_.longest_message; }

  /// The Error that a NO or BAD means; `what` says what was asked ("select \"Work\""). Of scope session where the server
  /// asks for a pause: the next session is asked for the same.
  [[nodiscard]] Error refusal(const TaggedResponse& response, const std::string& what, Scope scope) const;
  /// An answer that makes no sense: ends the session.
  Error nonsense(const std::string& what);

 private:
  Session(const store::Location& location, store::Services& services, const store::Access& access);

  // login.cpp
  Status connect(const store::Location& location);
  Status await_greeting();
  Status secure(const store::Location& location, bool starttls);
  Status log_in(const store::Location& location);
  Status authenticate(const std::string& mechanism, const store::Location& location, Secret secret);
  Status log_in_plainly(const store::Location& location, const Secret& secret);
  Status ask_capabilities();
  Status learn();
  Status compress();
  void take_capabilities(const std::vector<std::string>& words);
  void take_namespace(const NamespaceResponse& answer);
  [[nodiscard]] std::string without_secret(std::string_view text) const;
  [[nodiscard]] Error login_refused(const TaggedResponse& response) const;

  Status on_greeting(const StatusResponse& greeting) override;
  Status on_untagged(CommandId current, Response response) override;
  Status on_body_begin(CommandId current, std::uint64_t size) override;
  Status on_body(CommandId current, Octets octets) override;
  Status on_body_end(CommandId current) override;
  Status on_challenge(CommandId current, std::string_view text) override;
  Status on_done(CommandId id, const TaggedResponse& response) override;

  Status die(Error error);
  [[nodiscard]] std::optional<Error> pause_of(const TaggedResponse& response, std::string_view verb);
  [[nodiscard]] Error ended(const std::string& without_bye) const;
  void show_alert(const Code& code, const std::string& text);
  [[nodiscard]] Error silence() const;

  /// A command of run() or run_all(): its answer is kept for the caller.
  struct Waited {
    CommandId id = 0;
    const UntaggedHandler* handler = nullptr;
    std::optional<TaggedResponse> response;
  };

  store::Services& services_;
  const store::Access access_;
  std::string place_;
  std::string user_;
  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<Client> client_;
  Listener* listener_ = nullptr;
  std::vector<Waited> waited_;
  std::function<Result<Secret>(std::string_view)> challenge_;
  std::optional<StatusResponse> greeted_;
  std::optional<Error> dead_;
  std::optional<Error> listener_error_;
  std::optional<Error> pause_;    ///< what will end the session
  std::set<std::string> paused_;  ///< tags of the commands that were answered so
  std::map<CommandId, std::string> verbs_;  ///< of the commands in flight: what a refusal means depends on them
  store::Refusals refusals_;
  bool may_pause_ = false;        ///< the login is done
  std::chrono::steady_clock::time_point last_heard_, last_spoken_;
  net::RateFloor floor_;
  bool in_body_ = false;

  std::set<std::string> capabilities_;
  std::optional<std::uint64_t> append_limit_;
  Naming naming_;
  std::vector<std::string> foreign_prefixes_;  ///< of other users' and shared folders
  Quirks quirks_;
  std::vector<std::pair<std::string, std::string>> id_;
  std::string greeting_, login_ = "none", private_epoch_;
  Secret secret_, sent_secret_;    ///< during the login: some servers repeat in what they say what we said
  bool greeting_is_void_ = false;  ///< said in plain text, before TLS
  std::set<std::string> alerts_;   ///< shown already
  bool may_log_out_ = false;
};

}  // namespace mailhaul::imap
