// Writes to the end of mbox files (durability.md 2.6): locked, appended, synced, then acknowledged.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "store/registry.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// Errors as store::Descriptor::open_target says; also usage for a file that is no mbox.
[[nodiscard]] Result<std::unique_ptr<store::Target>> open_target(const store::Location& location,
                                                                 store::Services& services, store::AckSink& acks,
                                                                 const store::OpenOptions& options);

}  // namespace mailhaul::mbox
