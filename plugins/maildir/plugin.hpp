// Maildir, Maildir++ and nested trees of Maildirs: the scheme `maildir`.
#pragma once

#include "store/registry.hpp"

namespace mailhaul::maildir {

extern const store::Descriptor kMaildir;

}  // namespace mailhaul::maildir
