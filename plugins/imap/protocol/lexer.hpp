// A cursor over one whole response: its line with the literals taken out. Inside of the response parser; nothing else
// includes it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/imap/protocol/limits.hpp"

namespace mailhaul::imap {

/// A literal of a response. Its announcement "{123}" still stands in the line, [begin, end).
struct Literal {
  enum class Kind { kept, skipped, body };
  Kind kind = Kind::kept;
  std::size_t begin = 0, end = 0;
  std::uint64_t size = 0;
  std::string text;  ///< of kept ones
};

/// What is wrong with a response. All but syntax are limits.
enum class Flaw { none, syntax, nesting, elements };

/// Which octets above 0x7F a string may hold.
enum class EightBit {
  utf8,  ///< RFC 9051 9: quoted strings are UTF-8
  any,   ///< names and flags of servers that send Latin-1 or worse (bad-input 38, 53)
};

/// Reads from left to right. What returns bool or a pointer says false or null when it did not find what it should;
/// unless told otherwise that has made the response flawed.
class Cursor {
 public:
  Cursor(std::string_view line, std::size_t at, std::span<const Literal> literals, const Limits& limits)
      : line_(line), at_(at), literals_(literals), limits_(limits) {}

  [[nodiscard]] Flaw flaw() const { return flaw_; }
  bool fail(Flaw flaw = Flaw::syntax);  ///< the first flaw stays; always false

  [[nodiscard]] bool at_end() const { return at_ >= line_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : line_[at_]; }
  [[nodiscard]] std::string_view rest() const { return line_.substr(at_); }
  [[nodiscard]] bool at_value() const { return !at_end() && peek() != ')'; }
  void blanks() {
    while (peek() == ' ') ++at_;
  }
  /// Takes `c` if it stands here. No flaw if not.
  bool take(char c) {
    if (peek() != c || at_end()) return false;
    ++at_;
    return true;
  }
  bool demand(char c) { return take(c) || fail(); }

  /// The run of octets up to a blank, a parenthesis or the end; may be empty. No flaw.
  std::string_view word();
  /// The run of octets up to a blank or the end; may be empty. No flaw.
  std::string_view run();
  /// As word(), but parentheses inside of it belong to it, unless it is ')' (flags of bad-input 56: "foo(bar").
  std::string_view flag();
  /// A word of digits. nullopt and a flaw for anything else, and above 64 bits.
  std::optional<std::uint64_t> number();
  /// A number that does not have to be there: sets `value` to nullopt for NIL, "-1" (Zoho) and for "9.3736e+06"
  /// (home.pl, mail.ru), which is told in `rounded` when that is given.
  bool tolerant_number(std::optional<std::uint64_t>& value, std::optional<std::uint64_t>* rounded = nullptr);
  /// The literal that stands here, which is taken; null without a flaw when there is none.
  const Literal* literal();
  [[nodiscard]] bool literal_is_here();
  /// False when a literal was taken for something else: "X {5}" with "{5}" as the name of an item.
  [[nodiscard]] bool took_all_literals() const { return taken_ == literals_.size(); }
  bool quoted(std::string& text, EightBit rule);
  /// Quoted string, literal or word.
  bool astring(std::string& text, EightBit rule, bool* is_literal = nullptr);
  /// As astring, but the word NIL is `nil`.
  bool nstring(std::string& text, EightBit rule, bool& nil);
  /// "(a b "c")". Extra parentheses inside are no words (Domino).
  bool words(std::vector<std::string>& list);
  /// "BODY[HEADER.FIELDS (A B)]": the name of a FETCH item, without "<origin>".
  std::string_view item_name();
  /// One value of any kind, read over. Iterative.
  bool skip_value();
  /// All that is left, of whatever grammar.
  bool skip_rest();
  /// True when nothing but blanks is left.
  bool end();

  bool open();   ///< takes '('
  bool close();  ///< takes ')'
  bool count();  ///< one more element

 private:
  bool skip_quoted();

  std::string_view line_;
  std::size_t at_;
  std::span<const Literal> literals_;
  std::size_t next_literal_ = 0, taken_ = 0;
  const Limits& limits_;
  unsigned depth_ = 0;
  std::size_t elements_ = 0;
  Flaw flaw_ = Flaw::none;
};

}  // namespace mailhaul::imap
