// Where a message lies inside an account: the folder's name in UTF-8 components, and its role.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailhaul::mail {

/// A folder's name. `components` are UTF-8, never empty strings; `native` keeps the store's own octets
/// (an mUTF-7 IMAP name, a directory name) for messages and for going back, and takes no part in comparison.
/// The top component INBOX is case-insensitive (RFC 9051 5.1) and always spelled `INBOX` here.
struct FolderPath {
  std::vector<std::string> components;
  std::string native;

  FolderPath() = default;
  explicit FolderPath(std::vector<std::string> parts, std::string native_name = {});

  /// `A/B`; within a component '/' is written `%2F` and '%' `%25`. What reports print and `--folder`,
  /// `--exclude`, `--map`, `--into` take.
  [[nodiscard]] std::string text() const;
  /// The inverse of text(). nullopt for an empty text or an empty component (`a//b`, `/a`, `a/`).
  [[nodiscard]] static std::optional<FolderPath> from_text(std::string_view text);

  [[nodiscard]] bool is_inbox() const { return components.size() == 1 && components.front() == "INBOX"; }
  [[nodiscard]] bool starts_with(const FolderPath& prefix) const;

  bool operator==(const FolderPath& other) const { return components == other.components; }
  std::strong_ordering operator<=>(const FolderPath& other) const;
};

/// Special use (RFC 6154, RFC 8457). `all`, `flagged`, `important` are views of other folders' mail.
enum class Role { none, inbox, sent, drafts, trash, junk, archive, all, flagged, important };

[[nodiscard]] std::string_view to_text(Role role);  ///< `inbox`, `sent`, …; `none` is ""
[[nodiscard]] inline bool is_view(Role role) { return role == Role::all || role == Role::flagged || role == Role::important; }
/// The role that a top-level folder's name tells in English or German ("Gesendet", "Sent Items", "Papierkorb");
/// ASCII and umlaut case ignored. Only INBOX and single-component names have one.
[[nodiscard]] Role role_by_name(const FolderPath& path);

}  // namespace mailhaul::mail
