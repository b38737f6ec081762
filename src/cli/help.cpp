#include "cli/help.hpp"

#include <algorithm>
#include <vector>

#include "cli/option_table.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::size_t kWidth = 80;

constexpr std::string_view kExitCodes = R"(Exit codes:
   0  complete
   1  a fault of mailhaul, or its output could not be written
   2  usage or configuration; nothing was touched
   3  finished, but some messages failed or were altered: they are listed
   4  the source is not reachable, not there, or refused the login
   5  the target is not reachable, not there, or refused the login
   6  refused for security
   7  damage found in a store or in the ledger
   8  outcome unknown for some messages: run again
   9  locked by another run or program
  10  no space, or over quota
  11  a mailbox is not the one it was: a decision is needed
  12  interrupted; state is kept, run again to go on
  13  verify: a difference
  14  stopped by the deletion brake
  15  the place cannot do that (writing to POP3, say)
When several apply: 2, 1, 9, 7, 6, 14, 11, 10, 12, 8, 4, 5, 15, 13, 3.
)";

constexpr std::string_view kLocations = R"(Where mail lies:
  imaps://USER@HOST[:PORT][/FOLDER]
                 an account on a server, over TLS (port 993)
  imap://USER@HOST[:PORT][/FOLDER]
                 the same, where TLS begins with STARTTLS (port 143)
  pop3s://USER@HOST[:PORT]
                 a POP3 mailbox over TLS (port 995): one folder, INBOX. It can only
                 be read, and nothing is deleted there
  pop3://USER@HOST[:PORT]
                 the same, where TLS begins with STLS (port 110)
  maildir:PATH   a Maildir or Maildir++ tree; its root is the folder INBOX
  mbox:PATH      a file is one folder, named after it without .mbox;
                 a directory, or a PATH that ends in '/', is a tree of them
                 (the children of NAME lie in NAME.sbd/)

A PATH is taken as it is: blanks, '%' and '?' stand for themselves, so quote it for
the shell. A place that is read is never changed: no flag, no time stamp, no lock
file. A target that is not there is made.

Folders are named as in 'Work/2024'; '/' divides a folder from its parent. Within
a name '/' is written %2F and '%' is written %25.

Accounts:
  The last '@' divides USER from HOST, so a user name may be an address:
  imaps://anna@example.org@imap.example.org. '%' begins a code, as in a URL.
  A FOLDER in a SOURCE selects it and what lies below it; in a TARGET it means
  --into FOLDER. POP3 has no folders; --into names the folder for its mail itself.

  Passwords, the first that is there:
    --source-password-command CMD   a shell command whose only line is the password;
                                    it is asked again before each login
    --source-password-file FILE     mode 600, the password as its only line
    MAILHAUL_SOURCE_PASSWORD        in the environment
    USER:PASSWORD@HOST              others can see it for a moment: better not
    a prompt                        when there is a terminal
  and --target-… and MAILHAUL_TARGET_PASSWORD for a TARGET. A command over one place
  takes the names of the source.

  Connections are encrypted, and the server must prove its name by a certificate that
  the system trusts, or one of --source-ca FILE. There is no option to skip this.

  Behind a '?', divided by '&':
    auth=MECHANISM      log in with this one only: plain, login, xoauth2 …
    authuser=NAME       log in as USER, and act for NAME (an administrator's right)
    fingerprint=SHA256  trust the server with this certificate, and no other
    tunnel=CMD          talk to this shell command instead of a socket; '&' and '%'
                        in CMD are written %26 and %25
    tls=off             no encryption: only to this very machine, or with
                        --allow-plaintext; only with imap:// and pop3://
)";

constexpr std::string_view kCopyText =
    R"(Brings to TARGET every message of SOURCE that was never delivered there. Deletes
nothing anywhere, and changes nothing that is there. What was delivered is kept in
a ledger, so the same command can be run again at any time: after an interruption
it goes on where it stopped, and after success it only brings what is new. Mail
that is in TARGET already, whoever put it there, is recognised by its content.

Examples:
  mailhaul copy mbox:archive.mbox maildir:Mail
      one mbox file into a folder 'archive' of a Maildir
  mailhaul copy maildir:/home/anna/Maildir mbox:backup/
      a whole Maildir tree into a tree of mbox files
  mailhaul copy -n maildir:Mail mbox:backup/
      only say what would be done
  mailhaul copy --folder 'Work/*' --since 2024-01-01 maildir:Mail mbox:work/
      only folders below Work, and only mail since 2024
  mailhaul copy --map 'Sent Items=Sent' --exclude Trash mbox:old/ maildir:Mail
      with another name for one folder, and without another
  mailhaul copy --source-password-command 'pass mail/anna' \
      imaps://anna@imap.example.org maildir:Mail
      a whole account into a Maildir
  mailhaul copy pop3s://anna@pop.old.example imaps://anna@imap.new.example
      what a POP3 server holds into an IMAP account; with --seen as read
)";

constexpr std::string_view kVerifyText =
    R"(Reads SOURCE and TARGET, compares what each message is made of, and tells what is
missing or different at TARGET. Changes nothing. Give the same --dedup, --map,
--into and folder options as for the copy. Exit code 13 when there is a difference.

Examples:
  mailhaul verify maildir:Mail mbox:backup/
  mailhaul verify --content-only mbox:archive.mbox maildir:Mail
      compare the messages, not their flags and dates
  mailhaul verify --json maildir:Mail mbox:backup/ | jq .missing
  mailhaul verify imaps://anna@imap.example.org maildir:Mail
  mailhaul verify pop3s://anna@pop.old.example imaps://anna@imap.new.example
      content alone: POP3 keeps no flags and dates
)";

constexpr std::string_view kLsText = R"(Lists the folders of LOCATION: how many messages, how many of them unread, their
size, and what the folder is for (its role). Changes nothing.

Examples:
  mailhaul ls maildir:/home/anna/Maildir
  mailhaul ls --json mbox:backup/
  mailhaul ls imaps://anna@imap.example.org
  mailhaul ls pop3s://anna@pop.example.org
)";

constexpr std::string_view kProbeText =
    R"(Connects to the server of LOCATION, logs in, and tells what it says of itself: its
greeting, how the connection is encrypted, how the login was made, its abilities and
limits, and which known faults of it are taken care of. Changes nothing. The first
thing to try when an account does not work; --trace FILE shows every line.

Examples:
  mailhaul probe imaps://anna@imap.example.org
  mailhaul probe pop3s://anna@pop.example.org
  mailhaul probe --trace server.log imap://anna@localhost:1143
)";

constexpr std::string_view kVersionText = "Tells the version of mailhaul, and what it was built with.\n";
constexpr std::string_view kHelpText =
    "Explains a command, or one of the topics 'locations' and 'exit-codes'. Without a\ntopic: the overview.\n";

std::string_view text_of(unsigned command) {
  switch (command) {
    case kCopy:
      return kCopyText;
    case kVerify:
      return kVerifyText;
    case kLs:
      return kLsText;
    case kProbe:
      return kProbeText;
    case kVersion:
      return kVersionText;
    default:
      return kHelpText;
  }
}

/// One entry of a two-column list, the second column wrapped at kWidth.
std::string entry(const std::string& name, std::string_view text, std::size_t indent) {
  std::string out, line = "  " + name;
  line.resize(std::max(line.size() + 2, indent), ' ');
  bool fresh = true;
  while (!text.empty()) {
    const auto blank = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, blank);
    if (!fresh && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.assign(indent, ' ');
      fresh = true;
    }
    line += (fresh ? "" : " ") + std::string(word);
    fresh = false;
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
  return out + line + "\n";
}

std::string option_lines(unsigned command, bool common) {
  std::string out;
  for (const auto& option : all_options()) {
    if ((option.commands & command) == 0 || (option.commands == kAll) != common) continue;
    std::string name = option.letter != 0 ? std::string("-") + option.letter : "    ";
    if (!option.name.empty()) name += (option.letter != 0 ? ", --" : "--") + std::string(option.name);
    if (option.takes_value()) name += " " + std::string(option.argument);
    out += entry(name, option.help, 28);
  }
  return out;
}

std::string command_text(const CommandSpec& command) {
  std::string out = "Usage: mailhaul " + std::string(command.name) + " [OPTIONS]";
  if (!command.arguments.empty()) out += " " + std::string(command.arguments);
  out += "\n\n" + std::string(text_of(command.bit));
  const auto own = option_lines(command.bit, /*common=*/false);
  if (!own.empty()) out += "\nOptions:\n" + own;
  out += "\nOptions of every command:\n" + option_lines(command.bit, /*common=*/true);
  if ((command.bit & kPlaces) != 0) out += "\nSee also: mailhaul help locations, mailhaul help exit-codes\n";
  return out;
}

std::string overview() {
  std::string out = "mailhaul moves mail between the places it lives, and proves that nothing was lost.\n\n";
  out += "Usage: mailhaul COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n";
  for (const auto& command : all_commands()) {
    if (command.bit == kNone) continue;
    std::string name(command.name);
    if (!command.arguments.empty()) name += " " + std::string(command.arguments);
    out += entry(name, command.summary, 28);
  }
  out += "\nOptions of every command:\n" + option_lines(kAll, /*common=*/true);
  out += "\nExamples:\n";
  out += "  mailhaul ls mbox:archive.mbox\n";
  out += "  mailhaul copy mbox:archive.mbox maildir:Mail\n";
  out += "  mailhaul verify mbox:archive.mbox maildir:Mail\n\n";
  return out + std::string(kExitCodes) + "\nMore: mailhaul help COMMAND, mailhaul help locations\n";
}

}  // namespace

std::optional<std::string> help_text(std::string_view topic) {
  if (topic.empty()) return overview();
  if (topic == "exit-codes") return std::string(kExitCodes);
  if (topic == "locations") return std::string(kLocations);
  const auto* command = find_command(topic);
  if (command == nullptr || command->bit == kNone) return std::nullopt;
  return command_text(*command);
}

}  // namespace mailhaul::cli
