// What is known of single servers, told by their greeting, ID and capabilities. Each row of the table in quirks.cpp
// names the server and what it does; tests/dialogue has a conversation for each (docs/design/imap.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailhaul::imap {

/// What to do differently. The defaults are for servers that keep to the RFCs.
struct Quirks {
  bool skip_namespace = false;         ///< NAMESPACE ends the connection (Exchange 2003)
  bool plain_list = false;             ///< LIST with RETURN is refused or empty (ProtonMail Bridge, Strato)
  bool sizes_lie = false;              ///< RFC822.SIZE is not the size (Exchange, hMailServer, DavMail)
  bool marks_read = false;             ///< a fetch sets \Seen in spite of EXAMINE and PEEK (iCloud, Purelymail)
  bool placeholders = false;           ///< delivers a note in place of what it cannot convert (Exchange)
  bool unsigned_dates = false;         ///< received dates before 1970 become others later (Dovecot)
  std::uint64_t most_shown = 0;        ///< how many messages of a folder are shown at most; 0 = all
  std::size_t command_octets = 8'000;  ///< longest command line (MailKit's default; Yahoo and UW take 1,000)
  std::vector<std::string> notes;      ///< for `probe`: one sentence a quirk that is known of this server
};

using IdFields = std::vector<std::pair<std::string, std::string>>;

/// `part` stands in `text`, ASCII case ignored.
[[nodiscard]] bool mentions(std::string_view text, std::string_view part);
/// `head`: the first octets of a message. True for the note that Exchange delivers in place of a message.
[[nodiscard]] bool is_placeholder(std::string_view head);

/// `greeting`: the text of the greeting; `id`: fields of ID with names in lower case; "" and {} when not known yet.
[[nodiscard]] Quirks quirks_of(std::string_view greeting, const IdFields& id, std::string_view host);

}  // namespace mailhaul::imap
