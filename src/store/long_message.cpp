// See long_message.hpp.
#include "store/long_message.hpp"

#include "base/strings.hpp"

namespace mailhaul::store {
namespace {

constexpr std::uint64_t kNoDisk = 1ULL << 50U;  // 1 PiB; a server's -1 in 64 bits is above it

}  // namespace

bool is_too_long(std::optional<std::uint64_t> listed, std::uint64_t most) {
  return listed && *listed > most && *listed < kNoDisk;
}

Error too_long(std::uint64_t octets, std::uint64_t most) {
  return make_error(ErrorKind::message, Scope::message,
                    "it has " + human_octets(octets) + ", and no message above " + human_octets(most) +
                        " is read from a mail server or brought to one",
                    "take it out of the mailbox by other means, as a file from the server's disk, and keep it in a "
                    "Maildir or an mbox");
}

}  // namespace mailhaul::store
