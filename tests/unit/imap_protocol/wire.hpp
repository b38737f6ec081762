// A client with both ends in the test's hand: what it sends is taken, what it hears is written down.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/imap/protocol/client.hpp"
#include "unit/imap_protocol/recorder.hpp"

namespace mailhaul::imap::testing {

class ClientRecorder : public ClientSink {
 public:
  Status on_greeting(const StatusResponse& greeting) override { return add("greeting " + describe(greeting)); }
  Status on_untagged(CommandId current, Response response) override { return add(at(current) + describe(response)); }
  Status on_body_begin(CommandId current, std::uint64_t size) override {
    body_ = at(current) + "body " + std::to_string(size) + " ";
    return {};
  }
  Status on_body(CommandId, Octets octets) override {
    body_ += as_text(octets);
    return {};
  }
  Status on_body_end(CommandId) override { return add(std::move(body_)); }
  Status on_challenge(CommandId current, std::string_view text) override {
    return add(at(current) + "challenge " + std::string(text));
  }
  Status on_done(CommandId id, const TaggedResponse& response) override {
    return add(at(id) + "done " + word_of(response.condition) + Describe::code(response.code) + " \"" + response.text +
               "\"");
  }
  std::vector<std::string> events;

 private:
  static std::string at(CommandId id) { return std::to_string(id) + ": "; }
  Status add(std::string event) {
    events.push_back(std::move(event));
    return {};
  }
  std::string body_;
};

struct Wire {
  explicit Wire(const Limits& limits = {})
      : client(limits, 42, [this](bool ours, std::string_view line) {
          trace.push_back((ours ? "> " : "< ") + std::string(line));
        }) {}

  /// Sends all that may be sent now; `most` octets of it.
  std::string flush(std::size_t most = std::string::npos) {
    std::string all;
    while (all.size() < most) {
      const auto octets = client.output();
      if (!octets) {
        last_error = octets.error();
        break;
      }
      if (octets->empty()) break;
      const std::size_t count = std::min(octets->size(), most - all.size());
      all += as_text(octets->first(count));
      client.sent(count);
    }
    sent += all;
    return all;
  }

  Status hear(std::string_view text) { return client.receive(as_octets(text), sink); }
  /// Past the greeting, without the rules for plaintext.
  void log_in() {
    client.set_plaintext_rules(false);
    (void)hear("* PREAUTH in\r\n");
    sink.events.clear();
    trace.clear();
  }
  void start(Command command) { EXPECT_TRUE(client.start(std::move(command))); }
  /// Starts a command and sends what may be sent; what went out, without the tag, which is remembered.
  std::string begin(Command command) {
    EXPECT_TRUE(client.start(std::move(command)));
    return take_tag(flush());
  }
  /// The tag at the start of `line` is the next one of tags.
  std::string take_tag(const std::string& line) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos) return line;
    tags.push_back(line.substr(0, blank));
    return line.substr(blank + 1);
  }

  std::vector<std::string> trace, tags;
  std::string sent;
  std::optional<Error> last_error;
  ClientRecorder sink;
  Client client;
};

inline LiteralReader reader_of(std::string text) {
  auto rest = std::make_shared<std::string>(std::move(text));
  return [rest](std::span<std::byte> into) -> Result<std::size_t> {
    const std::size_t count = std::min(into.size(), rest->size());
    std::memcpy(into.data(), rest->data(), count);
    rest->erase(0, count);
    return count;
  };
}

inline Command append(std::string text) {
  const std::size_t size = text.size();
  Command command("APPEND");
  command.mailbox("x").literal(size, reader_of(std::move(text)));
  return command;
}

inline bool is_breach(const Status& status) { return !status && status.error().kind == ErrorKind::security; }

}  // namespace mailhaul::imap::testing
