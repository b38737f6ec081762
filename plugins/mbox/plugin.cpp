#include "plugins/mbox/plugin.hpp"

#include "plugins/mbox/site.hpp"
#include "plugins/mbox/source.hpp"
#include "plugins/mbox/target.hpp"

namespace mailhaul::mbox {
namespace {

Result<std::string> identity(const store::Location& location, store::Services& services) {
  return site_identity(location, services.fs);
}

Result<store::Caps> target_caps(const store::Location& location, store::Services& services, store::Source*) {
  MH_TRY(const bool tree, is_tree(location, services.fs));
  store::Caps caps = mbox_caps();
  caps.many_folders = tree;
  return caps;
}

}  // namespace

const store::Descriptor kMbox = {
    "mbox", "an mbox file, or a directory of them (children in NAME.sbd/)", identity, target_caps, open_source,
    open_target,
};

}  // namespace mailhaul::mbox
