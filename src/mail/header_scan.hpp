// The header block seen as raw field spans. Nothing is decoded; nothing is ever rejected.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailhaul::mail {

/// One field as it stands: `raw` is all its octets with continuation lines and line ends; a line that is no
/// field ("name:" with name of 0x21..0x7E, RFC 5322 2.2; blanks before the colon tolerated) has an empty name.
struct HeaderField {
  std::string_view raw;
  std::string_view name;  ///< without blanks and colon, spelled as it stands
  std::string_view body;  ///< after the colon, up to the last line end, folded as it stands
};

/// Walks a header block: the octets up to, not including, the first empty line (LF or CRLF).
/// A continuation is a line that begins with SP or TAB (except at the very start). Lone CR is an octet.
class HeaderWalker {
 public:
  explicit HeaderWalker(std::string_view block) : rest_(block) {}
  [[nodiscard]] std::optional<HeaderField> next();

 private:
  std::string_view rest_;
};

/// The length of the header block of `message`: where the first empty line begins, else message.size().
[[nodiscard]] std::size_t header_block_length(std::string_view message);
/// First field of that name, unfolded (line ends removed, blanks kept) and trimmed.
[[nodiscard]] std::optional<std::string> find_field(std::string_view block, std::string_view name);
[[nodiscard]] std::string unfold(std::string_view field_body);

/// Fields that mbox programs keep house with (house.md, Identity): Status, X-Status, X-Keywords, X-UID, X-IMAP,
/// X-IMAPbase, Content-Length, X-Mozilla-Status, X-Mozilla-Status2, X-Mozilla-Keys. ASCII case ignored.
[[nodiscard]] bool is_housekeeping_field(std::string_view name);

}  // namespace mailhaul::mail
