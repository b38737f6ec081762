// In which order the messages that a run still has to read are given.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ledger/pending.hpp"

namespace mailhaul::ledger {
namespace {

class PendingTableTest : public testing::Test {
 protected:
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
};

TEST_F(PendingTableTest, Items_come_back_whole_in_order_and_by_folder) {
  auto table = PendingTable::make(*fs_).value();
  ASSERT_TRUE(table->begin().ok());
  for (std::uint32_t i = 0; i < 10; ++i) {
    PendingItem item;
    item.folder = i < 6 ? 0 : 1;
    item.key = "k" + std::to_string(i);
    item.locator = std::string("a\0b", 3);
    item.meta.flags.set(mail::Flags::seen);
    item.meta.keywords = {"$Forwarded", "Work"};
    item.meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(-5)), std::chrono::minutes(-90)};
    item.size = i == 3 ? -1 : 7;
    ASSERT_TRUE(table->add(item).ok());
  }
  ASSERT_TRUE(table->end().ok());
  const auto first = table->next(100).value();
  ASSERT_EQ(first.size(), 6U);
  EXPECT_EQ(first[2].key, "k2");
  EXPECT_EQ(first[2].locator, std::string("a\0b", 3));
  EXPECT_EQ(first[2].meta.keywords, (std::vector<std::string>{"$Forwarded", "Work"}));
  EXPECT_EQ(first[2].meta.received->instant, Instant(std::chrono::seconds(-5)));
  EXPECT_EQ(first[2].meta.received->zone, std::chrono::minutes(-90));
  EXPECT_EQ(first[3].size, -1);
  EXPECT_EQ(table->next(3).value().size(), 3U);
  EXPECT_EQ(table->next(3).value().size(), 1U);
  EXPECT_TRUE(table->next(2).value().empty());
}

TEST_F(PendingTableTest, Items_come_in_the_order_of_arrival_where_the_listing_has_none) {
  auto table = PendingTable::make(*fs_).value();
  ASSERT_TRUE(table->begin().ok());
  for (const auto& [folder, arrived] : std::vector<std::pair<std::uint32_t, int>>{{0, 7}, {0, 3}, {0, 7}, {1, 2}, {1, 1}}) {
    PendingItem item;
    item.folder = folder;
    item.arrived = arrived;
    ASSERT_TRUE(table->add(item).ok());
  }
  ASSERT_TRUE(table->end().ok());
  std::string order;
  for (auto some = table->next(2).value(); !some.empty(); some = table->next(2).value()) {
    for (const auto& item : some) order += std::to_string(item.number) + " ";
  }
  EXPECT_EQ(order, "1 0 2 4 3 ");
}

TEST_F(PendingTableTest, Items_come_the_newest_first_of_each_folder) {
  auto table = PendingTable::make(*fs_).value();
  ASSERT_TRUE(table->begin().ok());
  const std::vector<std::pair<std::uint32_t, int>> listed{{0, 5}, {0, 9}, {0, -1}, {0, 9}, {0, -1}, {1, 3}, {1, 4}};
  for (const auto& [folder, day] : listed) {
    PendingItem item;
    item.folder = folder;
    item.key = std::to_string(table->count());
    if (day >= 0) item.meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(day * 86400)), std::nullopt};
    ASSERT_TRUE(table->add(item).ok());
  }
  ASSERT_TRUE(table->end().ok());
  table->set_order(PendingTable::Order::newest_first);
  std::string order;
  for (;;) {
    const auto some = table->next(3).value();
    if (some.empty()) break;
    for (const auto& item : some) {
      EXPECT_EQ(item.key, std::to_string(item.number));
      order += item.key + " ";
    }
    order += "| ";
  }
  EXPECT_EQ(order, "3 1 0 | 4 2 | 6 5 | ");  // without a date: the last listed first, behind the others
}

TEST_F(PendingTableTest, Items_of_two_lanes_come_in_turns_and_of_each_lane_one_folder_after_the_other) {
  for (const bool newest_first : {false, true}) {
    auto table = PendingTable::make(*fs_).value();
    ASSERT_TRUE(table->begin().ok());
    for (const std::uint32_t folder : {0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 3}) {
      if (table->count() == 5) {
        EXPECT_EQ(table->skip(), 5U);  // a number for which there is no item
      }
      PendingItem item;
      item.folder = folder;
      item.size = folder == 2 ? 1'000'000 : -1;
      ASSERT_TRUE(table->add(item).ok());
    }
    ASSERT_TRUE(table->end().ok());
    const auto loads = table->loads();
    ASSERT_EQ(loads.size(), 4U);
    for (std::uint32_t folder = 0; folder < 4; ++folder) EXPECT_EQ(loads[folder].first, folder);
    EXPECT_GT(loads[2].second, 5'000'000U);
    EXPECT_GT(loads[0].second, loads[3].second);
    table->set_lanes({{0, 0}, {1, 0}, {2, 1}, {3, 0}});
    if (newest_first) table->set_order(PendingTable::Order::newest_first);
    std::string order;
    for (auto some = table->next(2).value(); !some.empty(); some = table->next(2).value()) {
      for (const auto& item : some) order += std::to_string(item.folder);
      order += ' ';
    }
    EXPECT_EQ(order, "00 22 0 22 11 2 3 ");
  }
}

}  // namespace
}  // namespace mailhaul::ledger
