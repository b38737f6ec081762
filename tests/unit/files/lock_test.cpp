// One run a ledger, one writer an mbox, and lock files that nobody holds any more.
#include "files/lock.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>
#include <vector>

#include "files/failing_fs.hpp"
#include "files/forgetting_fs.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kShort{150};
// The forgetting disk's clock stands in 2001: everything on it is older than ten minutes for this wall clock.

TEST(RunLock, Keeps_a_second_run_out_and_tells_who_holds_it) {
  const auto fs = make_forgetting_fs();
  StandingClock clock;
  auto first = RunLock::acquire(*fs, "/state/job.lock", clock);
  ASSERT_TRUE(succeeded(first));
  const auto second = RunLock::acquire(*fs, "/state/job.lock", clock);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::locked);
  EXPECT_EQ(second.error().what, "/state/job.lock is locked by another run (pid " + std::to_string(::getpid()) +
                                     " since 2023-11-14T22:13:20Z)");
  first->reset();
  EXPECT_TRUE(succeeded(RunLock::acquire(*fs, "/state/job.lock", clock)));
  EXPECT_TRUE(fs->stat("/state/job.lock").ok()) << "the file stays";
}

TEST(RunLock, Keeps_another_process_out) {
  TempDir temporary;
  const auto fs = make_real_file_system();
  StandingClock clock;
  auto held = RunLock::acquire(*fs, temporary / "job.lock", clock);
  ASSERT_TRUE(succeeded(held));
  const pid_t child = ::fork();
  if (child == 0) {
    auto other = RunLock::acquire(*fs, temporary / "job.lock", clock);
    ::_exit(!other.ok() && other.error().kind == ErrorKind::locked ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(RunLock, Is_decided_by_the_lock_and_not_by_what_the_file_says) {
  const auto fs = make_forgetting_fs();
  StandingClock clock;
  auto place = fs->open_place("/state/job.lock", /*create_parents=*/true);
  auto file = place->parent->open_file("job.lock", OpenMode::create);
  ASSERT_TRUE(
      succeeded((*file)->write_at(0, as_octets("pid 1\nhost elsewhere\nsince for ever\n" + std::string(500, 'x')))));
  EXPECT_TRUE(succeeded(RunLock::acquire(*fs, "/state/job.lock", clock)));
  ASSERT_TRUE(*(*file)->try_lock(LockKind::exclusive));
  ASSERT_TRUE(succeeded((*file)->truncate(0)));
  const auto refused = RunLock::acquire(*fs, "/state/job.lock", clock);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what, "/state/job.lock is locked by another run");
}

class MboxLocks : public ::testing::Test {
 protected:
  void SetUp() override {
    auto place = fs_->open_place("/mail/box", /*create_parents=*/true);
    dir_ = std::move(place->parent);
    file_ = std::move(*dir_->open_file("box", OpenMode::create));
    ASSERT_TRUE(succeeded(file_->write_at(0, as_octets("From a\n\n"))));
  }
  Result<std::unique_ptr<MboxLock>> acquire(milliseconds patience = kShort) {
    return MboxLock::acquire(*dir_, "box", *file_, clock_, cancel_, patience);
  }
  void foreign_dotlock(std::string_view text) {
    auto lock = dir_->open_file("box.lock", OpenMode::create);
    ASSERT_TRUE(succeeded(lock));
    ASSERT_TRUE(succeeded((*lock)->write_at(0, as_octets(text))));
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    EXPECT_TRUE(succeeded(dir_->list([&](std::string_view name, FileKind) -> Status {
      found.emplace_back(name);
      return {};
    })));
    return found;
  }
  // A pid that was ours to give away and runs no more.
  static std::string dead_pid() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    int status = 0;
    ::waitpid(child, &status, 0);
    return std::to_string(child);
  }
  static std::string host() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
  }

  static std::string own_pid() { return std::to_string(::getpid()) + "\nmailhaul "; }

  std::unique_ptr<ForgettingFs> fs_ = make_forgetting_fs();
  std::unique_ptr<Dir> dir_;
  std::unique_ptr<File> file_;
  StandingClock clock_;
  CancelToken cancel_;
};

TEST_F(MboxLocks, Both_are_held_and_both_are_let_go) {
  auto other = std::move(*dir_->open_file("box", OpenMode::read_write));
  {
    auto lock = acquire();
    ASSERT_TRUE(succeeded(lock));
    EXPECT_EQ(names(), (std::vector<std::string>{"box", "box.lock"})) << "no helper file stays";
    EXPECT_EQ(read_small(*dir_, "box.lock", 1000)->substr(0, own_pid().size()), own_pid());
    EXPECT_FALSE(*other->try_lock(LockKind::shared));
    ASSERT_TRUE(succeeded((*lock)->release()));
    EXPECT_TRUE(*other->try_lock(LockKind::exclusive));
    ASSERT_TRUE(succeeded(other->unlock()));
    ASSERT_TRUE(succeeded((*lock)->release())) << "twice is once";
  }
  EXPECT_EQ(names(), std::vector<std::string>{"box"});
  { auto lock = acquire(); }
  EXPECT_EQ(names(), std::vector<std::string>{"box"}) << "the destructor lets go too";
}

TEST_F(MboxLocks, A_kernel_lock_of_somebody_else_is_waited_for_and_no_dotlock_made_meanwhile) {
  auto other = std::move(*dir_->open_file("box", OpenMode::read_write));
  ASSERT_TRUE(*other->try_lock(LockKind::exclusive));
  const auto refused = acquire();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::locked);
  EXPECT_EQ(names(), std::vector<std::string>{"box"});
  std::thread holder([&] {
    std::this_thread::sleep_for(milliseconds(60));
    EXPECT_TRUE(succeeded(other->unlock()));
  });
  EXPECT_TRUE(succeeded(acquire(std::chrono::seconds(20))));
  holder.join();
}

TEST_F(MboxLocks, A_foreign_dotlock_keeps_out_and_the_kernel_lock_is_let_go_meanwhile) {
  foreign_dotlock(std::to_string(::getppid()) + "\n");
  const auto refused = acquire();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::locked);
  EXPECT_NE(refused.error().what.find("box.lock"), std::string::npos);
  EXPECT_NE(refused.error().what.find(std::to_string(::getppid())), std::string::npos) << refused.error().what;
  auto other = std::move(*dir_->open_file("box", OpenMode::read_write));
  EXPECT_TRUE(*other->try_lock(LockKind::exclusive));
  EXPECT_EQ(names(), (std::vector<std::string>{"box", "box.lock"}));
}

TEST_F(MboxLocks, A_dotlock_that_goes_away_is_followed_by_ours) {
  foreign_dotlock("1\n");
  std::thread holder([&] {
    std::this_thread::sleep_for(milliseconds(60));
    auto dir = fs_->open_root("/mail");
    EXPECT_TRUE(succeeded((*dir)->unlink("box.lock")));
  });
  auto lock = acquire(std::chrono::seconds(20));
  holder.join();
  ASSERT_TRUE(succeeded(lock));
  EXPECT_EQ(read_small(*dir_, "box.lock", 1000)->substr(0, own_pid().size()), own_pid());
}

TEST_F(MboxLocks, A_dotlock_of_a_dead_process_of_this_host_is_removed_when_all_is_old_and_still) {
  for (const std::string& text : {dead_pid() + "\n", dead_pid() + ":" + host(), "  " + dead_pid() + " "}) {
    foreign_dotlock(text);
    auto lock = acquire(std::chrono::seconds(20));
    ASSERT_TRUE(succeeded(lock)) << text;
    EXPECT_EQ(read_small(*dir_, "box.lock", 1000)->substr(0, own_pid().size()), own_pid());
    EXPECT_EQ(names(), (std::vector<std::string>{"box", "box.lock"}));
  }
}

TEST_F(MboxLocks, A_dotlock_that_a_killed_run_of_ours_left_is_removed_at_once) {
  std::string own;
  {
    auto lock = acquire();
    ASSERT_TRUE(succeeded(lock));
    own = *read_small(*dir_, "box.lock", 1000);
  }
  const std::string mark = own.substr(own.find('\n'));
  for (const std::string& text : {own, dead_pid() + mark}) {
    foreign_dotlock(text);
    auto lock = acquire(milliseconds(0));
    ASSERT_TRUE(succeeded(lock)) << text;
  }
}

TEST_F(MboxLocks, A_dotlock_of_a_living_run_of_ours_or_of_another_host_is_left_alone) {
  std::string own;
  {
    auto lock = acquire();
    ASSERT_TRUE(succeeded(lock));
    own = *read_small(*dir_, "box.lock", 1000);
  }
  const std::string pid = own.substr(0, own.find('\n'));
  std::string other_host = own;
  other_host.replace(other_host.find(host()), host().size(), "elsewhere");
  // A process that lives: only its own start time makes it the holder.
  const std::string parent = std::to_string(::getppid());
  for (const std::string& text : {other_host, parent + "\n"}) {
    foreign_dotlock(text);
    EXPECT_FALSE(acquire(milliseconds(0)).ok()) << text;
    ASSERT_TRUE(succeeded(dir_->unlink("box.lock")));
  }
}

TEST_F(MboxLocks, A_blank_dotlock_is_removed_when_it_is_older_than_the_last_boot_and_only_then) {
  foreign_dotlock(std::string(12, '\0'));
  EXPECT_TRUE(succeeded(acquire(milliseconds(0))));
  foreign_dotlock("");
  auto young = std::move(*dir_->open_file("box.lock", OpenMode::read_write));
  ASSERT_TRUE(succeeded(young->set_mtime(std::chrono::floor<std::chrono::seconds>(clock_.wall()))));
  EXPECT_FALSE(acquire(milliseconds(0)).ok());
}

TEST_F(MboxLocks, A_dotlock_that_may_be_alive_is_never_removed) {
  const std::string alive = std::to_string(::getpid());
  const std::vector<std::string> texts{
      alive + "\n",     dead_pid() + ":another-host", "0", "1", "no pid", "99999999999999999999",
      "-" + dead_pid(), std::string(5000, '7')};
  // Each on a disk and in a thread of its own: all wait the same 700 ms, time for a second look at the lock file.
  std::vector<std::future<bool>> attempts;
  for (const std::string& text : texts) {
    foreign_dotlock(text);
    attempts.push_back(std::async(std::launch::async, [&, disk = std::shared_ptr(fs_->clone())] {
      auto dir = std::move(*disk->open_root("/mail"));
      auto file = std::move(*dir->open_file("box", OpenMode::read_write));
      const bool got = MboxLock::acquire(*dir, "box", *file, clock_, cancel_, milliseconds(700)).ok();
      return got || !dir->stat("box.lock").ok();
    }));
    ASSERT_TRUE(succeeded(dir_->unlink("box.lock")));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_FALSE(attempts[i].get()) << texts[i].substr(0, 30);
}

TEST_F(MboxLocks, A_young_dotlock_is_never_removed_though_its_process_is_dead) {
  clock_.wall_ =
      std::chrono::system_clock::time_point(std::chrono::nanoseconds(dir_->stat()->mtime_ns)) + std::chrono::minutes(9);
  foreign_dotlock(dead_pid() + "\n");
  const auto refused = acquire(milliseconds(700));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("does not run any more"), std::string::npos) << refused.error().what;
  clock_.wall_ += std::chrono::minutes(2);
  EXPECT_TRUE(succeeded(acquire(std::chrono::seconds(20))));
}

TEST_F(MboxLocks, A_dotlock_beside_an_mbox_that_grows_is_never_removed) {
  foreign_dotlock(dead_pid() + "\n");
  std::atomic<bool> stop{false};
  std::thread deliveries([&] {
    auto other = std::move(*dir_->open_file("box", OpenMode::read_write));
    for (std::uint64_t size = 8; !stop; ++size) {
      EXPECT_TRUE(succeeded(other->write_at(size, as_octets("x"))));
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  const bool got = acquire(milliseconds(1200)).ok();
  stop = true;
  deliveries.join();
  EXPECT_FALSE(got);
  EXPECT_TRUE(dir_->stat("box.lock").ok());
}

TEST_F(MboxLocks, Waiting_ends_when_the_run_is_cancelled) {
  foreign_dotlock("1\n");
  std::thread user([&] {
    std::this_thread::sleep_for(milliseconds(40));
    cancel_.request();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto refused = acquire(std::chrono::seconds(120));
  user.join();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::interrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(MboxLocks, The_lock_of_an_mbox_that_was_replaced_meanwhile_is_worth_nothing) {
  ASSERT_TRUE(dir_->open_file("new", OpenMode::create).ok());
  ASSERT_TRUE(succeeded(dir_->replace("new", "box")));
  const auto refused = acquire();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::locked);
  EXPECT_EQ(refused.error().retry, Retry::now);
  EXPECT_EQ(names(), std::vector<std::string>{"box"});
}

TEST_F(MboxLocks, A_dotlock_that_somebody_took_over_is_not_ours_to_remove) {
  auto lock = acquire();
  ASSERT_TRUE(succeeded(lock));
  ASSERT_TRUE(succeeded(dir_->unlink("box.lock")));
  foreign_dotlock("12345\n");
  ASSERT_TRUE(succeeded((*lock)->release()));
  EXPECT_EQ(*read_small(*dir_, "box.lock", 100), "12345\n");
}

TEST_F(MboxLocks, A_failing_disk_leaves_neither_lock) {
  const auto failing = make_failing_fs(*fs_);
  auto place = failing->open_place("/mail/box", /*create_parents=*/false);
  auto file = std::move(*place->parent->open_file("box", OpenMode::read_write));
  int failed = 0;
  for (const Fault fault : {Fault::no_space, Fault::io_error}) {
    for (std::uint64_t call = 1; call <= 5; ++call) {
      failing->arm(failing->calls() + call, fault);
      const bool got = MboxLock::acquire(*place->parent, "box", *file, clock_, cancel_, kShort).ok();
      failing->disarm();
      failed += got ? 0 : 1;
      auto other = std::move(*dir_->open_file("box", OpenMode::read_write));
      EXPECT_TRUE(*other->try_lock(LockKind::exclusive)) << call;
      EXPECT_FALSE(dir_->stat("box.lock").ok()) << call;
    }
  }
  EXPECT_GE(failed, 8) << "create, write, close, link";
}

TEST(MboxLock, Two_processes_never_hold_it_at_once) {
  TempDir temporary;
  const auto fs = make_real_file_system();
  spill_to(temporary / "box", "");
  SystemClock clock;
  CancelToken cancel;
  const auto work = [&](char mark) {
    auto dir = std::move(*fs->open_root(temporary.path()));
    auto file = std::move(*dir->open_file("box", OpenMode::read_write));
    for (int i = 0; i < 30; ++i) {
      auto lock = MboxLock::acquire(*dir, "box", *file, clock, cancel, std::chrono::seconds(60));
      if (!lock.ok()) return 1;
      const std::uint64_t end = file->stat()->size;
      for (std::uint64_t n = 0; n < 10; ++n) {
        if (!file->write_at(end + n, as_octets(std::string_view(&mark, 1))).ok()) return 2;
      }
    }
    return 0;
  };
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work('b'));
  EXPECT_EQ(work('a'), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const std::string text = slurp(temporary / "box");
  ASSERT_EQ(text.size(), 600U);
  for (std::size_t at = 0; at < text.size(); at += 10) EXPECT_EQ(text.substr(at, 10), std::string(10, text[at])) << at;
}

}  // namespace
}  // namespace mailhaul::files
