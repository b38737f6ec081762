#include "plugins/mbox/format/housekeeping.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "mail/header_scan.hpp"

namespace mailhaul::mbox {
namespace {

// "X-Mozilla-Status2" is the longest name that is looked for.
constexpr std::size_t kLongestName = 17;
// Blanks before a colon are tolerated (RFC 5322 4.5.8), but nobody writes more of them than this.
constexpr std::size_t kLongestHeld = 64U << 10U;
// X-Mozilla-Status, as Thunderbird's nsMsgMessageFlags.h numbers it.
constexpr std::uint64_t kMozillaRead = 0x0001, kMozillaReplied = 0x0002, kMozillaMarked = 0x0004,
                        kMozillaExpunged = 0x0008, kMozillaForwarded = 0x1000;

void add_words(std::string_view text, std::vector<std::string>& words) {
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
}

bool has_letter(std::string_view text, char letter) { return text.find(letter) != std::string_view::npos; }

bool is_writable_keyword(std::string_view keyword) {
  return !keyword.empty() && std::all_of(keyword.begin(), keyword.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet > 0x20 && octet != 0x7F;
  });
}

}  // namespace

mail::Meta meta_of(const mail::Housekeeping& fields) {
  using mail::Flags;
  mail::Meta meta;
  if (has_letter(fields.status, 'R')) meta.flags.set(Flags::seen);
  if (has_letter(fields.x_status, 'A')) meta.flags.set(Flags::answered);
  if (has_letter(fields.x_status, 'F')) meta.flags.set(Flags::flagged);
  if (has_letter(fields.x_status, 'D')) meta.flags.set(Flags::deleted);
  if (has_letter(fields.x_status, 'T')) meta.flags.set(Flags::draft);
  const std::uint64_t mozilla = parse_uint(trim(fields.x_mozilla_status), 16).value_or(0);
  if ((mozilla & kMozillaRead) != 0) meta.flags.set(Flags::seen);
  if ((mozilla & kMozillaReplied) != 0) meta.flags.set(Flags::answered);
  if ((mozilla & kMozillaMarked) != 0) meta.flags.set(Flags::flagged);
  if ((mozilla & kMozillaExpunged) != 0) meta.flags.set(Flags::deleted);
  if ((mozilla & kMozillaForwarded) != 0) meta.keywords.emplace_back("$Forwarded");
  add_words(fields.x_keywords, meta.keywords);
  add_words(fields.x_mozilla_keys, meta.keywords);
  mail::normalize_keywords(meta.keywords);
  return meta;
}

FreshFields fresh_fields(const mail::Meta& meta) {
  using mail::Flags;
  FreshFields fresh;
  std::string keywords;
  for (const std::string& keyword : meta.keywords) {
    if (!is_writable_keyword(keyword)) {
      fresh.lost_keywords = true;
      continue;
    }
    keywords += ' ';
    keywords += keyword;
  }
  if (meta.flags.empty() && keywords.empty()) return fresh;
  fresh.text = meta.flags.has(Flags::seen) ? "Status: RO\n" : "Status: O\n";
  std::string letters;
  if (meta.flags.has(Flags::answered)) letters += 'A';
  if (meta.flags.has(Flags::flagged)) letters += 'F';
  if (meta.flags.has(Flags::deleted)) letters += 'D';
  if (meta.flags.has(Flags::draft)) letters += 'T';
  if (!letters.empty()) fresh.text += "X-Status: " + letters + "\n";
  if (!keywords.empty()) fresh.text += "X-Keywords:" + keywords + "\n";
  return fresh;
}

Status HeaderRewriter::emit(std::string_view text, const OctetSink& sink) {
  if (text.empty()) return {};
  last_ = text.back();
  return sink(as_octets(text));
}

Status HeaderRewriter::decide(State next, const OctetSink& sink) {
  state_ = next;
  last_line_ = next;
  first_line_ = false;
  const std::string held = std::move(held_);
  held_.clear();
  return next == State::drop ? Status{} : emit(held, sink);
}

Status HeaderRewriter::line_start(char c, const OctetSink& sink) {
  blank_seen_ = false;
  if (c == '\n') {  // the empty line; a held CR belongs to it
    held_ += c;
    MH_CHECK(emit(fresh_, sink));
    return decide(State::body, sink);
  }
  held_ += c;
  if (c == '\r' && held_.size() == 1) {
    state_ = State::line_start_cr;
    return {};
  }
  if (held_.size() > 1) return decide(State::copy, sink);  // a line that begins with a lone CR is no field
  if (c == ' ' || c == '\t') return decide(first_line_ ? State::copy : last_line_, sink);
  if (c < 0x21 || c > 0x7E || c == ':') return decide(State::copy, sink);
  state_ = State::name;
  return {};
}

Status HeaderRewriter::name(char c, const OctetSink& sink) {
  held_ += c;
  if (c == ':') {
    const std::string_view found = trim(std::string_view(held_).substr(0, held_.size() - 1));
    return decide(mail::is_housekeeping_field(found) ? State::drop : State::copy, sink);
  }
  if (c == '\n') {
    MH_CHECK(decide(State::copy, sink));
    state_ = State::line_start;
    return {};
  }
  const bool blank = c == ' ' || c == '\t';
  const bool part_of_name = c > 0x20 && c < 0x7F;
  if ((!blank && (!part_of_name || blank_seen_)) || held_.size() > kLongestHeld ||
      (!blank && held_.size() > kLongestName)) {
    return decide(State::copy, sink);
  }
  blank_seen_ = blank_seen_ || blank;
  return {};
}

Result<std::size_t> HeaderRewriter::rest_of_line(std::string_view rest, const OctetSink& sink) {
  const void* found = std::memchr(rest.data(), '\n', rest.size());
  const std::size_t length =
      found == nullptr ? rest.size() : static_cast<std::size_t>(static_cast<const char*>(found) - rest.data()) + 1;
  if (state_ == State::copy) MH_CHECK(emit(rest.substr(0, length), sink));
  if (found != nullptr) state_ = State::line_start;
  return length;
}

Status HeaderRewriter::feed(Octets octets, const OctetSink& sink) {
  std::string_view rest = as_text(octets);
  while (!rest.empty() && state_ != State::body) {
    std::size_t taken = 1;
    if (state_ == State::line_start || state_ == State::line_start_cr) {
      MH_CHECK(line_start(rest.front(), sink));
    } else if (state_ == State::name) {
      MH_CHECK(name(rest.front(), sink));
    } else {
      MH_TRY(taken, rest_of_line(rest, sink));
    }
    header_octets_ += taken;
    rest.remove_prefix(taken);
  }
  return emit(rest, sink);
}

Status HeaderRewriter::end_line(const OctetSink& sink) {
  if (last_ == '\n') return {};
  // After a lone CR a bare LF would turn it into a line end of the message's own.
  return emit(last_ == '\r' ? "\r\n" : "\n", sink);
}

Status HeaderRewriter::finish(const OctetSink& sink) {
  if (state_ == State::name || state_ == State::line_start_cr) MH_CHECK(decide(State::copy, sink));
  MH_CHECK(end_line(sink));
  if (state_ == State::body) return {};
  state_ = State::body;
  return emit(fresh_, sink);
}

}  // namespace mailhaul::mbox
