// IMAP accounts (RFC 9051, RFC 3501).
#pragma once

#include "store/registry.hpp"

namespace mailhaul::imap {

extern const store::Descriptor kImap;   ///< imap://: STARTTLS
extern const store::Descriptor kImaps;  ///< imaps://: TLS from the first octet

}  // namespace mailhaul::imap
