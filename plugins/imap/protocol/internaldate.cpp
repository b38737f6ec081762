// date-time (RFC 9051 9), as in INTERNALDATE and APPEND. Not mail/dates.hpp: the zone of a date that a server stores is
// part of it, and a form that is not understood must not pass for another.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/protocol/names.hpp"

namespace mailhaul::imap {

namespace {

using std::chrono::minutes;

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Takes `fewest` to `most` digits, then `behind` ('\0': nothing).
std::optional<unsigned> take_number(std::string_view& text, std::size_t fewest, std::size_t most, char behind) {
  std::size_t digits = 0;
  while (digits < text.size() && digits < most && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits < fewest) return std::nullopt;
  const auto value = parse_uint(text.substr(0, digits));
  text.remove_prefix(digits);
  if (behind != '\0') {
    if (!text.starts_with(behind)) return std::nullopt;
    text.remove_prefix(1);
  }
  return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

std::optional<unsigned> take_month(std::string_view& text) {
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (text.size() < 4 || text[3] != '-' || !equals_ignoring_case(text.substr(0, 3), kMonths[i])) continue;
    text.remove_prefix(4);
    return i + 1;
  }
  return std::nullopt;
}

std::optional<std::chrono::seconds> take_time(std::string_view& text) {
  const auto hour = take_number(text, 1, 2, ':');
  if (!hour || *hour > 23) return std::nullopt;
  const auto minute = take_number(text, 2, 2, ':');
  if (!minute || *minute > 59) return std::nullopt;
  const auto second = take_number(text, 2, 2, '\0');
  if (!second || *second > 60) return std::nullopt;
  return std::chrono::seconds(*hour * 3600 + *minute * 60 + std::min(*second, 59U));  // no leap seconds in POSIX time
}

/// "-0700", all that is left.
std::optional<minutes> parse_zone(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hhmm = parse_uint(text.substr(1));
  if (!hhmm || *hhmm / 100 > 23 || *hhmm % 100 > 59) return std::nullopt;
  const minutes size(static_cast<int>(*hhmm / 100 * 60 + *hhmm % 100));
  return text[0] == '-' ? -size : size;
}

}  // namespace

std::optional<mail::ReceivedDate> parse_internaldate(std::string_view text) {
  text = trim(text);
  const auto day = take_number(text, 1, 2, '-');
  if (!day) return std::nullopt;
  const auto month = take_month(text);
  if (!month) return std::nullopt;
  const auto year = take_number(text, 4, 4, ' ');
  if (!year || *year == 0) return std::nullopt;
  text = trim(text);
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                         std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  // The zero of OLE dates, in any time zone: what some servers tell of a message that has none (imapsync's FAQ).
  if (date == std::chrono::year(1899) / 12 / 30) return std::nullopt;
  mail::ReceivedDate received;
  received.instant = std::chrono::sys_days(date) + *time;
  text = trim(text);
  if (text.empty()) return received;
  const auto zone = parse_zone(text);
  if (!zone) return std::nullopt;
  received.instant -= *zone;
  received.zone = zone;
  return received;
}

std::optional<std::string> to_internaldate(const mail::ReceivedDate& date) {
  using namespace std::chrono;  // NOLINT: the calendar's names only
  minutes zone = date.zone.value_or(minutes(0));
  if (abs(zone) >= hours(24)) zone = minutes(0);
  // Before the zone is added: instants beyond the calendar of std::chrono must not be turned into days.
  if (date.instant < sys_days(year(0) / January / 1) || date.instant >= sys_days(year(10001) / January / 1)) {
    return std::nullopt;
  }
  const auto local = date.instant + zone;
  const auto midnight = floor<days>(local);
  const year_month_day day(midnight);
  const int year_number = static_cast<int>(day.year());
  if (year_number < 1 || year_number > 9999) return std::nullopt;
  const auto into_day = static_cast<unsigned>((local - midnight).count());
  const auto east = static_cast<unsigned>(abs(zone).count());
  std::array<char, 40> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "\"%02u-%s-%04d %02u:%02u:%02u %c%02u%02u\"", static_cast<unsigned>(day.day()),
      kMonths[static_cast<unsigned>(day.month()) - 1].data(), year_number, into_day / 3600, into_day / 60 % 60,
      into_day % 60, zone < minutes(0) ? '-' : '+', east / 60, east % 60);
  return std::string(text.data(), static_cast<std::size_t>(std::max(length, 0)));
}

}  // namespace mailhaul::imap
