// The sessions of a run are opened at the same time where nobody has to be asked for a password.
#include <atomic>
#include <thread>

#include "unit/pipeline/move.hpp"

namespace mailhaul::pipeline {
namespace {

/// How the places are opened: each test has its own way.
struct Doors {
  std::function<Status(const store::Location&, store::Services&)> before_source, before_target;
  std::atomic<int> sources{0}, targets{0};
};
Doors* the_doors = nullptr;

const store::Descriptor kDoors{
    "doors",
    "a server for tests",
    kFlaky.identity,
    kFlaky.target_caps,
    [](const store::Location& location, store::Services& services, const store::OpenOptions&) -> Result<std::unique_ptr<store::Source>> {
      ++the_doors->sources;
      if (the_doors->before_source) MH_CHECK(the_doors->before_source(location, services));
      return open_flaky_source(place_at(location));
    },
    [](const store::Location& location, store::Services& services, store::AckSink& acks,
       const store::OpenOptions&) -> Result<std::unique_ptr<store::Target>> {
      ++the_doors->targets;
      if (the_doors->before_target) MH_CHECK(the_doors->before_target(location, services));
      return open_flaky_target(place_at(location), acks);
    },
    kFlaky.probe};

class Opening : public testing::Test {
 protected:
  Opening() {
    the_doors = &doors_;
    the_source = &source_;
    the_target = &target_;
    target_.sessions_at_once = 2;
    source_.put("INBOX", letter(1));
  }
  Report copy(bool at_hand) {
    const store::Registry registry({&kDoors});
    JobOptions options;
    options.patience = patience_of(bench_.clock());
    options.patience.attempts = 1;
    store::OpenOptions open;
    open.access.password_at_hand = at_hand;
    store::Location from, to;
    from.scheme = to.scheme = "doors";
    from.path = "source";
    to.path = "target";
    const Job job{registry, bench_.services(), bench_.facts_spool(), from, to, open, open, options, bench_.path(), ""};
    Watcher watcher;
    return run_copy(job, watcher);
  }
  /// Waits until the other has begun, and not for ever.
  static Status until(const std::function<bool()>& true_at_last) {
    for (int i = 0; i < 5'000 && !true_at_last(); ++i) std::this_thread::sleep_for(1ms);
    return true_at_last() ? Status() : Status(make_error(ErrorKind::bug, Scope::run, "it was opened alone"));
  }

  Bench bench_;
  FlakyPlace source_{bench_.clock()}, target_{bench_.clock()};
  Doors doors_;
};

TEST_F(Opening, The_source_and_both_sessions_of_the_target_are_opened_together_in_a_first_run) {
  const auto all = [this] { return doors_.sources == 2 && doors_.targets == 1; };
  doors_.before_source = doors_.before_target = [&](const auto&, auto&) { return until(all); };
  const auto report = copy(/*at_hand=*/true);
  EXPECT_EQ(report.exit, 0) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.copied, 1U);
}

TEST_F(Opening, A_run_that_has_nothing_to_do_opens_no_session_to_write) {
  EXPECT_EQ(copy(true).counts.copied, 1U);
  const int before = doors_.targets;
  const auto report = copy(true);
  EXPECT_EQ(report.counts.present, 1U);
  EXPECT_EQ(doors_.targets, before);
}

TEST_F(Opening, One_after_the_other_where_somebody_may_have_to_be_asked) {
  std::atomic<int> open{0};
  const auto alone = [&](const auto&, auto&) -> Status {
    EXPECT_EQ(++open, 1) << "two questions at once";
    std::this_thread::sleep_for(20ms);
    --open;
    return {};
  };
  doors_.before_source = doors_.before_target = alone;
  EXPECT_EQ(copy(/*at_hand=*/false).counts.copied, 1U);
}

TEST_F(Opening, A_source_that_refuses_ends_the_run_although_the_target_does_not_answer) {
  doors_.before_source = [&](const store::Location& location, store::Services& services) -> Status {
    if (location.path == "source")
      return make_error(ErrorKind::unreachable, Scope::session, "wrong password", "", Retry::never);
    while (!services.cancel.requested()) std::this_thread::sleep_for(1ms);
    return interrupted();
  };
  doors_.before_target = [](const store::Location&, store::Services& services) -> Status {
    while (!services.cancel.requested()) std::this_thread::sleep_for(1ms);
    return interrupted();
  };
  const auto report = copy(true);
  EXPECT_EQ(report.exit, 4);
  ASSERT_TRUE(report.error.has_value());
  EXPECT_EQ(report.error->what, "wrong password");
}

TEST_F(Opening, A_target_that_refuses_is_told_as_before) {
  doors_.before_source = [](const store::Location& location, store::Services&) -> Status {
    if (location.path == "source") return {};
    return make_error(ErrorKind::unreachable, Scope::session, "wrong password", "", Retry::never);
  };
  const auto report = copy(true);
  EXPECT_EQ(report.exit, 5);
  ASSERT_TRUE(report.error.has_value());
  EXPECT_EQ(report.error->what, "wrong password");
}

}  // namespace
}  // namespace mailhaul::pipeline
