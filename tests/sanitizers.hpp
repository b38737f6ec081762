// Whether a sanitizer is compiled in, for tests of memory and for the volume of tests.
#pragma once

#include <cstdint>

namespace mailhaul {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

/// How many random states of a lost disk a crash test tries at each call. A sanitizer looks at the paths, and those are
/// the same for every state; it makes each one ten times as slow.
constexpr std::uint64_t enough_seeds(std::uint64_t all) { return kSanitized && all > 8 ? 8 : all; }

}  // namespace mailhaul
