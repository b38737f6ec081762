// Contents in memory and in the spool file: the same to their reader, and all given back.
#include "files/spool.hpp"

#include <sys/stat.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

#include "mail/sha256.hpp"
#include "sanitizers.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

std::string octets_of(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

mail::ContentPtr spool_in(Spool& spool, std::string_view text, std::size_t step) {
  auto writer = spool.begin();
  EXPECT_TRUE(succeeded(writer));
  for (std::size_t at = 0; at < text.size(); at += step)
    EXPECT_TRUE(succeeded((*writer)->append(as_octets(text.substr(at, step)))));
  auto content = (*writer)->finish();
  EXPECT_TRUE(succeeded(content));
  return content.ok() ? *content : nullptr;
}

std::string read_back(const mail::Content& content, std::size_t step) {
  std::string text;
  std::vector<std::byte> into(step);
  for (;;) {
    auto got = content.read(text.size(), into);
    EXPECT_TRUE(succeeded(got));
    if (!got.ok() || *got == 0) return text;
    text += as_text(Octets(into).first(*got));
  }
}

[[maybe_unused]] std::uint64_t resident_octets() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * 4096;
}

// Sizes around every border of the pieces.
const std::vector<std::size_t> kSizes{0,      1,      4095,   4096,    4097,    16383,     16384,     16385,
                                      81'919, 81'920, 81'921, 147'456, 500'000, 4'194'304, 4'194'305, 5'000'000};

TEST(Spool, Gives_back_the_octets_of_any_size_from_memory_and_from_the_file) {
  TempDir directory;
  for (const std::uint64_t limit : {std::uint64_t{64} << 20, std::uint64_t{100'000}, std::uint64_t{0}}) {
    MemoryBudget budget(limit);
    Spool spool(directory.path(), budget, {.cid = true});
    for (const std::size_t size : kSizes) {
      SCOPED_TRACE(std::to_string(limit) + " " + std::to_string(size));
      const std::string text = octets_of(size, static_cast<std::uint32_t>(size));
      for (const std::size_t step : {std::size_t{997}, std::size_t{70'000}, std::size_t{8'000'000}}) {
        const auto content = spool_in(spool, text, step);
        ASSERT_NE(content, nullptr);
        EXPECT_EQ(content->size(), size);
        EXPECT_EQ(content->facts().cid, mail::sha256(as_octets(text)));
        EXPECT_TRUE(read_back(*content, 65'537) == text);
        const bool is_small = size > 0 && size <= 16384 && limit == std::uint64_t{64} << 20;
        EXPECT_TRUE(is_small ? as_text(content->held()) == text : content->held().empty() || limit == 100'000);
      }
      EXPECT_EQ(budget.used(), 0U);
    }
    EXPECT_LE(budget.peak(), limit);
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  }
}

TEST(Spool, Reads_from_any_offset) {
  TempDir directory;
  const std::string text = octets_of(200'000, 7);
  for (const std::uint64_t limit : {std::uint64_t{1} << 20, std::uint64_t{0}}) {
    MemoryBudget budget(limit);
    Spool spool(directory.path(), budget, {});
    const auto content = spool_in(spool, text, 1000);
    std::array<std::byte, 100> into{};
    for (const std::size_t at : {0UL, 16'300UL, 16'384UL, 81'900UL, 199'900UL, 199'950UL, 200'000UL, 900'000UL}) {
      const auto got = content->read(at, into);
      ASSERT_TRUE(succeeded(got));
      EXPECT_EQ(as_text(Octets(into).first(*got)), at < text.size() ? text.substr(at, 100) : "") << at;
    }
  }
}

TEST(Spool, Spills_a_message_above_4_MiB_and_one_that_the_budget_refuses) {
  TempDir directory;
  MemoryBudget budget(std::uint64_t{64} << 20);
  Spool spool(directory.path(), budget, {});
  auto at_limit = spool_in(spool, octets_of(4 << 20, 1), 100'000);
  EXPECT_EQ(spool.spilled(), 0U);
  auto above = spool_in(spool, octets_of((4 << 20) + 1, 1), 100'000);
  EXPECT_EQ(spool.spilled(), 1U);
  EXPECT_LE(budget.used(), (4U << 20) + 4096U) << "the spilled one holds nothing";

  MemoryBudget tiny(10'000);
  Spool small_spool(directory.path(), tiny, {});
  auto first = spool_in(small_spool, octets_of(8000, 1), 1000);
  auto second = spool_in(small_spool, octets_of(8000, 2), 1000);
  EXPECT_EQ(small_spool.spilled(), 1U);
  EXPECT_TRUE(read_back(*second, 100) == octets_of(8000, 2));
}

TEST(Spool, Costs_tiny_messages_little_more_than_their_octets) {
  TempDir directory;
  MemoryBudget budget(std::uint64_t{64} << 20);
  Spool spool(directory.path(), budget, {});
  std::vector<mail::ContentPtr> held;
  for (int i = 0; i < 20'000; ++i) held.push_back(spool_in(spool, "Subject: x\n\nbody\n", 100));
  EXPECT_EQ(spool.spilled(), 0U);
  EXPECT_LE(budget.used(), 20'000U * 64U);
  held.clear();
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Spool, Leaves_nothing_of_a_message_that_was_not_finished) {
  TempDir directory;
  MemoryBudget budget(100'000);
  Spool spool(directory.path(), budget, {});
  for (const std::size_t size : {5000U, 500'000U}) {
    auto writer = spool.begin();
    ASSERT_TRUE(succeeded((*writer)->append(as_octets(octets_of(size, 3)))));
  }
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(Spool, Content_outlives_its_spool) {
  TempDir directory;
  MemoryBudget budget(100'000);
  auto spool = std::make_unique<Spool>(directory.path(), budget, mail::ScanOptions{});
  const auto held = spool_in(*spool, "in memory", 100);
  const std::string large = octets_of(300'000, 9);
  const auto spilled = spool_in(*spool, large, 100'000);
  spool.reset();
  EXPECT_EQ(read_back(*held, 100), "in memory");
  EXPECT_TRUE(read_back(*spilled, 100'000) == large);
}

TEST(Spool, Content_is_read_by_many_threads_at_once) {
  TempDir directory;
  MemoryBudget budget(1'000'000);
  Spool spool(directory.path(), budget, {});
  const std::string small = octets_of(300'000, 4);
  const std::string large = octets_of(2'000'000, 5);
  const auto held = spool_in(spool, small, 100'000);
  const auto spilled = spool_in(spool, large, 100'000);
  ASSERT_EQ(spool.spilled(), 1U);
  std::atomic<int> right{0};
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < 8; ++i) {
    readers.emplace_back([&, i] {
      if (read_back(*held, 1000 + i) == small) ++right;
      if (read_back(*spilled, 10'000 + i) == large) ++right;
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(right, 16);
}

TEST(Spool, Writers_of_many_threads_share_one_budget) {
  TempDir directory;
  MemoryBudget budget(500'000);
  Spool spool(directory.path(), budget, {});
  std::atomic<int> right{0};
  std::vector<std::thread> writers;
  for (std::uint32_t i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (std::uint32_t n = 0; n < 50; ++n) {
        const std::string text = octets_of(1000 * n, i * 1000 + n);
        if (read_back(*spool_in(spool, text, 7777), 50'000) == text) ++right;
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(right, 200);
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_LE(budget.peak(), 500'000U);
}

TEST(Spool, Gives_memory_back_to_the_system) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer keeps freed memory on purpose";
  TempDir directory;
  constexpr std::uint64_t kLimit = 32 << 20;
  MemoryBudget budget(kLimit);
  Spool spool(directory.path(), budget, {});
  const std::string text = octets_of(3'000'000, 6);
  const std::uint64_t before = resident_octets();
  std::mt19937 random(1);
  std::vector<mail::ContentPtr> window(64);
  for (int i = 0; i < 500; ++i)
    window[random() % 64] = spool_in(spool, std::string_view(text).substr(0, random() % 600'000), 30'000);
  EXPECT_LE(resident_octets(), before + kLimit + (8U << 20)) << "the process stays near the budget";
  window.clear();
  EXPECT_LE(resident_octets(), before + (12U << 20)) << "and shrinks when the messages are gone";
}

TEST(Spool, Says_for_the_whole_run_that_its_directory_is_gone) {
  MemoryBudget budget(0);
  Spool spool("/nowhere/at/all", budget, {});
  auto writer = spool.begin();
  const Status refused = (*writer)->append(as_octets("x"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().scope, Scope::run);
  EXPECT_NE(refused.error().what.find("/nowhere/at/all"), std::string::npos);
}

TEST(MemoryBudget, Refuses_what_does_not_fit_and_remembers_its_peak) {
  MemoryBudget budget(100);
  EXPECT_TRUE(budget.try_take(60));
  EXPECT_FALSE(budget.try_take(41));
  EXPECT_FALSE(budget.try_take(~std::uint64_t{0})) << "the sum does not wrap";
  EXPECT_TRUE(budget.try_take(40));
  budget.give_back(100);
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(budget.peak(), 100U);
}

}  // namespace
}  // namespace mailhaul::files
