// The mbox store: one file, or a tree of files as Thunderbird and Dovecot lay it out.
#pragma once

#include "store/registry.hpp"

namespace mailhaul::mbox {

extern const store::Descriptor kMbox;

}  // namespace mailhaul::mbox
