#include "plugins/maildir/format/layout.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/strings.hpp"
#include "mail/file_name.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::maildir {
namespace {

/// `.A.B`. Longer than one name may be: cut, '~', and 16 digits of the digest of the whole.
std::string dotted_name(const std::vector<std::string>& components) {
  std::string name;
  for (const std::string& component : components) name.append(".").append(mail::to_file_name(component));
  if (name.size() <= kLongestName) return name;
  const std::string digest = to_hex(mail::sha256(as_octets(name)).octets()).substr(0, 16);
  name.resize(kLongestName - 1 - digest.size());
  return name + "~" + digest;
}

}  // namespace

bool is_own_directory(std::string_view name) { return name == "cur" || name == "new" || name == "tmp"; }

std::vector<std::string> components_of(std::string_view directory) {
  if (!directory.starts_with('.')) return {mail::from_file_name(directory, is_own_directory)};
  const std::string_view rest = directory.substr(1);
  std::vector<std::string> parts = split(rest, '.');
  if (std::any_of(parts.begin(), parts.end(), [](const std::string& part) { return part.empty(); })) {
    return {to_valid_utf8(directory)};
  }
  for (std::string& part : parts) part = mail::from_file_name(part);
  return parts;
}

Result<Spelling> spell(const std::vector<std::string>& components, Layout layout) {
  Spelling spelling;
  std::vector<std::string> back;
  if (layout == Layout::nested) {
    for (const std::string& component : components) {
      spelling.directory.push_back(mail::to_file_name(component, is_own_directory));
    }
  } else {
    for (const std::string& component : components) {
      if (component.find('.') == std::string::npos) continue;
      return make_error(ErrorKind::usage, Scope::folder,
                        "folder \"" + visible(join(components, "/")) + "\": a Maildir++ folder cannot hold a '.'",
                        "map it to another name");
    }
    spelling.directory.push_back(dotted_name(components));
  }
  for (const std::string& name : spelling.directory) {
    const std::vector<std::string> parts = components_of(name);
    back.insert(back.end(), parts.begin(), parts.end());
  }
  spelling.shortened = back != components;
  return spelling;
}

}  // namespace mailhaul::maildir
