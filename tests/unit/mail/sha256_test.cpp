#include "mail/sha256.hpp"

#include <gtest/gtest.h>

#include <string>

using namespace mailhaul;
using namespace mailhaul::mail;

namespace {
std::string hex_of(const Digest& digest) { return to_hex(digest.octets()); }
}  // namespace

TEST(Sha256, Known_answers_of_FIPS_180) {
  EXPECT_EQ(hex_of(sha256(as_octets(""))), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_of(sha256(as_octets("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_of(sha256(as_octets(std::string(1000000, 'a')))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, Finish_leaves_the_state_and_a_copy_forks_it) {
  Sha256 first;
  first.update(as_octets("a"));
  EXPECT_EQ(first.finish(), sha256(as_octets("a")));
  Sha256 second = first;
  second.update(as_octets("x"));
  first.update(as_octets("bc"));
  EXPECT_EQ(first.finish(), sha256(as_octets("abc")));
  EXPECT_EQ(second.finish(), sha256(as_octets("ax")));
  second = first;
  second.update(as_octets("d"));
  EXPECT_EQ(second.finish(), sha256(as_octets("abcd")));
  EXPECT_EQ(first.finish(), sha256(as_octets("abc")));
}

TEST(Sha256, Moves_and_takes_a_copy_into_what_was_moved_from) {
  Sha256 first;
  first.update(as_octets("a"));
  Sha256 second = std::move(first);
  first = second;  // NOLINT: assigning to a moved-from object is what is tested
  first.update(as_octets("b"));
  EXPECT_EQ(first.finish(), sha256(as_octets("ab")));
  EXPECT_EQ(second.finish(), sha256(as_octets("a")));
}
