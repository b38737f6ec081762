#include "plugins/maildir/format/keywords.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::maildir {

std::optional<char> KeywordTable::letter(std::string_view keyword) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!names_[i].empty() && equals_ignoring_case(names_[i], keyword)) return static_cast<char>('a' + i);
  }
  return std::nullopt;
}

KeywordTable parse_keywords(std::string_view text) {
  KeywordTable table;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    const auto number = parse_uint(line.substr(0, blank), 10, kKeywordLetters - 1);
    const std::string_view name = line.substr(blank + 1);
    if (!number) continue;
    const auto letter = static_cast<char>('a' + *number);
    if (table.is_free(letter) && can_be_keyword(name)) table.set(letter, std::string(name));
    table.take(letter);
  }
  return table;
}

std::string keyword_line(char letter, std::string_view keyword) {
  return std::to_string(letter - 'a').append(" ").append(keyword).append("\n");
}

bool can_be_keyword(std::string_view keyword) {
  if (keyword.empty() || !is_valid_utf8(keyword)) return false;
  return std::none_of(keyword.begin(), keyword.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= 0x20 || octet == 0x7F;
  });
}

}  // namespace mailhaul::maildir
