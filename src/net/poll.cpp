#include "net/poll.hpp"

#include <poll.h>

#include <algorithm>
#include <array>

namespace mailhaul::net {

Wake wait_until(const Clock& clock, const CancelToken* cancel, Deadline deadline, Interest interest) {
  std::array<pollfd, 2> entries{{{interest.readable, POLLIN, 0}, {interest.writable, POLLOUT, 0}}};
  for (;;) {
    if (cancel && cancel->requested()) return Wake::cancel;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.steady());
    if (left.count() <= 0) return Wake::time;
    // A signal (EINTR) only means that the token is worth a look; an entry of -1 is skipped by poll itself.
    const auto slice = static_cast<int>(std::min(left, kSlice).count());
    if (::poll(entries.data(), entries.size(), slice) > 0) return Wake::ready;
  }
}

}  // namespace mailhaul::net
