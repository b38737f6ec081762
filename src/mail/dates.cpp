#include "mail/dates.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::mail {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<std::string_view, 7> kWeekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};

/// A zone that was read; `east` is nullopt for "-0000" and for names that tell nothing (RFC 5322 4.3).
struct Zone {
  std::optional<minutes> east;
};

/// RFC 5322 4.3, then what European mail carries. Names with more than one meaning (IST, CST of China) stay as the RFC
/// has them or unknown.
constexpr std::array<std::pair<std::string_view, int>, 31> kZones{{
    {"UT", 0},         {"GMT", 0},       {"UTC", 0},       {"Z", 0},         {"EST", -5 * 60}, {"EDT", -4 * 60},
    {"CST", -6 * 60},  {"CDT", -5 * 60}, {"MST", -7 * 60}, {"MDT", -6 * 60}, {"PST", -8 * 60}, {"PDT", -7 * 60},
    {"WET", 0},        {"WEST", 60},     {"BST", 60},      {"CET", 60},      {"CEST", 2 * 60}, {"MET", 60},
    {"MEST", 2 * 60},  {"MEZ", 60},      {"MESZ", 2 * 60}, {"EET", 2 * 60},  {"EEST", 3 * 60}, {"MSK", 3 * 60},
    {"MSD", 4 * 60},   {"JST", 9 * 60},  {"KST", 9 * 60},  {"AEST", 600},    {"AEDT", 660},    {"NZST", 12 * 60},
    {"NZDT", 13 * 60},
}};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// Reads a date from left to right.
class DateCursor {
 public:
  enum class Comments { none, skipped };
  DateCursor(std::string_view text, Comments comments) : rest_(text), comments_(comments) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  void skip_space() {
    for (;;) {
      while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
      if (comments_ == Comments::none || !skip_comment()) return;
    }
  }

  bool take(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// The letters that stand here; may be none.
  std::string_view word() {
    const auto* const end = std::find_if_not(rest_.begin(), rest_.end(), is_letter);
    const std::string_view letters = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(letters.size());
    return letters;
  }

  /// All digits that stand here; nullopt (and nothing taken) unless there are `fewest` to `most`.
  std::optional<int> number(std::size_t fewest, std::size_t most) {
    const auto* const end = std::find_if_not(rest_.begin(), rest_.end(), is_digit);
    const auto count = static_cast<std::size_t>(end - rest_.begin());
    if (count < fewest || count > most) return std::nullopt;
    const auto value = parse_uint(rest_.substr(0, count), 10, 9999);
    if (!value) return std::nullopt;
    digits_ = count;
    rest_.remove_prefix(count);
    return static_cast<int>(*value);
  }
  [[nodiscard]] std::size_t digits() const { return digits_; }  ///< of the last number

 private:
  /// RFC 5322 3.2.2: nested, with quoted pairs. One that never ends is no comment.
  bool skip_comment() {
    if (peek() != '(') return false;
    std::size_t depth = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '(') {
        ++depth;
      } else if (rest_[i] == ')' && --depth == 0) {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  std::string_view rest_;
  Comments comments_;
  std::size_t digits_ = 0;
};

/// The fields of a date as they were read.
struct Fields {
  int year = 0;
  unsigned month = 0, day = 0;
  seconds time{};
};

std::optional<unsigned> month_number(std::string_view word) {
  if (word.size() < 3) return std::nullopt;
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (starts_with_ignoring_case(kMonths[i], word)) return i + 1;
  }
  return std::nullopt;
}

std::optional<Zone> zone_by_name(std::string_view name) {
  for (const auto& [known, east] : kZones) {
    if (equals_ignoring_case(known, name)) return Zone{minutes(east)};
  }
  return std::nullopt;
}

/// "+0200". nullopt beyond ±23:59.
std::optional<Zone> take_numeric_zone(DateCursor& cursor) {
  const bool west = cursor.take('-');
  if (!west && !cursor.take('+')) return std::nullopt;
  const auto hhmm = cursor.number(4, 4);
  if (!hhmm || *hhmm / 100 > 23 || *hhmm % 100 > 59) return std::nullopt;
  const minutes size((*hhmm / 100) * 60 + *hhmm % 100);
  if (west && size.count() == 0) return Zone{};  // RFC 5322 3.3: "-0000" tells nothing of the local zone
  return Zone{west ? -size : size};
}

/// A zone of RFC 5322 3.3 and 4.3: other names of 1 to 5 letters are as good as "-0000".
std::optional<Zone> take_zone(DateCursor& cursor) {
  if (!is_letter(cursor.peek())) return take_numeric_zone(cursor);
  const std::string_view name = cursor.word();
  if (const auto known = zone_by_name(name)) return known;
  if (name.size() > 5) return std::nullopt;
  return Zone{};
}

/// RFC 5322 4.3: 00..49 is 20xx, 50..99 and three digits count from 1900.
std::optional<int> take_year(DateCursor& cursor) {
  const auto year = cursor.number(2, 4);
  if (!year) return std::nullopt;
  if (cursor.digits() == 2) return *year + (*year < 50 ? 2000 : 1900);
  if (cursor.digits() == 3) return *year + 1900;
  return *year == 0 ? std::nullopt : year;
}

/// "15:04[:05]". Second 60 counts as 59: POSIX time has no leap seconds.
std::optional<seconds> take_time(DateCursor& cursor) {
  const auto hour = cursor.number(1, 2);
  if (!hour || *hour > 23 || !cursor.take(':')) return std::nullopt;
  const auto minute = cursor.number(2, 2);
  if (!minute || *minute > 59) return std::nullopt;
  int second = 0;
  if (cursor.take(':')) {
    const auto read = cursor.number(2, 2);
    if (!read || *read > 60) return std::nullopt;
    second = std::min(*read, 59);
  }
  return seconds(*hour * 3600 + *minute * 60 + second);
}

/// nullopt unless the day exists and the instant lies in the years 1..9999 of UTC, so that it can be written again.
std::optional<ReceivedDate> make_date(const Fields& fields, Zone zone) {
  using namespace std::chrono;  // NOLINT: the calendar's names only
  const year_month_day day(year(fields.year), month(fields.month), std::chrono::day(fields.day));
  if (!day.ok()) return std::nullopt;
  if (zone.east && abs(*zone.east) >= hours(24)) return std::nullopt;  // "+2330 DST"
  const Instant instant = sys_days(day) + fields.time - zone.east.value_or(minutes(0));
  const int written_year = static_cast<int>(year_month_day(floor<days>(instant)).year());
  if (written_year < 1 || written_year > 9999) return std::nullopt;
  return ReceivedDate{instant, zone.east};
}

bool take_day(DateCursor& cursor, Fields& fields) {
  const auto day = cursor.number(1, 2);
  if (day) fields.day = static_cast<unsigned>(*day);
  return day.has_value();
}

bool take_month(DateCursor& cursor, Fields& fields) {
  const auto month = month_number(cursor.word());
  if (month) fields.month = *month;
  return month.has_value();
}

/// "2 Jan 2006 15:04:05 [zone]", also "2-Jan-2006" as IMAP writes it.
std::optional<ReceivedDate> rest_of_rfc5322(DateCursor& cursor) {
  Fields fields;
  const auto skip_divider = [&] {
    cursor.skip_space();
    if (cursor.take('-')) cursor.skip_space();
  };
  if (!take_day(cursor, fields)) return std::nullopt;
  skip_divider();
  if (!take_month(cursor, fields)) return std::nullopt;
  skip_divider();
  const auto year = take_year(cursor);
  if (!year) return std::nullopt;
  fields.year = *year;
  cursor.skip_space();
  const auto time = take_time(cursor);
  if (!time) return std::nullopt;
  fields.time = *time;
  cursor.skip_space();
  std::optional<Zone> zone = Zone{};
  if (!cursor.at_end()) zone = take_zone(cursor);
  cursor.skip_space();
  if (!zone || !cursor.at_end()) return std::nullopt;
  return make_date(fields, *zone);
}

/// A zone between time and year: "+0000 2015" (Takeout), "PST 1998", "MET DST 1994" (elm).
std::optional<Zone> take_zone_before_year(DateCursor& cursor) {
  if (is_digit(cursor.peek())) return Zone{};
  auto zone = take_zone(cursor);
  cursor.skip_space();
  if (!zone || !is_letter(cursor.peek())) return zone;
  if (!equals_ignoring_case(cursor.word(), "DST")) return std::nullopt;
  if (zone->east) *zone->east += minutes(60);
  cursor.skip_space();
  return zone;
}

/// How a ctime-like date may end.
enum class Ending { nothing, zone, zone_or_text };

/// What may follow the year. A word that is no known zone is text where text may follow, else an unknown zone.
std::optional<Zone> take_zone_after_year(DateCursor& cursor, Zone before, Ending ending) {
  if (cursor.at_end()) return before;
  if (!is_space(cursor.peek()) && cursor.peek() != '(') return std::nullopt;
  cursor.skip_space();
  if (cursor.at_end()) return before;
  const bool text_allowed = ending == Ending::zone_or_text;
  if (before.east || ending == Ending::nothing) return text_allowed ? std::optional(before) : std::nullopt;
  if (cursor.peek() == '+' || cursor.peek() == '-') {
    DateCursor ahead = cursor;
    auto zone = take_numeric_zone(ahead);
    ahead.skip_space();
    if (!zone || (!ahead.at_end() && !text_allowed)) return std::nullopt;
    return zone;
  }
  const std::string_view name = cursor.word();
  cursor.skip_space();
  if (const auto known = zone_by_name(name); known && (cursor.at_end() || text_allowed)) return known;
  if (text_allowed) return before;
  if (name.empty() || name.size() > 5 || !cursor.at_end()) return std::nullopt;
  return Zone{};
}

/// "Jan  2 15:04:05 [zone] 2006 [zone]", after the weekday.
std::optional<ReceivedDate> rest_of_ctime(DateCursor& cursor, Ending ending) {
  Fields fields;
  cursor.skip_space();
  if (!take_month(cursor, fields)) return std::nullopt;
  cursor.skip_space();
  if (!take_day(cursor, fields)) return std::nullopt;
  cursor.skip_space();
  const auto time = take_time(cursor);
  if (!time) return std::nullopt;
  fields.time = *time;
  cursor.skip_space();
  const auto before = take_zone_before_year(cursor);
  if (!before) return std::nullopt;
  cursor.skip_space();
  const auto year = take_year(cursor);
  if (!year) return std::nullopt;
  fields.year = *year;
  const auto zone = take_zone_after_year(cursor, *before, ending);
  return zone ? make_date(fields, *zone) : std::nullopt;
}

/// The last ';' of a Received field that stands in no comment and no quoted string.
std::size_t last_bare_semicolon(std::string_view body) {
  std::size_t found = std::string_view::npos;
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"' && depth == 0) {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (c == ';' && depth == 0) {
      found = i;
    }
  }
  return found;
}

/// An instant taken apart. Instants beyond the calendar of std::chrono are moved to its edge.
struct Civil {
  int year;
  unsigned month, day, weekday, hour, minute, second;
};

Civil civil_of(Instant instant) {
  using namespace std::chrono;  // NOLINT: the calendar's names only
  const Instant first = sys_days(year::min() / January / 1);
  const Instant last = sys_days(year::max() / December / 31);
  const Instant kept = std::clamp(instant, first, last);
  const auto midnight = floor<days>(kept);
  const year_month_day day(midnight);
  const auto into_day = static_cast<unsigned>((kept - midnight).count());
  return {static_cast<int>(day.year()),
          static_cast<unsigned>(day.month()),
          static_cast<unsigned>(day.day()),
          weekday(midnight).c_encoding(),
          into_day / 3600,
          into_day / 60 % 60,
          into_day % 60};
}

}  // namespace

std::optional<ReceivedDate> parse_rfc5322_date(std::string_view text) {
  DateCursor cursor(text, DateCursor::Comments::skipped);
  cursor.skip_space();
  const std::string_view weekday = cursor.word();
  if (!weekday.empty()) cursor.take('.');
  cursor.skip_space();
  cursor.take(',');
  cursor.skip_space();
  if (is_digit(cursor.peek())) return rest_of_rfc5322(cursor);
  if (weekday.empty()) return std::nullopt;
  return rest_of_ctime(cursor, Ending::zone);
}

std::optional<ReceivedDate> parse_received_field(std::string_view field_body) {
  const std::size_t last = field_body.rfind(';');
  if (last == std::string_view::npos) return std::nullopt;
  if (const auto date = parse_rfc5322_date(field_body.substr(last + 1))) return date;
  // The last one may stand in the date's own comment: "; 1 Jan 2002 00:00:00 +0000 (a; b)".
  const std::size_t bare = last_bare_semicolon(field_body);
  if (bare == std::string_view::npos || bare == last) return std::nullopt;
  return parse_rfc5322_date(field_body.substr(bare + 1));
}

std::optional<ReceivedDate> parse_asctime(std::string_view text, bool rest_allowed) {
  DateCursor cursor(text, DateCursor::Comments::none);
  cursor.skip_space();
  const std::string_view weekday = cursor.word();
  const bool known = std::any_of(kWeekdays.begin(), kWeekdays.end(),
                                 [&](std::string_view name) { return equals_ignoring_case(name, weekday); });
  if (!known || !is_space(cursor.peek())) return std::nullopt;
  return rest_of_ctime(cursor, rest_allowed ? Ending::zone_or_text : Ending::zone);
}

std::string to_asctime(Instant instant) {
  const Civil civil = civil_of(instant);
  std::array<char, 40> text{};
  const std::string_view weekday = kWeekdays[civil.weekday];
  const std::string_view month = kMonths[civil.month - 1].substr(0, 3);
  // Years below 1000 get leading zeros: "102" would be read as 2002.
  const int length = std::snprintf(text.data(), text.size(), "%.3s %.3s %2u %02u:%02u:%02u %04d", weekday.data(),
                                   month.data(), civil.day, civil.hour, civil.minute, civil.second, civil.year);
  return {text.data(), static_cast<std::size_t>(std::max(length, 0))};
}

std::optional<Instant> parse_iso_date(std::string_view text) {
  DateCursor cursor(text, DateCursor::Comments::none);
  Fields fields;
  const auto year = cursor.number(4, 4);
  if (!year || *year == 0 || !cursor.take('-')) return std::nullopt;
  const auto month = cursor.number(2, 2);
  if (!month || !cursor.take('-')) return std::nullopt;
  const auto day = cursor.number(2, 2);
  if (!day) return std::nullopt;
  fields.year = *year;
  fields.month = static_cast<unsigned>(*month);
  fields.day = static_cast<unsigned>(*day);
  if (!cursor.at_end()) {
    if (!cursor.take('T') && !cursor.take(' ')) return std::nullopt;
    if (!is_digit(text[std::min<std::size_t>(12, text.size() - 1)])) return std::nullopt;  // hours have two digits
    const auto time = take_time(cursor);
    if (!time) return std::nullopt;
    fields.time = *time;
    cursor.take('Z');
    if (!cursor.at_end()) return std::nullopt;
  }
  const auto date = make_date(fields, Zone{});
  return date ? std::optional(date->instant) : std::nullopt;
}

std::string to_iso(Instant instant) {
  const Civil civil = civil_of(instant);
  std::array<char, 40> text{};
  const int length = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02u:%02u:%02uZ", civil.year, civil.month,
                                   civil.day, civil.hour, civil.minute, civil.second);
  return {text.data(), static_cast<std::size_t>(std::max(length, 0))};
}

}  // namespace mailhaul::mail
