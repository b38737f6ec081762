// The detours for kernels and file systems that lack a call: taken in a child process in which the kernel refuses it.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>

#include "files/spool.hpp"
#include "unit/files/support.hpp"

namespace mailhaul::files {
namespace {

// Refuses `call` with `number` when its third argument has all bits of `flags` (0: always), from here on for ever.
bool refuse(long call, std::uint32_t flags, int number) {
  constexpr auto kNumber = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  constexpr auto kFlags = static_cast<std::uint32_t>(offsetof(seccomp_data, args[2]));
  const auto answer = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number);
  std::array<sock_filter, 7> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFlags),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, flags),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    return false;
  // Arguments that no call takes, but refused before it looks at them.
  return ::syscall(call, -1, nullptr, flags, nullptr, 0) == -1 && errno == number;
}

constexpr int kNoFilter = 77;

// The number of the first thing in `work` that went wrong (0: none) where the call is refused.
int in_child(long call, std::uint32_t flags, int number, const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(refuse(call, flags, number) ? work() : kNoFilter);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

class OldKernel : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Openat2, OldKernel, ::testing::Values(ENOSYS, EPERM),
                         [](const auto& row) { return std::string(row.param == ENOSYS ? "ENOSYS" : "EPERM"); });

TEST_P(OldKernel, Without_openat2_links_are_refused_all_the_same) {
  TempDir temporary;
  spill_to(temporary / "file", "text");
  std::filesystem::create_directory(temporary / "dir");
  std::filesystem::create_symlink("file", temporary / "link");
  std::filesystem::create_symlink("dir", temporary / "dirlink");
  const int wrong = in_child(SYS_openat2, 0, GetParam(), [&] {
    const auto fs = make_real_file_system();
    auto root = fs->open_root(temporary.path());
    if (!root.ok()) return 1;
    const auto text = read_small(**root, "file", 100);
    if (!text.ok() || *text != "text") return 2;
    if (!(*root)->open_dir("dir").ok()) return 3;
    if (!(*root)->open_file("new", OpenMode::create).ok()) return 4;
    const auto link = (*root)->open_file("link", OpenMode::read);
    if (link.ok() || link.error().kind != ErrorKind::security) return 5;
    const auto dirlink = (*root)->open_dir("dirlink");
    if (dirlink.ok() || dirlink.error().kind != ErrorKind::security) return 6;
    const auto missing = (*root)->open_file("missing", OpenMode::read);
    return !missing.ok() && is_not_found(missing.error()) ? 0 : 7;
  });
  if (wrong == kNoFilter) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(wrong, 0);
}

TEST(OldFileSystem, Without_RENAME_NOREPLACE_a_rename_still_never_replaces) {
  TempDir temporary;
  spill_to(temporary / "a", "first");
  spill_to(temporary / "b", "second");
  const int wrong = in_child(SYS_renameat2, 0, EINVAL, [&] {
    const auto fs = make_real_file_system();
    auto root = fs->open_root(temporary.path());
    if (!root.ok()) return 1;
    const Status refused = (*root)->rename("a", **root, "b");
    if (refused.ok() || !is_exists(refused.error())) return 2;
    return (*root)->rename("a", **root, "c").ok() ? 0 : 3;
  });
  if (wrong == kNoFilter) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(snapshot(temporary.path()), (std::map<std::string, std::string>{{"b", "second"}, {"c", "first"}}));
}

TEST(OldFileSystem, Without_O_TMPFILE_the_spool_file_has_no_name_either) {
  TempDir temporary;
  const int wrong = in_child(SYS_openat, O_TMPFILE, EOPNOTSUPP, [&] {
    MemoryBudget budget(0);
    Spool spool(temporary.path(), budget, {});
    auto writer = spool.begin();
    if (!writer.ok() || !(*writer)->append(as_octets("text")).ok()) return 1;
    const auto content = (*writer)->finish();
    if (!content.ok()) return 2;
    std::array<std::byte, 10> into{};
    const auto got = (*content)->read(0, into);
    if (!got.ok() || as_text(Octets(into).first(*got)) != "text") return 3;
    return std::filesystem::is_empty(temporary.path()) ? 0 : 4;
  });
  if (wrong == kNoFilter) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace mailhaul::files
