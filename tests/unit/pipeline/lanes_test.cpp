// One target over several sessions: order, acks on the caller's thread, the loss of one, and a server that gives no more.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "pipeline/lanes.hpp"
#include "unit/pipeline/bench.hpp"
#include "unit/pipeline/flaky_place.hpp"

namespace mailhaul::pipeline {
namespace {

using namespace std::chrono_literals;
using store::FolderWish;

mail::FolderPath path_of(const std::string& name) { return *mail::FolderPath::from_text(name); }

Error lost() { return make_error(ErrorKind::unreachable, Scope::session, "gone", "", Retry::later); }

/// What all sessions of the server share.
struct Server {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::vector<std::uint64_t>> stored;        ///< folder: counters of tickets, in their order
  std::map<std::string, std::set<std::thread::id>> threads;        ///< who wrote there
  std::vector<std::vector<std::string>> opened_together;
  std::size_t sessions = 0, most_sessions = 100, flushes = 0;
  std::set<std::uint64_t> dies_at;   ///< tickets
  std::set<std::uint64_t> refuses;   ///< tickets
  bool holds_flush = false;          ///< flushes wait until it is false again
  bool never_opens_second = false;

  void wait_while(bool Server::*flag) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !(this->*flag); });
  }
};

/// Acknowledges on flush() alone, as a slow server does.
class Writer final : public store::Target {
 public:
  Writer(Server& server, store::AckSink& acks) : server_(server), acks_(acks) { caps_.sessions = 8; }
  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>&) override { return {}; }
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role) override {
    if (path.text() == "Broken") return make_error(ErrorKind::usage, Scope::folder, "no such name");
    names_.push_back(path.text());
    return store::FolderHandle{static_cast<std::uint32_t>(names_.size() - 1), path, "1", true};
  }
  std::vector<Result<store::FolderHandle>> open_folders(std::span<const FolderWish> wishes) override {
    std::vector<std::string> names;
    for (const auto& wish : wishes) names.push_back(wish.path.text());
    {
      const std::lock_guard lock(server_.mutex);
      server_.opened_together.push_back(names);
    }
    return store::Target::open_folders(wishes);
  }
  Result<std::string> watermark(const store::FolderHandle& folder) override { return "mark of " + names_[folder.id]; }
  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message) override {
    if (dead_) return lost();
    const std::lock_guard lock(server_.mutex);
    if (server_.refuses.count(ticket.counter) != 0)
      return make_error(ErrorKind::message, Scope::message, "too odd");
    if (server_.dies_at.count(ticket.counter) != 0) {
      dead_ = true;
      for (const auto& one : std::exchange(waiting_, {})) acks_.on_ack({one, store::InDoubt{}});
      Error error = lost();
      error.retry = Retry::now;
      acks_.on_ack({ticket, store::Refused{error}});
      return lost();
    }
    server_.stored[names_[folder.id]].push_back(ticket.counter);
    server_.threads[names_[folder.id]].insert(std::this_thread::get_id());
    waiting_.push_back(ticket);
    return {};
  }
  Status find_since(const store::FolderHandle&, std::string_view, std::span<const store::Wanted>,
                    const std::function<Status(store::Match)>&) override {
    return {};
  }
  Status flush() override {
    if (dead_) return lost();
    server_.wait_while(&Server::holds_flush);
    {
      const std::lock_guard lock(server_.mutex);
      ++server_.flushes;
    }
    for (const auto& one : std::exchange(waiting_, {})) acks_.on_ack({one, store::Stored{std::to_string(one.counter)}});
    return {};
  }
  Status pump(std::chrono::milliseconds) override { return dead_ ? Status(lost()) : Status(); }

 private:
  Server& server_;
  store::AckSink& acks_;
  store::Caps caps_;
  std::vector<std::string> names_;
  std::vector<store::Ticket> waiting_;
  bool dead_ = false;
};

class Acks final : public store::AckSink {
 public:
  void on_ack(const store::Ack& ack) override {
    EXPECT_EQ(std::this_thread::get_id(), thread_) << "acks belong to the caller's thread";
    EXPECT_TRUE(all.emplace(ack.ticket.counter, ack.verdict).second) << "two verdicts on " << ack.ticket.counter;
    order.push_back(ack.ticket.counter);
  }
  [[nodiscard]] std::size_t stored() const { return count<store::Stored>(); }
  [[nodiscard]] std::size_t in_doubt() const { return count<store::InDoubt>(); }
  [[nodiscard]] std::size_t refused() const { return count<store::Refused>(); }
  std::map<std::uint64_t, std::variant<store::Stored, store::Refused, store::InDoubt>> all;
  std::vector<std::uint64_t> order;  ///< in which they came

 private:
  template <typename T>
  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [](const auto& entry) { return std::holds_alternative<T>(entry.second); }));
  }
  const std::thread::id thread_ = std::this_thread::get_id();
};

class LanesTest : public testing::Test {
 protected:
  std::unique_ptr<Lanes> open() {
    return std::make_unique<Lanes>(
        [this](std::size_t, store::Services& services, store::AckSink& acks) -> Result<std::unique_ptr<store::Target>> {
          bool waits = false;
          {
            const std::lock_guard lock(server_.mutex);
            if (++server_.sessions > server_.most_sessions)
              return make_error(ErrorKind::unreachable, Scope::session, "too many connections");
            waits = server_.never_opens_second && server_.sessions > 1;
          }
          while (waits && !services.cancel.requested()) std::this_thread::sleep_for(1ms);
          if (waits) return interrupted();
          return std::unique_ptr<store::Target>(std::make_unique<Writer>(server_, acks));
        },
        bench_.services());
  }
  std::unique_ptr<Lanes> open_shared(std::vector<std::vector<std::string>> names) {
    auto lanes = open();
    EXPECT_TRUE(lanes->opened(acks_).ok());
    std::vector<std::vector<FolderWish>> shares;
    for (const auto& lane : names) {
      shares.emplace_back();
      for (const auto& name : lane) shares.back().push_back({path_of(name), mail::Role::none});
    }
    lanes->share(std::move(shares), /*ahead=*/true);
    return lanes;
  }
  static store::FolderHandle folder(Lanes& lanes, const std::string& name) {
    auto handle = lanes.open_folder(path_of(name), mail::Role::none);
    EXPECT_TRUE(handle.ok()) << name << (handle.ok() ? "" : ": " + handle.error().what);
    return handle.ok() ? *handle : store::FolderHandle{};
  }
  Status submit(Lanes& lanes, const store::FolderHandle& folder) {
    auto writer = bench_.services().spool.begin();
    const std::string text = letter(static_cast<int>(next_));
    EXPECT_TRUE((*writer)->append(as_octets(text)).ok());
    return lanes.submit(folder, {7, next_++}, {*(*writer)->finish(), {}});
  }

  Bench bench_;
  Server server_;
  Acks acks_;
  std::uint64_t next_ = 1;
};

TEST_F(LanesTest, A_folder_is_written_by_one_session_in_the_order_of_the_calls_and_two_folders_by_two) {
  auto lanes = open_shared({{"A"}, {"B"}});
  const auto a = folder(*lanes, "A"), b = folder(*lanes, "B");
  std::map<std::string, std::vector<std::uint64_t>> expected;
  for (int i = 0; i < 300; ++i) {
    expected["A"].push_back(next_);
    ASSERT_TRUE(submit(*lanes, a).ok());
    expected["B"].push_back(next_);
    ASSERT_TRUE(submit(*lanes, b).ok());
  }
  ASSERT_TRUE(lanes->flush().ok());
  EXPECT_EQ(acks_.stored(), 600U);
  EXPECT_EQ(server_.stored, expected);
  EXPECT_EQ(server_.sessions, 2U);
  ASSERT_EQ(server_.threads["A"].size(), 1U);
  ASSERT_EQ(server_.threads["B"].size(), 1U);
  EXPECT_NE(*server_.threads["A"].begin(), *server_.threads["B"].begin());
}

TEST_F(LanesTest, Handles_name_a_folder_whichever_session_has_it_and_opening_twice_gives_the_same) {
  auto lanes = open_shared({{"A"}, {"B"}});
  const auto b = folder(*lanes, "B"), a = folder(*lanes, "A"), again = folder(*lanes, "B");
  EXPECT_NE(a.id, b.id);
  EXPECT_EQ(b.id, again.id);
  EXPECT_TRUE(b.created);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(*lanes->watermark(a), "mark of A");
  EXPECT_EQ(*lanes->watermark(b), "mark of B");
  EXPECT_EQ(*lanes->watermark(b), "mark of B") << "asked for again, the session tells it";
  EXPECT_EQ(folder(*lanes, "elsewhere").path.text(), "elsewhere") << "a folder that nobody planned";
}

TEST_F(LanesTest, Folders_are_opened_together_and_ahead) {
  std::vector<std::string> names;
  for (int i = 0; i < 30; ++i) names.push_back("F" + std::to_string(i));
  auto lanes = open_shared({names});
  for (const auto& name : names) EXPECT_EQ(folder(*lanes, name).path.text(), name);
  std::size_t opened = 0;
  for (const auto& together : server_.opened_together) {
    opened += together.size();
    EXPECT_LE(together.size(), 8U);
  }
  EXPECT_EQ(opened, 30U);
  EXPECT_LE(server_.opened_together.size(), 5U);
}

TEST_F(LanesTest, A_folder_that_cannot_be_opened_fails_when_it_is_asked_for_and_the_others_do_not) {
  auto lanes = open_shared({{"A", "Broken", "C"}});
  folder(*lanes, "A");
  const auto broken = lanes->open_folder(path_of("Broken"), mail::Role::none);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().scope, Scope::folder);
  folder(*lanes, "C");
  EXPECT_FALSE(lanes->open_folder(path_of("Broken"), mail::Role::none).ok()) << "asked once more";
}

TEST_F(LanesTest, When_a_session_dies_the_others_end_theirs_first_and_nothing_of_them_is_in_doubt) {
  auto lanes = open_shared({{"A"}, {"B"}});
  const auto a = folder(*lanes, "A"), b = folder(*lanes, "B");
  server_.dies_at = {41};  // of A
  Status status;
  while (status.ok() && next_ <= 5'000) status = submit(*lanes, next_ % 2 == 1 ? a : b);
  if (status.ok()) status = lanes->flush();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().scope, Scope::session);
  // What was accepted has its end: stored in B, in doubt or certainly not stored in A.
  for (const auto& [counter, verdict] : acks_.all) {
    if (counter % 2 == 0) {
      EXPECT_TRUE(std::holds_alternative<store::Stored>(verdict)) << counter;
    } else if (counter >= 41) {
      EXPECT_TRUE(std::holds_alternative<store::Refused>(verdict)) << counter;
    }
  }
  EXPECT_EQ(acks_.in_doubt(), 20U);
  EXPECT_EQ(server_.stored["B"].size(), acks_.stored());
  EXPECT_FALSE(lanes->flush().ok()) << "and so ends every later call";
  EXPECT_FALSE(submit(*lanes, b).ok());
  EXPECT_FALSE(lanes->pump(0ms).ok());
}

TEST_F(LanesTest, A_message_that_a_session_does_not_accept_is_refused_and_the_others_go_on) {
  auto lanes = open_shared({{"A"}});
  const auto a = folder(*lanes, "A");
  server_.refuses = {2};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(submit(*lanes, a).ok());
  ASSERT_TRUE(lanes->flush().ok());
  EXPECT_EQ(acks_.stored(), 2U);
  ASSERT_TRUE(std::holds_alternative<store::Refused>(acks_.all.at(2)));
  EXPECT_EQ(std::get<store::Refused>(acks_.all.at(2)).error.what, "too odd");
}

TEST_F(LanesTest, A_server_that_gives_no_second_session_is_written_to_over_the_first) {
  server_.most_sessions = 1;
  auto lanes = open_shared({{"A"}, {"B", "C"}});
  for (const std::string name : {"A", "B", "C"}) ASSERT_TRUE(submit(*lanes, folder(*lanes, name)).ok());
  ASSERT_TRUE(lanes->flush().ok());
  EXPECT_EQ(acks_.stored(), 3U);
  EXPECT_EQ(server_.threads["A"], server_.threads["B"]);
}

TEST_F(LanesTest, A_second_session_that_never_opens_holds_nobody_up_for_long) {
  server_.never_opens_second = true;
  auto lanes = open_shared({{"A"}, {"B"}});
  ASSERT_TRUE(submit(*lanes, folder(*lanes, "A")).ok());
  ASSERT_TRUE(submit(*lanes, folder(*lanes, "B")).ok());
  ASSERT_TRUE(lanes->flush().ok());
  EXPECT_EQ(acks_.stored(), 2U);
  lanes.reset();  // and neither does its end
}

TEST_F(LanesTest, A_first_session_that_cannot_be_opened_tells_why) {
  server_.most_sessions = 0;
  auto lanes = open();
  const Status status = lanes->opened(acks_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().what, "too many connections");
}

TEST_F(LanesTest, Ease_returns_with_some_acks_while_other_sessions_are_still_at_work) {
  auto lanes = open_shared({{"A"}, {"B"}});
  const auto a = folder(*lanes, "A"), b = folder(*lanes, "B");
  EXPECT_TRUE(lanes->ease().ok()) << "nothing is under way";
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(submit(*lanes, i < 7 ? a : b).ok());
  for (std::size_t before = 0; before < 10; before = acks_.stored()) {
    ASSERT_TRUE(lanes->ease().ok());
    ASSERT_GT(acks_.stored(), before) << "each time some more";
  }
  const std::vector<std::uint64_t> expected{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(acks_.order, expected) << "the one with more to do is asked first";
  EXPECT_EQ(server_.flushes, 2U);
  EXPECT_TRUE(lanes->ease().ok());
}

TEST_F(LanesTest, A_session_is_asked_for_acks_before_it_has_too_much_under_way) {
  auto lanes = open_shared({{"A"}});
  const auto a = folder(*lanes, "A");
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(submit(*lanes, a).ok());
  // Nobody asks here: what comes was asked for by itself.
  for (int i = 0; i < 5'000 && acks_.stored() < 640; ++i) {
    ASSERT_TRUE(lanes->pump(0ms).ok());
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_GE(acks_.stored(), 640U);
  EXPECT_LT(acks_.stored(), 1'000U);
  ASSERT_TRUE(lanes->flush().ok());
  EXPECT_EQ(acks_.stored(), 1'000U);
  EXPECT_GE(server_.flushes, 2U);
}

TEST_F(LanesTest, What_is_queued_when_it_ends_is_never_sent) {
  server_.holds_flush = true;
  auto lanes = open_shared({{"A"}});
  const auto a = folder(*lanes, "A");
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(submit(*lanes, a).ok());
  std::thread releases([this] {
    std::this_thread::sleep_for(50ms);
    const std::lock_guard lock(server_.mutex);
    server_.holds_flush = false;
    server_.changed.notify_all();
  });
  lanes.reset();
  releases.join();
  EXPECT_LT(server_.stored["A"].size(), 2'000U);
}

}  // namespace
}  // namespace mailhaul::pipeline
