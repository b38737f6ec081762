// How much a server may make us hold or read (durability 2.11). Compiled in; tests set them lower.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailhaul::imap {

/// All in octets unless said otherwise. What passes a limit ends the session with ErrorKind::security; a body that does is
/// worth another session, which may do without that message.
struct Limits {
  std::size_t line = 1U << 20U;          ///< one response line without its literals
  std::size_t literal = 64U << 10U;      ///< a literal that is no message body
  std::uint64_t body = 0xFFFF'FFFF;      ///< a message body: as much as RFC 3501 can count
  unsigned nesting = 64;                 ///< parentheses
  std::size_t elements = 1'000'000;      ///< list elements in one response
  std::uint64_t unasked = 64ULL << 20U;  ///< untagged data besides bodies while no command of ours is in flight, and
                                         ///< before the greeting and login are done; reset by each tagged response
};

}  // namespace mailhaul::imap
