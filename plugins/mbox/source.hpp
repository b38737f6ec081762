// Reads mbox files. Never changes anything there: no lock file, no access time, no write.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "plugins/mbox/site.hpp"
#include "store/registry.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// Errors as store::Descriptor::open_source says.
[[nodiscard]] Result<std::unique_ptr<store::Source>> open_source(const store::Location& location,
                                                                 store::Services& services,
                                                                 const store::OpenOptions& options);

/// Takes notes that somebody heard already, or that concern nobody: a target's tree is not read.
class SilentEvents final : public store::Events {
 public:
  void note(const store::Note&) override {}
};

/// Every folder of the site with its state, for both sides of the contract.
[[nodiscard]] Status report_folders(const Site& site, store::Events& events,
                                    const std::function<Status(store::FolderInfo)>& sink);

}  // namespace mailhaul::mbox
