#include "plugins/imap/protocol/names.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/bytes.hpp"
#include "base/strings.hpp"
#include "mail/mutf7.hpp"
#include "plugins/imap/protocol/command.hpp"

namespace mailhaul::imap {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLongestName = 1000;  // durability 2.11
constexpr std::string_view kForbidden = "\r\n\0"sv;

std::string percent(char octet) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(octet);
  return {'%', kDigits[value >> 4U], kDigits[value & 15U]};
}

/// What is no canonical name keeps its octets, visibly.
std::string spelled_out(std::string_view component) {
  const bool eight_bit = std::any_of(component.begin(), component.end(), [](char c) { return (c & 0x80) != 0; });
  if (eight_bit && is_valid_utf8(component)) return std::string(component);
  std::string text;
  for (const char c : component) {
    const bool stays = c >= ' ' && c < '\x7F' && c != '&';
    text += stays ? std::string(1, c) : percent(c);
  }
  return text;
}

std::string component_of(std::string_view native, const Naming& naming) {
  if (native.empty()) return percent(naming.separator.value_or('\0'));
  if (naming.utf8) return is_valid_utf8(native) ? std::string(native) : spelled_out(native);
  auto utf8 = mail::from_mutf7(native);
  return utf8 ? std::move(*utf8) : spelled_out(native);
}

/// `native` without the personal prefix. INBOX in a prefix has no case (RFC 9051 5.1).
std::string_view without_prefix(std::string_view native, const Naming& naming) {
  const std::string_view prefix = naming.prefix;
  if (prefix.empty() || native.size() <= prefix.size()) return native;
  const bool is_inbox = starts_with_ignoring_case(prefix, "INBOX");
  const bool fits = is_inbox ? starts_with_ignoring_case(native, prefix) : native.starts_with(prefix);
  return fits ? native.substr(prefix.size()) : native;
}

}  // namespace

std::optional<mail::FolderPath> path_of(std::string_view native, const Naming& naming) {
  if (native.empty() || native.size() > kLongestName) return std::nullopt;
  if (native.find_first_of(kForbidden) != std::string_view::npos) return std::nullopt;
  if (equals_ignoring_case(native, "INBOX")) return mail::FolderPath({"INBOX"}, std::string(native));
  const std::string_view name = without_prefix(native, naming);
  std::vector<std::string> components;
  if (equals_ignoring_case(name, "INBOX")) {
    // "INBOX.INBOX" beside "INBOX": two folders, two paths.
    components.push_back(percent(name.front()) + std::string(name.substr(1)));
  } else if (naming.separator) {
    for (const std::string& part : split(name, *naming.separator)) components.push_back(component_of(part, naming));
  } else {
    components.push_back(component_of(name, naming));
  }
  return mail::FolderPath(std::move(components), std::string(native));
}

std::optional<std::string> native_of(const mail::FolderPath& path, const Naming& naming) {
  if (path.components.empty() || (path.components.size() > 1 && !naming.separator)) return std::nullopt;
  if (path.is_inbox()) return "INBOX";
  std::string native = naming.prefix;
  for (const std::string& component : path.components) {
    if (component.empty() || !is_valid_utf8(component)) return std::nullopt;
    if (component.find_first_of(kForbidden) != std::string::npos) return std::nullopt;
    const auto spelled = naming.utf8 ? std::optional(component) : mail::to_mutf7(component);
    if (!spelled) return std::nullopt;
    if (naming.separator) {
      if (component.find(*naming.separator) != std::string::npos) return std::nullopt;
      if (spelled->find(*naming.separator) != std::string::npos) return std::nullopt;
      if (&component != &path.components.front()) native += *naming.separator;
    }
    native += *spelled;
  }
  return native;
}

std::optional<mail::Flags::Bit> system_flag(std::string_view flag) {
  static constexpr std::array<std::pair<std::string_view, mail::Flags::Bit>, 5> kFlags{{
      {"\\Seen", mail::Flags::seen},
      {"\\Answered", mail::Flags::answered},
      {"\\Flagged", mail::Flags::flagged},
      {"\\Deleted", mail::Flags::deleted},
      {"\\Draft", mail::Flags::draft},
  }};
  for (const auto& [name, bit] : kFlags) {
    if (equals_ignoring_case(flag, name)) return bit;
  }
  return std::nullopt;
}

void read_flags(const std::vector<std::string>& flags, mail::Meta& meta) {
  meta.flags = {};
  meta.keywords.clear();
  for (const std::string& flag : flags) {
    if (const auto bit = system_flag(flag)) {
      meta.flags.set(*bit);
    } else if (!flag.starts_with('\\')) {
      meta.keywords.push_back(flag);
    }
  }
  mail::normalize_keywords(meta.keywords);
}

WritableFlags writable_flags(const mail::Meta& meta, const std::optional<std::vector<std::string>>& permanent) {
  const auto is_permanent = [&](std::string_view flag) {
    return std::any_of(permanent->begin(), permanent->end(),
                       [&](const std::string& known) { return equals_ignoring_case(known, flag); });
  };
  WritableFlags writable;
  for (const std::string_view flag : {"\\Seen"sv, "\\Answered"sv, "\\Flagged"sv, "\\Deleted"sv, "\\Draft"sv}) {
    if (!meta.flags.has(*system_flag(flag))) continue;
    if (!permanent || is_permanent(flag)) {
      writable.flags.emplace_back(flag);
    } else {
      writable.lost_flags = true;
    }
  }
  const bool any_keyword = permanent && is_permanent("\\*");
  for (const std::string& keyword : meta.keywords) {
    const bool is_keyword = is_flag(keyword) && !keyword.starts_with('\\');
    if (is_keyword && permanent && (any_keyword || is_permanent(keyword))) {
      writable.flags.push_back(keyword);
    } else {
      writable.lost_keywords = true;
    }
  }
  return writable;
}

mail::Role role_of(const std::vector<std::string>& attributes) {
  // RFC 6154, RFC 8457; then what XLIST said at Gmail.
  static constexpr std::array<std::pair<std::string_view, mail::Role>, 12> kRoles{{
      {"\\All", mail::Role::all},
      {"\\Archive", mail::Role::archive},
      {"\\Drafts", mail::Role::drafts},
      {"\\Flagged", mail::Role::flagged},
      {"\\Junk", mail::Role::junk},
      {"\\Sent", mail::Role::sent},
      {"\\Trash", mail::Role::trash},
      {"\\Important", mail::Role::important},
      {"\\Inbox", mail::Role::inbox},
      {"\\AllMail", mail::Role::all},
      {"\\Starred", mail::Role::flagged},
      {"\\Spam", mail::Role::junk},
  }};
  for (const std::string& attribute : attributes) {
    for (const auto& [name, role] : kRoles) {
      if (equals_ignoring_case(attribute, name)) return role;
    }
  }
  return mail::Role::none;
}

std::string_view special_use(mail::Role role) {
  switch (role) {
    case mail::Role::all:
      return "\\All";
    case mail::Role::archive:
      return "\\Archive";
    case mail::Role::drafts:
      return "\\Drafts";
    case mail::Role::flagged:
      return "\\Flagged";
    case mail::Role::junk:
      return "\\Junk";
    case mail::Role::sent:
      return "\\Sent";
    case mail::Role::trash:
      return "\\Trash";
    case mail::Role::important:
      return "\\Important";
    case mail::Role::none:
    case mail::Role::inbox:
      break;
  }
  return "";
}

}  // namespace mailhaul::imap
