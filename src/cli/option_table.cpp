#include "cli/option_table.hpp"

#include <algorithm>
#include <array>

namespace mailhaul::cli {
namespace {

constexpr std::array kCommands{
    CommandSpec{"copy", "SOURCE TARGET", "bring to TARGET what was never delivered there; delete nothing", kCopy, 2, 2},
    CommandSpec{"verify", "SOURCE TARGET", "prove by content that TARGET holds every message of SOURCE", kVerify, 2, 2},
    CommandSpec{"ls", "LOCATION", "list folders, roles, counts and sizes", kLs, 1, 1},
    CommandSpec{"probe", "LOCATION", "connect, log in, list abilities, limits and known quirks", kProbe, 1, 1},
    CommandSpec{"version", "", "tell the version, and what it was built with", kVersion, 0, 0},
    CommandSpec{"help", "[TOPIC]", "explain a command, 'locations' or 'exit-codes'", kHelp, 0, 1},
    CommandSpec{"move", "", "", kNone, 0, 0},
    CommandSpec{"sync", "", "", kNone, 0, 0},
    CommandSpec{"backup", "", "", kNone, 0, 0},
    CommandSpec{"restore", "", "", kNone, 0, 0},
    CommandSpec{"snapshots", "", "", kNone, 0, 0},
    CommandSpec{"diff", "", "", kNone, 0, 0},
    CommandSpec{"check", "", "", kNone, 0, 0},
    CommandSpec{"prune", "", "", kNone, 0, 0},
    CommandSpec{"repair", "", "", kNone, 0, 0},
    CommandSpec{"search", "", "", kNone, 0, 0},
    CommandSpec{"show", "", "", kNone, 0, 0},
    CommandSpec{"export", "", "", kNone, 0, 0},
    CommandSpec{"key", "", "", kNone, 0, 0},
    CommandSpec{"dedup", "", "", kNone, 0, 0},
    CommandSpec{"run", "", "", kNone, 0, 0},
    CommandSpec{"jobs", "", "", kNone, 0, 0},
    CommandSpec{"schedule", "", "", kNone, 0, 0},
    CommandSpec{"watch", "", "", kNone, 0, 0},
    CommandSpec{"ledger", "", "", kNone, 0, 0},
    CommandSpec{"plugins", "", "", kNone, 0, 0},
};

constexpr OptionSpec later(std::string_view name, std::string_view argument = {}) {
  return OptionSpec{name, 0, argument, kNone, {}};
}

constexpr std::array kOptions{
    OptionSpec{"folder", 0, "GLOB", kRuns, "only folders that match; * also crosses '/'; may be given again"},
    OptionSpec{"exclude", 0, "GLOB", kRuns, "no folders that match; may be given again"},
    OptionSpec{"since", 0, "DATE", kRuns, "only mail received at or after DATE (2024-01-31, UTC)"},
    OptionSpec{"before", 0, "DATE", kRuns, "only mail received before DATE"},
    OptionSpec{"map", 0, "FROM=TO", kRuns, "name folder FROM, and what lies below it, TO; may be given again"},
    OptionSpec{"no-role-map", 0, {}, kRuns, "do not pair Sent, Trash and their like by what they are for"},
    OptionSpec{"into", 0, "FOLDER", kRuns, "put everything below this folder of the target"},
    OptionSpec{"dedup", 0, "HOW", kRuns, "which messages are twins: none, exact, mail or message-id (default exact)"},
    OptionSpec{"dedup-scope", 0, "SCOPE", kRuns, "where twins are looked for: folder or account (default folder)"},
    OptionSpec{"settle", 0, "DURATION", kRuns, "how long a delivery in doubt is waited for (default 120s)"},
    OptionSpec{"newest-first", 0, {}, kCopy, "bring the newest mail of each folder first"},
    OptionSpec{"max-bytes", 0, "N", kCopy, "stop when so much mail was brought, with exit code 12; the next run goes on"},
    OptionSpec{"connections", 0, "N", kCopy, "write to an account over at most N connections, 1 to 8 (default 2)"},
    OptionSpec{"rate", 0, "BYTES", kRuns, "read and write at most this much a second over the network, each way"},
    OptionSpec{"compress", 0, "HOW", kRuns,
               "compress what goes to and from IMAP servers: auto (where the server can), on or off (default off)"},
    OptionSpec{
        "seen", 0, {}, kCopy, "mark mail that comes from POP3 as read: POP3 has no flags, so else it arrives unread"},
    OptionSpec{"content-only", 0, {}, kVerify, "do not compare flags and dates"},
    OptionSpec{"memory", 0, "SIZE", kRuns, "hold at most this much mail in memory (default 64M)"},
    OptionSpec{"outcomes", 0, "FILE", kRuns, "write one JSON line a message: what became of it"},
    OptionSpec{"mbox-dialect", 0, "NAME", kRuns,
               "how From lines in an mbox are quoted: mboxrd or mboxo (default mboxrd)"},
    OptionSpec{"source-password-command", 0, "CMD", kPlaces,
               "the shell command that prints the source's password as its only line"},
    OptionSpec{"target-password-command", 0, "CMD", kRuns, "the same for the target"},
    OptionSpec{"source-password-file", 0, "FILE", kPlaces,
               "a file whose first line is the source's password; nobody but you may read it"},
    OptionSpec{"target-password-file", 0, "FILE", kRuns, "the same for the target"},
    OptionSpec{"source-ca", 0, "FILE", kPlaces,
               "trust the certificate authorities in this PEM file at the source, and no others"},
    OptionSpec{"target-ca", 0, "FILE", kRuns, "the same for the target"},
    OptionSpec{"allow-plaintext", 0, {}, kPlaces, "let ?tls=off send mail and passwords unencrypted over a network"},
    OptionSpec{"dry-run", 'n', {}, kAll, "say what would be done, and do nothing"},
    OptionSpec{"json", 0, {}, kAll, "one JSON report on stdout, and nothing else there"},
    OptionSpec{"quiet", 'q', {}, kAll, "no progress, no warnings, no report when all went well"},
    OptionSpec{"verbose", 'v', {}, kAll, "say more: every folder, every note"},
    OptionSpec{"ledger", 0, "FILE", kAll,
               "where to remember what was delivered (default: below ~/.local/state/mailhaul)"},
    OptionSpec{"trace", 0, "FILE", kAll, "write the conversation with servers to FILE, without passwords"},
    OptionSpec{"timeout", 0, "DURATION", kAll, "give a server up that is silent for so long (default 60s)"},
    OptionSpec{{}, '4', {}, kAll, "use IPv4 addresses only"},
    OptionSpec{{}, '6', {}, kAll, "use IPv6 addresses only"},
    OptionSpec{"no-color", 0, {}, kAll, "no colours (NO_COLOR does the same)"},
    OptionSpec{"help", 'h', {}, kAll, "explain the command"},
    OptionSpec{"version", 0, {}, kAll, "tell the version"},
    later("config", "FILE"),
    later("min-size", "SIZE"),
    later("max-size", "SIZE"),
    later("unseen"),
    later("flagged"),
    later("skip-deleted"),
    later("verify", "HOW"),
    later("again"),
    later("repair", "HOW"),
    later("quarantine", "DIR"),
    later("retry-failed"),
    later("accept-altered"),
    later("accept-identity"),
    later("max-delete", "N"),
    later("delete-extra"),
    later("trash", "FOLDER"),
    later("after", "DURATION"),
    later("restore-seen"),
    later("as-user", "NAME"),
    later("snapshot", "ID"),
    later("query", "Q"),
    later("remove"),
    later("accounts", "FILE"),
};

}  // namespace

std::span<const CommandSpec> all_commands() { return kCommands; }
std::span<const OptionSpec> all_options() { return kOptions; }

const CommandSpec* find_command(std::string_view name) {
  const auto* found =
      std::find_if(kCommands.begin(), kCommands.end(), [&](const auto& spec) { return spec.name == name; });
  return found == kCommands.end() ? nullptr : found;
}

const OptionSpec* find_option(std::string_view name) {
  if (name.empty()) return nullptr;
  const auto* found =
      std::find_if(kOptions.begin(), kOptions.end(), [&](const auto& spec) { return spec.name == name; });
  return found == kOptions.end() ? nullptr : found;
}

const OptionSpec* find_option(char letter) {
  if (letter == 0) return nullptr;
  const auto* found =
      std::find_if(kOptions.begin(), kOptions.end(), [&](const auto& spec) { return spec.letter == letter; });
  return found == kOptions.end() ? nullptr : found;
}

}  // namespace mailhaul::cli
