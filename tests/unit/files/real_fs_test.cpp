// The system's files: what only they can show.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "files/os_error.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

class RealFileSystem : public ::testing::Test {
 protected:
  void SetUp() override {
    auto root = fs_->open_root(temporary_.path());
    ASSERT_TRUE(succeeded(root));
    root_ = std::move(*root);
  }
  TempDir temporary_;
  std::unique_ptr<FileSystem> fs_ = make_real_file_system();
  std::unique_ptr<Dir> root_;
};

struct MappingRow {
  const char* name;
  int number;
  ErrorKind kind;
  Scope scope;
  Retry retry;
};

class OsErrorTable : public ::testing::TestWithParam<MappingRow> {};

INSTANTIATE_TEST_SUITE_P(
    Errno, OsErrorTable,
    ::testing::Values(MappingRow{"ENOSPC", ENOSPC, ErrorKind::no_space, Scope::run, Retry::later},
                      MappingRow{"EDQUOT", EDQUOT, ErrorKind::no_space, Scope::run, Retry::later},
                      MappingRow{"EFBIG", EFBIG, ErrorKind::no_space, Scope::run, Retry::later},
                      MappingRow{"EIO", EIO, ErrorKind::damage, Scope::run, Retry::never},
                      MappingRow{"EROFS", EROFS, ErrorKind::unreachable, Scope::folder, Retry::never},
                      MappingRow{"EACCES", EACCES, ErrorKind::unreachable, Scope::folder, Retry::never},
                      MappingRow{"EPERM", EPERM, ErrorKind::unreachable, Scope::folder, Retry::never},
                      MappingRow{"ENOENT", ENOENT, ErrorKind::unreachable, Scope::folder, Retry::never},
                      MappingRow{"EEXIST", EEXIST, ErrorKind::message, Scope::message, Retry::never},
                      MappingRow{"EMFILE", EMFILE, ErrorKind::unreachable, Scope::run, Retry::later},
                      MappingRow{"ENFILE", ENFILE, ErrorKind::unreachable, Scope::run, Retry::later},
                      MappingRow{"ELOOP", ELOOP, ErrorKind::security, Scope::message, Retry::never},
                      MappingRow{"ENOLCK", ENOLCK, ErrorKind::unsupported, Scope::folder, Retry::never},
                      MappingRow{"EAGAIN", EAGAIN, ErrorKind::locked, Scope::folder, Retry::later},
                      MappingRow{"EBADF", EBADF, ErrorKind::bug, Scope::run, Retry::never},
                      MappingRow{"unknown", 4095, ErrorKind::unreachable, Scope::session, Retry::later}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_P(OsErrorTable, Steers_by_kind_scope_and_retry_and_names_the_place) {
  const MappingRow& row = GetParam();
  const Error error = os_error(row.number, "write", "/some/\x1b[31mfile");
  EXPECT_EQ(error.kind, row.kind);
  EXPECT_EQ(error.scope, row.scope);
  EXPECT_EQ(error.retry, row.retry);
  EXPECT_EQ(error.system, row.number);
  EXPECT_TRUE(error.what.starts_with("/some/\\x1b[31mfile")) << error.what;
  EXPECT_EQ(is_not_found(error), row.number == ENOENT);
  EXPECT_EQ(is_exists(error), row.number == EEXIST);
}

TEST_F(RealFileSystem, Follows_no_symbolic_link_below_a_root) {
  TempDir outside;
  spill_to(outside / "secret", "secret");
  ASSERT_EQ(::symlink((outside / "secret").c_str(), (temporary_ / "file").c_str()), 0);
  ASSERT_EQ(::symlink(outside.path().c_str(), (temporary_ / "dir").c_str()), 0);
  ASSERT_EQ(::symlink((outside / "new").c_str(), (temporary_ / "dangling").c_str()), 0);
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::open_or_create}) {
    for (const char* name : {"file", "dangling"}) {
      const auto refused = root_->open_file(name, mode);
      ASSERT_FALSE(refused.ok()) << name;
      EXPECT_EQ(refused.error().kind, ErrorKind::security) << refused.error().what;
      EXPECT_EQ(refused.error().scope, Scope::message);
    }
  }
  EXPECT_TRUE(is_exists(root_->open_file("dangling", OpenMode::create).error()));
  const auto dir = root_->open_dir("dir");
  ASSERT_FALSE(dir.ok());
  EXPECT_EQ(dir.error().kind, ErrorKind::security) << dir.error().what;
  EXPECT_EQ(root_->stat("file")->kind, FileKind::symlink);
  ASSERT_TRUE(succeeded(root_->link("file", *root_, "second")));
  EXPECT_EQ(root_->stat("second")->kind, FileKind::symlink) << "the link itself is linked, not what it leads to";
  EXPECT_EQ(snapshot(outside.path()), (std::map<std::string, std::string>{{"secret", "secret"}}));
}

TEST_F(RealFileSystem, Follows_links_in_a_path_that_the_user_named) {
  ASSERT_TRUE(succeeded(root_->make_dir("real")));
  spill_to(temporary_ / "real/box", "mail");
  ASSERT_EQ(::symlink((temporary_ / "real").c_str(), (temporary_ / "alias").c_str()), 0);
  ASSERT_EQ(::symlink("real/box", (temporary_ / "inbox").c_str()), 0);
  ASSERT_TRUE(succeeded(fs_->open_root(temporary_ / "alias")));
  auto place = fs_->open_place(temporary_ / "inbox", /*create_parents=*/false);
  ASSERT_TRUE(succeeded(place));
  EXPECT_EQ(*read_small(*place->parent, place->name, 100), "mail");
  EXPECT_EQ(*fs_->canonical(temporary_ / "alias/new"), *fs_->canonical(temporary_ / "real") + "/new");
}

TEST_F(RealFileSystem, Says_of_a_dangling_link_that_it_is_no_regular_file) {
  ASSERT_EQ(::symlink("nowhere", (temporary_ / "inbox").c_str()), 0);
  const auto refused = fs_->open_place(temporary_ / "inbox", /*create_parents=*/true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_NE(refused.error().what.find("not a regular file"), std::string::npos);
}

TEST_F(RealFileSystem, Refuses_fifos_sockets_and_devices_without_waiting) {
  ASSERT_EQ(::mkfifo((temporary_ / "fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT((temporary_ / "socket").size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, (temporary_ / "socket").c_str());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  auto devices = fs_->open_root("/dev");
  ASSERT_TRUE(succeeded(devices));
  const auto refuses = [](Dir& dir, std::string_view name, OpenMode mode) {
    const auto refused = dir.open_file(name, mode);
    return !refused.ok() && refused.error().kind == ErrorKind::usage &&
           refused.error().what.find("not a regular file") != std::string::npos;
  };
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::open_or_create}) {
    EXPECT_TRUE(refuses(*root_, "fifo", mode));
    EXPECT_TRUE(refuses(*root_, "socket", mode));
    EXPECT_TRUE(refuses(**devices, "null", mode));
  }
  EXPECT_EQ(root_->stat("fifo")->kind, FileKind::other);
  ::close(socket);
}

TEST_F(RealFileSystem, Makes_files_0600_and_directories_0700_whatever_the_umask) {
  const mode_t before = ::umask(0);
  auto file = root_->open_file("a", OpenMode::create);
  auto other = root_->open_file("b", OpenMode::open_or_create);
  auto deep = fs_->create_root(temporary_ / "x/y");
  ::umask(before);
  const auto mode_of = [&](const std::string& name) {
    struct stat raw {};
    EXPECT_EQ(::stat((temporary_ / name).c_str(), &raw), 0);
    return raw.st_mode & 07777;
  };
  EXPECT_EQ(mode_of("a"), 0600U);
  EXPECT_EQ(mode_of("b"), 0600U);
  EXPECT_EQ(mode_of("x"), 0700U);
  EXPECT_EQ(mode_of("x/y"), 0700U);
}

TEST_F(RealFileSystem, Reading_leaves_the_access_time_alone) {
  spill_to(temporary_ / "a", "text");
  // An access time older than the modification: relatime would renew it at the first read.
  const timespec times[2] = {{1'000'000, 0}, {1'700'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (temporary_ / "a").c_str(), times, 0), 0);
  EXPECT_EQ(*read_small(*root_, "a", 100), "text");
  struct stat raw {};
  ASSERT_EQ(::stat((temporary_ / "a").c_str(), &raw), 0);
  EXPECT_EQ(raw.st_atim.tv_sec, 1'000'000);
}

TEST_F(RealFileSystem, Reports_a_file_size_limit_as_no_space_and_says_where) {
  auto file = root_->open_file("a", OpenMode::create);
  ASSERT_TRUE(succeeded(file));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Status written = (*file)->write_at(0, as_octets(std::string(3000, 'x')));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::no_space);
  EXPECT_NE(written.error().what.find(temporary_ / "a"), std::string::npos) << written.error().what;
  EXPECT_EQ(root_->stat("a")->size, 1000U) << "the short write before the limit was made and gone on from";
}

TEST_F(RealFileSystem, Reports_too_many_open_files_with_a_hint) {
  spill_to(temporary_ / "a", "x");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit tight{3, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const auto refused = root_->open_file("a", OpenMode::read);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(refused.error().hint, "raise ulimit -n");
}

TEST_F(RealFileSystem, Reports_a_forbidden_directory_as_unreachable) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may do everything";
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0500), 0);
  const auto refused = root_->open_file("a", OpenMode::create);
  ::chmod(temporary_.path().c_str(), 0700);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(refused.error().scope, Scope::folder);
}

TEST_F(RealFileSystem, Refuses_an_offset_that_no_file_has) {
  auto file = root_->open_file("a", OpenMode::create);
  ASSERT_TRUE(succeeded(file));
  std::array<std::byte, 1> into{};
  EXPECT_EQ((*file)->read_at(std::uint64_t{1} << 63, into).error().kind, ErrorKind::no_space);
  EXPECT_EQ((*file)->write_at(std::uint64_t{1} << 63, as_octets("x")).error().kind, ErrorKind::no_space);
  EXPECT_EQ((*file)->truncate(std::uint64_t{1} << 63).error().kind, ErrorKind::no_space);
}

TEST_F(RealFileSystem, Leaves_no_descriptor_to_a_child) {
  auto file = root_->open_file("a", OpenMode::create);
  auto dir = fs_->open_root(temporary_.path());
  int seen = 0;
  for (int fd = 3; fd < 256; ++fd) {
    std::error_code failed;
    const auto link = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), failed);
    if (failed || !link.string().starts_with(temporary_.path())) continue;
    ++seen;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << link;
  }
  EXPECT_GE(seen, 3);
}

TEST_F(RealFileSystem, Does_not_rename_into_another_kind_of_file_system) {
  spill_to(temporary_ / "a", "x");
  const auto shm = fs_->open_root("/dev/shm");
  if (!shm.ok() || (*shm)->stat()->device == root_->stat()->device) GTEST_SKIP() << "no second file system here";
  const Status refused = root_->rename("a", **shm, "mailhaul-test-never-there");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(*read_small(*root_, "a", 10), "x");
}

}  // namespace
}  // namespace mailhaul::files
