// A client with both ends in the test's hand: what it sends is taken, what it hears is written down, one line an event.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/pop3/protocol/client.hpp"

namespace mailhaul::pop3::testing {

using Events = std::vector<std::string>;

inline std::string describe(const Reply& reply) {
  return std::string(reply.ok ? "ok" : "err") + (reply.code.empty() ? "" : " [" + reply.code + "]") + " \"" +
         reply.text + "\"";
}

/// The pieces of a message are put together.
class ClientRecorder : public ClientSink {
 public:
  Status on_greeting(const Reply& greeting) override { return add("greeting " + describe(greeting)); }
  Status on_begin(CommandId id, const Reply& reply) override {
    body_.reset();
    return add(at(id) + "begin " + describe(reply));
  }
  Status on_line(CommandId id, std::string_view line) override { return add(at(id) + "line " + std::string(line)); }
  Status on_octets(CommandId id, Octets octets) override {
    EXPECT_FALSE(octets.empty()) << "nothing is no piece of a message";
    if (!body_) {
      body_ = events.size();
      (void)add(at(id) + "octets ");
    }
    events[*body_] += as_text(octets);
    return {};
  }
  Status on_challenge(CommandId id, std::string_view text) override {
    (void)add(at(id) + "challenge " + std::string(text));
    return challenged ? challenged() : Status();
  }
  Status on_done(CommandId id, const Reply& reply) override {
    body_.reset();
    return add(at(id) + "done " + describe(reply));
  }
  Events events;
  std::function<Status()> challenged;

 private:
  static std::string at(CommandId id) { return std::to_string(id) + ": "; }
  Status add(std::string event) {
    events.push_back(std::move(event));
    return {};
  }
  std::optional<std::size_t> body_;
};

struct Wire {
  explicit Wire(const Limits& limits = {})
      : client(limits, [this](bool ours, std::string_view line) {
          trace.push_back((ours ? "> " : "< ") + std::string(line));
        }) {}

  /// Sends all that may be sent now, and tells what it was.
  std::string flush() {
    std::string all;
    for (Octets octets = client.output(); !octets.empty(); octets = client.output()) {
      all += as_text(octets);
      client.sent(octets.size());
    }
    return all;
  }
  /// In pieces of so many octets; each a copy of its own, so that a sanitizer sees whoever reads past it or keeps it.
  Status hear(std::string_view text, std::size_t piece = std::string_view::npos) {
    while (!text.empty()) {
      const std::string now(text.substr(0, piece));
      text.remove_prefix(now.size());
      if (auto status = client.receive(as_octets(now), sink); !status) return status;
    }
    return {};
  }
  void greet() {
    EXPECT_TRUE(hear("+OK hello\r\n"));
    sink.events.clear();
    trace.clear();
  }
  /// Greeted, and so many commands may be in flight as there are.
  void pipeline() {
    greet();
    client.set_pipelining(true);
  }
  void start(Command command) { EXPECT_TRUE(client.start(std::move(command))); }
  /// Starts a command and sends what may be sent.
  std::string begin(Command command) {
    start(std::move(command));
    return flush();
  }
  Events take() { return std::exchange(sink.events, {}); }

  std::vector<std::string> trace;
  ClientRecorder sink;
  Client client;
};

inline Command retr(std::uint64_t number) {
  Command command("RETR", Answer::message);
  command.argument(number);
  return command;
}
inline Command listing(std::string verb) { return Command(std::move(verb), Answer::listing); }
inline Command auth(std::string_view mechanism, unsigned responses) {
  Command command("AUTH", Answer::login);
  command.argument(mechanism).responses(responses).alone();
  return command;
}
inline Command stls() {
  Command command("STLS");
  command.ends_plaintext();
  return command;
}

inline bool is_breach(const Status& status) {
  return !status && status.error().kind == ErrorKind::security && status.error().scope == Scope::session;
}
inline bool is_nonsense(const Status& status) {
  return !status && status.error().kind == ErrorKind::unreachable && status.error().scope == Scope::session &&
         status.error().retry == Retry::later;
}

}  // namespace mailhaul::pop3::testing
