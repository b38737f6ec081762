// Waiting: for a server that asks for a pause, and for a target that is slow.
#include <thread>

#include "pipeline/fetch_queue.hpp"
#include "pipeline/places.hpp"
#include "pipeline/steady_source.hpp"
#include "unit/pipeline/move.hpp"

namespace mailhaul::pipeline {
namespace {

// A descriptor is made of plain functions: they find their server here.
struct Busy {
  Error error;
  unsigned refusals = 0, calls = 0;
  std::vector<bool> one_at_a_time = {};  ///< how each call was told to go about it
};
Busy* the_busy = nullptr;
FlakyPlace* the_place = nullptr;

store::Descriptor busy_descriptor() {
  store::Descriptor descriptor = kFlaky;
  descriptor.open_source = [](const store::Location&, store::Services&,
                              const store::OpenOptions& options) -> Result<std::unique_ptr<store::Source>> {
    the_busy->one_at_a_time.push_back(options.access.past.one_at_a_time);
    if (the_busy->calls++ < the_busy->refusals) return the_busy->error;
    return open_flaky_source(*the_place);
  };
  return descriptor;
}

class Waiting : public testing::Test {
 protected:
  Waiting() {
    the_busy = &busy;
    the_place = &place;
  }
  Result<std::unique_ptr<store::Source>> open() {
    return open_steady(descriptor, location, bench.services(), options, patience);
  }
  static Error asks_for(std::optional<std::chrono::milliseconds> pause, Retry retry = Retry::later) {
    Error error = make_error(ErrorKind::unreachable, Scope::session, "pop.example.org:995 refused the login", "", retry);
    error.wait = pause;
    return error;
  }

  Bench bench;
  FlakyPlace place{bench.clock()};
  Busy busy;
  store::Descriptor descriptor = busy_descriptor();
  store::Location location;
  store::OpenOptions options;
  Patience patience = patience_of(bench.clock());
};

TEST_F(Waiting, A_mailbox_in_use_is_waited_for_and_that_is_told) {
  busy = {asks_for(10s), 2, 0};
  const auto start = bench.clock().steady();
  EXPECT_TRUE(open().ok());
  EXPECT_EQ(bench.clock().steady() - start, 20s);
  ASSERT_EQ(bench.notes().size(), 2U);
  EXPECT_EQ(bench.notes()[0].weight, store::Note::Weight::warning);
  EXPECT_EQ(bench.notes()[0].text, "pop.example.org:995 refused the login; trying again in 10 s");
}

TEST_F(Waiting, Three_pauses_are_enough) {
  busy = {asks_for(10s), 99, 0};
  EXPECT_FALSE(open().ok());
  EXPECT_EQ(busy.calls, 4U);
}

TEST_F(Waiting, Nobody_waits_who_was_not_asked_to) {
  for (const Error& error : {asks_for(std::nullopt), asks_for(10s, Retry::never)}) {
    busy = {error, 99, 0};
    const auto start = bench.clock().steady();
    EXPECT_FALSE(open().ok());
    EXPECT_EQ(busy.calls, 1U);
    EXPECT_EQ(bench.clock().steady(), start);
  }
}

TEST_F(Waiting, A_server_that_stumbles_is_asked_for_one_thing_at_a_time_at_once_and_from_then_on) {
  Error stumbled = asks_for(std::nullopt);
  stumbled.one_at_a_time = true;
  busy = {stumbled, 1, 0};
  place.put("INBOX", letter(1));
  const auto start = bench.clock().steady();
  const auto opened = open();
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(bench.clock().steady(), start);
  place.deaths = {place.points() + 1};
  EXPECT_TRUE((*opened)->folders([](const store::FolderInfo&) { return Status(); }).ok());
  EXPECT_EQ(busy.one_at_a_time, (std::vector<bool>{false, true, true}));
}

TEST_F(Waiting, A_server_that_goes_on_stumbling_is_given_up) {
  Error stumbled = asks_for(std::nullopt);
  stumbled.one_at_a_time = true;
  busy = {stumbled, 99, 0};
  EXPECT_FALSE(open().ok());
  EXPECT_EQ(busy.calls, 2U);
}

TEST_F(Waiting, A_stumble_in_the_midst_of_a_run_is_remembered_for_its_sessions) {
  std::vector<bool> told;
  SteadySource source(
      nullptr,
      [&](const store::Past& past) -> Result<std::unique_ptr<store::Source>> {
        told.push_back(past.one_at_a_time);
        if (told.size() != 2) return open_flaky_source(place);
        Error error = asks_for(std::nullopt);
        error.one_at_a_time = true;
        return error;
      },
      "flaky:", patience, bench.services());
  place.put("INBOX", letter(1));
  place.deaths = {place.points() + 1};
  EXPECT_TRUE(source.folders([](const store::FolderInfo&) { return Status(); }).ok());
  place.deaths = {place.points() + 1};
  EXPECT_TRUE(source.folders([](const store::FolderInfo&) { return Status(); }).ok());
  EXPECT_EQ(told, (std::vector<bool>{false, false, true, true}));
}

TEST_F(Waiting, A_cancelled_run_does_not_wait_for_a_mailbox_in_use) {
  busy = {asks_for(10s), 99, 0};
  bench.cancel().request();
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, ErrorKind::interrupted);
}

TEST_F(Waiting, No_longer_pause_than_fifteen_minutes_is_granted_at_once_and_that_is_told) {
  busy = {asks_for(1'000'000'000s), 1, 0};
  const auto start = bench.clock().steady();
  EXPECT_TRUE(open().ok());
  EXPECT_EQ(bench.clock().steady() - start, 15min);
  const Error error = asks_for(1'000'000'000s);
  BackOff back_off(patience, bench.cancel());
  EXPECT_EQ(back_off.delay(error), 15min);
  EXPECT_EQ(back_off.note("imaps://a/", error),
            "imaps://a/: the server asks for a pause (pop.example.org:995 refused the login); going on in 900 s, for no "
            "longer one is granted at once");
}

TEST_F(Waiting, Pauses_grow_from_what_the_server_asks_for_to_five_minutes) {
  BackOff back_off(patience, bench.cancel());
  const auto start = bench.clock().steady();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(back_off.pause(asks_for(10s)).ok());
  EXPECT_EQ(bench.clock().steady() - start, 1s * (10 + 10 + 10 + 10 + 16 + 32 + 64 + 128 + 256 + 300));
  EXPECT_EQ(back_off.note("imaps://a/", asks_for(10s)), std::nullopt);
  EXPECT_FALSE(back_off.pause(asks_for(10s)).ok());
}

/// A source of which only fetch() counts.
class OnlyFetched : public store::Source {
 public:
  const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>&) override { return {}; }
  Result<store::ListEnd> list(const store::FolderInfo&, std::optional<std::string>, store::ItemSink&) override {
    return store::ListEnd{};
  }
  Status describe(const store::FolderInfo&, std::span<const store::Key>, store::ItemSink&) override { return {}; }
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  const store::Caps caps_;
};

/// Takes everything, and counts.
class CountingSink : public store::FetchSink {
 public:
  Status on_message(const store::FolderInfo&, const store::Item&, mail::Message) override { return {}; }
  Status on_failed(const store::FolderInfo&, const store::Item&, Error) override { return ++failed, Status(); }
  Status on_vanished(const store::FolderInfo&, const store::Item&) override { return ++done, Status(); }
  int failed = 0, done = 0;
};

/// A source that is throttled so many times in a row, and then gives everything.
class Throttled final : public OnlyFetched {
 public:
  explicit Throttled(bool throttles) : throttles_(throttles) {}
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override {
    for (;;) {
      MH_TRY(const auto batch, next());
      if (batch.items.empty()) return {};
      if (throttles_) {
        Error error = make_error(ErrorKind::unreachable, Scope::session, "Request is throttled.", "", Retry::later);
        error.wait = std::chrono::seconds(62);
        return error;
      }
      for (const auto& item : batch.items) MH_CHECK(sink.on_vanished(*batch.folder, item));
    }
  }

 private:
  const bool throttles_;
};

TEST_F(Waiting, No_message_is_blamed_for_pauses_and_each_session_knows_how_many_there_were) {
  std::vector<unsigned> fruitless;
  SteadySource source(
      nullptr,
      [&](const store::Past& past) {
        fruitless.push_back(past.fruitless);
        return std::unique_ptr<store::Source>(std::make_unique<Throttled>(fruitless.size() <= 6));
      },
      "imaps://a/", patience, bench.services());
  store::FolderInfo folder;
  bool given = false;
  CountingSink sink;
  const auto start = bench.clock().steady();
  ASSERT_TRUE(source.fetch([&]() -> Result<store::FetchBatch> {
    store::FetchBatch batch;
    if (std::exchange(given, true)) return batch;
    batch.folder = &folder;
    batch.items.resize(2);
    batch.items[0].key = "1";
    batch.items[1].key = "2";
    return batch;
  }, sink).ok());
  EXPECT_EQ(sink.failed, 0);
  EXPECT_EQ(sink.done, 2);
  EXPECT_EQ(bench.clock().steady() - start, 6 * 62s);
  EXPECT_EQ(fruitless, (std::vector<unsigned>{0, 1, 2, 3, 4, 5, 6}));
  ASSERT_FALSE(bench.notes().empty());
  EXPECT_EQ(bench.notes()[0].weight, store::Note::Weight::warning);
  EXPECT_EQ(bench.notes()[0].text, "imaps://a/: the server asks for a pause (Request is throttled.); going on in 62 s");
  EXPECT_TRUE(bench.notes()[1].text.ends_with("; going on in 62 s (pause 2 of this run)")) << bench.notes()[1].text;
}

TEST_F(Waiting, A_target_that_asks_for_pauses_gets_them_and_all_mail) {
  Move move;
  move.fill();
  move.target.kills = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ < 6; };
  move.target.asks_for = 62s;
  const auto start = move.bench.clock().steady();
  const auto report = move.copy();
  EXPECT_GE(move.bench.clock().steady() - start, 6 * 62s);
  move.expect_done(report, "after six pauses");
  EXPECT_TRUE(std::any_of(report.notes.begin(), report.notes.end(), [](const auto& note) {
    return note.text.find("the server asks for a pause") != std::string::npos;
  }));
}

TEST_F(Waiting, A_target_that_never_stops_asking_ends_the_run_and_the_next_one_completes) {
  Move move;
  move.fill();
  move.target.kills = [](const std::string&) { return true; };
  move.target.asks_for = 10s;
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 5);
  EXPECT_EQ(report.counts.failed, 0U);
  EXPECT_TRUE(report.counts.balanced());
  move.target.kills = nullptr;
  move.expect_done(move.copy(), "the next run");
}

/// A source whose session ends while its sink wants nothing: it never asked for the message that comes first.
class Impatient final : public OnlyFetched {
 public:
  explicit Impatient(int& sessions) : sessions_(sessions) { ++sessions_; }
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override {
    if (!sink.wants_more())
      return make_error(ErrorKind::unreachable, Scope::session, "the server hung up", "", Retry::later);
    // It dies once with the first message under way.
    MH_TRY(const auto batch, next());
    if (batch.items.empty()) return {};
    if (sessions_ == 1) return make_error(ErrorKind::unreachable, Scope::session, "cut", "", Retry::later);
    for (const auto& item : batch.items) MH_CHECK(sink.on_vanished(*batch.folder, item));
    return fetch(next, sink);
  }

 private:
  int& sessions_;
};

class SlowSink final : public CountingSink {
 public:
  explicit SlowSink(const int& sessions) : sessions_(sessions) {}
  bool wants_more() override { return sessions_ == 1 || sessions_ > 6; }

 private:
  const int& sessions_;
};

TEST_F(Waiting, A_message_that_was_not_asked_for_is_not_blamed_for_the_end_of_a_session) {
  int sessions = 0;
  SteadySource source(
      nullptr,
      [&](const store::Past&) { return std::unique_ptr<store::Source>(std::make_unique<Impatient>(sessions)); }, "slow:",
      patience, bench.services());
  store::FolderInfo folder;
  bool given = false;
  SlowSink sink(sessions);
  const auto next = [&]() -> Result<store::FetchBatch> {
    store::FetchBatch batch;
    if (std::exchange(given, true)) return batch;
    batch.folder = &folder;
    batch.items.resize(1);
    batch.items[0].key = "1";
    return batch;
  };
  ASSERT_TRUE(source.fetch(next, sink).ok());
  EXPECT_EQ(sink.failed, 0);
  EXPECT_EQ(sink.done, 1);
}

Fetched message_of(Bench& bench, std::size_t octets) {
  auto writer = std::move(bench.services().spool.begin()).value();
  EXPECT_TRUE(writer->append(as_octets(std::string(octets, 'x'))).ok());
  Fetched fetched;
  fetched.result = mail::Message{std::move(writer->finish()).value(), {}};
  return fetched;
}

TEST_F(Waiting, What_is_under_way_when_the_queue_is_full_still_fits_into_it) {
  FetchQueue queue(1000, 3, 2000);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(queue.has_room(), i < 2) << i;  // 1,000 octets are reached with the second
    ASSERT_TRUE(queue.push(message_of(bench, 500)).ok());
  }
  Fetched fetched;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.pop(fetched, 1ms), FetchQueue::State::item);
  EXPECT_TRUE(queue.has_room());
}

TEST_F(Waiting, A_source_that_does_not_ask_is_made_to_wait) {
  FetchQueue queue(1000, 10, 0);
  ASSERT_TRUE(queue.push(message_of(bench, 900)).ok());
  std::atomic<bool> pushed{false};
  std::thread reading([&] {
    EXPECT_TRUE(queue.push(message_of(bench, 900)).ok());
    pushed = true;
  });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(pushed);
  Fetched fetched;
  EXPECT_EQ(queue.pop(fetched, 1ms), FetchQueue::State::item);
  reading.join();
  EXPECT_TRUE(pushed);
}

}  // namespace
}  // namespace mailhaul::pipeline
