// FETCH (RFC 9051 7.5.2) and the items of Gmail and of RFC 8474.
#include <utility>

#include "base/strings.hpp"
#include "plugins/imap/protocol/response_line.hpp"

namespace mailhaul::imap {

namespace {

bool parse_uid(Cursor& cursor, FetchResponse& fetch) {
  const auto number = cursor.number();
  if (!number || *number == 0 || *number > 0xFFFFFFFF) return cursor.fail();  // bad-input 42
  fetch.uid = static_cast<Uid>(*number);
  return true;
}

bool parse_flags(Cursor& cursor, FetchResponse& fetch) {
  fetch.flags.emplace();
  return cursor.words(*fetch.flags);
}

bool parse_internaldate(Cursor& cursor, FetchResponse& fetch) {
  std::string text;
  bool nil = false;
  if (!cursor.nstring(text, EightBit::utf8, nil)) return false;
  if (!nil) fetch.internaldate = std::move(text);
  return true;
}

/// "(12345)" (RFC 7162 3.1.4.1). Zoho says -1 for folders that keep none.
bool parse_modseq(Cursor& cursor, FetchResponse& fetch) {
  if (!cursor.open()) return false;
  cursor.blanks();
  if (!cursor.tolerant_number(fetch.modseq)) return false;
  cursor.blanks();
  return cursor.close();
}

/// "(M6d99ac3275bb4e)" (RFC 8474 4.2); NIL for a server that has none.
bool parse_email_id(Cursor& cursor, FetchResponse& fetch) {
  if (cursor.peek() != '(') return cursor.skip_value();
  std::vector<std::string> ids;
  if (!cursor.words(ids)) return false;
  if (!ids.empty()) fetch.object_id = std::move(ids.front());
  return true;
}

bool parse_gmail_id(Cursor& cursor, FetchResponse& fetch) {
  const std::string_view id = cursor.word();
  if (id.empty()) return cursor.fail();
  if (fetch.object_id.empty()) fetch.object_id = id;  // EMAILID, where both are there, is the same on other servers
  return true;
}

/// The value of BODY[], BINARY[] or RFC822.
bool parse_body(Cursor& cursor, FetchResponse& fetch, std::optional<std::string>& quoted_body) {
  if (fetch.body != FetchResponse::Body::none) return cursor.fail();
  if (cursor.peek() == '"') {
    std::string text;
    if (!cursor.quoted(text, EightBit::utf8)) return false;
    fetch.body = FetchResponse::Body::delivered;
    fetch.body_size = text.size();
    quoted_body = std::move(text);
    return true;
  }
  if (const Literal* literal = cursor.literal()) {
    if (literal->kind != Literal::Kind::body) return cursor.fail();
    fetch.body = FetchResponse::Body::delivered;
    fetch.body_size = literal->size;
    return true;
  }
  // Yandex leaves the value out (MailKit #1708): as good as NIL.
  if (cursor.at_value() && !equals_ignoring_case(cursor.word(), "NIL")) return cursor.fail();
  fetch.body = FetchResponse::Body::nil;
  return true;
}

/// "<0>" behind the item's name.
bool parse_origin(Cursor& cursor, std::optional<std::uint64_t>& origin) {
  if (!cursor.take('<')) return true;
  const std::string_view text = cursor.word();
  std::uint64_t value = 0;
  if (text.size() < 2 || text.back() != '>') return cursor.fail();
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return cursor.fail();
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value)) return cursor.fail();
    if (__builtin_add_overflow(value, static_cast<std::uint64_t>(c - '0'), &value)) return cursor.fail();
  }
  origin = value;
  return true;
}

bool parse_item(Cursor& cursor, FetchResponse& fetch, std::optional<std::string>& quoted_body) {
  const std::string_view name = cursor.item_name();
  if (name.empty() || !cursor.count()) return false;
  const auto is = [&](std::string_view upper) { return equals_ignoring_case(name, upper); };
  std::optional<std::uint64_t> origin;
  if (!parse_origin(cursor, origin)) return false;
  cursor.blanks();
  if (is_body_item(name)) {
    fetch.body_origin = origin;
    return parse_body(cursor, fetch, quoted_body);
  }
  if (is("UID")) return parse_uid(cursor, fetch);
  if (is("FLAGS")) return parse_flags(cursor, fetch);
  if (is("RFC822.SIZE")) {
    std::optional<std::uint64_t> rounded;
    if (!cursor.tolerant_number(fetch.size, &rounded)) return false;
    if (!fetch.size) fetch.size = rounded;
    return true;
  }
  if (is("INTERNALDATE")) return parse_internaldate(cursor, fetch);
  if (is("MODSEQ")) return parse_modseq(cursor, fetch);
  if (is("EMAILID")) return parse_email_id(cursor, fetch);
  if (is("X-GM-MSGID")) return parse_gmail_id(cursor, fetch);
  if (is("X-GM-LABELS")) return cursor.words(fetch.gmail_labels);
  // Yandex, as above, with sections that nobody asked for.
  return !cursor.at_value() || cursor.skip_value();
}

}  // namespace

bool is_body_item(std::string_view name) {
  return equals_ignoring_case(name, "BODY[]") || equals_ignoring_case(name, "RFC822") ||
         equals_ignoring_case(name, "BINARY[]");
}

bool parse_fetch(Cursor& cursor, FetchResponse& fetch, std::optional<std::string>& quoted_body) {
  cursor.blanks();
  if (!cursor.open()) return false;
  // Domino puts further parentheses around the items (MailKit #1236).
  for (std::size_t depth = 1; depth > 0;) {
    cursor.blanks();
    if (cursor.peek() == '(') {
      if (!cursor.open()) return false;
      ++depth;
    } else if (cursor.peek() == ')') {
      if (!cursor.close()) return false;
      --depth;
    } else if (!parse_item(cursor, fetch, quoted_body)) {
      return false;
    }
  }
  cursor.blanks();
  while (cursor.take(')')) cursor.blanks();  // Domino again: more closed than opened
  return cursor.end();
}

}  // namespace mailhaul::imap
