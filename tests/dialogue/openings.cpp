#include "dialogue/openings.hpp"

namespace mailhaul::dialogue {

namespace {

using Lines = std::vector<std::string>;

/// A login over TLS and what is asked after it, all in one round trip.
Lines login(const std::string& capabilities, const Script& script) {
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

}  // namespace

std::optional<Lines> opening_lines(const std::string& key, const std::string& value, const Script& script) {
  if (key == "login") return login(value, script);
  if (key == "folders") return folders(value);
  if (key == "select") return opened("SELECT", value, "READ-WRITE");
  if (key == "examine") return opened("EXAMINE", value, "READ-ONLY");
  return std::nullopt;
}

}  // namespace mailhaul::dialogue
