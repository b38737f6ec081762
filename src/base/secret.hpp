// A password or token: a type that cannot be printed, compared with text or put into an Error by accident.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace mailhaul {
inline namespace base {

/// Wiped when it dies or is moved from. Not thread-safe.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) { wipe(text); }
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe(text_);
      text_ = other.text_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe(text_);
      text_ = std::move(other.text_);
      wipe(other.text_);
    }
    return *this;
  }
  ~Secret() { wipe(text_); }

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  /// The text itself, for the wire alone. Whoever calls this answers for where it goes.
  [[nodiscard]] std::string_view reveal() const { return text_; }

 private:
  static void wipe(std::string& text) noexcept {
    // Up to the capacity, which never allocates: a short string that was moved from leaves its octets behind in place.
    text.resize(text.capacity());
    // volatile: the compiler must not take the stores to a dying string for useless.
    for (volatile char& c : text) c = 0;
    text.clear();
  }
  std::string text_;
};

/// `text` with "<secret>" for each of the secrets, unless it is so short that every word would do, and tell it.
[[nodiscard]] std::string without_secrets(std::string_view text, std::initializer_list<const Secret*> secrets);

}  // namespace base
}  // namespace mailhaul
