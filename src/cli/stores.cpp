// The only file of this room that knows a plugin.
#include "cli/stores.hpp"

#include "plugins/imap/plugin.hpp"
#include "plugins/maildir/plugin.hpp"
#include "plugins/mbox/plugin.hpp"
#include "plugins/pop3/plugin.hpp"

namespace mailhaul::cli {

store::Registry built_in_stores() {
  return store::Registry({&mbox::kMbox, &maildir::kMaildir, &imap::kImap, &imap::kImaps, &pop3::kPop3, &pop3::kPop3s});
}

}  // namespace mailhaul::cli
