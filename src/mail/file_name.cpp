#include "mail/file_name.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/strings.hpp"
#include "mail/mutf7.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::mail {

namespace {

/// What the empty component is called. Nothing else gets this name: a NUL is mUTF-7 "&AAA-", and "%00" only in front of
/// a reserved name.
constexpr std::string_view kEmpty = "%00%00";

constexpr bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool begins_with_escape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && is_hex(text[1]) && is_hex(text[2]);
}

void append_escape(std::string& name, char octet) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(octet);
  name += '%';
  name += kDigits[value >> 4];
  name += kDigits[value & 15];
}

/// How many octets at the start of `text` (not empty) are one valid character of UTF-8; 0 when they are none.
std::size_t valid_character(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length) {
    if (is_valid_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

/// Whether the octet at the start of `rest` must be escaped; `at_start`: it would begin the name.
bool needs_escape(std::string_view rest, bool at_start) {
  return rest[0] == '/' || (rest[0] == '.' && at_start) || begins_with_escape(rest) || valid_character(rest) == 0;
}

/// mUTF-7 with escapes, of the part of a component that begins at its start or later.
std::string encode(std::string_view component, bool at_start) {
  std::string name;
  std::string plain;  // valid UTF-8 that waits to be written as mUTF-7 in one piece
  const auto write_plain = [&] {
    name += to_mutf7(plain).value_or(std::string());
    plain.clear();
  };
  for (std::string_view rest = component; !rest.empty();) {
    if (needs_escape(rest, at_start)) {
      write_plain();
      append_escape(name, rest[0]);
      rest.remove_prefix(1);
    } else {
      const std::size_t length = valid_character(rest);
      plain += rest.substr(0, length);
      rest.remove_prefix(length);
    }
    at_start = false;
  }
  write_plain();
  return name;
}

/// The name with its first character escaped, because a store needs the name for itself.
std::string encode_reserved(std::string_view component) {
  const std::size_t length = valid_character(component);
  std::string name;
  for (const char octet : component.substr(0, length)) append_escape(name, octet);
  return name + encode(component.substr(length), /*at_start=*/false);
}

/// `name` cut to `most` octets, but not within an escape or an mUTF-7 shift, which Dovecot would not list.
std::string_view cut(std::string_view name, std::size_t most) {
  std::string_view kept = name.substr(0, most);
  const std::size_t shift = kept.rfind('&');
  if (shift != std::string_view::npos && kept.find('-', shift) == std::string_view::npos) kept = kept.substr(0, shift);
  for (const std::size_t back : {std::size_t{1}, std::size_t{2}}) {
    if (kept.size() < back) continue;
    const std::size_t percent = kept.size() - back;
    if (kept[percent] == '%' && begins_with_escape(name.substr(percent))) return kept.substr(0, percent);
  }
  return kept;
}

/// The octets that `name` spells if it is one of ours; nullopt where it cannot be.
std::optional<std::string> decode(std::string_view name) {
  std::string component;
  while (!name.empty()) {
    if (begins_with_escape(name)) {
      const auto octet = from_hex(name.substr(1, 2));
      component += octet.value_or(std::string());
      name.remove_prefix(3);
      continue;
    }
    std::size_t length = 1;
    while (length < name.size() && !begins_with_escape(name.substr(length))) ++length;
    const auto part = from_mutf7(name.substr(0, length));
    if (!part) return std::nullopt;
    component += *part;
    name.remove_prefix(length);
  }
  return component;
}

}  // namespace

std::string to_file_name(std::string_view component, const std::function<bool(std::string_view)>& is_reserved,
                         std::size_t max_octets) {
  constexpr std::size_t kDigestDigits = 16;
  if (component.empty()) return std::string(kEmpty);
  std::string name = encode(component, /*at_start=*/true);
  // A name that begins with an escape is reserved by nobody, and escaping the escape would make it ambiguous.
  if (is_reserved && !begins_with_escape(name) && is_reserved(name)) name = encode_reserved(component);
  const std::size_t most = std::max(max_octets, kDigestDigits + 1);
  if (name.size() <= most) return name;
  const std::string digest = to_hex(sha256(as_octets(component)).octets()).substr(0, kDigestDigits);
  return std::string(cut(name, most - kDigestDigits - 1)) + "~" + digest;
}

std::string from_file_name(std::string_view name, const std::function<bool(std::string_view)>& is_reserved) {
  if (name == kEmpty) return {};
  const auto component = decode(name);
  if (component && to_file_name(*component, is_reserved) == name) return *component;
  return to_valid_utf8(name);
}

}  // namespace mailhaul::mail
