#include "store/long_message.hpp"

#include <gtest/gtest.h>

namespace mailhaul::store {

TEST(LongMessage, The_limit_itself_is_not_too_long) {
  EXPECT_FALSE(is_too_long(kLongestMessage - 1, kLongestMessage));
  EXPECT_FALSE(is_too_long(kLongestMessage, kLongestMessage));
  EXPECT_TRUE(is_too_long(kLongestMessage + 1, kLongestMessage));
}

TEST(LongMessage, What_was_not_listed_or_cannot_be_is_not_foretold) {
  EXPECT_FALSE(is_too_long(std::nullopt, 60));
  EXPECT_FALSE(is_too_long(0, 60));
  EXPECT_FALSE(is_too_long(0xFFFF'FFFFU, kLongestMessage)) << "a server's -1 in 32 bits";
  EXPECT_FALSE(is_too_long(~std::uint64_t{0}, kLongestMessage)) << "in 64";
  EXPECT_TRUE(is_too_long((1ULL << 50U) - 1, kLongestMessage));
  EXPECT_FALSE(is_too_long(1ULL << 50U, kLongestMessage));
}

TEST(LongMessage, Its_error_is_of_the_message_alone) {
  const Error error = too_long(kLongestMessage + 1, kLongestMessage);
  EXPECT_EQ(error.kind, ErrorKind::message);
  EXPECT_EQ(error.scope, Scope::message);
  EXPECT_FALSE(error.hint.empty());
}

}  // namespace mailhaul::store
