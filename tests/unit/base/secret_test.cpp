#include "base/secret.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <string>

using namespace mailhaul;

namespace {

/// Octets of `storage` that are still there after a Secret lived in it.
bool holds(const unsigned char* storage, std::size_t size, std::string_view text) {
  return std::string_view(reinterpret_cast<const char*>(storage), size).find(text) != std::string_view::npos;
}

}  // namespace

TEST(Secret, A_copy_lives_on_and_a_moved_one_is_empty) {
  Secret first(std::string("correct horse battery staple"));
  Secret copy = first;
  const Secret moved = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT: that is the promise
  EXPECT_EQ(moved.reveal(), "correct horse battery staple");
  copy = Secret(std::string("x"));
  EXPECT_EQ(copy.reveal(), "x");
  EXPECT_EQ(copy.size(), 1U);
}

TEST(Secret, A_short_one_leaves_nothing_where_it_was_moved_from) {
  alignas(Secret) unsigned char storage[sizeof(Secret)] = {};
  auto* secret = new (storage) Secret(std::string("hunter2"));
  ASSERT_TRUE(holds(storage, sizeof storage, "hunter2")) << "short strings lie in place with this library";
  Secret elsewhere = std::move(*secret);
  EXPECT_FALSE(holds(storage, sizeof storage, "hunter2"));
  *secret = std::move(elsewhere);
  EXPECT_TRUE(holds(storage, sizeof storage, "hunter2"));
  secret->~Secret();
  EXPECT_FALSE(holds(storage, sizeof storage, "hunter2"));
}
