// The disk that forgets: what was synced stays, what was not may go, and a missing sync is found out.
#include "files/forgetting_fs.hpp"

#include <functional>
#include <set>
#include <utility>

#include "files/failing_fs.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

constexpr std::uint64_t kSeeds = 500;

std::string text_of(FileSystem& fs, const std::string& path) {
  auto place = fs.open_place(path, /*create_parents=*/false);
  if (!place.ok()) return "(no directory)";
  auto text = read_small(*place->parent, place->name, 1 << 20);
  return text.ok() ? *text : "(missing)";
}

// The outcomes of one state of a disk over all seeds.
std::set<std::string> outcomes(const ForgettingFs& disk, const std::function<std::string(FileSystem&)>& look) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto copy = disk.clone();
    copy->lose_power(seed);
    seen.insert(look(*copy));
  }
  return seen;
}

const std::string kMail(3000, 'm');

// The steps of publishing a mail whose leaving out must be found out.
enum class Omit { nothing, file_sync, directory_sync, sync_of_parent };

// temp, write, sync, rename, sync of the directory: when it returns, the mail is promised to be durable.
Status deliver(FileSystem& fs, Omit omit) {
  MH_TRY(auto root, fs.open_root("/"));
  MH_CHECK(root->make_dir("new"));
  if (omit != Omit::sync_of_parent) MH_CHECK(root->sync());
  MH_TRY(auto dir, root->open_dir("new"));
  MH_TRY(auto file, dir->open_file("tmp", OpenMode::create));
  MH_CHECK(file->write_at(0, as_octets(kMail)));
  MH_CHECK(file->set_mtime(Instant(std::chrono::seconds(-5))));
  if (omit != Omit::file_sync) MH_CHECK(file->sync());
  MH_CHECK(file->close());
  MH_CHECK(dir->rename("tmp", *dir, "mail"));
  if (omit != Omit::directory_sync) MH_CHECK(dir->sync());
  return {};
}

std::string mail(FileSystem& fs) { return text_of(fs, "/new/mail"); }

TEST(ForgettingFs, The_classic_recipe_survives_every_loss_of_power) {
  const auto disk = make_forgetting_fs();
  ASSERT_TRUE(succeeded(deliver(*disk, Omit::nothing)));
  EXPECT_EQ(outcomes(*disk, mail), std::set<std::string>{kMail});
  EXPECT_EQ(outcomes(*disk, [](FileSystem& fs) { return std::to_string(fs.stat("/new/mail")->mtime_ns); }),
            std::set<std::string>{"-5000000000"});
}

TEST(ForgettingFs, Each_omitted_sync_is_found_out_by_some_seed) {
  for (const Omit omit : {Omit::file_sync, Omit::directory_sync, Omit::sync_of_parent}) {
    const auto disk = make_forgetting_fs();
    ASSERT_TRUE(succeeded(deliver(*disk, omit)));
    const auto seen = outcomes(*disk, mail);
    EXPECT_GE(seen.size(), 2U) << static_cast<int>(omit);
    EXPECT_TRUE(seen.contains(kMail)) << "it may also go well: " << static_cast<int>(omit);
  }
}

TEST(ForgettingFs, A_crash_at_any_call_of_the_recipe_never_shows_a_torn_mail) {
  std::uint64_t points = 0;
  for (std::uint64_t call = 1;; ++call) {
    const auto disk = make_forgetting_fs();
    const auto failing = make_failing_fs(*disk);
    failing->arm(call, Fault::crash);
    if (deliver(*failing, Omit::nothing).ok()) break;
    ++points;
    for (const std::string& seen : outcomes(*disk, mail))
      EXPECT_TRUE(seen == kMail || seen.starts_with("(")) << "call " << call << ": " << seen.size() << " octets";
  }
  EXPECT_GE(points, 9U);
}

TEST(ForgettingFs, Without_the_sync_of_the_file_a_torn_mail_is_shown) {
  const auto disk = make_forgetting_fs();
  ASSERT_TRUE(succeeded(deliver(*disk, Omit::file_sync)));
  const auto seen = outcomes(*disk, mail);
  EXPECT_TRUE(seen.contains("")) << "an empty file";
  EXPECT_TRUE(seen.contains(std::string(3000, '\0'))) << "size without octets";
  EXPECT_TRUE(seen.contains(kMail.substr(0, 1024))) << "cut at a sector";
  EXPECT_TRUE(seen.contains(kMail.substr(0, 512) + std::string(2488, '\0'))) << "a tail of zeros";
}

TEST(ForgettingFs, Seed_0_drops_and_seed_1_keeps_everything_that_was_not_synced) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  auto file = std::move(*root->open_file("a", OpenMode::create));
  ASSERT_TRUE(succeeded(file->write_at(0, as_octets("synced"))));
  ASSERT_TRUE(succeeded(file->sync()));
  ASSERT_TRUE(succeeded(root->sync()));
  ASSERT_TRUE(succeeded(file->write_at(6, as_octets(" and not"))));
  ASSERT_TRUE(succeeded(root->link("a", *root, "b")));
  const auto dropping = disk->clone();
  dropping->lose_power(0);
  EXPECT_EQ(text_of(*dropping, "/a"), "synced");
  EXPECT_EQ(text_of(*dropping, "/b"), "(missing)");
  EXPECT_EQ(dropping->stat("/a")->links, 1U);
  disk->lose_power(1);
  EXPECT_EQ(text_of(*disk, "/a"), "synced and not");
  EXPECT_EQ(text_of(*disk, "/b"), "synced and not");
  EXPECT_EQ(disk->stat("/b")->links, 2U);
}

TEST(ForgettingFs, A_rename_may_be_seen_on_either_side_on_both_or_on_none) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  ASSERT_TRUE(succeeded(root->make_dir("from")));
  ASSERT_TRUE(succeeded(root->make_dir("to")));
  ASSERT_TRUE(succeeded(root->sync()));
  auto from = std::move(*root->open_dir("from"));
  auto to = std::move(*root->open_dir("to"));
  auto file = std::move(*from->open_file("a", OpenMode::create));
  ASSERT_TRUE(succeeded(file->sync()));
  const auto sides = [](FileSystem& fs) {
    return std::string(fs.stat("/from/a").ok() ? "old " : "") + (fs.stat("/to/a").ok() ? "new" : "");
  };
  const auto synced_first = disk->clone();
  ASSERT_TRUE(succeeded(from->rename("a", *to, "a")));
  EXPECT_EQ(outcomes(*disk, sides), (std::set<std::string>{"", "old ", "new", "old new"}))
      << "its entry was not synced";

  auto from2 = std::move(*synced_first->open_root("/from"));
  auto to2 = std::move(*synced_first->open_root("/to"));
  ASSERT_TRUE(succeeded(from2->sync()));
  ASSERT_TRUE(succeeded(from2->rename("a", *to2, "a")));
  EXPECT_EQ(outcomes(*synced_first, sides), (std::set<std::string>{"old ", "new", "old new"})) << "a synced one stays";
}

TEST(ForgettingFs, Replace_shows_the_old_file_or_the_new_one_and_never_none) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  for (const std::string& name : {std::string("state"), std::string("temp")}) {
    auto file = std::move(*root->open_file(name, OpenMode::create));
    ASSERT_TRUE(succeeded(file->write_at(0, as_octets(name))));
    ASSERT_TRUE(succeeded(file->sync()));
    if (name == "state") {
      ASSERT_TRUE(succeeded(root->sync()));
    }
  }
  ASSERT_TRUE(succeeded(root->replace("temp", "state")));
  EXPECT_EQ(outcomes(*disk, [](FileSystem& fs) { return text_of(fs, "/state"); }),
            (std::set<std::string>{"state", "temp"}));
  ASSERT_TRUE(succeeded(root->sync()));
  EXPECT_EQ(outcomes(*disk, [](FileSystem& fs) { return text_of(fs, "/state"); }), std::set<std::string>{"temp"});
}

TEST(ForgettingFs, An_unlink_without_sync_may_come_back) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  { auto file = std::move(*root->open_file("a", OpenMode::create)); }
  ASSERT_TRUE(succeeded(root->sync()));
  ASSERT_TRUE(succeeded(root->unlink("a")));
  const auto there = [](FileSystem& fs) { return std::string(fs.stat("/a").ok() ? "there" : "gone"); };
  EXPECT_EQ(outcomes(*disk, there), (std::set<std::string>{"there", "gone"}));
  ASSERT_TRUE(succeeded(root->sync()));
  EXPECT_EQ(outcomes(*disk, there), std::set<std::string>{"gone"});
}

TEST(ForgettingFs, Overwriting_synced_octets_may_tear_at_sectors_only) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  auto file = std::move(*root->open_file("a", OpenMode::create));
  ASSERT_TRUE(succeeded(file->write_at(0, as_octets(std::string(2048, 'o')))));
  ASSERT_TRUE(succeeded(root->sync_filesystem()));
  ASSERT_TRUE(succeeded(file->write_at(100, as_octets(std::string(1500, 'n')))));
  const auto seen = outcomes(*disk, [](FileSystem& fs) { return text_of(fs, "/a"); });
  EXPECT_GT(seen.size(), 5U);
  for (const std::string& text : seen) {
    ASSERT_EQ(text.size(), 2048U);
    for (std::size_t i = 1; i < text.size(); ++i) {
      const bool border = i == 100 || i == 1600 || i % 512 == 0;
      EXPECT_TRUE(text[i] == text[i - 1] || border) << i;
    }
  }
}

TEST(ForgettingFs, The_time_of_a_file_is_durable_with_the_file) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  auto file = std::move(*root->open_file("a", OpenMode::create));
  ASSERT_TRUE(succeeded(root->sync_filesystem()));
  ASSERT_TRUE(succeeded(file->set_mtime(Instant(std::chrono::seconds(7)))));
  const auto time = [](FileSystem& fs) { return std::to_string(fs.stat("/a")->mtime_ns); };
  EXPECT_EQ(outcomes(*disk, time).size(), 2U);
  ASSERT_TRUE(succeeded(file->sync()));
  EXPECT_EQ(outcomes(*disk, time), std::set<std::string>{"7000000000"});
}

TEST(ForgettingFs, Create_root_is_durable_when_it_returns_also_after_an_earlier_crash) {
  const auto made = [](FileSystem& fs) { return std::string(fs.stat("/a/b/c").ok() ? "there" : "gone"); };
  int points = 0;
  for (std::uint64_t call = 1;; ++call, ++points) {
    const auto disk = make_forgetting_fs();
    const auto failing = make_failing_fs(*disk);
    failing->arm(call, Fault::crash);
    const bool whole = failing->create_root("/a/b/c").ok();
    ASSERT_TRUE(succeeded(disk->create_root("/a/b/c")));
    EXPECT_EQ(outcomes(*disk, made), std::set<std::string>{"there"}) << call;
    if (whole) break;
  }
  EXPECT_GE(points, 6);
}

TEST(ForgettingFs, Handles_are_dead_after_the_loss_of_power) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  auto file = std::move(*root->open_file("a", OpenMode::create));
  ASSERT_TRUE(succeeded(root->sync_filesystem()));
  ASSERT_TRUE(*file->try_lock(LockKind::exclusive));
  disk->lose_power(1);
  std::array<std::byte, 1> into{};
  EXPECT_FALSE(file->read_at(0, into).ok());
  EXPECT_FALSE(file->write_at(0, as_octets("x")).ok());
  EXPECT_FALSE(file->sync().ok());
  EXPECT_FALSE(root->stat().ok());
  EXPECT_FALSE(root->make_dir("b").ok());
  EXPECT_FALSE(root->sync().ok());
  auto again = std::move(*(*disk->open_root("/"))->open_file("a", OpenMode::read_write));
  EXPECT_TRUE(*again->try_lock(LockKind::exclusive)) << "the lock died with its holder";
}

TEST(ForgettingFs, One_seed_gives_one_outcome_and_a_clone_lives_for_itself) {
  const auto disk = make_forgetting_fs();
  ASSERT_TRUE(succeeded(deliver(*disk, Omit::file_sync)));
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto first = disk->clone();
    const auto second = disk->clone();
    first->lose_power(seed);
    second->lose_power(seed);
    EXPECT_EQ(mail(*first), mail(*second));
    EXPECT_EQ(first->stat("/")->mtime_ns, second->stat("/")->mtime_ns);
  }
  EXPECT_EQ(mail(*disk), kMail);
  const auto copy = disk->clone();
  EXPECT_EQ(copy->stat("/new/mail")->inode, disk->stat("/new/mail")->inode);
  ASSERT_TRUE(succeeded((*copy->open_root("/new"))->unlink("mail")));
  EXPECT_EQ(mail(*disk), kMail);
}

TEST(ForgettingFs, Its_clock_starts_in_2001_and_grows_with_every_change) {
  const auto disk = make_forgetting_fs();
  auto root = std::move(*disk->open_root("/"));
  std::int64_t before = root->stat()->mtime_ns;
  EXPECT_EQ(before, 978'307'200'000'000'000);
  const auto grown = [&] {
    const std::int64_t now = root->stat()->mtime_ns;
    return now > std::exchange(before, now);
  };
  auto file = std::move(*root->open_file("a", OpenMode::create));
  EXPECT_TRUE(grown());
  const std::int64_t born = file->stat()->mtime_ns;
  ASSERT_TRUE(succeeded(file->write_at(0, as_octets("x"))));
  EXPECT_GT(file->stat()->mtime_ns, born);
  EXPECT_FALSE(grown()) << "a write is no change of the directory";
  const std::int64_t changed = file->stat()->ctime_ns;
  ASSERT_TRUE(succeeded(root->rename("a", *root, "b")));
  EXPECT_GT(file->stat()->ctime_ns, changed);
  EXPECT_TRUE(grown());
  ASSERT_TRUE(succeeded(root->unlink("b")));
  EXPECT_TRUE(grown());
}

TEST(ForgettingFs, A_directory_moved_below_itself_is_refused) {
  const auto disk = make_forgetting_fs();
  auto deep = std::move(*disk->create_root("/a/b"));
  auto root = std::move(*disk->open_root("/"));
  EXPECT_FALSE(root->rename("a", *deep, "c").ok());
  ASSERT_TRUE(succeeded(root->rename("a", *root, "d")));
  EXPECT_TRUE(disk->stat("/d/b").ok());
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto copy = disk->clone();
    copy->lose_power(seed);
    EXPECT_NE(copy->stat("/a/b").ok(), copy->stat("/d/b").ok()) << "a directory has one name";
  }
}

}  // namespace
}  // namespace mailhaul::files
