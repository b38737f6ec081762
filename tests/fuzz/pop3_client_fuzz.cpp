// Any octets as what a POP3 server says to a client in the middle of its work: the same events for any pieces, answers
// in the order of the commands, and no more held than the limits allow. The first octet chooses the pieces, how tight
// the limits are and whether commands are pipelined; the second, which of them must be alone.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/pop3/protocol/client.hpp"

namespace {

using namespace mailhaul;
using namespace mailhaul::pop3;

void demand(bool holds) {
  if (!holds) std::abort();
}

/// Writes down what the client hears, and holds it against the contract of ClientSink.
class Judge final : public ClientSink {
 public:
  Judge(const Limits& limits, Client& client) : limits_(limits), client_(client) {}

  Status on_greeting(const Reply& greeting) override {
    demand(!greeted_ && current_ == 0);
    greeted_ = true;
    return add("greeting", 0, greeting);
  }
  Status on_begin(CommandId id, const Reply& reply) override {
    demand(reply.ok && current_ == 0 && id == done_ + 1);
    current_ = id;
    octets_ = lines_ = listing_ = 0;
    MH_CHECK(add("begin", id, reply));
    message_at_ = events.size();
    return {};
  }
  Status on_line(CommandId id, std::string_view line) override {
    demand(id == current_ && line.size() <= most() && line.find('\n') == line.npos);
    listing_ += line.size();
    demand(++lines_ <= limits_.lines && listing_ <= limits_.listing);
    events += "line " + std::string(line) + "\n";
    return {};
  }
  Status on_octets(CommandId id, Octets octets) override {
    demand(id == current_ && !octets.empty());
    octets_ += octets.size();
    demand(octets_ <= limits_.body);
    events += as_text(octets);
    return {};
  }
  Status on_challenge(CommandId id, std::string_view text) override {
    demand(current_ == 0 && id == done_ + 1 && text.size() <= most());
    events += "challenge " + std::string(text) + "\n";
    // Three answers, then the end.
    demand(client_.respond(Secret(++challenges_ > 3 ? "*" : "eA==")).ok());
    return {};
  }
  Status on_done(CommandId id, const Reply& reply) override {
    demand(id == done_ + 1 && (current_ == 0 || (current_ == id && reply.ok)));
    current_ = 0;
    ++done_;
    return add("done", id, reply);
  }
  [[nodiscard]] CommandId done() const { return done_; }
  /// Of a message that passes the limit more or less has come, as the pieces were.
  void forget_unfinished_message() {
    if (current_ != 0 && octets_ != 0) events.resize(message_at_);
  }
  std::string events;

 private:
  /// Of a line that ends with LF alone one octet more than of others.
  [[nodiscard]] std::size_t most() const { return limits_.line + 1; }
  Status add(std::string_view what, CommandId id, const Reply& reply) {
    demand(reply.code.size() + reply.text.size() <= most());
    events += std::string(what) + " " + std::to_string(id) + (reply.ok ? " ok [" : " err [") + reply.code + "] " +
              reply.text + "\n";
    return {};
  }

  const Limits& limits_;
  Client& client_;
  bool greeted_ = false;
  CommandId current_ = 0, done_ = 0;
  std::uint64_t octets_ = 0, lines_ = 0, listing_ = 0;
  std::size_t message_at_ = 0;
  unsigned challenges_ = 0;
};

std::vector<Command> commands_of(std::uint8_t choice) {
  if ((choice & 1U) != 0) {
    Command stls("STLS");
    stls.ends_plaintext();
    return {stls};
  }
  if ((choice & 2U) != 0) {
    Command auth("AUTH", Answer::login);
    auth.argument("LOGIN").responses(choice & 4U ? 2 : 0).alone();
    return {auth};
  }
  Command retr("RETR", Answer::message), again("RETR", Answer::message);
  retr.argument(1);
  again.argument(4'294'967'295);
  return {Command("CAPA", Answer::listing),
          Command("STAT"),
          Command("LIST", Answer::listing),
          Command("UIDL", Answer::listing),
          retr,
          again,
          Command("NOOP")};
}

/// All commands are written before the server says its first word after the greeting: then what it says does not depend
/// on when the client was asked for its octets.
std::string events_of(std::string_view text, std::size_t piece, const Limits& limits, std::uint8_t choice,
                      bool pipelining) {
  Client client(limits);
  Judge judge(limits, client);
  client.set_pipelining(pipelining);
  const auto commands = commands_of(choice);
  for (const auto& command : commands) demand(client.start(command).ok());
  demand(client.output().empty());  // nothing before the greeting
  bool failed = false;
  while (!text.empty() && !failed) {
    const std::vector<char> now(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(piece, text.size())));
    text.remove_prefix(now.size());
    std::string_view rest(now.data(), now.size());
    while (!rest.empty() && !failed) {
      // What the client has to say leaves after each line, whatever pieces the lines come in.
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
      const auto status = client.receive(as_octets(rest.substr(0, end)), judge);
      rest.remove_prefix(end);
      const Octets octets = client.output();
      demand(octets.size() < 10'000);
      client.sent(octets.size());
      if (status.ok()) continue;
      failed = true;
      judge.forget_unfinished_message();
      demand(status.error().scope == Scope::session && status.error().what.size() < 1000);
      demand(status.error().kind == ErrorKind::security || status.error().kind == ErrorKind::unreachable);
      judge.events += "error " + status.error().what;
      demand(!client.receive(as_octets("+OK\r\n"), judge).ok());
    }
  }
  demand(judge.done() + client.in_flight() == commands.size());
  demand(client.farewell().size() <= limits.line + 1);
  if (!failed) judge.events += client.in_answer() ? "within" : "between";
  return judge.events + client.farewell();
}

/// The same octets all at once, in a client whose commands have left: no line by line, as a socket gives them.
void check_at_once(std::string_view text, const Limits& limits) {
  Client client(limits);
  Judge judge(limits, client);
  client.set_pipelining(true);
  demand(client.receive(as_octets("+OK\n"), judge).ok());
  for (const auto& command : commands_of(0)) demand(client.start(command).ok());
  client.sent(client.output().size());
  (void)client.receive(as_octets(text), judge);
  demand(judge.done() + client.in_flight() == commands_of(0).size());
}

struct Unstuffed {
  std::string text;
  std::size_t taken = 0;
  bool operator==(const Unstuffed&) const = default;
};

Unstuffed unstuffed(std::string_view text, std::size_t piece) {
  DotReader reader;
  Unstuffed all;
  while (!text.empty() && !reader.done()) {
    const std::string now(text.substr(0, piece));
    const auto taken = reader.feed(as_octets(now), [&](Octets octets) {
      all.text += as_text(octets);
      return Status();
    });
    demand(taken.ok() && *taken <= now.size() && (reader.done() || *taken == now.size()));
    all.taken += *taken;
    text.remove_prefix(*taken);
  }
  demand(all.text.size() <= all.taken);
  return all;
}

/// As a server sends it: the lines of the text end with CRLF, another LF is an octet of it.
std::string stuffed(std::string_view message) {
  std::string text;
  bool at_line_start = true;
  for (const char c : message) {
    if (at_line_start && c == '.') text += '.';
    text += c;
    at_line_start = text.ends_with("\r\n");
  }
  return text + (at_line_start ? ".\r\n" : "\r\n.\r\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  Limits limits;
  if ((data[0] & 1U) != 0) {
    limits.line = 40;
    limits.lines = 5;
    limits.listing = 100;
    limits.body = 60;
  }
  const bool pipelining = (data[0] & 2U) != 0;
  const std::size_t piece = 2 + (data[0] >> 2U);
  const std::string whole = events_of(text, text.size() + 1, limits, data[1], pipelining);
  demand(events_of(text, piece, limits, data[1], pipelining) == whole);
  if (size < 20'000) demand(events_of(text, 1, limits, data[1], pipelining) == whole);
  check_at_once(text, limits);
  const Unstuffed message = unstuffed(text, text.size() + 1);
  demand(unstuffed(text, piece) == message && unstuffed(text, 1) == message);
  const std::string sent = "X: y\r\n" + std::string(text), wire = stuffed(sent);
  const Unstuffed back = unstuffed(wire, piece);
  demand(back.taken == wire.size() && back.text.starts_with(sent) && back.text.size() <= sent.size() + 2);
  return 0;
}
