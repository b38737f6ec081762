#include "plugins/mbox/format/message_key.hpp"

#include "base/bytes.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::mbox {

std::string MessageKey::text() const {
  return std::to_string(offset) + "." + std::to_string(length) + "." + to_hex(fingerprint);
}

std::optional<MessageKey> MessageKey::parse(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 3 || parts[2].size() != 16) return std::nullopt;
  const auto offset = parse_uint(parts[0]);
  const auto length = parse_uint(parts[1]);
  const auto fingerprint = parse_uint(parts[2], 16);
  if (!offset || !length || !fingerprint || !checked_add(*offset, *length)) return std::nullopt;
  return MessageKey{*offset, *length, *fingerprint};
}

std::string Locator::text() const { return std::to_string(content_begin) + (verbatim ? ".v" : ".q"); }

std::optional<Locator> Locator::parse(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 2 || (parts[1] != "v" && parts[1] != "q")) return std::nullopt;
  const auto begin = parse_uint(parts[0]);
  if (!begin) return std::nullopt;
  return Locator{*begin, parts[1] == "v"};
}

}  // namespace mailhaul::mbox
