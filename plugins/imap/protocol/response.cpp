// Where responses and their literals begin and end; the meaning is in response_line.cpp.
#include "plugins/imap/protocol/response.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/imap/protocol/response_line.hpp"

namespace mailhaul::imap {

namespace {

/// A line end that announces a literal: "{123}" or "~{123}" (RFC 9051 4.3).
struct Announcement {
  std::size_t begin = 0;
  std::optional<std::uint64_t> size;  ///< nullopt: above 64 bits
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// False when a quoted string that begins in `text` is still open at its end. A quote inside of a word is none.
bool quotes_are_closed(std::string_view text) {
  bool in_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_quotes) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        in_quotes = false;
      }
    } else if (text[i] == '"' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '(')) {
      in_quotes = true;
    }
  }
  return !in_quotes;
}

/// `segment`: the line behind its last literal.
std::optional<Announcement> announcement_at_end(std::string_view line, std::size_t segment) {
  if (!line.ends_with('}')) return std::nullopt;
  std::size_t digits = line.size() - 1;
  while (digits > segment && is_digit(line[digits - 1])) --digits;
  if (digits == line.size() - 1 || digits == segment || line[digits - 1] != '{') return std::nullopt;
  std::size_t begin = digits - 1;
  if (begin > segment && line[begin - 1] == '~') --begin;
  if (begin == segment || (line[begin - 1] != ' ' && line[begin - 1] != '(')) return std::nullopt;
  if (!quotes_are_closed(line.substr(segment, begin - segment))) return std::nullopt;
  return Announcement{begin, parse_uint(line.substr(digits, line.size() - 1 - digits))};
}

/// The FETCH item whose value stands at the end of `text`, without "<origin>".
std::string_view item_before(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.ends_with('>')) {
    text.remove_suffix(1);
    while (!text.empty() && is_digit(text.back())) text.remove_suffix(1);
    if (!text.ends_with('<')) return {};
    text.remove_suffix(1);
  }
  const std::size_t before = text.find_last_of(" (");
  return before == std::string_view::npos ? text : text.substr(before + 1);
}

Error limit_error(std::string_view what, std::uint64_t limit) {
  return make_error(ErrorKind::security, Scope::session,
                    "the server sent " + std::string(what) + " (limit " + std::to_string(limit) + ")",
                    "this is either an attack or a broken server");
}

/// RFC 7162 3.2.10: all that has gone, in one line. A server that has forgotten what went when names each hole below
/// UIDNEXT (Dovecot), which in an old folder are more than any line should hold.
bool is_vanished(std::string_view line) {
  constexpr std::string_view kHead = "* VANISHED ";
  return line.size() >= kHead.size() && equals_ignoring_case(line.substr(0, kHead.size()), kHead);
}

/// The first octets tell what is there instead: an HTTP or SMTP server, or one that lost step (bad-input 27, 31).
Error not_imap(std::string_view line) {
  return make_error(ErrorKind::unreachable, Scope::session,
                    "what the server sent is not IMAP: \"" + visible(line.substr(0, 80), 80) + "\"",
                    "is this the port of an IMAP server?", Retry::later);
}

}  // namespace

constexpr std::uint64_t kMostReadOver = 256ULL << 20U;  // of one line: ranges for each of 2^24 messages

class ResponseParser::Impl {
 public:
  explicit Impl(const Limits& limits) : limits_(limits) {}

  Status feed(Octets octets, ResponseSink& sink) {
    if (failed_) return *failed_;
    Status status = run(as_text(octets), sink);
    if (!status) failed_ = status.error();
    return status;
  }

  [[nodiscard]] bool at_start() const { return !failed_ && !in_literal_ && line_.empty() && literals_.empty(); }

 private:
  Status run(std::string_view text, ResponseSink& sink) {
    while (!text.empty()) {
      if (reading_over_) {
        MH_CHECK(read_over(text, sink));
      } else if (in_literal_) {
        MH_CHECK(take_literal(text, sink));
      } else {
        MH_CHECK(take_line(text, sink));
      }
    }
    return {};
  }

  Status take_literal(std::string_view& text, ResponseSink& sink) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, text.size()));
    const std::string_view piece = text.substr(0, count);
    text.remove_prefix(count);
    left_ -= count;
    Literal& literal = literals_.back();
    if (literal.kind == Literal::Kind::body) MH_CHECK(sink.on_body(as_octets(piece)));
    if (literal.kind == Literal::Kind::kept) literal.text.append(piece);
    return left_ == 0 ? end_literal(sink) : Status();
  }

  Status end_literal(ResponseSink& sink) {
    in_literal_ = false;
    return literals_.back().kind == Literal::Kind::body ? sink.on_body_end() : Status();
  }

  Status take_line(std::string_view& text, ResponseSink& sink) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      // One octet more than allowed may be the CR of the line's end.
      if (line_.size() + text.size() > limits_.line + 1) return begin_reading_over(text);
      line_.append(text);
      text = {};
      return {};
    }
    if (line_.size() + end > limits_.line + 1) return begin_reading_over(text);
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(end + 1);
    // Most responses come whole: they are read where they lie.
    if (line_.empty()) return end_line(piece, sink);
    line_.append(piece);
    return end_line(line_, sink);
  }

  /// What has gone can be more than is held: it is passed on as just that. Any other line must end.
  Status begin_reading_over(std::string_view text) {
    line_.append(text.substr(0, std::min<std::size_t>(text.size(), 20)));
    if (segment_ != 0 || !is_vanished(line_)) return too_long();
    line_.resize(std::min<std::size_t>(line_.size(), 20));
    reading_over_ = true;
    read_over_ = 0;
    return {};
  }

  Status read_over(std::string_view& text, ResponseSink& sink) {
    const std::size_t end = text.find('\n');
    const std::size_t count = std::min(end, text.size());
    read_over_ += count;
    if (read_over_ > kMostReadOver) return limit_error("a line that does not end", kMostReadOver);
    text.remove_prefix(end == std::string_view::npos ? count : count + 1);
    if (end == std::string_view::npos) return {};
    reading_over_ = false;
    const std::string head = std::exchange(line_, {});
    return too_much_gone(head, read_over_, sink);
  }

  static Status too_much_gone(std::string_view line, std::uint64_t octets, ResponseSink& sink) {
    const std::string_view head = line.substr(0, 20);
    sink.on_line(std::nullopt, std::string(head) + "... <" + std::to_string(octets) + " octets>");
    return sink.on_response(VanishedResponse{head.find('(') != head.npos, {}, /*whole=*/false});
  }

  [[nodiscard]] Error too_long() const { return limit_error("a line that does not end", limits_.line); }

  Status end_line(std::string_view line, ResponseSink& sink) {
    if (line.ends_with('\r')) line.remove_suffix(1);  // LF alone: bad-input 67
    if (line.size() > limits_.line && segment_ == 0 && is_vanished(line)) {
      const std::string head(line.substr(0, 20));
      line_.clear();
      return too_much_gone(head, line.size(), sink);
    }
    if (line.size() > limits_.line) return too_long();
    sink.on_line(segment_ > 0 ? std::optional(literals_.back().size) : std::nullopt, line.substr(segment_));
    // RFC 9051 9: no NUL outside of literals; what ends a string for one reader and not for another is how
    // CVE-2019-11500 was made.
    if (line.find('\0', segment_) != std::string_view::npos) return not_imap(line);
    if (const auto announced = announcement_at_end(line, segment_)) {
      if (segment_ == 0) kind_ = head_of(line).kind;
      const bool may_hold = kind_ == Head::Kind::fetch || kind_ == Head::Kind::data || kind_ == Head::Kind::other;
      if (may_hold) return begin_literal(line, *announced, sink);
    }
    const Status status = end_response(line, sink);
    line_.clear();
    literals_.clear();
    segment_ = 0;
    kept_ = 0;
    return status;
  }

  Status begin_literal(std::string_view line, const Announcement& announced, ResponseSink& sink) {
    Literal literal;
    literal.begin = announced.begin;
    literal.end = line.size();
    const std::string_view item = item_before(line.substr(0, announced.begin));
    literal.kind = kind_ == Head::Kind::fetch && is_body_item(item) ? Literal::Kind::body
                   // The text of a section nobody asked for is read over.
                   : kind_ == Head::Kind::other || item.ends_with(']') ? Literal::Kind::skipped
                                                                       : Literal::Kind::kept;
    const bool is_body = literal.kind == Literal::Kind::body;
    const std::uint64_t limit = is_body ? limits_.body : limits_.literal;
    if (!announced.size || *announced.size > limit) {
      Error error = limit_error(is_body ? "a message that is too large" : "a string that is too long", limit);
      if (is_body) error.retry = Retry::later;
      return error;
    }
    literal.size = *announced.size;
    if (literal.kind == Literal::Kind::kept) {
      kept_ += literal.size;
      const std::size_t most = std::max(limits_.line, limits_.literal);
      if (kept_ > most) return limit_error("too many strings in one line", most);
    }
    if (is_body && has_body()) return not_imap(line);
    if (literals_.size() >= limits_.elements) return limit_error("too long a list", limits_.elements);
    if (line.data() != line_.data()) line_ = line;
    line_.resize(line.size());
    segment_ = line.size();
    literals_.push_back(std::move(literal));
    in_literal_ = true;
    left_ = literals_.back().size;
    if (is_body) MH_CHECK(sink.on_body_begin(left_));
    return left_ == 0 ? end_literal(sink) : Status();
  }

  [[nodiscard]] bool has_body() const {
    return std::any_of(literals_.begin(), literals_.end(),
                       [](const Literal& literal) { return literal.kind == Literal::Kind::body; });
  }

  Status end_response(std::string_view line, ResponseSink& sink) {
    ParsedResponse parsed;
    switch (parse_response(line, literals_, limits_, parsed)) {
      case Flaw::none:
        break;
      case Flaw::syntax:
        return not_imap(line);
      case Flaw::nesting:
        return limit_error("a list nested too deeply", limits_.nesting);
      case Flaw::elements:
        return limit_error("too long a list", limits_.elements);
    }
    if (parsed.quoted_body) {
      MH_CHECK(sink.on_body_begin(parsed.quoted_body->size()));
      if (!parsed.quoted_body->empty()) MH_CHECK(sink.on_body(as_octets(*parsed.quoted_body)));
      MH_CHECK(sink.on_body_end());
    }
    return sink.on_response(std::move(parsed.response));
  }

  Limits limits_;
  std::string line_;                       // what is there of the response, without its literals
  std::size_t segment_ = 0;                // where in it the text behind the last literal begins
  Head::Kind kind_ = Head::Kind::garbage;  // of a response with literals
  std::vector<Literal> literals_;
  std::uint64_t kept_ = 0;   // octets of kept ones
  bool reading_over_ = false;     // a line of which the head is in line_
  std::uint64_t read_over_ = 0;  // … and so much of it
  bool in_literal_ = false;  // literals_.back() is being read
  std::uint64_t left_ = 0;   // … and so much of it is to come
  std::optional<Error> failed_;
};

ResponseParser::ResponseParser(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
ResponseParser::~ResponseParser() = default;
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;

Status ResponseParser::feed(Octets octets, ResponseSink& sink) { return impl_->feed(octets, sink); }
bool ResponseParser::at_start() const { return impl_->at_start(); }

}  // namespace mailhaul::imap
