// Messages that are too long for a server's protocol, on either side.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"

namespace mailhaul::store {

/// IMAP4rev1 counts the octets of a message in 32 bits (RFC 3501 9, `number`): no server of it can hold a longer one and
/// say so. It also bounds what a server can make us write to the disk by one answer.
inline constexpr std::uint64_t kLongestMessage = 0xFFFF'FFFF;

/// Whether a listing foretells a message of more than `most` octets. A size that no disk has is a mistake of the server,
/// and says nothing (quirk 72: sizes are hints).
[[nodiscard]] bool is_too_long(std::optional<std::uint64_t> listed, std::uint64_t most);
/// The Error of such a message, which fails alone.
[[nodiscard]] Error too_long(std::uint64_t octets, std::uint64_t most);

}  // namespace mailhaul::store
