#include "store/registry.hpp"

#include <gtest/gtest.h>

using namespace mailhaul;
using namespace mailhaul::store;

namespace {
constexpr Descriptor kMbox{"mbox", "a file", nullptr, nullptr, nullptr, nullptr};
constexpr Descriptor kMaildir{"maildir", "a tree", nullptr, nullptr, nullptr, nullptr};
}  // namespace

TEST(Registry, Finds_a_scheme) {
  const Registry registry({&kMbox, &kMaildir});
  const auto found = registry.find(*parse_location("Maildir:/x"));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, &kMaildir);
  EXPECT_EQ(registry.all().size(), 2U);
}

TEST(Registry, An_unknown_scheme_is_a_usage_error_that_lists_the_known_ones) {
  const Registry registry({&kMbox, &kMaildir});
  const auto found = registry.find(*parse_location("gopher://joe:hunter2@host/x"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::usage);
  EXPECT_NE(found.error().what.find("gopher"), std::string::npos);
  EXPECT_EQ(found.error().what.find("hunter2"), std::string::npos);
  EXPECT_NE(found.error().hint.find("maildir, mbox"), std::string::npos);
}
