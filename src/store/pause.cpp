// See pause.hpp.
#include "store/pause.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::store {
namespace {

constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 30);  // what is told; how much is granted is not said here

// So many fruitless sessions are enough of pauses: one broken message must not bar all others for good.
constexpr unsigned kPausesForOne = 3;
// But with so many refusals in a row, nothing granted between them, it is the server that cannot: 64 messages are halved
// six times until one is alone.
constexpr unsigned kRefusalsOfOne = 8;

constexpr std::array<std::string_view, 7> kWords{
    "is throttled",                  // Exchange, Office 365: "Request is throttled."
    "suggested backoff time",        // the same, with the time
    "command or bandwidth limits",   // Gmail: "Account exceeded command or bandwidth limits", also under [OVERQUOTA]
    "too many simultaneous connections",  // Gmail, Yahoo
    "too many connections",          // Courier, hMailServer
    "maximum number of connections",  // Dovecot: mail_max_userip_connections
    "rate limit",                    // Yahoo, AOL: "UID FETCH Rate limit hit."
};

/// "Suggested Backoff Time: 62415 milliseconds" (quirk 13).
std::optional<std::chrono::milliseconds> told(std::string_view lower) {
  constexpr std::string_view kBefore = "suggested backoff time:";
  const std::size_t at = lower.find(kBefore);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = trim(lower.substr(at + kBefore.size()));
  const auto digits = rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
  if (digits.empty()) return std::nullopt;
  const auto number = parse_uint(digits, 10, static_cast<std::uint64_t>(kLongest.count()));
  const auto pause = number ? std::chrono::milliseconds(*number) : kLongest;  // more than can be counted is the most
  return std::max<std::chrono::milliseconds>(pause, std::chrono::seconds(1));
}

}  // namespace

bool Refusals::is_of_one(unsigned fruitless) { return ++in_a_row_ <= kRefusalsOfOne && fruitless >= kPausesForOne; }

std::optional<std::chrono::milliseconds> pause_in_words(std::string_view text) {
  const std::string lower = to_lower_ascii(text);
  const bool asks = std::any_of(kWords.begin(), kWords.end(),
                                [&](std::string_view words) { return lower.find(words) != std::string::npos; });
  if (!asks) return std::nullopt;
  return told(lower).value_or(kPause);
}

}  // namespace mailhaul::store
