#include "plugins/imap/mailbox.hpp"

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::imap {

void Mailbox::take(const Response& response) {
  // Zimbra tells EXISTS several times in one SELECT (quirk 47): the last one counts.
  if (const auto* count = std::get_if<ExistsResponse>(&response)) exists = count->count;
  if (std::holds_alternative<ExpungeResponse>(response) && exists > 0) --exists;
  const auto* status = std::get_if<StatusResponse>(&response);
  if (status == nullptr) return;
  const Code& code = status->code;
  if (code.is("UIDVALIDITY")) uidvalidity = code.number;
  if (code.is("UIDNEXT")) uidnext = code.number;
  if (code.is("HIGHESTMODSEQ")) highestmodseq = code.number;
  if (code.is("NOMODSEQ")) highestmodseq.reset();
  if (code.is("PERMANENTFLAGS")) permanent_flags = code.words;
}

void Mailbox::take(const TaggedResponse& response) {
  if (response.code.is("READ-ONLY")) read_only = true;
}

Command examine(std::string_view native, bool condstore) {
  Command command("EXAMINE");
  command.mailbox(native);
  if (condstore) command.raw(" (CONDSTORE)");
  return command;
}

Command select(std::string_view native) {
  Command command("SELECT");
  command.mailbox(native);
  return command;
}

std::string epoch_of(std::optional<std::uint64_t> uidvalidity) {
  return uidvalidity.value_or(0) == 0 ? std::string() : std::to_string(*uidvalidity);
}

std::string state_of(std::optional<std::uint64_t> uidvalidity, std::optional<std::uint64_t> uidnext,
                     std::optional<std::uint64_t> messages, std::optional<std::uint64_t> highestmodseq) {
  // UIDNEXT 0 is no UIDNEXT (quirk 65).
  if (uidvalidity.value_or(0) == 0 || uidnext.value_or(0) == 0 || !messages) return {};
  // MODSEQ 0 and -1 are Gmail's and Zoho's way to have none (quirks 10, 64).
  const std::string modseq = highestmodseq.value_or(0) == 0 ? "-" : std::to_string(*highestmodseq);
  return "1 " + std::to_string(*uidvalidity) + " " + std::to_string(*uidnext) + " " + std::to_string(*messages) + " " +
         modseq;
}

std::optional<State> parse_state(std::string_view text) {
  const auto parts = split(text, ' ');
  if (parts.size() != 5 || parts[0] != "1") return std::nullopt;
  const auto uidvalidity = parse_uint(parts[1]), uidnext = parse_uint(parts[2]), messages = parse_uint(parts[3]);
  if (!uidvalidity || !uidnext || !messages) return std::nullopt;
  State state{*uidvalidity, *uidnext, *messages, std::nullopt};
  if (parts[4] == "-") return state;
  state.highestmodseq = parse_uint(parts[4]);
  return state.highestmodseq ? std::optional(state) : std::nullopt;
}

}  // namespace mailhaul::imap
