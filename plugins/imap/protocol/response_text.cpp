// resp-text (RFC 9051 7.1): the code in brackets and what follows it. Nothing here is an error: it is text for people,
// and a code that is not understood is none.
#include <algorithm>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/protocol/response_line.hpp"

namespace mailhaul::imap {

namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

/// Where the bracket that closes the code stands; npos if nowhere. In quotes and in a list a "]" is none of it, as long
/// as quotes and list end.
std::size_t end_of_code(std::string_view text) {
  const std::size_t list = text.find('(');
  const std::size_t first = text.find(']');
  if (list < first) {
    const std::size_t end = text.find(")]", list);
    return end == std::string_view::npos ? first : end + 1;
  }
  bool in_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_quotes && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_quotes = !in_quotes;
    } else if (text[i] == ']' && !in_quotes) {
      return i;
    }
  }
  return first;
}

/// atom (RFC 9051 9), as far as it tells a code from text: Exchange 365 sends '[Error="…" Proxy=…]'.
bool is_code_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < '\x7F' && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

/// The words of "(a b)" or "a b".
std::vector<std::string> listed_words(std::string_view text) {
  if (text.starts_with('(')) text.remove_prefix(1);
  if (text.ends_with(')')) text.remove_suffix(1);
  std::vector<std::string> list;
  for (std::string_view word : words_of(text)) {
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"') word = word.substr(1, word.size() - 2);
    list.emplace_back(word);
  }
  return list;
}

void read_arguments(Code& code, const Limits& limits) {
  const auto is_any = [&](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return code.is(name); });
  };
  if (is_any({"UIDVALIDITY", "UIDNEXT", "UNSEEN", "HIGHESTMODSEQ"})) {
    code.number = parse_uint(trim(code.text));
  } else if (code.is("APPENDUID")) {
    const auto words = words_of(code.text);
    if (words.size() != 2) return;
    const auto validity = parse_uint(words[0]);
    auto uids = UidSet::parse_ordered(words[1], limits.elements);
    if (!validity || !uids) return;
    code.number = validity;
    code.uids = std::move(*uids);
  } else if (code.is("COPYUID")) {
    const auto words = words_of(code.text);
    if (!words.empty()) code.number = parse_uint(words[0]);
  } else if (code.is("CAPABILITY")) {
    code.words = capability_words(code.text);
  } else if (is_any({"PERMANENTFLAGS", "BADCHARSET"})) {
    code.words = listed_words(trim(code.text));
  }
}

}  // namespace

std::vector<std::string> capability_words(std::string_view text) {
  std::vector<std::string> list;
  for (const std::string_view word : words_of(text)) {
    // "LITERAL +" (isync drv_imap.c names a server that sends the blank).
    if ((word == "+" || word == "-") && !list.empty()) {
      list.back() += word;
    } else {
      list.push_back(to_upper_ascii(word));
    }
  }
  return list;
}

void parse_text(std::string_view rest, const Limits& limits, Code& code, std::string& text) {
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  text = rest;
  if (!rest.starts_with('[')) return;
  const std::string_view inner = rest.substr(1);
  const std::size_t end = end_of_code(inner);
  if (end == std::string_view::npos) return;
  const std::string_view content = inner.substr(0, end);
  const std::size_t name_end = std::min(content.find(' '), content.size());
  if (!is_code_name(content.substr(0, name_end))) return;
  code.name = to_upper_ascii(content.substr(0, name_end));
  code.text = content.substr(std::min(name_end + 1, content.size()));
  read_arguments(code, limits);
  rest = inner.substr(end + 1);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  text = rest;
}

}  // namespace mailhaul::imap
