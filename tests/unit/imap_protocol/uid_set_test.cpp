#include "plugins/imap/protocol/uid_set.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>

using namespace mailhaul::imap;

namespace {

UidSet set_of(std::string_view text) {
  const auto set = UidSet::parse(text);
  EXPECT_TRUE(set) << text;
  return set.value_or(UidSet{});
}

}  // namespace

TEST(UidSet, Text_is_read_sorted_and_joined) {
  for (const auto& [text, expected] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"1", "1"},
           {"1:3,7", "1:3,7"},
           {"7,1:3", "1:3,7"},
           {"3:1", "1:3"},  // hMailServer
           {"1:3,4:6", "1:6"},
           {"1:10,3:5", "1:10"},
           {"5,5,5", "5"},
           {"0000000000001", "1"},
           {"4294967295", "4294967295"},
           {"1:4294967295", "1:4294967295"},
           {"4294967294,4294967295,1", "1,4294967294:4294967295"}}) {
    EXPECT_EQ(set_of(text).text(), expected) << text;
  }
}

TEST(UidSet, What_is_no_set_of_a_server_is_refused) {
  for (const std::string_view bad : {"", "0", "0:5", "*", "1:*", "4294967296", "18446744073709551617", "1,", ",1",
                                     "1:", ":1", "1:2:3", "1 ", " 1", "1,,2", "-1", "1-2", "a", "1;2"}) {
    EXPECT_FALSE(UidSet::parse(bad)) << bad;
    EXPECT_FALSE(UidSet::parse_ordered(bad, 100)) << bad;
  }
}

TEST(UidSet, Ranges_are_limited_and_never_expanded) {
  EXPECT_TRUE(UidSet::parse("1,3,5", 3));
  EXPECT_FALSE(UidSet::parse("1,3,5,7", 3));
  const UidSet all = set_of("1:4294967295");
  EXPECT_EQ(all.count(), 4294967295U);
  EXPECT_EQ(all.ranges().size(), 1U);
  EXPECT_EQ(all.at(4294967294U), 4294967295U);
  EXPECT_FALSE(all.at(4294967295U));
}

TEST(UidSet, A_set_in_a_hostile_order_takes_no_quadratic_time) {
  std::string text;
  for (int uid = 1'000'000; uid > 0; uid -= 2) text += std::to_string(uid) + ",";
  text.pop_back();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(set_of(text).ranges().size(), 500'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(UidSet, Ordered_sets_keep_the_order_of_the_server) {
  EXPECT_EQ(UidSet::parse_ordered("7,1:3", 4), (std::vector<Uid>{7, 1, 2, 3}));
  EXPECT_EQ(UidSet::parse_ordered("3:1", 4), (std::vector<Uid>{1, 2, 3}));  // RFC 4315 4: 2:4 and 4:2 are equivalent
  EXPECT_EQ(UidSet::parse_ordered("4294967295", 1), (std::vector<Uid>{4294967295U}));
  EXPECT_TRUE(UidSet::parse_ordered("1:4", 4));
  EXPECT_FALSE(UidSet::parse_ordered("1:5", 4));
  EXPECT_FALSE(UidSet::parse_ordered("1:4,9", 4));
  EXPECT_FALSE(UidSet::parse_ordered("1:4294967295", 1'000'000));  // CVE-2025-25186
  EXPECT_FALSE(UidSet::parse_ordered("1", 0));
}

TEST(UidSet, Adding_and_removing_do_what_a_set_of_numbers_does) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    UidSet set;
    std::set<Uid> model;
    for (int step = 0; step < 60; ++step) {
      const auto first = static_cast<Uid>(1 + random() % 50);
      if (random() % 3 == 0) {
        set.remove(first);
        model.erase(first);
      } else {
        const Uid last = first + static_cast<Uid>(random() % 6);
        set.add(first, last);
        for (Uid uid = first; uid <= last; ++uid) model.insert(uid);
      }
      ASSERT_EQ(set.count(), model.size());
      std::uint64_t n = 0;
      for (const Uid uid : model) {
        ASSERT_TRUE(set.contains(uid));
        ASSERT_EQ(set.at(n++), uid);
      }
      ASSERT_FALSE(set.at(n));
      ASSERT_FALSE(set.contains(0));
      for (std::size_t i = 1; i < set.ranges().size(); ++i) {
        ASSERT_LT(std::uint64_t{set.ranges()[i - 1].last} + 1, set.ranges()[i].first);  // maximal
      }
      if (!set.empty()) {
        ASSERT_EQ(set_of(set.text()), set);
      }
    }
  }
}

TEST(UidSet, The_last_uid_has_no_neighbour) {
  UidSet set;
  set.add(4294967295U);
  set.add(1);
  set.add(4294967290U, 4294967295U);
  EXPECT_EQ(set.text(), "1,4294967290:4294967295");
  set.remove(4294967295U);
  EXPECT_EQ(set.text(), "1,4294967290:4294967294");
}

TEST(UidSet, Pieces_are_as_long_as_allowed_and_together_the_set) {
  UidSet set;
  for (Uid uid = 1; uid < 5000; uid += 2) set.add(uid);
  for (const std::size_t most : {10U, 21U, 1000U, 8000U, 1'000'000U}) {
    UidSet together;
    for (const UidSet& piece : set.split(most)) {
      EXPECT_LE(piece.text().size(), most);
      EXPECT_FALSE(piece.empty());
      for (const auto& range : piece.ranges()) together.add(range.first, range.last);
    }
    EXPECT_EQ(together, set);
  }
  EXPECT_EQ(set.split(1'000'000).size(), 1U);
  EXPECT_TRUE(UidSet{}.split(100).empty());
  EXPECT_EQ(set_of("1000000:2000000").split(5).size(), 1U);  // nothing smaller to say
}
