// The folders of an account: LIST, its attributes, subscriptions, and STATUS of each.
#pragma once

#include <string>
#include <vector>

#include "plugins/imap/session.hpp"
#include "store/store.hpp"

namespace mailhaul::imap {

/// What is wanted of each folder: `names` costs one round trip, `counts` STATUS for each (with LIST-STATUS, RFC 5819,
/// in the same round trip).
enum class Detail { names, counts };

/// Sorted by path. Folders of other users and shared ones are left out with a note; a name with CR, LF or NUL, and one
/// that cannot be a path, with a doubtful one. Error: security for more than 100,000; scope session.
[[nodiscard]] Result<std::vector<store::FolderInfo>> list_folders(Session& session, Detail detail);

}  // namespace mailhaul::imap
