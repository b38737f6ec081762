// Untagged data but FETCH: mailbox lists, STATUS, SEARCH and their like (RFC 9051 7.2 to 7.4).
#include <algorithm>
#include <array>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/protocol/response_line.hpp"

namespace mailhaul::imap {

namespace {

/// A quoted octet or NIL. More than one octet: no separator at all (bad-input 52).
bool parse_separator(Cursor& cursor, std::optional<char>& separator) {
  std::string text;
  bool nil = false;
  if (!cursor.nstring(text, EightBit::utf8, nil)) return false;
  if (text.size() == 1) separator = text.front();
  return true;
}

/// An unquoted name runs to the next blank: Exchange leaves names with TAB and other controls unquoted (MailKit #945).
bool parse_name(Cursor& cursor, std::string& name, bool* is_literal) {
  cursor.blanks();
  if (cursor.peek() == '"' || cursor.literal_is_here()) return cursor.astring(name, EightBit::any, is_literal);
  if (is_literal != nullptr) *is_literal = false;
  const std::string_view run = cursor.run();
  if (run.empty() || run.front() == '(' || run.front() == '{' || run.starts_with("~{")) return cursor.fail();
  name = run;
  return true;
}

bool parse_list(Cursor& cursor, bool lsub, Response& response) {
  ListResponse list;
  list.lsub = lsub;
  cursor.blanks();
  if (!cursor.words(list.attributes)) return false;
  cursor.blanks();
  if (!parse_separator(cursor, list.separator)) return false;
  if (!parse_name(cursor, list.name, &list.name_is_literal)) return false;
  cursor.blanks();
  // RFC 5258: extended data, "("CHILDINFO" ("SUBSCRIBED"))" and others.
  if (!cursor.at_end() && (cursor.peek() != '(' || !cursor.skip_value())) return cursor.fail();
  response = std::move(list);
  return cursor.end();
}

bool parse_status_item(Cursor& cursor, StatusData& data) {
  const std::string key = to_upper_ascii(cursor.word());
  if (key.empty() || !cursor.count()) return cursor.fail();
  cursor.blanks();
  if (key == "MAILBOXID") {
    if (cursor.peek() != '(') return cursor.skip_value();
    std::vector<std::string> ids;
    if (!cursor.words(ids)) return false;
    if (!ids.empty()) data.mailbox_id = std::move(ids.front());
    return true;
  }
  struct Place {
    std::string_view key;
    std::optional<std::uint64_t> StatusData::*member;
    bool may_be_rounded;  // an estimate is as good there
  };
  static constexpr std::array<Place, 6> kPlaces{{{"MESSAGES", &StatusData::messages, true},
                                                 {"UIDNEXT", &StatusData::uidnext, false},
                                                 {"UIDVALIDITY", &StatusData::uidvalidity, false},
                                                 {"UNSEEN", &StatusData::unseen, true},
                                                 {"HIGHESTMODSEQ", &StatusData::highestmodseq, false},
                                                 {"SIZE", &StatusData::size, true}}};
  for (const Place& place : kPlaces) {
    if (place.key != key) continue;
    std::optional<std::uint64_t> rounded;
    auto& value = data.*place.member;
    if (!cursor.tolerant_number(value, &rounded)) return false;
    if (!value && place.may_be_rounded) value = rounded;
    return true;
  }
  return cursor.skip_value();
}

bool parse_status_data(Cursor& cursor, Response& response) {
  StatusData data;
  if (!parse_name(cursor, data.name, nullptr)) return false;
  cursor.blanks();
  if (!cursor.open()) return false;
  for (cursor.blanks(); cursor.at_value(); cursor.blanks()) {
    if (!parse_status_item(cursor, data)) return false;
  }
  response = std::move(data);
  return cursor.close() && cursor.end();
}

/// NIL, or "(("INBOX." ".")("#shared." "." "X-PARAM" ("a")))".
bool parse_namespaces(Cursor& cursor, std::vector<NamespaceResponse::Entry>& entries) {
  cursor.blanks();
  if (cursor.at_end()) return true;  // MailEnable, GMX and others send less than three (quirk 62)
  if (cursor.peek() != '(') return equals_ignoring_case(cursor.word(), "NIL") || cursor.fail();
  if (!cursor.open()) return false;
  for (cursor.blanks(); cursor.peek() == '('; cursor.blanks()) {
    NamespaceResponse::Entry entry;
    bool nil = false;
    if (!cursor.open() || !cursor.count()) return false;
    cursor.blanks();
    if (!cursor.nstring(entry.prefix, EightBit::any, nil)) return false;
    cursor.blanks();
    if (!parse_separator(cursor, entry.separator)) return false;
    for (cursor.blanks(); cursor.at_value(); cursor.blanks()) {
      if (!cursor.skip_value()) return false;
    }
    if (!cursor.close()) return false;
    entries.push_back(std::move(entry));
  }
  return cursor.close();
}

bool parse_namespace(Cursor& cursor, Response& response) {
  NamespaceResponse data;
  for (auto* const entries : {&data.personal, &data.others, &data.shared}) {
    if (!parse_namespaces(cursor, *entries)) return false;
  }
  response = std::move(data);
  return cursor.end();
}

bool parse_id(Cursor& cursor, Response& response) {
  IdResponse id;
  cursor.blanks();
  if (cursor.peek() == '(') {
    if (!cursor.open()) return false;
    for (cursor.blanks(); cursor.at_value(); cursor.blanks()) {
      std::string name, value;
      bool nil = false;
      if (!cursor.count() || !cursor.astring(name, EightBit::utf8)) return false;
      cursor.blanks();
      if (!cursor.nstring(value, EightBit::utf8, nil)) return false;
      id.fields.emplace_back(to_lower_ascii(name), std::move(value));
    }
    if (!cursor.close()) return false;
  } else if (!equals_ignoring_case(cursor.word(), "NIL")) {
    return cursor.fail();
  }
  response = std::move(id);
  return cursor.end();
}

bool parse_search(Cursor& cursor, Response& response) {
  std::vector<UidSet::Range> ranges;
  for (cursor.blanks(); !cursor.at_end(); cursor.blanks()) {
    if (cursor.peek() == '(') {  // "(MODSEQ 917162500)" (RFC 7162 3.1.5)
      if (!cursor.skip_value()) return false;
      continue;
    }
    const auto number = cursor.number();
    if (!number || *number > 0xFFFFFFFF) return cursor.fail();
    if (!cursor.count()) return false;
    if (*number == 0) continue;  // DavMail (getmail6 #69); names no message
    const Uid uid = static_cast<Uid>(*number);
    if (!ranges.empty() && std::uint64_t{ranges.back().last} + 1 == uid) {
      ranges.back().last = uid;
    } else {
      ranges.push_back({uid, uid});
    }
  }
  response = SearchResponse{UidSet::of(std::move(ranges))};
  return true;
}

bool parse_set(Cursor& cursor, const Limits& limits, UidSet& set) {
  cursor.blanks();
  auto read = UidSet::parse(cursor.word(), limits.elements);
  if (!read) return cursor.fail();
  set = std::move(*read);
  return true;
}

/// `* ESEARCH (TAG "A1") UID ALL 1:3 COUNT 3` (RFC 9051 7.3.4).
bool parse_esearch(Cursor& cursor, const Limits& limits, Response& response) {
  SearchResponse search;
  cursor.blanks();
  if (cursor.peek() == '(' && !cursor.skip_value()) return false;
  for (cursor.blanks(); !cursor.at_end(); cursor.blanks()) {
    const std::string_view key = cursor.word();
    if (key.empty() || !cursor.count()) return cursor.fail();
    if (equals_ignoring_case(key, "UID")) continue;
    cursor.blanks();
    if (equals_ignoring_case(key, "ALL")) {
      if (!parse_set(cursor, limits, search.numbers)) return false;
    } else if (!cursor.skip_value()) {
      return false;
    }
  }
  response = std::move(search);
  return true;
}

bool parse_vanished(Cursor& cursor, const Limits& limits, Response& response) {
  VanishedResponse vanished;
  cursor.blanks();
  if (cursor.peek() == '(') {
    std::vector<std::string> words;
    if (!cursor.words(words)) return false;
    vanished.earlier = words.size() == 1 && equals_ignoring_case(words.front(), "EARLIER");
  }
  if (!parse_set(cursor, limits, vanished.uids)) return false;
  response = std::move(vanished);
  return cursor.end();
}

constexpr std::array<std::string_view, 12> kDataWords{"CAPABILITY", "ENABLED", "LIST",      "LSUB",
                                                      "XLIST",      "STATUS",  "NAMESPACE", "ID",
                                                      "FLAGS",      "SEARCH",  "ESEARCH",   "VANISHED"};

}  // namespace

bool is_data_word(std::string_view word) {
  return std::any_of(kDataWords.begin(), kDataWords.end(),
                     [&](std::string_view known) { return equals_ignoring_case(known, word); });
}

bool parse_data(std::string_view word, Cursor& cursor, const Limits& limits, Response& response) {
  if (word == "LIST" || word == "XLIST") return parse_list(cursor, /*lsub=*/false, response);
  if (word == "LSUB") return parse_list(cursor, /*lsub=*/true, response);
  if (word == "STATUS") return parse_status_data(cursor, response);
  if (word == "SEARCH") return parse_search(cursor, response);
  if (word == "ESEARCH") return parse_esearch(cursor, limits, response);
  if (word == "VANISHED") return parse_vanished(cursor, limits, response);
  if (word == "NAMESPACE") return parse_namespace(cursor, response);
  if (word == "ID") return parse_id(cursor, response);
  if (word == "FLAGS") {
    FlagsResponse flags;
    cursor.blanks();
    if (!cursor.words(flags.flags)) return false;
    response = std::move(flags);
    return cursor.end();
  }
  auto words = capability_words(cursor.rest());
  if (words.size() > limits.elements) return cursor.fail(Flaw::elements);
  if (word == "ENABLED") {
    response = EnabledResponse{std::move(words)};
  } else {
    response = CapabilityResponse{std::move(words)};
  }
  return true;
}

}  // namespace mailhaul::imap
