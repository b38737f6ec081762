// How folders are spelled as directories: Maildir++ (`.A.B` beside each other) and nested (`A/B`). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace mailhaul::maildir {

enum class Layout {
  dotted,  ///< Maildir++: every folder is a directory `.A.B` of the root, which is INBOX
  nested,  ///< every folder is a directory in its parent's
};

inline constexpr std::size_t kLongestName = 255;  // octets of one file name on every file system we know

/// `cur`, `new`, `tmp`: what a folder needs for itself.
[[nodiscard]] bool is_own_directory(std::string_view name);

/// The components that one directory's name adds to its parent's: `.A.B` is A and B, `A.B` is one. Never empty ones:
/// a dotted name with an empty part (`..A`) is one flat component.
[[nodiscard]] std::vector<std::string> components_of(std::string_view directory);

/// A folder's directory names from the root down.
struct Spelling {
  std::vector<std::string> directory;
  bool shortened = false;  ///< components_of() does not give the folder's name back
};
/// Errors: usage, scope folder: a '.' inside a component of a dotted layout.
[[nodiscard]] Result<Spelling> spell(const std::vector<std::string>& components, Layout layout);

}  // namespace mailhaul::maildir
