#include "plugins/imap/protocol/response_line.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::imap {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<Condition> condition_of(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, Condition>, 5> kConditions{{
      {"OK", Condition::ok},
      {"NO", Condition::no},
      {"BAD", Condition::bad},
      {"PREAUTH", Condition::preauth},
      {"BYE", Condition::bye},
  }};
  for (const auto& [name, condition] : kConditions) {
    if (equals_ignoring_case(word, name)) return condition;
  }
  return std::nullopt;
}

/// ASTRING-CHAR but '+' (RFC 9051 9): what a tag is made of.
bool is_tag(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return c > ' ' && c < '\x7F' && std::string_view("(){%*\"\\+").find(c) == std::string_view::npos;
  });
}

std::size_t end_of_word(std::string_view line, std::size_t at) { return std::min(line.find(' ', at), line.size()); }

Head untagged_head(std::string_view line) {
  Head head;
  std::size_t at = 2;
  while (at < line.size() && line[at] == ' ') ++at;
  if (at < line.size() && line[at] == '[') return {Head::Kind::status, std::nullopt, {}, at};
  std::size_t end = end_of_word(line, at);
  if (at < line.size() && is_digit(line[at])) {
    head.number = parse_uint(line.substr(at, end - at));
    if (!head.number) return head;
    at = end;
    while (at < line.size() && line[at] == ' ') ++at;
    end = end_of_word(line, at);
  }
  head.word = line.substr(at, end - at);
  head.rest = end;
  if (head.word.empty()) return head;
  if (head.number) {
    head.kind = equals_ignoring_case(head.word, "FETCH") ? Head::Kind::fetch : Head::Kind::other;
  } else if (condition_of(head.word)) {
    head.kind = Head::Kind::status;
  } else {
    head.kind = is_data_word(head.word) ? Head::Kind::data : Head::Kind::other;
  }
  return head;
}

/// `* 23 EXISTS` and its like.
bool parse_numbered(const Head& head, Cursor& cursor, Response& response) {
  const std::uint64_t number = *head.number;
  if (equals_ignoring_case(head.word, "EXISTS")) {
    response = ExistsResponse{number};
  } else if (equals_ignoring_case(head.word, "RECENT")) {
    response = RecentResponse{number};
  } else if (equals_ignoring_case(head.word, "EXPUNGE")) {
    response = ExpungeResponse{number};
  } else {
    response = OtherResponse{to_upper_ascii(head.word)};
    return cursor.skip_rest();
  }
  return cursor.end();
}

bool parse_tagged(std::string_view line, const Head& head, const Limits& limits, Response& response) {
  TaggedResponse tagged;
  tagged.tag = head.word;
  std::size_t at = head.rest;
  while (at < line.size() && line[at] == ' ') ++at;
  const std::size_t end = end_of_word(line, at);
  const auto condition = condition_of(line.substr(at, end - at));
  if (!condition || *condition == Condition::preauth || *condition == Condition::bye) return false;
  tagged.condition = *condition;
  parse_text(line.substr(end), limits, tagged.code, tagged.text);
  response = std::move(tagged);
  return true;
}

void parse_status(std::string_view line, const Head& head, const Limits& limits, Response& response) {
  StatusResponse status;
  // Exchange leaves out the "OK" before a code (MailKit #115).
  status.condition = condition_of(head.word).value_or(Condition::ok);
  parse_text(line.substr(head.rest), limits, status.code, status.text);
  response = std::move(status);
}

}  // namespace

std::string to_upper_ascii(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return upper;
}

Head head_of(std::string_view line) {
  if (line.starts_with("* ")) return untagged_head(line);
  // RFC 9051 7.5 has "+ "; Exchange sends "+" alone (quirk 28).
  if (line == "+" || line.starts_with("+ ")) {
    return {Head::Kind::continuation, std::nullopt, {}, std::min<std::size_t>(2, line.size())};
  }
  Head head;
  head.rest = end_of_word(line, 0);
  head.word = line.substr(0, head.rest);
  if (is_tag(head.word)) head.kind = Head::Kind::tagged;
  return head;
}

Flaw parse_response(std::string_view line, std::span<const Literal> literals, const Limits& limits,
                    ParsedResponse& parsed) {
  const Head head = head_of(line);
  Cursor cursor(line, head.rest, literals, limits);
  bool good = false;
  switch (head.kind) {
    case Head::Kind::continuation:
      parsed.response = ContinuationRequest{std::string(line.substr(head.rest))};
      return Flaw::none;
    case Head::Kind::tagged:
      return parse_tagged(line, head, limits, parsed.response) ? Flaw::none : Flaw::syntax;
    case Head::Kind::status:
      parse_status(line, head, limits, parsed.response);
      return Flaw::none;
    case Head::Kind::fetch: {
      auto& fetch = parsed.response.emplace<FetchResponse>();
      fetch.number = *head.number;
      good = parse_fetch(cursor, fetch, parsed.quoted_body) && cursor.took_all_literals();
      break;
    }
    case Head::Kind::data:
      good = parse_data(to_upper_ascii(head.word), cursor, limits, parsed.response) && cursor.took_all_literals();
      break;
    case Head::Kind::other:
      if (head.number) {
        good = parse_numbered(head, cursor, parsed.response);
      } else {
        parsed.response = OtherResponse{to_upper_ascii(head.word)};
        good = cursor.skip_rest();
      }
      break;
    case Head::Kind::garbage:
      return Flaw::syntax;
  }
  if (good) return Flaw::none;
  return cursor.flaw() == Flaw::none ? Flaw::syntax : cursor.flaw();
}

}  // namespace mailhaul::imap
