// Sources that outlive their sessions: at whatever point a session dies, each message is told once.
#include "pipeline/steady_source.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "pipeline/key_set.hpp"
#include "unit/pipeline/bench.hpp"
#include "unit/pipeline/flaky_place.hpp"

namespace mailhaul::pipeline {
namespace {

using namespace std::chrono_literals;

class CountingSink final : public store::ItemSink {
 public:
  Status on_item(store::Item item) override {
    ++items[item.key];
    return fail_at && items.size() == *fail_at
               ? Status(make_error(ErrorKind::bug, Scope::session, "sink", "", Retry::now))
               : Status();
  }
  Status on_gone(const store::Key& key) override {
    ++gone[key];
    return {};
  }
  Status on_bad(const store::Key&, Error) override { return {}; }
  std::map<store::Key, int> items, gone;
  std::optional<std::size_t> fail_at;
};

class Fetches final : public store::FetchSink {
 public:
  explicit Fetches(std::vector<store::FetchBatch> batches) : batches_(std::move(batches)) {}
  store::NextBatch next() {
    return
        [this]() -> Result<store::FetchBatch> { return at_ < batches_.size() ? batches_[at_++] : store::FetchBatch{}; };
  }
  Status on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message) override {
    ++ended[folder.path.text() + " " + item.key];
    ++messages;
    return fail_after && messages > *fail_after
               ? Status(make_error(ErrorKind::bug, Scope::session, "sink", "", Retry::now))
               : Status();
  }
  Status on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) override {
    ++ended[folder.path.text() + " " + item.key];
    failed[item.key] = error;
    return {};
  }
  Status on_vanished(const store::FolderInfo& folder, const store::Item& item) override {
    ++ended[folder.path.text() + " " + item.key];
    ++vanished;
    return {};
  }
  std::map<std::string, int> ended;
  std::map<store::Key, Error> failed;
  int messages = 0, vanished = 0;
  std::optional<int> fail_after;

 private:
  std::vector<store::FetchBatch> batches_;
  std::size_t at_ = 0;
};

class SteadySourceTest : public testing::Test {
 protected:
  SteadySourceTest() {
    for (int i = 0; i < 12; ++i) place.put("INBOX", letter(i));
    for (int i = 20; i < 26; ++i) place.put("Sent", letter(i));
  }
  std::unique_ptr<SteadySource> open(FlakyPlace& from) {
    return std::make_unique<SteadySource>(
        nullptr, [&from](const store::Past&) { return open_flaky_source(from); }, "flaky:", patience_of(bench.clock()), bench.services());
  }
  std::vector<store::FolderInfo> folders_of(SteadySource& source) {
    std::vector<store::FolderInfo> folders;
    const Status status = source.folders([&](store::FolderInfo info) {
      folders.push_back(std::move(info));
      return Status();
    });
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().what);
    return folders;
  }
  static std::vector<store::FetchBatch> batches_of(const std::vector<store::FolderInfo>& folders, std::size_t size) {
    std::vector<store::FetchBatch> batches;
    for (const auto& [folder, count] : {std::pair{&folders[0], 12}, std::pair{&folders[1], 6}}) {
      for (int uid = 1; uid <= count; ++uid) {
        if (batches.empty() || batches.back().folder != folder || batches.back().items.size() == size)
          batches.push_back({folder, {}});
        store::Item item;
        item.key = std::to_string(uid);
        batches.back().items.push_back(std::move(item));
      }
    }
    return batches;
  }

  Bench bench;
  FlakyPlace place{bench.clock()};
};

TEST_F(SteadySourceTest, Wherever_sessions_die_each_message_is_told_once) {
  std::uint64_t cuts = 0;
  for (std::uint64_t step = 0;; ++step) {
    FlakyPlace cut(bench.clock());
    for (int i = 0; i < 12; ++i) cut.put("INBOX", letter(i));
    for (int i = 20; i < 26; ++i) cut.put("Sent", letter(i));
    // One death at a point of its own, and every tenth time a second one soon after the first.
    if (step != 0) cut.deaths = {step};
    if (step % 10 == 0 && step != 0) cut.deaths.insert(step + 3);
    auto source = open(cut);
    const auto folders = folders_of(*source);
    ASSERT_EQ(folders.size(), 2U) << step;
    for (const auto& folder : folders) {
      CountingSink sink;
      const auto end = source->list(folder, std::nullopt, sink);
      ASSERT_TRUE(end.ok()) << step;
      EXPECT_EQ(end->state, std::to_string(sink.items.size())) << step;
      for (const auto& [key, times] : sink.items) EXPECT_EQ(times, 1) << key << " at " << step;
      EXPECT_EQ(sink.items.size(), folder.path.is_inbox() ? 12U : 6U) << step;
      CountingSink described;
      const std::vector<store::Key> keys{"3", "1", "5", "99"};
      ASSERT_TRUE(source->describe(folder, keys, described).ok()) << step;
      EXPECT_EQ(described.items, (std::map<store::Key, int>{{"1", 1}, {"3", 1}, {"5", 1}})) << step;
      EXPECT_EQ(described.gone, (std::map<store::Key, int>{{"99", 1}})) << step;
    }
    Fetches fetches(batches_of(folders, 5));
    ASSERT_TRUE(source->fetch(fetches.next(), fetches).ok()) << step;
    EXPECT_EQ(fetches.ended.size(), 18U) << step;
    EXPECT_EQ(fetches.messages, 18) << step;
    EXPECT_TRUE(source->pump(0ms).ok()) << step;
    if (cut.points() < step) break;
    cuts += step == 0 ? 0 : 1;
  }
  EXPECT_GT(cuts, 45U) << "a sweep that hardly cuts proves nothing";
  RecordProperty("cut_points", static_cast<int>(cuts));
}

TEST_F(SteadySourceTest, A_loss_is_told_once_as_information) {
  place.deaths = {2};
  auto source = open(place);
  folders_of(*source);
  ASSERT_EQ(bench.notes().size(), 1U);
  EXPECT_EQ(bench.notes()[0].weight, store::Note::Weight::info);
  EXPECT_EQ(bench.notes()[0].text, "flaky:: connection lost (the server closed the connection), reconnecting");
}

TEST_F(SteadySourceTest, Sessions_that_bring_nothing_are_given_up_after_ten_pauses_that_double_up_to_five_minutes) {
  auto source = open(place);
  folders_of(*source);
  const auto start = bench.clock().steady();
  for (std::uint64_t i = 1; i < 100; ++i) place.deaths.insert(place.points() + i);
  const Status status = source->folders([](store::FolderInfo) { return Status(); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(place.sessions(), 11U);
  EXPECT_EQ(bench.clock().steady() - start, 1s * (1 + 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256 + 300));
}

TEST_F(SteadySourceTest, A_server_that_asks_for_a_pause_gets_it) {
  Error busy = make_error(ErrorKind::unreachable, Scope::session, "busy", "", Retry::later);
  busy.wait = 7s;
  BackOff back_off(patience_of(bench.clock()), bench.cancel());
  const auto start = bench.clock().steady();
  ASSERT_TRUE(back_off.pause(busy).ok());
  EXPECT_EQ(bench.clock().steady() - start, 7s);
}

TEST_F(SteadySourceTest, A_server_that_is_away_for_a_while_is_waited_for) {
  auto source = open(place);
  folders_of(*source);
  place.deaths = {place.points() + 1};
  place.refuse_sessions = 4;
  EXPECT_EQ(folders_of(*source).size(), 2U);
}

TEST_F(SteadySourceTest, A_first_session_that_cannot_be_had_is_an_error_at_once) {
  place.refuse_sessions = 1;
  auto source = open(place);
  EXPECT_FALSE(source->folders([](store::FolderInfo) { return Status(); }).ok());
  EXPECT_EQ(place.sessions(), 1U);
}

TEST_F(SteadySourceTest, A_cancelled_run_does_not_wait) {
  auto source = open(place);
  folders_of(*source);
  place.deaths = {place.points() + 1};
  place.on_death = [&] { bench.cancel().request(); };
  const Status status = source->folders([](store::FolderInfo) { return Status(); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::interrupted);
}

TEST_F(SteadySourceTest, An_error_of_the_sink_is_never_taken_for_a_loss) {
  auto source = open(place);
  const auto folders = folders_of(*source);
  CountingSink sink;
  sink.fail_at = 3;
  const auto end = source->list(folders[0], std::nullopt, sink);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().what, "sink");
  Fetches fetches(batches_of(folders, 5));
  fetches.fail_after = 4;
  const Status status = source->fetch(fetches.next(), fetches);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().what, "sink");
  const Status no_batch = source->fetch(
      []() -> Result<store::FetchBatch> { return make_error(ErrorKind::bug, Scope::session, "next", "", Retry::now); },
      fetches);
  ASSERT_FALSE(no_batch.ok());
  EXPECT_EQ(no_batch.error().what, "next");
  EXPECT_EQ(place.sessions(), 1U);
}

TEST_F(SteadySourceTest, A_message_that_ends_every_connection_fails_alone) {
  place.kills = [](const std::string& text) { return text == letter(7) || text == letter(22); };
  auto source = open(place);
  const auto folders = folders_of(*source);
  Fetches fetches(batches_of(folders, 5));
  const Status status = source->fetch(fetches.next(), fetches);
  ASSERT_TRUE(status.ok()) << status.error().what;
  EXPECT_EQ(fetches.ended.size(), 18U);
  EXPECT_EQ(fetches.messages, 16);
  ASSERT_EQ(fetches.failed.size(), 2U);
  const std::string what = fetches.failed.at("8").what;
  EXPECT_TRUE(what.starts_with("the connection is lost at this message each time it is asked for: ")) << what;
  EXPECT_EQ(fetches.failed.at("3").kind, ErrorKind::message);
}

TEST_F(SteadySourceTest, A_folder_that_is_another_one_after_a_loss_fails_its_messages_and_no_others) {
  auto source = open(place);
  const auto folders = folders_of(*source);
  place.deaths = {place.points() + 5};
  place.on_death = [&] { place.change_epoch("INBOX"); };
  Fetches fetches(batches_of(folders, 20));
  ASSERT_TRUE(source->fetch(fetches.next(), fetches).ok());
  EXPECT_EQ(fetches.messages, 3 + 6);
  EXPECT_EQ(fetches.failed.size(), 9U);
  for (const auto& [key, error] : fetches.failed) EXPECT_EQ(error.kind, ErrorKind::identity) << key;
}

TEST_F(SteadySourceTest, An_idle_session_that_died_is_opened_again_when_it_is_needed) {
  auto source = open(place);
  const auto folders = folders_of(*source);
  place.deaths = {place.points() + 1};
  EXPECT_TRUE(source->pump(0ms).ok());
  EXPECT_EQ(place.sessions(), 1U);
  EXPECT_TRUE(source->pump(0ms).ok());
  CountingSink sink;
  EXPECT_TRUE(source->list(folders[0], std::nullopt, sink).ok());
  EXPECT_EQ(place.sessions(), 2U);
}

TEST(KeySetTest, Ascending_numbers_are_kept_as_ranges) {
  KeySet keys;
  for (int i = 1; i <= 1000; ++i)
    EXPECT_TRUE(i == 500 || keys.insert(std::to_string(i)));
  EXPECT_EQ(keys.ranges(), 2U);
  EXPECT_FALSE(keys.contains("500"));
  EXPECT_TRUE(keys.insert("500"));
  EXPECT_EQ(keys.ranges(), 1U);
  EXPECT_FALSE(keys.insert("500"));
}

TEST(KeySetTest, It_knows_exactly_what_was_put_in) {
  KeySet keys;
  std::set<std::string> model;
  std::uint64_t state = 1;
  for (int i = 0; i < 5000; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    std::string key = std::to_string((state >> 33U) % 700);
    if (i % 5 == 0) key.insert(0, "0");
    if (i % 7 == 0) key += "x";
    EXPECT_EQ(keys.insert(key), model.insert(key).second) << key;
  }
  for (const char* key : {"18446744073709551615", "18446744073709551614", "18446744073709551616", "0"}) {
    EXPECT_EQ(keys.insert(key), model.insert(key).second) << key;
    EXPECT_FALSE(keys.insert(key)) << key;
  }
  for (int i = 0; i < 720; ++i) EXPECT_EQ(keys.contains(std::to_string(i)), model.count(std::to_string(i)) != 0) << i;
}

}  // namespace
}  // namespace mailhaul::pipeline
