#include "store/registry.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace mailhaul::store {

Result<const Descriptor*> Registry::find(const Location& location) const {
  const auto found = std::find_if(descriptors_.begin(), descriptors_.end(), [&](const Descriptor* descriptor) {
    return equals_ignoring_case(descriptor->scheme, location.scheme);
  });
  if (found != descriptors_.end()) return *found;
  std::vector<std::string> known;
  for (const Descriptor* descriptor : descriptors_) known.emplace_back(descriptor->scheme);
  std::sort(known.begin(), known.end());
  return make_error(ErrorKind::usage, Scope::run, "unknown kind of place: \"" + visible(location.scheme) + ":\"",
                    "known are: " + join(known, ", "));
}

}  // namespace mailhaul::store
