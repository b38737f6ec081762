#include "plugins/maildir/plugin.hpp"

#include "files/file_system.hpp"
#include "plugins/maildir/source.hpp"
#include "plugins/maildir/target.hpp"

namespace mailhaul::maildir {
namespace {

Result<std::string> identity(const store::Location& location, store::Services& services) {
  return services.fs.canonical(location.path);
}

Result<store::Caps> caps_of_target(const store::Location& location, store::Services& services, store::Source*) {
  return target_caps(location.path, services);
}

Result<std::unique_ptr<store::Source>> source(const store::Location& location, store::Services& services,
                                              const store::OpenOptions&) {
  return open_source(location.path, services);
}

Result<std::unique_ptr<store::Target>> target(const store::Location& location, store::Services& services,
                                              store::AckSink& acks, const store::OpenOptions&) {
  return open_target(location.path, services, acks);
}

}  // namespace

const store::Descriptor kMaildir = {
    "maildir", "a Maildir, Maildir++ or nested tree of Maildirs", identity, caps_of_target, source, target,
};

}  // namespace mailhaul::maildir
