// Which addresses a host name is asked for (`-4`, `-6`).
#pragma once

namespace mailhaul {
inline namespace base {

enum class AddressFamily { any, ipv4, ipv6 };

}  // namespace base
}  // namespace mailhaul
