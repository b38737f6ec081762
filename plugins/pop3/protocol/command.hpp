// What a client may say. No argument can break out of its line, and no secret can be printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace mailhaul::pop3 {

/// What follows a +OK.
enum class Answer {
  line,     ///< nothing
  listing,  ///< lines up to "."
  message,  ///< the octets of a message up to "."
  login,    ///< nothing; before it challenges may come (AUTH)
};

/// One command line. Immutable once it is started.
class Command {
 public:
  explicit Command(std::string verb, Answer answer = Answer::line) : text_(std::move(verb)), answer_(answer) {}
  Command& argument(std::string_view text) {
    text_ += " ";
    text_ += text;
    return *this;
  }
  Command& argument(std::uint64_t number) { return argument(std::to_string(number)); }
  /// The last argument.
  Command& secret(Secret text) {
    secret_ = std::move(text);
    return *this;
  }
  /// How many responses the mechanism gives at least: before that a +OK is a challenge (servers that say "+OK" for "+",
  /// fetchmail's FAQ R11).
  Command& responses(unsigned count) {
    responses_ = count;
    return *this;
  }
  /// Nothing else may be in flight beside it: logins, STLS, and what ends a session.
  Command& alone() {
    alone_ = true;
    return *this;
  }
  /// STLS: whatever comes behind its +OK is an attack.
  Command& ends_plaintext() {
    ends_plaintext_ = true;
    return alone();
  }

  /// Error: usage, scope session: an argument holds CR, LF or NUL.
  [[nodiscard]] Status check() const;
  [[nodiscard]] const std::string& text() const { return text_; }  ///< without the secret and the line end
  [[nodiscard]] const std::optional<Secret>& secret() const { return secret_; }
  [[nodiscard]] Answer answer() const { return answer_; }
  [[nodiscard]] unsigned responses() const { return responses_; }
  [[nodiscard]] bool is_alone() const { return alone_; }
  [[nodiscard]] bool is_ending_plaintext() const { return ends_plaintext_; }

 private:
  std::string text_;
  std::optional<Secret> secret_;
  Answer answer_;
  unsigned responses_ = 0;
  bool alone_ = false, ends_plaintext_ = false;
};

}  // namespace mailhaul::pop3
