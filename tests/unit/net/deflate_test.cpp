#include "net/deflate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace mailhaul::net {
namespace {

using namespace std::string_literals;

/// Mail as it is: lines that resemble each other, and Base64 that resembles nothing.
std::string mail_of(std::size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) {
    text += "From: sender" + std::to_string(random() % 1000) + "@example.org\r\nSubject: line upon line\r\n\r\n";
    for (int i = 0; i < 200; ++i) text += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789+/"[random() % 44];
    text += "\r\n";
  }
  text.resize(size);
  return text;
}

std::string deflated(std::string_view text, std::size_t piece = std::string::npos) {
  auto deflater = Deflater::make();
  EXPECT_TRUE(deflater.ok());
  std::vector<std::byte> all;
  while (!text.empty()) {
    EXPECT_TRUE(deflater->put(as_octets(text.substr(0, piece)), all).ok());
    text.remove_prefix(std::min(piece, text.size()));
  }
  return std::string(as_text(all));
}

struct Outcome {
  std::string text;
  bool end = false;
  std::string error;
};

/// `piece` octets of input and `room` octets of output at a time.
Outcome inflated(std::string_view text, std::size_t piece = std::string::npos, std::size_t room = 4096) {
  auto made = Inflater::make();
  EXPECT_TRUE(made.ok());
  Outcome outcome;
  std::vector<std::byte> into(room);
  while (!text.empty()) {
    std::string_view now = text.substr(0, piece);
    text.remove_prefix(now.size());
    for (bool more = true; more;) {
      const auto some = made->take(as_octets(now), into);
      if (!some.ok()) {
        outcome.error = some.error().what;
        EXPECT_EQ(some.error().kind, ErrorKind::unreachable);
        EXPECT_EQ(some.error().scope, Scope::session);
        EXPECT_EQ(some.error().retry, Retry::later);
        EXPECT_FALSE(made->take({}, into).ok()) << "an Error is for good";
        return outcome;
      }
      EXPECT_LE(some->taken, now.size());
      EXPECT_LE(some->made, room);
      now.remove_prefix(some->taken);
      outcome.text += as_text(Octets(into).first(some->made));
      outcome.end = some->end;
      more = some->more;
    }
    EXPECT_TRUE(now.empty());
  }
  return outcome;
}

TEST(Deflate, Comes_back_whatever_the_pieces_are) {
  const std::string text = mail_of(20'000);
  for (const std::size_t sent : {1U, 7U, 100U, 4096U, 20'000U}) {
    const std::string wire = deflated(text, sent);
    for (const std::size_t piece : {1U, 2U, 13U, 1000U, 100'000U}) {
      for (const std::size_t room : {1U, 3U, 999U, 4096U, 100'000U})
        EXPECT_EQ(inflated(wire, piece, room).text, text) << sent << " " << piece << " " << room;
    }
  }
}

TEST(Deflate, Comes_back_at_every_split) {
  const std::string text = mail_of(600), wire = deflated(text);
  for (std::size_t split = 0; split <= wire.size(); ++split) {
    auto inflater = Inflater::make();
    ASSERT_TRUE(inflater.ok());
    std::vector<std::byte> room(text.size() + 1);
    std::string all;
    for (const auto part : {std::string_view(wire).substr(0, split), std::string_view(wire).substr(split)}) {
      const auto some = inflater->take(as_octets(part), room);
      ASSERT_TRUE(some.ok()) << split;
      EXPECT_EQ(some->taken, part.size());
      all += as_text(Octets(room).first(some->made));
    }
    EXPECT_EQ(all, text) << split;
  }
}

TEST(Deflate, What_was_put_can_be_read_before_more_is_put) {
  auto deflater = Deflater::make();
  auto inflater = Inflater::make();
  ASSERT_TRUE(deflater.ok() && inflater.ok());
  std::vector<std::byte> room(100);
  for (const std::string& line : {"A1 NOOP\r\n"s, "x"s, "A2 NOOP\r\n"s}) {
    std::vector<std::byte> wire;
    ASSERT_TRUE(deflater->put(as_octets(line), wire).ok());
    const auto some = inflater->take(wire, room);
    ASSERT_TRUE(some.ok());
    EXPECT_EQ(as_text(Octets(room).first(some->made)), line);
    EXPECT_FALSE(some->more);
  }
  std::vector<std::byte> nothing;
  ASSERT_TRUE(deflater->put({}, nothing).ok());
  EXPECT_TRUE(nothing.empty());
}

TEST(Deflate, Makes_mail_smaller_and_noise_hardly_larger) {
  const std::string text = mail_of(1 << 20);
  EXPECT_LT(deflated(text).size(), text.size() * 9 / 10);
  std::mt19937 random(1);
  std::string noise(1 << 20, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  const std::string wire = deflated(noise, 65536);
  EXPECT_LT(wire.size(), noise.size() + noise.size() / 1000);
  EXPECT_TRUE(inflated(wire, 100'000, 100'000).text == noise);
}

TEST(Deflate, A_bomb_comes_out_in_pieces_of_the_room) {  // bad-input 60
  const std::string wire = deflated(std::string(10 << 20, '\0'));
  EXPECT_LT(wire.size(), 20'000U);
  auto inflater = Inflater::make();
  ASSERT_TRUE(inflater.ok());
  std::vector<std::byte> room(4096);
  std::string_view rest = wire;
  std::size_t all = 0;
  for (bool more = true; more;) {
    const auto some = inflater->take(as_octets(rest), room);
    ASSERT_TRUE(some.ok());
    ASSERT_LE(some->made, room.size());
    rest.remove_prefix(some->taken);
    all += some->made;
    more = some->more;
  }
  EXPECT_EQ(all, 10U << 20U);
  EXPECT_TRUE(rest.empty());
}

TEST(Deflate, A_corrupt_stream_is_an_error_behind_what_came_before_it) {
  const std::string good = deflated("* OK still well\r\n");
  for (const std::size_t piece : {1U, 5U, 1000U}) {
    for (const std::size_t room : {1U, 4096U}) {
      const auto outcome = inflated(good + "\x07 and no block"s, piece, room);  // block type 3 there is none
      EXPECT_EQ(outcome.text, "* OK still well\r\n") << piece << " " << room;
      EXPECT_NE(outcome.error.find("corrupt"), std::string::npos) << outcome.error;
    }
  }
  EXPECT_NE(inflated("\x00\x05\x00\x00\x00hello"s).error, "") << "a stored block whose length is not twice the same";
}

TEST(Deflate, A_cut_stream_gives_what_there_is_and_no_error) {
  const std::string text = mail_of(3000), wire = deflated(text);
  for (std::size_t cut = 0; cut < wire.size(); ++cut) {
    const auto outcome = inflated(std::string_view(wire).substr(0, cut));
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(text.starts_with(outcome.text)) << cut;
    EXPECT_FALSE(outcome.end);
  }
}

TEST(Deflate, Nothing_may_follow_the_end_of_a_stream) {
  const std::string last = "\x01\x05\x00\xfa\xffhello"s;  // a stored block, marked as the last one
  const auto outcome = inflated(last);
  EXPECT_EQ(outcome.text, "hello");
  EXPECT_TRUE(outcome.end);
  EXPECT_EQ(outcome.error, "");
  for (const std::size_t piece : {1U, 100U}) {
    const auto more = inflated(last + "x", piece);
    EXPECT_EQ(more.text, "hello");
    EXPECT_NE(more.error.find("behind its end"), std::string::npos) << more.error;
  }
}

}  // namespace
}  // namespace mailhaul::net
