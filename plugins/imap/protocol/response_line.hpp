// From a whole response, its literals taken out, to the typed value. Inside of the response parser; nothing else
// includes it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "plugins/imap/protocol/lexer.hpp"
#include "plugins/imap/protocol/response.hpp"

namespace mailhaul::imap {

/// What the beginning of a line tells.
struct Head {
  enum class Kind {
    continuation,
    tagged,
    status,   ///< "* OK", "* BYE", …; and Exchange's "* [CODE]" (quirk 23)
    fetch,    ///< "* 7 FETCH"
    data,     ///< a response whose strings are kept
    other,    ///< read over
    garbage,  ///< not IMAP
  };
  Kind kind = Kind::garbage;
  std::optional<std::uint64_t> number;  ///< "7" of "* 7 FETCH"
  std::string_view word;                ///< as sent: the tag; or what follows "* " and the number
  std::size_t rest = 0;                 ///< where the line goes on behind `word`
};

/// Literals stand in fetch, data and other only: the rest ends in free text, which may well end in "{5}".
[[nodiscard]] Head head_of(std::string_view line);

struct ParsedResponse {
  Response response;
  std::optional<std::string> quoted_body;  ///< the body of a FETCH that came as a quoted string
};

[[nodiscard]] Flaw parse_response(std::string_view line, std::span<const Literal> literals, const Limits& limits,
                                  ParsedResponse& parsed);

// The parts of parse_response(), each for what stands behind the head.
bool parse_fetch(Cursor& cursor, FetchResponse& fetch, std::optional<std::string>& quoted_body);
/// BODY[], BINARY[] or RFC822: the items whose value is a message.
[[nodiscard]] bool is_body_item(std::string_view name);
/// `word` in upper case. OtherResponse for one that is not known.
bool parse_data(std::string_view word, Cursor& cursor, const Limits& limits, Response& response);
/// True for the words that parse_data() knows.
[[nodiscard]] bool is_data_word(std::string_view word);
/// "[CODE args] text".
void parse_text(std::string_view rest, const Limits& limits, Code& code, std::string& text);
/// Words in upper case between blanks; "LITERAL +" is one of them (quirk 65).
[[nodiscard]] std::vector<std::string> capability_words(std::string_view text);
[[nodiscard]] std::string to_upper_ascii(std::string_view text);

}  // namespace mailhaul::imap
