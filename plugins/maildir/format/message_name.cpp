#include "plugins/maildir/format/message_name.hpp"

#include <algorithm>

#include "base/checked.hpp"

namespace mailhaul::maildir {
namespace {

bool is_ascii_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

/// Does an info begin at `at`? (cr.yp.to/proto/maildir.html knows only ':'; ';' and '!' stand for it on FAT and NTFS.)
bool info_begins(std::string_view name, std::size_t at) {
  const char separator = name[at];
  if (separator != ':' && separator != ';' && separator != '!' && separator != '_') return false;
  const std::string_view rest = name.substr(at + 1);
  const bool two = rest.starts_with("2,");
  if (separator != '_') return two || rest.starts_with("1,");
  return two && std::all_of(rest.begin() + 2, rest.end(), [](char c) { return is_ascii_letter(c) || c == ','; });
}

/// The number of a `,X=` field of the base name, whole up to the next ','.
std::optional<std::uint64_t> size_field(std::string_view base, std::string_view field) {
  const std::size_t at = base.find(field);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = base.substr(at + field.size());
  return parse_uint(rest.substr(0, rest.find(',')));
}

/// Eats `mark` and the digits behind it.
bool eat_number(std::string_view& text, std::string_view mark) {
  if (!text.starts_with(mark)) return false;
  text.remove_prefix(mark.size());
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto length = static_cast<std::size_t>(end - text.begin());
  text.remove_prefix(length);
  return length > 0;
}

}  // namespace

MessageName parse_message_name(std::string_view name) {
  MessageName parsed;
  parsed.base = name;
  for (std::size_t at = name.size(); at-- > 1;) {  // a name that begins with its separator has no base: no info then
    if (!info_begins(name, at)) continue;
    parsed.base = name.substr(0, at);
    parsed.tail = name.substr(at);
    parsed.separator = name[at];
    parsed.experimental = parsed.tail[1] == '1';
    if (!parsed.experimental) {
      const std::string_view info = parsed.tail.substr(3);
      parsed.flags = info.substr(0, info.find(','));
      parsed.fields = info.substr(parsed.flags.size());
    }
    break;
  }
  parsed.size = size_field(parsed.base, ",S=");
  parsed.crlf_size = size_field(parsed.base, ",W=");
  return parsed;
}

void apply_info(const MessageName& name, const KeywordTable& keywords, mail::Meta& meta) {
  for (const char letter : name.flags) {
    switch (letter) {
      case 'P':
        meta.keywords.emplace_back(kForwarded);
        continue;
      case 'R':
        meta.flags.set(mail::Flags::answered);
        continue;
      case 'S':
        meta.flags.set(mail::Flags::seen);
        continue;
      case 'T':
        meta.flags.set(mail::Flags::deleted);
        continue;
      case 'D':
        meta.flags.set(mail::Flags::draft);
        continue;
      case 'F':
        meta.flags.set(mail::Flags::flagged);
        continue;
      default:
        break;
    }
    if (letter >= 'a' && letter <= 'z' && !keywords.name(letter).empty()) {
      meta.keywords.emplace_back(keywords.name(letter));
    } else {
      meta.labels.push_back(std::string(kInfoLabel) + percent_encode({&letter, 1}));
    }
  }
  mail::normalize_keywords(meta.keywords);
  std::sort(meta.labels.begin(), meta.labels.end());
  meta.labels.erase(std::unique(meta.labels.begin(), meta.labels.end()), meta.labels.end());
}

std::optional<std::int64_t> delivery_time(std::string_view base) {
  constexpr std::uint64_t kLatest = 1ULL << 40U;  // seconds; beyond it is no time
  const std::size_t dot = base.find('.');
  const auto seconds = parse_uint(base.substr(0, dot), 10, kLatest);
  if (!seconds || dot == std::string_view::npos) return std::nullopt;
  std::uint64_t microseconds = 0;
  if (std::string_view rest = base.substr(dot + 1); rest.starts_with('M')) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find_first_not_of("0123456789"), rest.size());
    microseconds = parse_uint(rest.substr(0, end), 10, 999'999).value_or(0);
  }
  return static_cast<std::int64_t>(*seconds * 1'000'000 + microseconds);
}

std::string percent_encode(std::string_view octets) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto is_plain = [](char c) { return c > 0x20 && c < 0x7E && c != '%'; };
  const auto plain_end = std::find_if_not(octets.begin(), octets.end(), is_plain);
  std::string text(octets.begin(), plain_end);
  if (plain_end == octets.end()) return text;
  text.reserve(octets.size());
  for (const char c : octets.substr(text.size())) {
    const auto octet = static_cast<unsigned char>(c);
    if (is_plain(c)) {
      text += c;
    } else {
      text += '%';
      text += kDigits[octet >> 4];
      text += kDigits[octet & 15];
    }
  }
  return text;
}

std::string sorted_letters(std::string letters) {
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
  return letters;
}

std::string letters_of(const mail::Flags& flags) {
  std::string letters;
  if (flags.has(mail::Flags::draft)) letters += 'D';
  if (flags.has(mail::Flags::flagged)) letters += 'F';
  if (flags.has(mail::Flags::answered)) letters += 'R';
  if (flags.has(mail::Flags::seen)) letters += 'S';
  if (flags.has(mail::Flags::deleted)) letters += 'T';
  return letters;
}

std::string delivery_base(const DeliveryName& name) {
  std::string base = std::to_string(name.seconds);
  base.append(".M").append(std::to_string(name.microseconds));
  base.append("P").append(std::to_string(name.process));
  base.append("Q").append(std::to_string(name.sequence));
  base.append("R").append(name.ticket).append(".mailhaul,S=").append(std::to_string(name.size));
  base.append(",W=").append(std::to_string(name.crlf_size));
  return base;
}

std::string_view ticket_of(std::string_view file_name) {
  std::string_view rest = file_name;
  if (rest.starts_with('-')) rest.remove_prefix(1);  // a clock before 1970
  if (!eat_number(rest, "") || !eat_number(rest, ".M") || !eat_number(rest, "P") || !eat_number(rest, "Q")) return {};
  if (!rest.starts_with('R')) return {};
  const std::string_view ticket = rest.substr(1, 32);
  if (ticket.size() != 32 || !std::all_of(ticket.begin(), ticket.end(), is_lower_hex)) return {};
  rest.remove_prefix(33);
  return rest.starts_with(".mailhaul") ? ticket : std::string_view{};
}

}  // namespace mailhaul::maildir
