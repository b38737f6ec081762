// How much a server may make us hold or read (durability 2.11). Compiled in; tests set them lower.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailhaul::pop3 {

/// In octets unless said otherwise. What passes a limit ends the session with ErrorKind::security; a message that does is
/// worth another session, which may do without it.
struct Limits {
  std::size_t line = 64U << 10U;         ///< one line of a reply or listing (RFC 2449 4: 512; SASL challenges are longer)
  std::uint64_t lines = 3'000'000;       ///< of one listing
  std::uint64_t listing = 256ULL << 20U;  ///< of one listing
  std::uint64_t body = 0xFFFF'FFFF;      ///< a message: as much as the other way to it, IMAP, can count
};

}  // namespace mailhaul::pop3
