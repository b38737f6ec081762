#include "plugins/imap/quirks.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace mailhaul::imap {

namespace {

/// One server: by what it is known, and what follows.
struct Row {
  std::string_view greeting;  ///< in the greeting's text, or ""
  std::string_view name;      ///< in the ID field "name" or "vendor", or ""
  std::string_view host;      ///< in the host's name, or ""
  void (*apply)(Quirks&);
  std::string_view note;
};

constexpr Row kRows[] = {
    {"Microsoft Exchange Server 2003", "", "", [](Quirks& quirks) { quirks.skip_namespace = true; },
     "Exchange 2003 ends the connection on NAMESPACE, which is therefore not asked"},
    {"Microsoft Exchange", "", "outlook.office365.com",
     [](Quirks& quirks) {
       quirks.sizes_lie = true;
       quirks.placeholders = true;
     },
     "Exchange tells sizes of messages that differ from what it delivers, and may rewrite headers of what it stores"},
    {"", "hMailServer", "", [](Quirks& quirks) { quirks.sizes_lie = true; },
     "hMailServer tells sizes of messages that differ from what it delivers"},
    {"DavMail", "", "", [](Quirks& quirks) { quirks.sizes_lie = true; },
     "DavMail tells sizes of messages that differ from what it delivers"},
    {"Proton", "proton-bridge", "", [](Quirks& quirks) { quirks.plain_list = true; },
     "ProtonMail Bridge refuses LIST with SPECIAL-USE; folders are listed without"},
    {"", "", "imap.strato.", [](Quirks& quirks) { quirks.plain_list = true; },
     "Strato answers LIST with RETURN by nothing; folders are listed without"},
    {"", "", "yahoo.com",
     [](Quirks& quirks) {
       quirks.command_octets = 1'000;
       quirks.most_shown = 10'000;
     },
     "Yahoo shows the newest 10,000 messages of a folder only (export.imap.mail.yahoo.com shows all), and takes "
     "command "
     "lines of 1,000 octets"},
    {"", "", "export.imap.mail.yahoo.com", [](Quirks& quirks) { quirks.most_shown = 0; },
     "this host of Yahoo shows all"},
    {"", "", "imap.aol.com",
     [](Quirks& quirks) {
       quirks.command_octets = 1'000;
       quirks.most_shown = 10'000;
     },
     "AOL shows the newest 10,000 messages of a folder only, and takes command lines of 1,000 octets"},
    {"IMAP4rev1 20", "UW-IMAP", "", [](Quirks& quirks) { quirks.command_octets = 1'000; },
     "UW-IMAP takes command lines of 1,000 octets"},
    {"Gimap", "GImap", "imap.gmail.com", [](Quirks& quirks) { quirks.most_shown = 1'000; },
     "Gmail shows a label as a folder and merges equal messages; it may hide labels from IMAP or show 1,000 messages a "
     "folder only (see its settings)"},
    {"", "iCloud", "imap.mail.me.com", [](Quirks& quirks) { quirks.marks_read = true; },
     "iCloud marks messages as read when they are fetched, though it is asked not to"},
    {"", "Purelymail", "purelymail.com", [](Quirks& quirks) { quirks.marks_read = true; },
     "Purelymail marks messages as read when they are fetched, though it is asked not to"},
    {"Dovecot", "Dovecot", "", [](Quirks& quirks) { quirks.unsigned_dates = true; },
     "Dovecot stores NUL as another octet, which is why such messages are not sent; received dates before 1970 become "
     "others, and those to come the time of storing"},
};

}  // namespace

bool mentions(std::string_view text, std::string_view part) {
  for (std::size_t i = 0; i + part.size() <= text.size(); ++i) {
    if (starts_with_ignoring_case(text.substr(i), part)) return true;
  }
  return false;
}

bool is_placeholder(std::string_view head) {
  constexpr std::string_view kSubject =
      "\nSubject: Retrieval using the IMAP4 protocol failed for the following message";
  const std::size_t end = std::min(head.find("\r\n\r\n"), head.size());
  const std::string_view header = head.substr(0, end);
  return header.find(kSubject) != std::string_view::npos && mentions(header, "Microsoft Exchange Server");
}

Quirks quirks_of(std::string_view greeting, const IdFields& id, std::string_view host) {
  Quirks quirks;
  for (const Row& row : kRows) {
    bool known =
        (!row.greeting.empty() && mentions(greeting, row.greeting)) || (!row.host.empty() && mentions(host, row.host));
    for (const auto& [field, value] : id) {
      const bool names_it = field == "name" || field == "vendor";
      known = known || (names_it && !row.name.empty() && mentions(value, row.name));
    }
    if (!known) continue;
    row.apply(quirks);
    quirks.notes.emplace_back(row.note);
  }
  return quirks;
}

}  // namespace mailhaul::imap
