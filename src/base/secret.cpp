#include "base/secret.hpp"

namespace mailhaul {
inline namespace base {

std::string without_secrets(std::string_view text, std::initializer_list<const Secret*> secrets) {
  constexpr std::size_t kTooShort = 4;
  constexpr std::string_view kShown = "<secret>";
  std::string safe(text);
  for (const Secret* secret : secrets) {
    const std::string_view needle = secret->reveal();
    if (needle.size() < kTooShort) continue;
    for (std::size_t at = safe.find(needle); at != std::string::npos; at = safe.find(needle, at)) {
      safe.replace(at, needle.size(), kShown);
      at += kShown.size();
    }
  }
  return safe;
}

}  // namespace base
}  // namespace mailhaul
