#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

using namespace mailhaul;

namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return make_error(ErrorKind::usage, Scope::message, "odd", "take an even one", Retry::later);
  return number / 2;
}

Result<int> quarter(int number) {
  MH_TRY(const int once, half(number));
  MH_TRY(const int twice, half(once));
  return twice;
}

Status check_quarter(int number) {
  MH_CHECK(half(number));
  MH_CHECK(half(number / 2));
  return {};
}

}  // namespace

TEST(Result, Try_hands_on_the_value_or_returns_the_error) {
  EXPECT_EQ(quarter(12).value(), 3);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().what, "odd");
  EXPECT_EQ(failed.error().kind, ErrorKind::usage);
  EXPECT_EQ(failed.error().retry, Retry::later);
}

TEST(Result, Check_hands_on_only_errors) {
  EXPECT_TRUE(check_quarter(12).ok());
  EXPECT_EQ(check_quarter(6).error().hint, "take an even one");
}

TEST(Result, Context_stands_before_what_and_changes_nothing_else) {
  auto failed = half(1);
  const Error error = std::move(failed).error().context("append to Sent");
  EXPECT_EQ(error.what, "append to Sent: odd");
  EXPECT_EQ(error.hint, "take an even one");
  EXPECT_EQ(error.scope, Scope::message);
}

TEST(Result, Holds_what_can_only_be_moved) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}
