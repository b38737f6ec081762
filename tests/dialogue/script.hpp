// A dialogue as its file tells it: what both sides say, what is done with the store, what must come of it. The format
// is in README.md; nothing here knows a store.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace mailhaul::dialogue {

/// The one account of all dialogues. The password must never be seen where it does not belong.
inline constexpr std::string_view kUser = "anna";
inline constexpr std::string_view kPassword = "s3cr3t-canary";

/// A piece of a line: octets, or what is only known when it is played.
struct Part {
  enum class Kind {
    text,
    tag,     ///< `$1`: bound by a client's line, said back by a server's
    any,     ///< `<any>`: up to the end of the line
    octets,  ///< `<123 octets>` of whatever value
  };
  Kind kind = Kind::text;
  std::string text;  ///< text: the octets; tag: its name
  std::size_t octets = 0;
};

/// One thing that happens on the wire.
struct Event {
  enum class Kind { client, client_any_order, server, wait, hang_up, reset, tls };
  Kind kind = Kind::server;
  std::vector<Part> parts;
  bool line_end = true;  ///< CRLF belongs to it
  std::chrono::milliseconds wait{0};
  int line = 0;
  std::string source;  ///< as the file has it, for people
};

struct Expectation {
  std::string pattern;  ///< a glob over one line of the outcome; "..." stands for any number of lines
  int line = 0;
};

/// One `do:`. What is said between it and the next one belongs to it.
struct Operation {
  std::string text;
  int line = 0;
  std::size_t events_end = 0;
  std::vector<Expectation> expected;
};

/// `folder: INBOX 7 4 3`: a folder as an earlier listing told of it.
struct DeclaredFolder {
  std::string path, native;
  std::string uidvalidity, uidnext, messages;
  std::string modseq = "-";
};

struct Script {
  std::string file;
  std::map<std::string, std::string> header;
  std::map<std::string, std::string> messages;  ///< by name; as the store is given them
  std::vector<DeclaredFolder> folders;
  std::vector<Event> events;
  std::vector<Operation> operations;

  [[nodiscard]] std::string get(const std::string& key, const std::string& otherwise = {}) const {
    const auto found = header.find(key);
    return found == header.end() ? otherwise : found->second;
  }
  /// Whose language both sides speak. The location stands in front of all that depends on it.
  [[nodiscard]] bool is_pop3() const { return get("location").starts_with("pop3"); }
};

/// Error: usage, with file and line.
[[nodiscard]] Result<Script> read_script(const std::string& file);
/// Every bare LF as CRLF: what travels of a message.
[[nodiscard]] std::string crlf_form(std::string_view octets);
/// Words between blanks; "in quotes" and (in parentheses) are one.
[[nodiscard]] std::vector<std::string> words_of(std::string_view text);

}  // namespace mailhaul::dialogue
