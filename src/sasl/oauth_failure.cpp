#include "sasl/oauth_failure.hpp"

#include <cstddef>
#include <optional>

#include "base/strings.hpp"

namespace mailhaul::sasl {

namespace {

/// Reads one flat JSON object whose values are strings or numbers, and nothing more: no escapes but the two-character
/// ones, no nesting. What it does not understand is shown as it came.
class FlatObject {
 public:
  explicit FlatObject(std::string_view text) : text_(text) {}

  bool open() { return take('{'); }
  bool at_end() { return take('}'); }
  bool next() { return take(','); }
  bool colon() { return take(':'); }

  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string value;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') return ++at_, value;
      if (text_[at_] == '\\' && (++at_ == text_.size() || text_[at_] == 'u')) return std::nullopt;
      value += text_[at_];
    }
    return std::nullopt;
  }

  std::optional<std::string> value() {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '"') return string();
    std::string digits;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') digits += text_[at_++];
    if (digits.empty()) return std::nullopt;
    return digits;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
      ++at_;
  }
  bool take(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<std::string> summary(std::string_view report) {
  FlatObject object(report);
  std::string status;
  std::string rest;
  if (!object.open()) return std::nullopt;
  for (bool first = true; !object.at_end(); first = false) {
    if (!first && !object.next()) return std::nullopt;
    const auto key = object.string();
    if (!key || !object.colon()) return std::nullopt;
    const auto value = object.value();
    if (!value) return std::nullopt;
    if (*key == "status") status = *value;
    if (*key == "schemes" || *key == "scope") rest += ", " + *key + " " + *value;
  }
  if (status.empty()) return std::nullopt;
  return status + rest;
}

}  // namespace

std::string describe_oauth_failure(std::string_view report) {
  return visible(summary(report).value_or(std::string(report)));
}

}  // namespace mailhaul::sasl
