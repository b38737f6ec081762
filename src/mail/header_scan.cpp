#include "mail/header_scan.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"

namespace mailhaul::mail {

namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// The line at the start of `text`, with its line end if it has one.
std::string_view first_line(std::string_view text) {
  const std::size_t lf = text.find('\n');
  return lf == std::string_view::npos ? text : text.substr(0, lf + 1);
}

std::string_view without_line_end(std::string_view line) {
  if (!line.ends_with('\n')) return line;
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Where the colon of a field stands in its first line; npos for a line that is no field.
std::size_t colon_of(std::string_view line, std::size_t& name_length) {
  name_length = 0;
  while (name_length < line.size() && line[name_length] > 0x20 && line[name_length] < 0x7F &&
         line[name_length] != ':') {
    ++name_length;
  }
  std::size_t colon = name_length;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  const bool is_field = name_length > 0 && colon < line.size() && line[colon] == ':';
  return is_field ? colon : std::string_view::npos;
}

}  // namespace

std::optional<HeaderField> HeaderWalker::next() {
  if (rest_.empty()) return std::nullopt;
  const std::string_view line = first_line(rest_);
  std::size_t length = line.size();
  while (length < rest_.size() && is_blank(rest_[length])) length += first_line(rest_.substr(length)).size();
  HeaderField field;
  field.raw = rest_.substr(0, length);
  std::size_t name_length = 0;
  const std::size_t colon = colon_of(line, name_length);
  if (colon != std::string_view::npos) {
    field.name = field.raw.substr(0, name_length);
    field.body = without_line_end(field.raw.substr(colon + 1));
  }
  rest_.remove_prefix(length);
  return field;
}

std::size_t header_block_length(std::string_view message) {
  for (std::size_t at = 0; at < message.size();) {
    const std::string_view line = first_line(message.substr(at));
    if (line == "\n" || line == "\r\n") return at;
    at += line.size();
  }
  return message.size();
}

std::optional<std::string> find_field(std::string_view block, std::string_view name) {
  HeaderWalker walker(block);
  while (const auto field = walker.next()) {
    if (!name.empty() && equals_ignoring_case(field->name, name)) return std::string(trim(unfold(field->body)));
  }
  return std::nullopt;
}

std::string unfold(std::string_view field_body) {
  std::string unfolded;
  unfolded.reserve(field_body.size());
  while (!field_body.empty()) {
    const std::string_view line = first_line(field_body);
    unfolded += without_line_end(line);
    field_body.remove_prefix(line.size());
  }
  return unfolded;
}

bool is_housekeeping_field(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kNames{
      "Status",         "X-Status",         "X-Keywords",        "X-UID",         "X-IMAP", "X-IMAPbase",
      "Content-Length", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view known) { return equals_ignoring_case(known, name); });
}

}  // namespace mailhaul::mail
