#include "plugins/imap/protocol/lexer.hpp"

#include <algorithm>
#include <cstring>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::imap {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "9.3736e+06" in whole numbers; nullopt for what is none or does not fit.
std::optional<std::uint64_t> parse_exponential(std::string_view text) {
  const std::size_t e = text.find_first_of("eE");
  if (e == std::string_view::npos) return std::nullopt;
  std::string_view power = text.substr(e + 1);
  if (!power.empty() && power.front() == '+') power.remove_prefix(1);
  auto exponent = parse_uint(power, 10, 30);
  if (!exponent) return std::nullopt;
  const std::string_view mantissa = text.substr(0, e);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  std::string digits(mantissa.substr(0, point));
  for (std::size_t i = point + 1; i < mantissa.size() && *exponent > 0; ++i, --*exponent) digits += mantissa[i];
  digits.append(*exponent, '0');
  return parse_uint(digits);
}

}  // namespace

bool Cursor::fail(Flaw flaw) {
  if (flaw_ == Flaw::none) flaw_ = flaw;
  return false;
}

bool Cursor::open() {
  if (!demand('(')) return false;
  ++depth_;
  return depth_ <= limits_.nesting || fail(Flaw::nesting);
}

bool Cursor::close() {
  if (!demand(')')) return false;
  if (depth_ > 0) --depth_;
  return true;
}

bool Cursor::count() {
  ++elements_;
  return elements_ <= limits_.elements || fail(Flaw::elements);
}

bool Cursor::end() {
  blanks();
  return at_end() || fail();
}

std::string_view Cursor::word() {
  const std::size_t begin = at_;
  while (!at_end() && line_[at_] != ' ' && line_[at_] != '(' && line_[at_] != ')') ++at_;
  return line_.substr(begin, at_ - begin);
}

std::string_view Cursor::run() {
  const std::size_t begin = at_;
  at_ = std::min(line_.find(' ', at_), line_.size());
  return line_.substr(begin, at_ - begin);
}

std::string_view Cursor::flag() {
  const std::size_t begin = at_;
  while (!at_end() && line_[at_] != ' ' && line_[at_] != ')') ++at_;
  return line_.substr(begin, at_ - begin);
}

std::optional<std::uint64_t> Cursor::number() {
  std::uint64_t value = 0;
  const std::size_t begin = at_;
  for (; !at_end() && is_digit(line_[at_]); ++at_) {
    const auto digit = static_cast<std::uint64_t>(line_[at_] - '0');
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) || __builtin_add_overflow(value, digit, &value)) {
      fail();
      return std::nullopt;
    }
  }
  const char behind = peek();
  if (at_ == begin || (!at_end() && behind != ' ' && behind != ')' && behind != '(')) {
    fail();
    return std::nullopt;
  }
  return value;
}

bool Cursor::tolerant_number(std::optional<std::uint64_t>& value, std::optional<std::uint64_t>* rounded) {
  if (is_digit(peek())) {
    const std::size_t begin = at_;
    const std::string_view text = word();
    if (text.find_first_not_of("0123456789") == std::string_view::npos) {
      at_ = begin;
      value = number();
      return value.has_value();
    }
    const auto near = parse_exponential(text);
    if (!near) return fail();
    value = std::nullopt;
    if (rounded != nullptr) *rounded = near;
    return true;
  }
  value = std::nullopt;
  const std::string_view text = word();
  if (equals_ignoring_case(text, "NIL")) return true;
  const bool negative = text.size() > 1 && text[0] == '-' && parse_uint(text.substr(1));
  return negative || fail();
}

bool Cursor::literal_is_here() {
  while (next_literal_ < literals_.size() && literals_[next_literal_].begin < at_) ++next_literal_;
  return next_literal_ < literals_.size() && literals_[next_literal_].begin == at_;
}

const Literal* Cursor::literal() {
  if (literals_.empty() || !literal_is_here()) return nullptr;
  const Literal& found = literals_[next_literal_++];
  at_ = found.end;
  ++taken_;
  return &found;
}

bool Cursor::quoted(std::string& text, EightBit rule) {
  if (!demand('"')) return false;
  text.clear();
  bool eight_bit = false;
  for (std::size_t begin = at_;; ++at_) {
    if (at_end()) return fail();
    const char c = line_[at_];
    if (c == '"') {
      text.append(line_, begin, at_ - begin);
      break;
    }
    if (c == '\\') {
      text.append(line_, begin, at_ - begin);
      ++at_;
      if (peek() != '"' && peek() != '\\') return fail();
      begin = at_;
    }
    eight_bit = eight_bit || static_cast<unsigned char>(c) >= 0x80;
  }
  ++at_;
  if (eight_bit && rule == EightBit::utf8 && !is_valid_utf8(text)) return fail();
  return true;
}

bool Cursor::astring(std::string& text, EightBit rule, bool* is_literal) {
  if (is_literal != nullptr) *is_literal = false;
  if (peek() == '"') return quoted(text, rule);
  if (const Literal* found = literal()) {
    if (found->kind != Literal::Kind::kept) return fail();
    text = found->text;
    if (is_literal != nullptr) *is_literal = true;
    return true;
  }
  const std::string_view run = word();
  if (run.empty() || run.front() == '{' || run.starts_with("~{")) return fail();  // a literal that was no literal
  text = run;
  return true;
}

bool Cursor::nstring(std::string& text, EightBit rule, bool& nil) {
  const bool is_word = peek() != '"' && !literal_is_here();
  if (!astring(text, rule)) return false;
  nil = is_word && equals_ignoring_case(text, "NIL");
  if (nil) text.clear();
  return true;
}

bool Cursor::words(std::vector<std::string>& list) {
  const unsigned outside = depth_;
  if (!open()) return false;
  while (depth_ > outside) {
    blanks();
    if (at_end()) return fail();
    if (peek() == '(') {
      if (!open()) return false;
    } else if (peek() == ')') {
      if (!close()) return false;
    } else {
      if (!count()) return false;
      if (peek() == '"' || literal_is_here()) {
        std::string text;
        if (!astring(text, EightBit::any)) return false;
        list.push_back(std::move(text));
      } else {
        list.emplace_back(flag());
      }
    }
  }
  return true;
}

std::string_view Cursor::item_name() {
  const std::size_t begin = at_;
  while (!at_end() && line_[at_] != ' ' && line_[at_] != '(' && line_[at_] != ')' && line_[at_] != '[' &&
         line_[at_] != '<') {
    ++at_;
  }
  if (take('[')) {
    // RFC 9051 9: header-list holds astrings, so a "]" may stand in quotes.
    while (!at_end() && peek() != ']') {
      if (peek() == '"') {
        if (!skip_quoted()) return {};
      } else if (literal() == nullptr) {
        ++at_;
      }
    }
    if (!demand(']')) return {};
  }
  if (at_ == begin) fail();
  return line_.substr(begin, at_ - begin);
}

bool Cursor::skip_quoted() {
  ++at_;
  while (!at_end() && line_[at_] != '"') at_ += line_[at_] == '\\' ? 2 : 1;
  if (at_end()) {
    at_ = line_.size();
    return fail();
  }
  ++at_;
  return true;
}

bool Cursor::skip_value() {
  const unsigned outside = depth_;
  do {
    blanks();
    if (at_end()) return fail();
    if (peek() == ')') {
      if (depth_ == outside || !close()) return fail();
      continue;
    }
    if (peek() == '(') {
      if (!open()) return false;
      continue;
    }
    if (!count()) return false;
    if (const Literal* found = literal()) {
      if (found->kind == Literal::Kind::body) return fail();
    } else if (peek() == '"') {
      if (!skip_quoted()) return false;
    } else {
      word();
    }
  } while (depth_ > outside);
  return true;
}

bool Cursor::skip_rest() {
  while (!at_end()) {
    const char c = peek();
    if (literal() != nullptr) continue;
    if (c == '(') {
      if (!open()) return false;
      continue;
    }
    if (c == ')' && depth_ > 0) --depth_;
    if (c == ' ' && !count()) return false;
    // A quote that is never closed is an apostrophe of somebody's text.
    if (c == '"') {
      const std::size_t close_quote = line_.find('"', at_ + 1);
      if (close_quote != std::string_view::npos) at_ = close_quote;
    }
    ++at_;
  }
  return true;
}

}  // namespace mailhaul::imap
