// The only file of this room that knows a plugin.
#include "cli/stores.hpp"

#include "plugins/imap/plugin.hpp"
#include "plugins/maildir/plugin.hpp"
#include "plugins/mbox/plugin.hpp"

namespace mailhaul::cli {

store::Registry built_in_stores() {
  return store::Registry({&mbox::kMbox, &maildir::kMaildir, &imap::kImap, &imap::kImaps});
}

}  // namespace mailhaul::cli
