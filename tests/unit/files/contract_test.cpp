// What every file system of the seam must do alike: the real one, the failing one while it does not fail, and the
// forgetting one while the power is there.
#include <set>
#include <thread>
#include <vector>

#include "files/failing_fs.hpp"
#include "files/forgetting_fs.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

class EveryFileSystem : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "forgetting") {
      fs_ = make_forgetting_fs();
      path_ = "/some/root";
      ASSERT_TRUE(succeeded(fs_->create_root(path_)));
    } else {
      real_ = make_real_file_system();
      path_ = temporary_.path();
      if (GetParam() == "failing") fs_ = make_failing_fs(*real_);
    }
    auto root = fs().open_root(path_);
    ASSERT_TRUE(succeeded(root));
    root_ = std::move(*root);
  }
  FileSystem& fs() { return fs_ ? *fs_ : *real_; }
  std::unique_ptr<File> make(std::string_view name, std::string_view text = {}) {
    auto file = root_->open_file(name, OpenMode::create);
    EXPECT_TRUE(succeeded(file));
    EXPECT_TRUE(succeeded((*file)->write_at(0, as_octets(text))));
    return std::move(*file);
  }
  std::string content(std::string_view name) {
    auto text = read_small(*root_, name, 1 << 20);
    return text.ok() ? *text : text.error().what;
  }
  std::set<std::string> names() {
    std::set<std::string> found;
    EXPECT_TRUE(succeeded(root_->list([&](std::string_view name, FileKind) -> Status {
      found.emplace(name);
      return {};
    })));
    return found;
  }

  TempDir temporary_;
  std::unique_ptr<FileSystem> real_, fs_;
  std::string path_;
  std::unique_ptr<Dir> root_;
};

INSTANTIATE_TEST_SUITE_P(Seam, EveryFileSystem, ::testing::Values("real", "failing", "forgetting"),
                         [](const auto& row) { return row.param; });

TEST_P(EveryFileSystem, Written_octets_are_read_back_at_their_offsets) {
  auto file = make("a", "hello");
  ASSERT_TRUE(succeeded(file->write_at(10, as_octets("world"))));
  EXPECT_EQ(read_all(*file), std::string("hello\0\0\0\0\0world", 15));
  std::array<std::byte, 100> into{};
  auto tail = file->read_at(12, into);
  ASSERT_TRUE(succeeded(tail));
  EXPECT_EQ(as_text(Octets(into).first(*tail)), "rld");
  EXPECT_EQ(*file->read_at(15, into), 0U);
  EXPECT_EQ(*file->read_at(1'000'000, into), 0U);
}

TEST_P(EveryFileSystem, Truncate_cuts_and_grows_with_zeros) {
  auto file = make("a", "hello");
  ASSERT_TRUE(succeeded(file->truncate(2)));
  ASSERT_TRUE(succeeded(file->truncate(4)));
  EXPECT_EQ(read_all(*file), std::string("he\0\0", 4));
}

TEST_P(EveryFileSystem, Names_that_are_no_single_component_are_refused_as_security) {
  auto file = make("a", "x");
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("/a"), std::string("a\0b", 3)}) {
    SCOPED_TRACE(name);
    const auto refused = [](const auto& result) { return !result.ok() && result.error().kind == ErrorKind::security; };
    EXPECT_TRUE(refused(root_->open_file(name, OpenMode::create)));
    EXPECT_TRUE(refused(root_->open_file(name, OpenMode::read)));
    EXPECT_TRUE(refused(root_->open_dir(name)));
    EXPECT_TRUE(refused(root_->make_dir(name)));
    EXPECT_TRUE(refused(root_->rename(name, *root_, "b")));
    EXPECT_TRUE(refused(root_->rename("a", *root_, name)));
    EXPECT_TRUE(refused(root_->replace(name, "b")));
    EXPECT_TRUE(refused(root_->replace("a", name)));
    EXPECT_TRUE(refused(root_->link(name, *root_, "b")));
    EXPECT_TRUE(refused(root_->link("a", *root_, name)));
    EXPECT_TRUE(refused(root_->unlink(name)));
    EXPECT_TRUE(refused(root_->stat(name)));
  }
  EXPECT_EQ(names(), std::set<std::string>{"a"});
}

TEST_P(EveryFileSystem, What_is_missing_is_not_found_and_nothing_else) {
  const auto missing = [](const auto& result) {
    return !result.ok() && is_not_found(result.error()) && !is_exists(result.error()) &&
           result.error().kind == ErrorKind::unreachable;
  };
  EXPECT_TRUE(missing(root_->open_file("a", OpenMode::read)));
  EXPECT_TRUE(missing(root_->open_file("a", OpenMode::read_write)));
  EXPECT_TRUE(missing(root_->open_dir("a")));
  EXPECT_TRUE(missing(root_->rename("a", *root_, "b")));
  EXPECT_TRUE(missing(root_->replace("a", "b")));
  EXPECT_TRUE(missing(root_->link("a", *root_, "b")));
  EXPECT_TRUE(missing(root_->unlink("a")));
  EXPECT_TRUE(missing(root_->stat("a")));
  EXPECT_TRUE(missing(fs().open_root(path_ + "/a")));
  EXPECT_TRUE(missing(fs().stat(path_ + "/a")));
  EXPECT_TRUE(missing(fs().open_place(path_ + "/a/b", /*create_parents=*/false)));
}

TEST_P(EveryFileSystem, What_is_there_is_never_replaced_but_by_replace) {
  make("a", "first");
  make("b", "second");
  ASSERT_TRUE(succeeded(root_->make_dir("dir")));
  const auto exists = [](const auto& result, const std::string& name) {
    return !result.ok() && is_exists(result.error()) && result.error().kind == ErrorKind::message &&
           result.error().what.ends_with(name + " exists");
  };
  EXPECT_TRUE(exists(root_->open_file("a", OpenMode::create), "a"));
  EXPECT_TRUE(exists(root_->rename("a", *root_, "b"), "b"));
  EXPECT_TRUE(exists(root_->rename("a", *root_, "dir"), "dir"));
  EXPECT_TRUE(exists(root_->link("a", *root_, "b"), "b"));
  EXPECT_TRUE(exists(root_->make_dir("dir"), "dir"));
  EXPECT_TRUE(exists(root_->make_dir("a"), "a"));
  EXPECT_EQ(content("a"), "first");
  EXPECT_EQ(content("b"), "second");
  ASSERT_TRUE(succeeded(root_->replace("a", "b")));
  EXPECT_EQ(content("b"), "first");
  EXPECT_EQ(names(), (std::set<std::string>{"b", "dir"}));
}

TEST_P(EveryFileSystem, A_rename_moves_between_directories_and_keeps_the_inode) {
  make("a", "text");
  ASSERT_TRUE(succeeded(root_->make_dir("dir")));
  auto dir = root_->open_dir("dir");
  ASSERT_TRUE(succeeded(dir));
  const auto before = root_->stat("a");
  ASSERT_TRUE(succeeded(root_->rename("a", **dir, "b")));
  const auto after = (*dir)->stat("b");
  ASSERT_TRUE(succeeded(after));
  EXPECT_EQ(after->inode, before->inode);
  EXPECT_EQ(names(), std::set<std::string>{"dir"});
  EXPECT_EQ(*read_small(**dir, "b", 100), "text");
}

TEST_P(EveryFileSystem, A_hard_link_is_the_same_file_and_is_counted) {
  auto file = make("a", "x");
  ASSERT_TRUE(succeeded(root_->link("a", *root_, "b")));
  EXPECT_EQ(root_->stat("a")->links, 2U);
  ASSERT_TRUE(succeeded(file->write_at(0, as_octets("y"))));
  EXPECT_EQ(content("b"), "y");
  ASSERT_TRUE(succeeded(root_->unlink("a")));
  EXPECT_EQ(root_->stat("b")->links, 1U);
  EXPECT_EQ(read_all(*file), "y");
}

TEST_P(EveryFileSystem, The_time_of_a_file_may_lie_before_1970) {
  auto file = make("a", "x");
  for (const std::int64_t seconds : {std::int64_t{-86'400}, std::int64_t{0}, std::int64_t{4'102'444'800}}) {
    ASSERT_TRUE(succeeded(file->set_mtime(Instant(std::chrono::seconds(seconds)))));
    EXPECT_EQ(file->stat()->mtime_ns, seconds * 1'000'000'000);
  }
}

TEST_P(EveryFileSystem, A_directory_is_no_file_and_a_file_no_directory) {
  make("file");
  ASSERT_TRUE(succeeded(root_->make_dir("dir")));
  const auto as_file = root_->open_file("dir", OpenMode::read);
  ASSERT_FALSE(as_file.ok());
  EXPECT_EQ(as_file.error().kind, ErrorKind::usage);
  EXPECT_NE(as_file.error().what.find("not a regular file"), std::string::npos);
  EXPECT_FALSE(root_->open_file("dir", OpenMode::read_write).ok());
  const auto as_dir = root_->open_dir("file");
  ASSERT_FALSE(as_dir.ok());
  EXPECT_EQ(as_dir.error().kind, ErrorKind::usage);
  EXPECT_FALSE(root_->unlink("dir").ok());
  EXPECT_EQ(root_->stat("dir")->kind, FileKind::directory);
  EXPECT_EQ(root_->stat("file")->kind, FileKind::regular);
}

TEST_P(EveryFileSystem, A_list_tells_every_name_once_and_stops_at_the_sinks_error) {
  for (int i = 0; i < 300; ++i) make("file" + std::to_string(i));
  EXPECT_EQ(names().size(), 300U);
  EXPECT_EQ(names().size(), 300U) << "the second listing starts at the beginning";
  int heard = 0;
  const auto stopped = root_->list([&](std::string_view, FileKind) -> Status {
    if (++heard == 5) return make_error(ErrorKind::interrupted, Scope::run, "enough");
    return {};
  });
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().what, "enough");
  EXPECT_EQ(heard, 5);
}

TEST_P(EveryFileSystem, The_sink_of_a_list_may_remove_what_it_hears_of) {
  for (int i = 0; i < 50; ++i) make("file" + std::to_string(i));
  ASSERT_TRUE(succeeded(root_->list([&](std::string_view name, FileKind) { return root_->unlink(name); })));
  EXPECT_TRUE(names().empty());
}

TEST_P(EveryFileSystem, Locks_keep_two_handles_apart_also_in_one_process) {
  auto first = make("a");
  auto second = root_->open_file("a", OpenMode::read_write);
  ASSERT_TRUE(succeeded(second));
  EXPECT_TRUE(*first->try_lock(LockKind::exclusive));
  EXPECT_TRUE(*first->try_lock(LockKind::exclusive)) << "one's own lock is no obstacle";
  EXPECT_FALSE(*(*second)->try_lock(LockKind::exclusive));
  EXPECT_FALSE(*(*second)->try_lock(LockKind::shared));
  EXPECT_TRUE(*first->try_lock(LockKind::shared));
  EXPECT_TRUE(*(*second)->try_lock(LockKind::shared));
  EXPECT_FALSE(*first->try_lock(LockKind::exclusive));
  ASSERT_TRUE(succeeded((*second)->unlock()));
  EXPECT_TRUE(*first->try_lock(LockKind::exclusive));
  ASSERT_TRUE(succeeded(first->close()));
  EXPECT_TRUE(*(*second)->try_lock(LockKind::exclusive)) << "close lets go";
  second->reset();
  auto third = root_->open_file("a", OpenMode::read_write);
  EXPECT_TRUE(*(*third)->try_lock(LockKind::exclusive)) << "the destructor lets go";
}

TEST_P(EveryFileSystem, A_file_opened_for_reading_refuses_to_be_written) {
  make("a", "x");
  auto file = root_->open_file("a", OpenMode::read);
  ASSERT_TRUE(succeeded(file));
  EXPECT_FALSE((*file)->write_at(0, as_octets("y")).ok());
  EXPECT_FALSE((*file)->truncate(0).ok());
  EXPECT_EQ(content("a"), "x");
}

TEST_P(EveryFileSystem, A_closed_file_fails_at_every_call_as_a_bug) {
  auto file = make("a", "x");
  ASSERT_TRUE(succeeded(file->close()));
  const auto refused = [](const auto& result) { return !result.ok() && result.error().kind == ErrorKind::bug; };
  std::array<std::byte, 1> into{};
  EXPECT_TRUE(refused(file->read_at(0, into)));
  EXPECT_TRUE(refused(file->write_at(0, as_octets("y"))));
  EXPECT_TRUE(refused(file->stat()));
  EXPECT_TRUE(refused(file->sync()));
  EXPECT_TRUE(refused(file->close()));
}

TEST_P(EveryFileSystem, Create_root_makes_what_is_missing_and_takes_what_is_there) {
  const std::string deep = path_ + "/x/y/z";
  for (int round = 0; round < 2; ++round) {
    auto dir = fs().create_root(deep);
    ASSERT_TRUE(succeeded(dir));
    EXPECT_EQ((*dir)->stat()->inode, fs().stat(deep)->inode);
  }
  make("file");
  EXPECT_FALSE(fs().create_root(path_ + "/file").ok());
  EXPECT_FALSE(fs().create_root(path_ + "/file/below").ok());
}

TEST_P(EveryFileSystem, A_place_is_a_directory_and_a_last_component) {
  auto place = fs().open_place(path_ + "/new/box", /*create_parents=*/true);
  ASSERT_TRUE(succeeded(place));
  EXPECT_EQ(place->name, "box");
  EXPECT_EQ(place->parent->stat()->inode, fs().stat(path_ + "/new")->inode);
  for (const std::string& bad : {path_ + "/new/", path_ + "/..", path_ + "/."}) {
    const auto refused = fs().open_place(bad, /*create_parents=*/false);
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  }
}

TEST_P(EveryFileSystem, A_canonical_path_has_no_dots_and_keeps_what_is_not_there_yet) {
  ASSERT_TRUE(succeeded(root_->make_dir("dir")));
  const std::string base = *fs().canonical(path_);
  EXPECT_EQ(*fs().canonical(path_ + "/dir/../dir/./new/box/"), base + "/dir/new/box");
}

TEST_P(EveryFileSystem, Reading_a_small_file_is_bounded) {
  make("a", "12345");
  EXPECT_EQ(*read_small(*root_, "a", 5), "12345");
  const auto refused = read_small(*root_, "a", 4);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("larger than"), std::string::npos);
  make("empty");
  EXPECT_EQ(*read_small(*root_, "empty", 0), "");
  const std::string large(200'000, 'x');
  make("large", large);
  EXPECT_EQ(*read_small(*root_, "large", 200'000), large);
}

TEST_P(EveryFileSystem, Many_threads_may_read_one_file) {
  const std::string text(300'000, 'x');
  auto file = make("a", text);
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) readers.emplace_back([&] { right += read_all(*file) == text ? 1 : 0; });
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(right, 8);
}

}  // namespace
}  // namespace mailhaul::files
