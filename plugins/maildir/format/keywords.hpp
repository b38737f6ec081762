// The file `dovecot-keywords` of a folder: which of the 26 letters a-z stands for which keyword. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace mailhaul::maildir {

inline constexpr std::size_t kKeywordLetters = 26;  // the info knows a-z only (Dovecot, maildir-keywords)

/// Letters and their keywords; an empty name is a letter without meaning.
class KeywordTable {
 public:
  [[nodiscard]] const std::string& name(char letter) const { return names_[index(letter)]; }
  /// Case-insensitive in ASCII, as IMAP keywords are (RFC 9051 2.3.2).
  [[nodiscard]] std::optional<char> letter(std::string_view keyword) const;
  /// false also where the file gives the letter a name that cannot be used.
  [[nodiscard]] bool is_free(char letter) const { return !taken_[index(letter)]; }
  void take(char letter) { taken_[index(letter)] = true; }
  void set(char letter, std::string keyword) {
    names_[index(letter)] = std::move(keyword);
    take(letter);
  }
  bool operator==(const KeywordTable&) const = default;

 private:
  static std::size_t index(char letter) { return static_cast<std::size_t>(letter - 'a'); }  // 'a'..'z' only
  std::array<std::string, kKeywordLetters> names_;
  std::array<bool, kKeywordLetters> taken_{};
};

/// Lines `N name`. A line that is anything else, a number above 25, and the later of two lines with one number are
/// passed over: their letters then have no meaning. CR at a line's end is tolerated.
[[nodiscard]] KeywordTable parse_keywords(std::string_view text);
/// One line of the file, with its line end. The file is only ever added to: what other programs wrote stays.
[[nodiscard]] std::string keyword_line(char letter, std::string_view keyword);
/// Not empty, valid UTF-8, no blank, no control character: what one line of the file can hold.
[[nodiscard]] bool can_be_keyword(std::string_view keyword);

}  // namespace mailhaul::maildir
