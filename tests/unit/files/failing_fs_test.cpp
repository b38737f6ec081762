// The seam that fails on purpose: it must count every changing call, and stop at just the chosen one.
#include "files/failing_fs.hpp"

#include "files/forgetting_fs.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

const std::string kText(2000, 'm');

// Publishes one file as house.md wants it; every kind of changing call is in it.
Status publish(FileSystem& fs) {
  MH_TRY(auto root, fs.create_root("/mail/box"));
  MH_TRY(auto file, root->open_file("tmp", OpenMode::create));
  MH_CHECK(file->write_at(0, as_octets(kText)));
  MH_CHECK(file->truncate(kText.size()));
  MH_CHECK(file->set_mtime(Instant(std::chrono::seconds(1000))));
  MH_CHECK(file->sync());
  MH_CHECK(file->close());
  MH_CHECK(root->make_dir("cur"));
  MH_TRY(auto cur, root->open_dir("cur"));
  MH_CHECK(root->link("tmp", *root, "twin"));
  MH_CHECK(root->unlink("twin"));
  MH_CHECK(root->rename("tmp", *cur, "other"));
  MH_CHECK(cur->replace("other", "final"));
  MH_CHECK(cur->sync());
  MH_CHECK(root->sync_filesystem());
  return fs.before_commit();
}

// Two directories made and their parents synced, then one call a line.
constexpr std::uint64_t kCalls = 18;

std::string final_text(FileSystem& fs) {
  auto dir = fs.open_root("/mail/box/cur");
  if (!dir.ok()) return "";
  auto text = read_small(**dir, "final", 10'000);
  return text.ok() ? *text : "";
}

TEST(FailingFs, Counts_every_changing_call_and_none_that_only_looks) {
  const auto disk = make_forgetting_fs();
  const auto fs = make_failing_fs(*disk);
  ASSERT_TRUE(succeeded(publish(*fs)));
  EXPECT_EQ(fs->calls(), kCalls);
  EXPECT_FALSE(fs->fired());
  EXPECT_EQ(final_text(*fs), kText);
  auto dir = fs->open_root("/mail/box/cur");
  {
    auto file = (*dir)->open_file("final", OpenMode::read);
    EXPECT_TRUE((*file)->stat().ok());
    EXPECT_TRUE((*file)->close().ok()) << "close of a file that was only read";
    auto again = (*dir)->open_file("final", OpenMode::open_or_create);
    EXPECT_TRUE(*(*again)->try_lock(LockKind::exclusive)) << "what was there is not created";
  }
  EXPECT_TRUE((*dir)->stat("final").ok());
  EXPECT_EQ(fs->calls(), kCalls);
}

class EveryFault : public ::testing::TestWithParam<Fault> {};

std::string name_of(const ::testing::TestParamInfo<Fault>& row) {
  switch (row.param) {
    case Fault::crash:
      return "crash";
    case Fault::crash_after:
      return "crash_after";
    case Fault::torn_write:
      return "torn_write";
    case Fault::no_space:
      return "no_space";
    case Fault::io_error:
      return "io_error";
  }
  return "";
}
INSTANTIATE_TEST_SUITE_P(FailingFs, EveryFault,
                         ::testing::Values(Fault::crash, Fault::crash_after, Fault::torn_write, Fault::no_space,
                                           Fault::io_error),
                         name_of);

TEST_P(EveryFault, Stops_the_scenario_at_each_of_its_calls) {
  int points = 0;
  for (std::uint64_t call = 1; call <= kCalls; ++call) {
    SCOPED_TRACE(call);
    const auto disk = make_forgetting_fs();
    const auto fs = make_failing_fs(*disk);
    fs->arm(call, GetParam());
    const Status status = publish(*fs);
    EXPECT_TRUE(fs->fired());
    // After the last call there is none that could fail.
    const bool last_of_all = GetParam() == Fault::crash_after && call == kCalls;
    EXPECT_EQ(status.ok(), last_of_all);
    EXPECT_EQ(fs->calls(), last_of_all || GetParam() != Fault::crash_after ? call : call + 1);
    if (!status.ok()) {
      ++points;
      const ErrorKind kind = GetParam() == Fault::no_space   ? ErrorKind::no_space
                             : GetParam() == Fault::io_error ? ErrorKind::damage
                                                             : ErrorKind::interrupted;
      EXPECT_EQ(status.error().kind, kind) << status.error().what;
      EXPECT_EQ(status.error().scope, Scope::run);
    }
    const std::string text = final_text(*disk);
    EXPECT_TRUE(text.empty() || text == kText);
  }
  EXPECT_GE(points, static_cast<int>(kCalls) - 1);
}

TEST_P(EveryFault, That_is_a_crash_lets_nothing_through_afterwards_and_any_other_everything) {
  const auto disk = make_forgetting_fs();
  const auto fs = make_failing_fs(*disk);
  auto root = std::move(*fs->open_root("/"));
  fs->arm(1, GetParam());
  const bool once = GetParam() == Fault::no_space || GetParam() == Fault::io_error;
  EXPECT_EQ(root->make_dir("first").ok(), GetParam() == Fault::crash_after);
  EXPECT_EQ(disk->stat("/first").ok(), GetParam() == Fault::crash_after);
  EXPECT_EQ(root->make_dir("second").ok(), once);
  EXPECT_EQ(fs->before_commit().ok(), once);
  EXPECT_EQ(disk->stat("/second").ok(), once);
  fs->disarm();
  EXPECT_TRUE(succeeded(root->make_dir("third"))) << "disarmed, it works again";
}

TEST(FailingFs, A_torn_write_leaves_the_first_half) {
  const auto disk = make_forgetting_fs();
  const auto fs = make_failing_fs(*disk);
  auto root = std::move(*fs->open_root("/"));
  auto file = std::move(*root->open_file("a", OpenMode::create));
  fs->arm(fs->calls() + 1, Fault::torn_write);
  EXPECT_FALSE(file->write_at(0, as_octets("12345678")).ok());
  EXPECT_EQ(*read_small(**disk->open_root("/"), "a", 100), "1234");
}

TEST(FailingFs, Over_the_real_file_system_leaves_what_was_done_before_the_crash) {
  TempDir temporary;
  const auto real = make_real_file_system();
  const auto fs = make_failing_fs(*real);
  auto root = std::move(*fs->open_root(temporary.path()));
  auto file = std::move(*root->open_file("a", OpenMode::create));
  ASSERT_TRUE(succeeded(file->write_at(0, as_octets("before"))));
  fs->arm(fs->calls() + 1, Fault::crash);
  EXPECT_FALSE(file->write_at(6, as_octets("after")).ok());
  EXPECT_FALSE(file->close().ok());
  EXPECT_FALSE(root->unlink("a").ok());
  EXPECT_EQ(snapshot(temporary.path()), (std::map<std::string, std::string>{{"a", "before"}}));
}

TEST(FailingFs, A_crash_can_come_between_the_directories_of_a_path) {
  const auto disk = make_forgetting_fs();
  const auto fs = make_failing_fs(*disk);
  fs->arm(3, Fault::crash);
  EXPECT_FALSE(fs->open_place("/a/b/c/file", /*create_parents=*/true).ok());
  EXPECT_TRUE(disk->stat("/a").ok());
  EXPECT_FALSE(disk->stat("/a/b").ok());
}

}  // namespace
}  // namespace mailhaul::files
