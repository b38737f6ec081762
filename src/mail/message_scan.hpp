// One pass over a message while it arrives: identity digests, sizes, and the few header facts the engine needs.
// libcrypto is used in message_scan.cpp (through sha256.hpp) and nowhere else in this room.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "mail/meta.hpp"

namespace mailhaul::mail {

/// The housekeeping fields' bodies, unfolded; empty when absent. First of each name counts.
/// Forgeable: an mbox reader may take flags, keywords and labels from them, and nothing else (threat 24).
struct Housekeeping {
  std::string status, x_status, x_keywords, x_mozilla_status, x_mozilla_status2, x_mozilla_keys;
  bool has_x_imap = false;  ///< X-IMAP or X-IMAPbase is there (UW, Dovecot)
};

/// What one pass tells of a message. Digests as docs/design/identity.md defines them.
struct MessageFacts {
  std::uint64_t size = 0;       ///< octets as they came
  std::uint64_t crlf_size = 0;  ///< octets with every bare LF as CRLF
  Digest nid;                   ///< every line end CRLF, trailing line ends folded into one; "" stays ""
  Digest eid;                   ///< NID without housekeeping fields
  // When asked for:
  std::optional<Digest> cid;        ///< SHA-256 of the exact octets
  std::optional<Digest> header_id;  ///< canonical header block without housekeeping fields; for pairing only
  std::optional<Digest> mail_key;   ///< Message-ID, Date, From, To, Cc, Subject and the body
  // Always:
  std::string message_id;       ///< trimmed, at most 998 octets; "" when absent
  std::optional<ReceivedDate> received;  ///< topmost Received that parses
  std::optional<ReceivedDate> date;      ///< Date field, where no Received parses
  bool has_received = false;
  bool has_nul = false;
  bool ends_with_line_end = true;  ///< false when the last octet is not LF (an empty message: true)
  Housekeeping housekeeping;
};

/// What a scan shall compute beyond the basics. A CID is one more SHA-256 of all octets.
struct ScanOptions {
  bool mail_key = false;
  bool cid = false;
  bool header_id = false;
};

/// Feed octets in any chunks, then finish() once. Header facts are taken from the first 1 MiB of the header
/// block (docs: headers too large are copied, not indexed); digests are exact for any size. Memory: at most the
/// kept header block. Not thread-safe; movable.
class MessageScanner {
 public:
  explicit MessageScanner(ScanOptions options = {});
  MessageScanner(MessageScanner&&) noexcept;
  MessageScanner& operator=(MessageScanner&&) noexcept;
  ~MessageScanner();

  void update(Octets octets);
  [[nodiscard]] MessageFacts finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// All of it at once.
[[nodiscard]] MessageFacts scan_message(Octets octets, ScanOptions options = {});
/// The received date of house.md (Meta) for a store that has none of its own: topmost parsable Received,
/// else `from_line`, else Date, else nullopt.
[[nodiscard]] std::optional<ReceivedDate> received_or_fallback(const MessageFacts& facts,
                                                               std::optional<ReceivedDate> from_line = std::nullopt);

}  // namespace mailhaul::mail
