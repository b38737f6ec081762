// POP3 mailboxes: `pop3s://user@host`, `pop3://user@host` (docs/design/pop3.md).
#pragma once

#include "store/registry.hpp"

namespace mailhaul::pop3 {

extern const store::Descriptor kPop3, kPop3s;

}  // namespace mailhaul::pop3
