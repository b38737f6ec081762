// Reading whole messages of the selected mailbox for their digests alone.
#pragma once

#include <functional>

#include "plugins/imap/session.hpp"

namespace mailhaul::imap {

/// Each message of `uids` that is there, once, in the server's order. Nothing else may be in flight. Error, scope
/// folder: one that is there was not delivered.
[[nodiscard]] Status read_bodies(Session& session, const UidSet& uids,
                                 const std::function<Status(Uid, const mail::MessageFacts&)>& sink);

}  // namespace mailhaul::imap
