#include "plugins/pop3/protocol/reply.hpp"

#include <algorithm>
#include <limits>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::pop3 {

namespace {

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return upper;
}

bool is_word_octet(char c) {
  return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '_';
}

/// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

}  // namespace

std::optional<Reply> parse_reply(std::string_view line) {
  constexpr std::string_view kOk = "+OK", kErr = "-ERR";
  Reply reply;
  reply.ok = starts_with_ignoring_case(line, kOk);
  if (!reply.ok && !starts_with_ignoring_case(line, kErr)) return std::nullopt;
  std::string_view rest = line.substr(reply.ok ? kOk.size() : kErr.size());
  if (!rest.empty() && is_word_octet(rest.front())) return std::nullopt;
  rest = trim(rest);
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    const std::string_view code = rest.substr(1, end == std::string_view::npos ? 0 : end - 1);
    const bool is_code = !code.empty() && std::all_of(code.begin(), code.end(), [](char c) {
      return is_word_octet(c) || c == '-' || c == '/' || c == '.';
    });
    if (is_code) {
      reply.code = to_upper(code);
      rest = trim(rest.substr(end + 1));
    }
  }
  reply.text = rest;
  return reply;
}

std::optional<std::string_view> parse_challenge(std::string_view line) {
  if (line == "+") return std::string_view();
  if (!line.starts_with("+ ")) return std::nullopt;
  return trim(line.substr(2));
}

std::optional<ListingLine> parse_listing_line(std::string_view line) {
  const auto number = parse_uint(take_word(line), 10, std::numeric_limits<std::uint32_t>::max());
  if (!number || *number == 0) return std::nullopt;
  return ListingLine{static_cast<std::uint32_t>(*number), line};
}

std::optional<std::uint64_t> parse_size(std::string_view value) { return parse_uint(take_word(value)); }

std::optional<Stat> parse_stat(std::string_view text) {
  const auto messages = parse_uint(take_word(text));
  const auto octets = parse_uint(take_word(text));
  if (!messages) return std::nullopt;
  return Stat{*messages, octets.value_or(0)};
}

std::optional<Capability> parse_capability(std::string_view line) {
  Capability capability;
  capability.name = to_upper(take_word(line));
  capability.arguments = line;
  if (capability.name.empty()) return std::nullopt;
  return capability;
}

}  // namespace mailhaul::pop3
