// One command on its way to the server. This is the one encoder for every argument: CR, LF and NUL never stand in a
// command line, whatever a folder, flag or keyword of the other side holds (threat 19).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "plugins/imap/protocol/uid_set.hpp"

namespace mailhaul::imap {

/// Gives the next octets of a literal, in order; 0 only at its end. Called once per octet range, never again.
using LiteralReader = std::function<Result<std::size_t>(std::span<std::byte> into)>;

/// flag or flag-keyword that may stand in a command (RFC 9051 9: an atom, with '\' in front for system flags).
[[nodiscard]] bool is_flag(std::string_view text);

/// Built part by part; each part but raw() puts one blank before itself.
class Command {
 public:
  /// `verb`: "UID FETCH". Ours, never remote text.
  explicit Command(std::string verb);

  Command& raw(std::string_view text);      ///< ours, printable ASCII, put as it is (with its blanks)
  Command& astring(std::string_view text);  ///< atom, quoted string or literal by content; NUL makes the command bad
  /// Like astring, but the name "INBOX" in any case goes as INBOX, and CR, LF, NUL make the command bad (bad-input 54).
  Command& mailbox(std::string_view native);
  Command& list_pattern(std::string_view text);
  Command& uids(const UidSet& set);
  Command& flags(const std::vector<std::string>& flags);  ///< "(\Seen Work)"; what is_flag() refuses makes it bad
  Command& secret(const Secret& secret);                  ///< as astring; the trace says <secret>
  /// A literal of exactly `size` octets from `reader`. More or fewer end the session before the commit byte.
  Command& literal(std::uint64_t size, LiteralReader reader);
  /// The same as literal8 (RFC 3516): for messages with NUL, where the server has BINARY.
  Command& binary_literal(std::uint64_t size, LiteralReader reader);
  /// For AUTHENTICATE, LOGIN and the like: while it is in flight no other command may be started.
  Command& alone();
  /// For STARTTLS: as alone(), and any octet behind its OK is an Error (threat 3).
  Command& ends_plaintext();
  /// For COMPRESS: as alone(), and octets behind its OK are no answers any more (Client::take_behind()).
  Command& begins_compression();

  struct Part {
    enum class Kind { text, secret, literal };
    Kind kind = Kind::text;
    std::string text;  ///< text: as it goes
    Secret hidden;     ///< secret: as it goes; wiped with the command
    std::uint64_t size = 0;
    LiteralReader reader;
    bool binary = false;     ///< literal: "~{"
    bool is_secret = false;  ///< literal: the trace says <secret>
  };
  [[nodiscard]] const std::string& verb() const { return verb_; }
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
  [[nodiscard]] std::vector<Part>& parts() { return parts_; }
  [[nodiscard]] bool is_alone() const { return alone_; }
  [[nodiscard]] bool is_ending_plaintext() const { return ends_plaintext_; }
  [[nodiscard]] bool is_beginning_compression() const { return begins_compression_; }
  /// Error: message, scope message: an argument that cannot travel, with its name made visible.
  [[nodiscard]] Status check() const { return status_; }

 private:
  void put(std::string_view text);
  void put_literal(std::string_view octets);
  void refuse(std::string_view why, std::string_view argument);
  std::string verb_;
  std::vector<Part> parts_;
  bool alone_ = false, ends_plaintext_ = false, begins_compression_ = false;
  Status status_;
};

}  // namespace mailhaul::imap
