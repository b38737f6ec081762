#include "cli/process.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "base/clock.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::array kStopSignals{SIGINT, SIGTERM, SIGHUP};
constexpr int kExitInterrupted = 12;

// A signal handler can reach nothing but objects of static storage; these belong to the one StopSignals.
std::atomic<CancelToken*> stop_token{nullptr};
std::atomic<std::int64_t> first_stop_ms{0};
static_assert(std::atomic<CancelToken*>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

/// Never 0. clock_gettime(2), which is behind it, may be called from a signal handler.
std::int64_t now_ms() {
  const auto since = SystemClock().steady().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count() + 1;
}

extern "C" void on_stop_signal(int) {
  const int saved = errno;
  const std::int64_t now = now_ms();
  std::int64_t first = 0;
  if (first_stop_ms.compare_exchange_strong(first, now)) {
    if (auto* token = stop_token.load()) token->request();
  } else if (now - first > 200) {
    // timeout(1) signals the process and then its group: two signals of one wish are not two wishes.
    ::_exit(kExitInterrupted);
  }
  errno = saved;
}

void set_handler(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Status set_up_process() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // open() gives the lowest free number, and all below fd are taken.
    if (::open("/dev/null", O_RDWR) != fd) {  // NOLINT: not CLOEXEC on purpose, children inherit it as stdin/out/err
      return make_error(ErrorKind::usage, Scope::run, "cannot open /dev/null in place of a closed descriptor",
                        "start mailhaul with stdin, stdout and stderr open");
    }
  }
  ::umask(077);
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGXFSZ, SIG_IGN);
  // Inherited as ignored, it would make the system forget how a password command ended.
  set_handler(SIGCHLD, SIG_DFL);
  // Passwords lie in our memory: no core file shall hold them, and no other process of this user shall look at them.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // A message that does not fit the memory budget is a file that is open: a queue and a few batches of them are more
  // than the 1,024 that systems give at first.
  constexpr rlim_t kDescriptors = 4096;
  if (rlimit files{}; ::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kDescriptors) {
    files.rlim_cur = std::min(files.rlim_max, kDescriptors);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // Two arenas are enough for one thread a connection, and message buffers go back to the system when they are freed
  // (performance: budget + 24 MiB). glibc would raise its mmap threshold by itself otherwise.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 512 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
  return {};
}

StopSignals::StopSignals(CancelToken& token) {
  first_stop_ms = 0;
  stop_token = &token;
  for (const int number : kStopSignals) {
    // nohup(1) has said that a hang-up does not count. A shell's background job ignores SIGINT too, but there
    // somebody who sends it on purpose means it.
    if (number == SIGHUP && is_ignored(number)) continue;
    set_handler(number, on_stop_signal);
  }
}

StopSignals::~StopSignals() {
  for (const int number : kStopSignals) {
    if (!is_ignored(number)) set_handler(number, SIG_DFL);
  }
  stop_token = nullptr;
}

std::uint64_t SystemRandom::next() {
  std::uint64_t number = 0;
  for (;;) {
    // Eight octets come whole or not at all; only a signal before the first start-up seed can interrupt (getrandom(2)).
    if (::getrandom(&number, sizeof number, 0) == static_cast<ssize_t>(sizeof number)) return number;
    if (errno != EINTR) std::abort();  // a ticket that is not random could be another's: no run without it
  }
}

}  // namespace mailhaul::cli
