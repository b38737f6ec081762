// A compressed connection over one that says what the test wants.
#include "net/compressed.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/deflate.hpp"

namespace mailhaul::net {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return {}; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return now; }
  mutable std::chrono::steady_clock::time_point now{};
};

/// What the line below does in its turns, and what went over it.
struct Line {
  std::deque<std::string> to_come;       ///< one a turn
  std::size_t room = std::string::npos;  ///< octets it takes in a turn
  bool ends = false;                     ///< behind the last of them
  bool breaks = false;                   ///< the same with an Error
  std::string sent;
  unsigned turns = 0;
  bool shut = false;
  std::chrono::milliseconds waited{0};
};

class ScriptedConnection final : public Connection {
 public:
  ScriptedConnection(Line& line, const StoppedClock& clock) : line_(line), clock_(clock) {}
  Result<Step> step(Octets out, std::chrono::milliseconds wait) override {
    ++line_.turns;
    Step step;
    if (line_.to_come.empty() && line_.breaks)
      return make_error(ErrorKind::unreachable, Scope::session, "here:1: reset", {}, Retry::later);
    step.sent = std::min(out.size(), line_.room);
    line_.sent += as_text(out.first(step.sent));
    if (!line_.to_come.empty()) {
      received_ = line_.to_come.front();
      line_.to_come.pop_front();
      step.received = as_octets(received_);
    } else if (line_.ends) {
      step.closed = true;
    } else if (step.sent == 0) {
      line_.waited += wait;
      clock_.now += wait;
    }
    return step;
  }
  Status start_tls(const TlsOptions&, std::chrono::milliseconds) override { return {}; }
  [[nodiscard]] std::string tls() const override { return "TLSv1.3"; }
  [[nodiscard]] bool is_tunnel() const override { return false; }
  [[nodiscard]] bool is_loopback() const override { return true; }
  [[nodiscard]] std::string peer() const override { return "there"; }
  void shut_down() override { line_.shut = true; }

 private:
  Line& line_;
  const StoppedClock& clock_;
  std::string received_;
};

struct Compressed {
  explicit Compressed(std::string_view behind = {}) {
    auto made = compress(std::make_unique<ScriptedConnection>(line, clock), "here:1", clock, as_octets(behind));
    EXPECT_TRUE(made.ok());
    connection = std::move(made).value();
  }
  Line line;
  StoppedClock clock;
  std::unique_ptr<Connection> connection;
};

/// The server's side.
struct Peer {
  std::string says(std::string_view text) {
    std::vector<std::byte> all;
    EXPECT_TRUE(deflater.put(as_octets(text), all).ok());
    return std::string(as_text(all));
  }
  std::string hears(std::string_view wire) {
    std::vector<std::byte> room(1 << 20);
    const auto some = inflater.take(as_octets(wire), room);
    EXPECT_TRUE(some.ok());
    return std::string(as_text(Octets(room).first(some->made)));
  }
  Deflater deflater = std::move(Deflater::make()).value();
  Inflater inflater = std::move(Inflater::make()).value();
};

const std::string kEmptyBlock = "\x00\x00\x00\xff\xff"s;

TEST(Compressed, Speaks_compressed_both_ways) {
  Compressed it;
  Peer peer;
  it.line.to_come = {peer.says("* OK x\r\n")};
  const auto step = it.connection->step(as_octets("A1 NOOP\r\n"), 1s);
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->sent, 9U);
  EXPECT_EQ(as_text(step->received), "* OK x\r\n");
  EXPECT_EQ(peer.hears(it.line.sent), "A1 NOOP\r\n");
  EXPECT_EQ(it.connection->tls(), "TLSv1.3");
  EXPECT_EQ(it.line.waited, 0ms);
}

TEST(Compressed, What_came_behind_the_OK_is_heard_without_a_turn_of_the_line) {
  Peer peer;
  Compressed it(peer.says("* 3 EXISTS\r\n"));
  const auto step = it.connection->step({}, 1h);
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(as_text(step->received), "* 3 EXISTS\r\n");
  EXPECT_EQ(it.line.turns, 0U);
  it.line.to_come = {peer.says("* 4 EXISTS\r\n")};
  EXPECT_EQ(as_text(it.connection->step({}, 1s)->received), "* 4 EXISTS\r\n");
}

TEST(Compressed, A_bomb_comes_in_steps_of_256_KiB_and_the_line_rests_meanwhile) {  // bad-input 60
  Compressed it;
  Peer peer;
  constexpr std::size_t kSize = 10U << 20U;
  it.line.to_come = {peer.says(std::string(kSize, '\0'))};
  std::size_t all = 0;
  unsigned steps = 0;
  for (; all < kSize && steps < 1000; ++steps) {
    const auto step = it.connection->step(as_octets("A1 NOOP\r\n"), 1h);
    ASSERT_TRUE(step.ok());
    ASSERT_LE(step->received.size(), 256U << 10U);
    all += step->received.size();
  }
  EXPECT_EQ(all, kSize);
  EXPECT_EQ(steps, 40U);
  EXPECT_EQ(it.line.turns, 1U);
  EXPECT_EQ(it.line.waited, 0ms) << "a step waited although octets were held back";
}

TEST(Compressed, Every_octet_alone_is_heard_as_a_whole) {
  Compressed it;
  Peer peer;
  const std::string text = "* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n";
  for (const char octet : peer.says(text)) it.line.to_come.emplace_back(1, octet);
  std::string heard;
  while (heard.size() < text.size()) {
    const auto step = it.connection->step({}, 1s);
    ASSERT_TRUE(step.ok());
    ASSERT_FALSE(step->received.empty());
    heard += as_text(step->received);
  }
  EXPECT_EQ(heard, text);
}

TEST(Compressed, A_line_that_takes_little_gets_the_rest_before_more) {
  Compressed it;
  Peer peer;
  it.line.room = 5;
  std::string rest = "A1 APPEND INBOX {10}\r\n0123456789\r\n", heard;
  for (int turn = 0; turn < 200 && (!rest.empty() || turn < 100); ++turn) {
    const auto step = it.connection->step(as_octets(rest), 1ms);
    ASSERT_TRUE(step.ok());
    rest.erase(0, step->sent);
  }
  EXPECT_EQ(rest, "");
  EXPECT_EQ(peer.hears(it.line.sent), "A1 APPEND INBOX {10}\r\n0123456789\r\n");
}

TEST(Compressed, Large_output_is_taken_piece_by_piece) {
  Compressed it;
  Peer peer;
  const std::string text(200'000, 'x');
  std::size_t sent = 0;
  while (sent < text.size()) {
    const auto step = it.connection->step(as_octets(std::string_view(text).substr(sent)), 1s);
    ASSERT_TRUE(step.ok());
    ASSERT_GT(step->sent, 0U);
    ASSERT_LE(step->sent, 64U << 10U);
    sent += step->sent;
  }
  EXPECT_EQ(peer.hears(it.line.sent), text);
}

TEST(Compressed, Empty_blocks_without_end_are_silence) {
  Compressed it;
  for (int i = 0; i < 100; ++i) it.line.to_come.push_back(kEmptyBlock);
  const auto step = it.connection->step({}, 1s);
  ASSERT_TRUE(step.ok());
  EXPECT_TRUE(step->received.empty());
  EXPECT_EQ(step->sent, 0U);
  EXPECT_FALSE(step->closed);
  EXPECT_EQ(it.line.waited, 1s) << "with nothing to give it waits as long as it may";

  it.line.to_come = {kEmptyBlock, kEmptyBlock};
  const unsigned before = it.line.turns;
  ASSERT_TRUE(it.connection->step({}, 0ms).ok());
  EXPECT_EQ(it.line.turns, before + 1) << "and no longer, though octets keep coming";
}

TEST(Compressed, What_was_said_before_the_end_comes_before_the_end) {
  Compressed it;
  Peer peer;
  it.line.to_come = {peer.says("* BYE x\r\n" + std::string(300 << 10, 'x'))};
  it.line.ends = true;
  std::size_t heard = 0;
  for (int i = 0; i < 2; ++i) {
    const auto step = it.connection->step({}, 1s);
    ASSERT_TRUE(step.ok());
    EXPECT_FALSE(step->closed);
    heard += step->received.size();
  }
  EXPECT_EQ(heard, 9U + (300U << 10U));
  EXPECT_TRUE(it.connection->step({}, 1s)->closed);
}

TEST(Compressed, A_stream_that_was_ended_has_closed) {
  Compressed it;
  it.line.to_come = {"\x01\x05\x00\xfa\xffhello"s};
  EXPECT_EQ(as_text(it.connection->step({}, 1s)->received), "hello");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(it.connection->step({}, 1s)->closed);
}

TEST(Compressed, A_corrupt_stream_ends_the_session_behind_what_came_before_it) {
  Compressed it;
  Peer peer;
  it.line.to_come = {peer.says("* OK x\r\n") + "\x07"s};
  EXPECT_EQ(as_text(it.connection->step({}, 1s)->received), "* OK x\r\n");
  for (int i = 0; i < 2; ++i) {
    const auto step = it.connection->step({}, 1s);
    ASSERT_FALSE(step.ok());
    EXPECT_EQ(step.error().kind, ErrorKind::unreachable);
    EXPECT_EQ(step.error().scope, Scope::session);
    EXPECT_EQ(step.error().retry, Retry::later);
    EXPECT_TRUE(step.error().what.starts_with("here:1: ")) << step.error().what;
  }
}

// A message whose last octet has left may be stored: taken for never sent, it would be sent twice.
TEST(Compressed, What_left_is_told_before_the_error_of_the_same_turn) {
  Compressed it;
  it.line.to_come = {"\x07"s};
  const auto step = it.connection->step(as_octets("the commit octet"), 1s);
  ASSERT_TRUE(step.ok()) << step.error().what;
  EXPECT_EQ(step->sent, 16U);
  EXPECT_FALSE(it.connection->step({}, 1s).ok());

  Compressed other;
  other.line.breaks = true;
  const auto broken = other.connection->step(as_octets("never left"), 1s);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().what, "here:1: reset");
  EXPECT_EQ(other.line.sent, "");
}

TEST(Compressed, Ends_in_order_with_what_was_on_its_way) {
  Compressed it;
  Peer peer;
  it.line.room = 3;
  ASSERT_EQ(it.connection->step(as_octets("A9 LOGOUT\r\n"), 1s)->sent, 11U);
  it.line.room = std::string::npos;
  it.line.to_come = {peer.says("* BYE x\r\n")};
  it.connection->shut_down();
  EXPECT_TRUE(it.line.shut);
  EXPECT_EQ(peer.hears(it.line.sent), "A9 LOGOUT\r\n");
  EXPECT_EQ(as_text(it.connection->step({}, 1s)->received), "* BYE x\r\n") << "reading goes on";
}

TEST(Compressed, TLS_cannot_begin_inside) {
  Compressed it;
  const auto status = it.connection->start_tls({}, 1s);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::bug);
}

}  // namespace
}  // namespace mailhaul::net
