#include "mail/meta.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/strings.hpp"

namespace mailhaul::mail {

void normalize_keywords(std::vector<std::string>& keywords) {
  const auto less = [](const std::string& a, const std::string& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](char x, char y) { return ascii_lower(x) < ascii_lower(y); });
  };
  const auto same = [](const std::string& a, const std::string& b) { return equals_ignoring_case(a, b); };
  std::erase_if(keywords, [](const std::string& keyword) { return keyword.empty(); });
  std::stable_sort(keywords.begin(), keywords.end(), less);  // stable: the first spelling stays in front
  keywords.erase(std::unique(keywords.begin(), keywords.end(), same), keywords.end());
}

std::string to_text(const Flags& flags) {
  static constexpr std::array<std::pair<Flags::Bit, std::string_view>, 5> kNames{{{Flags::seen, "\\Seen"},
                                                                                  {Flags::answered, "\\Answered"},
                                                                                  {Flags::flagged, "\\Flagged"},
                                                                                  {Flags::deleted, "\\Deleted"},
                                                                                  {Flags::draft, "\\Draft"}}};
  std::string text;
  for (const auto& [bit, name] : kNames) {
    if (!flags.has(bit)) continue;
    if (!text.empty()) text += ' ';
    text += name;
  }
  return text;
}

}  // namespace mailhaul::mail
