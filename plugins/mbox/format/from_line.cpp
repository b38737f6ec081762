#include "plugins/mbox/format/from_line.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "base/strings.hpp"
#include "mail/dates.hpp"

namespace mailhaul::mbox {
namespace {

constexpr std::string_view kFrom = "From ";
constexpr std::array<std::string_view, 7> kWeekdays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::size_t kTicketDigits = 32;

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view word) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return equals_ignoring_case(name, word); });
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && is_blank(text[i])) ++i;
    const std::size_t begin = i;
    while (i < text.size() && !is_blank(text[i])) ++i;
    if (i > begin) words.push_back(text.substr(begin, i - begin));
  }
  return words;
}

/// "12:34" or "12:34:56", whatever the numbers are.
bool is_time_shaped(std::string_view word) {
  const auto parts = split(word, ':');
  if (parts.size() != 2 && parts.size() != 3) return false;
  return std::all_of(parts.begin(), parts.end(), [](const std::string& part) { return part.size() <= 2 && all_digits(part); });
}

/// The form of ctime() with numbers that are no date: "Mon Jan 00 00:00:00 0000" (laminas-mail's test mailboxes).
bool is_date_shaped(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() < 5 || words.size() > 6) return false;
  if (!is_one_of(kMonths, words[1]) || words[2].size() > 2 || !all_digits(words[2])) return false;
  const std::string_view year = words[4].size() == 4 && all_digits(words[4]) ? words[4] : words.back();
  return is_time_shaped(words[3]) && year.size() == 4 && all_digits(year);
}

bool is_bare(std::string_view rest) {
  if (rest == "-") return true;  // Mozilla without a date
  const std::size_t at = rest.find('@');
  return at != std::string_view::npos && all_digits(rest.substr(0, at)) && rest.substr(at) == "@xxx";  // Google Takeout
}

/// Where the next word that is a weekday begins, from `from` on.
std::size_t find_weekday(std::string_view text, std::size_t from) {
  for (std::size_t i = from; i + 3 <= text.size(); ++i) {
    if (i > 0 && !is_blank(text[i - 1])) continue;
    const bool ends = i + 3 == text.size() || is_blank(text[i + 3]) || text[i + 3] == ',';
    if (ends && is_one_of(kWeekdays, text.substr(i, 3))) return i;
  }
  return std::string_view::npos;
}

bool names_a_month(std::string_view text) {
  const auto words = words_of(text);
  return std::any_of(words.begin(), words.end(), [](std::string_view word) {
    while (!word.empty() && (word.back() == ',' || word.back() == '.')) word.remove_suffix(1);
    return is_one_of(kMonths, word);
  });
}

/// UUCP's "remote from host" says nothing against a date (RFC 976).
std::string_view without_uucp_tail(std::string_view text) {
  const std::size_t tail = text.find(" remote from ");
  return trim(tail == std::string_view::npos ? text : text.substr(0, tail));
}

std::optional<mail::ReceivedDate> parse_exact_date(std::string_view text) {
  if (auto date = mail::parse_asctime(text)) return date;
  return mail::parse_rfc5322_date(text);  // Samhain's mboxcl3: "From x Sun, 11 Nov 2007 06:58:35 +0200"
}

/// Sets kind and date from the first weekday that a date begins with.
void find_date(std::string_view rest, FromLine& line, std::size_t& date_begin) {
  for (std::size_t at = find_weekday(rest, 0); at != std::string_view::npos; at = find_weekday(rest, at + 1)) {
    const std::string_view text = without_uucp_tail(rest.substr(at));
    date_begin = at;
    if (auto date = parse_exact_date(text)) {
      line.kind = FromKind::dated;
      line.date = date;
      return;
    }
    if (is_date_shaped(text)) {
      line.kind = FromKind::dated;
      return;
    }
    if (auto date = mail::parse_asctime(text, /*rest_allowed=*/true)) {
      line.kind = FromKind::loose;
      line.date = date;
      return;
    }
  }
}

/// The ticket of "<32 digits>@mailhaul" and "<32 digits>.nodate@mailhaul".
std::string ticket_of(std::string_view sender) {
  if (sender.size() < kTicketDigits) return {};
  const std::string_view digits = sender.substr(0, kTicketDigits);
  const std::string_view tail = sender.substr(kTicketDigits);
  if (tail != "@mailhaul" && tail != ".nodate@mailhaul") return {};
  const bool hexadecimal = std::all_of(digits.begin(), digits.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
  return hexadecimal ? std::string(digits) : std::string();
}

}  // namespace

FromLine parse_from_line(std::string_view line) {
  FromLine result;
  if (line.substr(0, kFrom.size()) != kFrom) return result;
  const std::string_view rest = trim(line.substr(kFrom.size()));
  if (is_bare(rest)) {
    result.kind = FromKind::bare;
    result.plain_sender = true;
    return result;
  }
  std::size_t date_begin = 0;
  find_date(rest, result, date_begin);
  if (result.kind == FromKind::text) {
    if (find_weekday(rest, 0) != std::string_view::npos && names_a_month(rest)) result.kind = FromKind::near;
    return result;
  }
  const std::string_view sender = trim(rest.substr(0, date_begin));
  result.plain_sender = words_of(sender).size() <= 1;
  result.ticket = ticket_of(sender);
  const bool says_nothing = result.date && result.date->instant == Instant{} && sender == "MAILER-DAEMON";
  if (says_nothing || sender.find(".nodate@mailhaul") != std::string_view::npos) result.date.reset();
  return result;
}

bool divides(const FromLine& line, bool after_empty_line, bool field_follows) {
  switch (line.kind) {
    case FromKind::dated:
      return after_empty_line || (field_follows && line.plain_sender);
    case FromKind::bare:
      return field_follows;
    case FromKind::loose:
      return after_empty_line && field_follows;
    case FromKind::near:
    case FromKind::text:
      break;
  }
  return false;
}

bool is_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view name = line.substr(0, colon);
  while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

bool is_writable_date(Instant instant) {
  using namespace std::chrono;
  static constexpr sys_days kFirst = year{1000} / January / 1;
  static constexpr sys_days kBeyond = sys_days(year{9999} / December / 31) + days{1};
  return instant >= kFirst && instant < kBeyond;
}

std::string make_from_line(std::string_view ticket_hex, std::optional<Instant> received) {
  const bool known = received && is_writable_date(*received);
  std::string line(kFrom);
  line += ticket_hex;
  line += known ? "@mailhaul " : ".nodate@mailhaul ";
  line += mail::to_asctime(known ? *received : Instant{});
  line += '\n';
  return line;
}

}  // namespace mailhaul::mbox
