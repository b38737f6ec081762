// Parts of their real size, which is too much for a dialogue; what servers get wrong is in tests/dialogue/parts.
#include "plugins/imap/parts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "conformance/world.hpp"

namespace mailhaul::imap {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

/// A server that gives what it is asked for, and the message that comes of it.
struct Fetching {
  explicit Fetching(std::uint64_t size, std::uint64_t told)
      : spool(directory.path(), budget, mail::ScanOptions{}), parts(7, told, begin()), text(size, 'x') {
    for (std::uint64_t i = 0; i < size; i += 64) text.replace(i, 8, std::to_string(10'000'000 + i / 64));
    text.resize(size);
  }
  std::unique_ptr<files::ContentWriter> begin() { return std::move(spool.begin()).value(); }

  /// One part: as much of the message as there is.
  void give(std::uint64_t offset) {
    const std::string_view piece =
        std::string_view(text).substr(std::min<std::size_t>(offset, text.size()), Parts::kOctets);
    const bool due = parts.begin({7, offset}, piece.size());
    if (due) {
      EXPECT_TRUE(parts.append(as_octets(piece)).ok());
    }
    FetchResponse fetched;
    fetched.uid = 7;
    fetched.body = FetchResponse::Body::delivered;
    fetched.body_size = piece.size();
    fetched.body_origin = offset;
    if (offset == 0) fetched.internaldate = "date of the first";
    parts.take(fetched);
    parts.done(offset, /*ok=*/true);
  }
  /// Until the end; how many parts were asked for, and how many of them at once.
  std::pair<unsigned, std::size_t> run() {
    std::deque<std::uint64_t> asked;
    unsigned count = 0;
    std::size_t most = 0;
    for (;;) {
      while (const auto offset = parts.next()) {
        asked.push_back(*offset);
        ++count;
      }
      most = std::max(most, asked.size());
      if (asked.empty()) return {count, most};
      give(asked.front());
      asked.pop_front();
    }
  }

  conformance::TempDir directory;
  files::MemoryBudget budget{64 * kMiB};
  files::Spool spool;
  Parts parts;
  std::string text;
};

TEST(Parts, Make_the_message_and_look_for_its_end) {
  struct Row {
    std::uint64_t size, told;
    unsigned parts;
  };
  for (const Row& row : {Row{33 * kMiB, 33 * kMiB, 6}, Row{40 * kMiB, 40 * kMiB, 6}, Row{40 * kMiB + 1, 40 * kMiB, 7},
                         Row{40 * kMiB, 40 * kMiB + 900, 6}, Row{34 * kMiB, 33 * kMiB, 6}}) {
    Fetching fetching(row.size, row.told);
    const auto [count, at_once] = fetching.run();
    EXPECT_EQ(count, row.parts) << row.size;
    EXPECT_EQ(at_once, 2U);
    ASSERT_TRUE(fetching.parts.complete()) << row.size;
    EXPECT_EQ(fetching.parts.first().internaldate, "date of the first");
    const auto content = fetching.parts.finish();
    ASSERT_TRUE(content.ok() && content->has_value());
    ASSERT_EQ((**content)->size(), row.size);
    std::string back(row.size, '\0');
    ASSERT_TRUE((**content)->read(0, std::as_writable_bytes(std::span(back))).ok());
    EXPECT_TRUE(back == fetching.text);
  }
}

TEST(Parts, Are_no_message_when_the_size_is_another) {
  for (const auto& [size, told] :
       {std::pair(40 * kMiB, 60 * kMiB), std::pair(60 * kMiB, 40 * kMiB), std::pair(0 * kMiB, 40 * kMiB)}) {
    Fetching fetching(size, told);
    (void)fetching.run();
    ASSERT_TRUE(fetching.parts.complete());
    const auto content = fetching.parts.finish();
    ASSERT_TRUE(content.ok());
    EXPECT_FALSE(content->has_value()) << size << " " << told;
  }
}

TEST(Parts, More_than_was_asked_for_is_no_part) {
  Fetching fetching(40 * kMiB, 40 * kMiB);
  ASSERT_EQ(fetching.parts.next(), 0U);
  EXPECT_TRUE(fetching.parts.begin({7, 0}, Parts::kOctets + 1));
  EXPECT_TRUE(fetching.parts.failed());
  EXPECT_TRUE(fetching.parts.append(as_octets("is read over")).ok());
  EXPECT_FALSE(fetching.parts.next().has_value());
}

TEST(Parts, Of_another_message_or_place_are_not_due) {
  Fetching fetching(40 * kMiB, 40 * kMiB);
  EXPECT_FALSE(fetching.parts.begin({7, 0}, 10)) << "nothing was asked for";
  ASSERT_EQ(fetching.parts.next(), 0U);
  for (const BodyHead& head : {BodyHead{8, 0}, BodyHead{7, 1}, BodyHead{7, std::nullopt}, BodyHead{std::nullopt, 0}})
    EXPECT_FALSE(fetching.parts.begin(head, 10));
  EXPECT_FALSE(fetching.parts.failed());
}

}  // namespace
}  // namespace mailhaul::imap
