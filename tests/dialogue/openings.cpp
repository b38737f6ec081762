#include "dialogue/openings.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::dialogue {

namespace {

using Lines = std::vector<std::string>;

/// A login over TLS and what is asked after it, all in one round trip.
Lines imap_login(const std::string& capabilities, const Script& script) {
  return {
      "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] " + script.get("greeting", "ready"),
      "C: $a AUTHENTICATE PLAIN <plain>",
      "S: $a OK logged in",
      "C: $a CAPABILITY",
      "C: $b ID (\"name\" \"mailhaul\")",
      "C: $c NAMESPACE",
      "C: $d LIST \"\" \"\"",
      "S: * CAPABILITY IMAP4rev1 " + capabilities,
      "S: $a OK done",
      "S: * ID " + script.get("id", "NIL"),
      "S: $b OK done",
      "S: * NAMESPACE " + script.get("namespace", "((\"\" \"/\")) NIL NIL"),
      "S: $c OK done",
      "S: * LIST (\\Noselect) \"/\" \"\"",
      "S: $d OK done",
  };
}

/// The folders' names where the server has no LIST-EXTENDED.
Lines folders(const std::string& names) {
  Lines lines{"C: $a LIST \"\" \"*\"", "C: $b LSUB \"\" \"*\""};
  for (const auto& name : words_of(names)) lines.push_back("S: * LIST () \"/\" \"" + name + "\"");
  lines.emplace_back("S: $a OK done");
  for (const auto& name : words_of(names)) lines.push_back("S: * LSUB () \"/\" \"" + name + "\"");
  lines.emplace_back("S: $b OK done");
  return lines;
}

/// `value`: name, UIDVALIDITY, UIDNEXT, messages.
Lines opened(const std::string& verb, const std::string& value, const std::string& access) {
  auto words = words_of(value);
  words.resize(4);
  const bool is_atom = words[0].find(' ') == std::string::npos;
  return {
      "C: $a " + verb + " " + (is_atom ? words[0] : "\"" + words[0] + "\""),
      "S: * " + words[3] + " EXISTS",
      "S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
      "S: * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] limited",
      "S: * OK [UIDVALIDITY " + words[1] + "] valid",
      "S: * OK [UIDNEXT " + words[2] + "] next",
      "S: $a OK [" + access + "] done",
  };
}

/// Capabilities as `capabilities:` and `login:` have them: "UIDL, PIPELINING, SASL PLAIN".
Lines capabilities_of(const std::string& value) {
  Lines names;
  for (const auto& one : split(value, ',')) {
    if (!trim(one).empty()) names.emplace_back(trim(one));
  }
  return names;
}

bool is_there(const Lines& capabilities, std::string_view name) {
  return std::any_of(capabilities.begin(), capabilities.end(), [&](const auto& one) { return one == name; });
}

Lines capa_answer(const Lines& capabilities) {
  Lines lines{"S: +OK these"};
  for (const auto& one : capabilities) lines.push_back("S: " + one);
  lines.emplace_back("S: .");
  return lines;
}

/// Greeting, CAPA and the login: PLAIN where it is offered, else USER and PASS.
Lines pop3_login(const Lines& capabilities, const Script& script) {
  Lines lines{"S: +OK " + script.get("greeting", "ready"), "C: CAPA"};
  for (auto& line : capa_answer(capabilities)) lines.push_back(std::move(line));
  if (is_there(capabilities, "SASL PLAIN"))
    lines.emplace_back("C: AUTH PLAIN <plain>");
  else
    lines.insert(lines.end(), {"C: USER anna", "S: +OK", "C: PASS <password>"});
  lines.emplace_back("S: +OK logged in");
  return lines;
}

/// A message's size as `mailbox:` has it: a number, or `#m1` as everywhere.
std::uint64_t size_of(const std::string& text, const Script& script) {
  const auto message = script.messages.find(text.starts_with('#') ? text.substr(1) : text);
  return message == script.messages.end() ? parse_uint(text).value_or(0) : crlf_form(message->second).size();
}

/// `NUMBER SIZE UIDL` of each message, between commas: a login and all that is asked before the first message. Without
/// UIDL among the capabilities the server does not know it.
Lines mailbox(const std::string& value, const Script& script) {
  const Lines capabilities = capabilities_of(script.get("capabilities", "UIDL, PIPELINING, SASL PLAIN"));
  Lines list{"S: +OK"}, names{"S: +OK"};
  std::uint64_t messages = 0, octets = 0;
  for (const auto& one : split(value, ',')) {
    const auto words = words_of(one);
    if (words.size() < 2) continue;
    ++messages;
    octets += size_of(words[1], script);
    list.push_back("S: " + words[0] + " " + words[1]);
    names.push_back("S: " + words[0] + (words.size() > 2 ? " " + words[2] : std::string()));
  }
  list.emplace_back("S: .");
  names.emplace_back("S: .");
  if (!is_there(capabilities, "UIDL")) names = {"S: -ERR unknown command"};
  const std::pair<std::string, Lines> dialogue[] = {
      {"C: CAPA", capa_answer(capabilities)},
      {"C: STAT", {"S: +OK " + std::to_string(messages) + " " + std::to_string(octets)}},
      {"C: LIST", list},
      {"C: UIDL", names},
  };
  Lines lines = pop3_login(capabilities, script);
  const bool together = is_there(capabilities, "PIPELINING");
  for (const auto& [command, answer] : dialogue) {
    lines.push_back(command);
    if (!together) lines.insert(lines.end(), answer.begin(), answer.end());
  }
  for (const auto& [command, answer] : dialogue) {
    if (together) lines.insert(lines.end(), answer.begin(), answer.end());
  }
  return lines;
}

}  // namespace

std::optional<Lines> opening_lines(const std::string& key, const std::string& value, const Script& script) {
  if (script.is_pop3()) {
    if (key == "login") return pop3_login(capabilities_of(value), script);
    if (key == "mailbox") return mailbox(value, script);
    return std::nullopt;
  }
  if (key == "login") return imap_login(value, script);
  if (key == "folders") return folders(value);
  if (key == "select") return opened("SELECT", value, "READ-WRITE");
  if (key == "examine") return opened("EXAMINE", value, "READ-ONLY");
  return std::nullopt;
}

}  // namespace mailhaul::dialogue
