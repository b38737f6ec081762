// What a Conversation says of a turn in which something left and something broke.
#include "net/conversation.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "net/tls_session.hpp"

namespace mailhaul::net {
namespace {

/// Takes everything, and breaks when it is read.
class BrokenWire final : public Wire {
 public:
  Result<std::size_t> write(Octets out) override { return out.size(); }
  Result<Arrived> read(std::span<std::byte>) override {
    return make_error(ErrorKind::unreachable, Scope::session, "reset", {}, Retry::later);
  }
  void finish() override {}
  [[nodiscard]] Interest descriptors() const override { return {}; }
  [[nodiscard]] std::string peer() const override { return "nobody"; }
  [[nodiscard]] bool is_tunnel() const override { return false; }
  [[nodiscard]] bool is_loopback() const override { return true; }
};

// A message whose last octet has left may be stored: taken for never sent, it would be sent twice.
TEST(Conversation, What_left_is_told_before_the_error_of_the_same_turn) {
  const SystemClock clock;
  const CancelToken cancel;
  TlsContexts contexts;
  Conversation conversation(std::make_unique<BrokenWire>(), "here:1", contexts, clock, cancel);
  const auto step = conversation.step(as_octets("the commit octet"), std::chrono::milliseconds(10));
  ASSERT_TRUE(step.ok()) << step.error().what;
  EXPECT_EQ(step->sent, 16U);
  EXPECT_TRUE(step->received.empty());
  EXPECT_FALSE(step->closed);
  for (int again = 0; again < 2; ++again) {
    const auto dead = conversation.step(as_octets("more"), std::chrono::milliseconds(10));
    ASSERT_FALSE(dead.ok());
    EXPECT_EQ(dead.error().kind, ErrorKind::unreachable);
    EXPECT_NE(dead.error().what.find("reset"), std::string::npos) << dead.error().what;
  }
}

}  // namespace
}  // namespace mailhaul::net
