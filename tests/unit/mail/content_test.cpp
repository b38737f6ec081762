#include "mail/content.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "mail/crlf_view.hpp"

using namespace mailhaul;
using namespace mailhaul::mail;

namespace {

/// Gives at most `step` octets a read, and none from `ends_at` on.
class SlowContent final : public Content {
 public:
  SlowContent(std::string octets, std::size_t step, std::size_t ends_at)
      : octets_(std::move(octets)), step_(step), ends_at_(ends_at), facts_(scan_message(as_octets(octets_))) {}
  const MessageFacts& facts() const override { return facts_; }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    const auto at = static_cast<std::size_t>(offset);
    if (at >= ends_at_) return std::size_t{0};
    const std::size_t count = std::min({into.size(), step_, ends_at_ - at});
    std::memcpy(into.data(), octets_.data() + at, count);
    return count;
  }

 private:
  std::string octets_;
  std::size_t step_, ends_at_;
  MessageFacts facts_;
};

}  // namespace

TEST(ForEachPiece, Gives_all_octets_in_order_in_pieces_of_at_most_256_KiB) {
  std::string octets;
  while (octets.size() < 1'000'000) octets += std::to_string(octets.size()) + "\n";
  for (const std::size_t step : {std::size_t{1000}, octets.size()}) {
    const SlowContent content(octets, step, octets.size());
    std::string got;
    ASSERT_TRUE(for_each_piece(content, [&](Octets piece) -> Status {
                  EXPECT_LE(piece.size(), 256U * 1024);
                  got += as_text(piece);
                  return {};
                }).ok());
    EXPECT_EQ(got, octets);
  }
}

TEST(ForEachPiece, What_lies_in_memory_in_one_piece_is_not_copied) {
  class Held final : public Content {
   public:
    explicit Held(std::string octets) : octets_(std::move(octets)), facts_(scan_message(as_octets(octets_))) {}
    const MessageFacts& facts() const override { return facts_; }
    Result<std::size_t> read(std::uint64_t, std::span<std::byte>) const override {
      return make_error(ErrorKind::bug, Scope::run, "read");
    }
    Octets held() const override { return as_octets(octets_); }

   private:
    std::string octets_;
    MessageFacts facts_;
  };
  const auto content = std::make_shared<Held>(std::string(300'000, 'x') + "\n");
  std::size_t got = 0;
  ASSERT_TRUE(for_each_piece(*content, [&](Octets piece) -> Status {
                EXPECT_LE(piece.size(), 256U * 1024);
                EXPECT_EQ(piece.data(), content->held().data() + got);
                got += piece.size();
                return {};
              }).ok());
  EXPECT_EQ(got, content->size());
  CrlfReader reader(content);
  std::string carried(content->size() + 10, '\0');
  const auto filled = reader.read(std::as_writable_bytes(std::span(carried)));
  ASSERT_TRUE(filled.ok());
  EXPECT_EQ(carried.substr(0, *filled), std::string(300'000, 'x') + "\r\n");
}

TEST(ForEachPiece, An_empty_content_calls_nobody) {
  const SlowContent content("", 1, 0);
  int calls = 0;
  EXPECT_TRUE(for_each_piece(content, [&](Octets) -> Status {
                ++calls;
                return {};
              }).ok());
  EXPECT_EQ(calls, 0);
}

TEST(ForEachPiece, Stops_at_the_first_error_of_the_sink) {
  const SlowContent content(std::string(10, 'x'), 3, 10);
  int calls = 0;
  const Status status = for_each_piece(content, [&](Octets) -> Status {
    if (++calls == 2) return make_error(ErrorKind::no_space, Scope::run, "full");
    return {};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::no_space);
  EXPECT_EQ(calls, 2);
}

TEST(ForEachPiece, A_content_that_ends_early_is_an_error_and_no_endless_loop) {
  const SlowContent content(std::string(10, 'x'), 3, 7);
  const Status status = for_each_piece(content, [](Octets) -> Status { return {}; });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().scope, Scope::message);
  EXPECT_NE(status.error().what.find("octet 7 of 10"), std::string::npos);
}
