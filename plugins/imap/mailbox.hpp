// What SELECT and EXAMINE tell of a mailbox (RFC 9051 6.3.2), and the commands that open one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/imap/protocol/client.hpp"
#include "plugins/imap/protocol/response.hpp"

namespace mailhaul::imap {

struct Mailbox {
  std::uint64_t exists = 0;
  std::optional<std::uint64_t> uidvalidity, uidnext, highestmodseq;
  std::optional<std::vector<std::string>> permanent_flags;
  bool read_only = false;

  /// Untagged data while SELECT or EXAMINE is in flight, and later while it is selected.
  void take(const Response& response);
  /// The end of SELECT or EXAMINE.
  void take(const TaggedResponse& response);
};

/// EXAMINE: nothing is changed by it. `condstore`: also tell HIGHESTMODSEQ (RFC 7162 3.1.8).
[[nodiscard]] Command examine(std::string_view native, bool condstore);
[[nodiscard]] Command select(std::string_view native);

/// The epoch of a folder; "" where the server names no UIDVALIDITY, or 0 (bad-input 40).
[[nodiscard]] std::string epoch_of(std::optional<std::uint64_t> uidvalidity);
/// What a listing remembers of a mailbox: equal text, nothing changed of what it covers. "" = not enough is known.
[[nodiscard]] std::string state_of(std::optional<std::uint64_t> uidvalidity, std::optional<std::uint64_t> uidnext,
                                   std::optional<std::uint64_t> messages, std::optional<std::uint64_t> highestmodseq);
/// The inverse; nullopt for any other text.
struct State {
  std::uint64_t uidvalidity = 0, uidnext = 0, messages = 0;
  std::optional<std::uint64_t> highestmodseq;
};
[[nodiscard]] std::optional<State> parse_state(std::string_view text);

}  // namespace mailhaul::imap
