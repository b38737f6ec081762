// The places that are built in.
#pragma once

#include "store/registry.hpp"

namespace mailhaul::cli {

/// Written by hand: no store registers itself.
[[nodiscard]] store::Registry built_in_stores();

}  // namespace mailhaul::cli
