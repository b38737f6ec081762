#include "mail/folder_path.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.hpp"

namespace mailhaul::mail {

namespace {

/// ASCII and the three umlauts in lower case; a vowel followed by U+0308 (how macOS spells them on disk) is the umlaut.
std::string fold_case(std::string_view name) {
  struct Umlaut {
    char vowel, upper, lower;  // upper, lower: second octet after 0xC3
  };
  static constexpr std::array<Umlaut, 3> kUmlauts{
      {{'a', '\x84', '\xA4'}, {'o', '\x96', '\xB6'}, {'u', '\x9C', '\xBC'}}};
  std::string folded = to_lower_ascii(name);
  for (const Umlaut& umlaut : kUmlauts) {
    const std::string lower{'\xC3', umlaut.lower};
    for (const std::string& other : {std::string{'\xC3', umlaut.upper}, std::string{umlaut.vowel, '\xCC', '\x88'}}) {
      for (std::size_t at = folded.find(other); at != std::string::npos; at = folded.find(other, at + 2)) {
        folded.replace(at, other.size(), lower);
      }
    }
  }
  return folded;
}

/// Names in the spelling of fold_case(). From Dovecot, Cyrus, Exchange, Gmail, Apple Mail, Thunderbird, and the German
/// providers' web mail.
constexpr std::array<std::pair<std::string_view, Role>, 42> kNames{{
    {"sent", Role::sent},
    {"sent items", Role::sent},
    {"sent messages", Role::sent},
    {"sent mail", Role::sent},
    {"sent-mail", Role::sent},
    {"gesendet", Role::sent},
    {"gesendete objekte", Role::sent},
    {"gesendete elemente", Role::sent},
    {"gesendete nachrichten", Role::sent},
    {"gesendete mails", Role::sent},
    {"drafts", Role::drafts},
    {"draft", Role::drafts},
    {"entw\xC3\xBCrfe", Role::drafts},
    {"entwurf", Role::drafts},
    {"trash", Role::trash},
    {"deleted", Role::trash},
    {"deleted items", Role::trash},
    {"deleted messages", Role::trash},
    {"papierkorb", Role::trash},
    {"gel\xC3\xB6scht", Role::trash},
    {"gel\xC3\xB6schte elemente", Role::trash},
    {"gel\xC3\xB6schte objekte", Role::trash},
    {"gel\xC3\xB6schte nachrichten", Role::trash},
    {"junk", Role::junk},
    {"spam", Role::junk},
    {"junk mail", Role::junk},
    {"junk email", Role::junk},
    {"junk e-mail", Role::junk},
    {"junk-e-mail", Role::junk},
    {"bulk", Role::junk},
    {"bulk mail", Role::junk},
    {"spamverdacht", Role::junk},
    {"spam-verdacht", Role::junk},
    {"unerw\xC3\xBCnscht", Role::junk},
    {"unerw\xC3\xBCnschte werbung", Role::junk},
    {"werbung", Role::junk},
    {"archive", Role::archive},
    {"archives", Role::archive},
    {"archiv", Role::archive},
    {"archived", Role::archive},
    {"archivierte elemente", Role::archive},
    {"inbox", Role::inbox},
}};

bool is_escape(std::string_view text, std::string_view escape) { return starts_with_ignoring_case(text, escape); }

}  // namespace

FolderPath::FolderPath(std::vector<std::string> parts, std::string native_name)
    : components(std::move(parts)), native(std::move(native_name)) {
  if (!components.empty() && equals_ignoring_case(components.front(), "INBOX")) components.front() = "INBOX";
}

std::string FolderPath::text() const {
  std::string text;
  for (const std::string& component : components) {
    if (&component != &components.front()) text += '/';
    for (const char c : component) {
      if (c == '/') {
        text += "%2F";
      } else if (c == '%') {
        text += "%25";
      } else {
        text += c;
      }
    }
  }
  return text;
}

std::optional<FolderPath> FolderPath::from_text(std::string_view text) {
  std::vector<std::string> parts;
  for (const std::string& part : split(text, '/')) {
    if (part.empty()) return std::nullopt;
    std::string component;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const std::string_view rest = std::string_view(part).substr(i);
      // A '%' that text() would not have written stands for itself: people type "50%".
      if (is_escape(rest, "%2F") || is_escape(rest, "%25")) {
        component += rest[2] == '5' ? '%' : '/';
        i += 2;
      } else {
        component += rest[0];
      }
    }
    parts.push_back(std::move(component));
  }
  return FolderPath(std::move(parts));
}

bool FolderPath::starts_with(const FolderPath& prefix) const {
  return prefix.components.size() <= components.size() &&
         std::equal(prefix.components.begin(), prefix.components.end(), components.begin());
}

std::strong_ordering FolderPath::operator<=>(const FolderPath& other) const { return components <=> other.components; }

std::string_view to_text(Role role) {
  switch (role) {
    case Role::none:
      return "";
    case Role::inbox:
      return "inbox";
    case Role::sent:
      return "sent";
    case Role::drafts:
      return "drafts";
    case Role::trash:
      return "trash";
    case Role::junk:
      return "junk";
    case Role::archive:
      return "archive";
    case Role::all:
      return "all";
    case Role::flagged:
      return "flagged";
    case Role::important:
      return "important";
  }
  return "";
}

Role role_by_name(const FolderPath& path) {
  if (path.components.size() != 1) return Role::none;
  const std::string name = fold_case(path.components.front());
  const auto* const found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& known) { return known.first == name; });
  return found == kNames.end() ? Role::none : found->second;
}

}  // namespace mailhaul::mail
