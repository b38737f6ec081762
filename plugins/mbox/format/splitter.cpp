#include "plugins/mbox/format/splitter.hpp"

#include <algorithm>
#include <cstring>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "plugins/mbox/format/from_line.hpp"

namespace mailhaul::mbox {
namespace {

constexpr std::string_view kFrom = "From ";
constexpr int kNoMatch = -1;
constexpr int kFromOctets = 5;
// Longer lines that begin with "From " are prose. Two lines are looked at: the second tells a divider by its form.
constexpr std::size_t kLongestFromLine = 1024;
constexpr std::size_t kLookOctets = 2 * kLongestFromLine;
// Enough of a header line for the fields that are read here.
constexpr std::size_t kHeaderLineHead = 256;
// Empty lines that are looked over behind a length.
constexpr std::size_t kMostLineEnds = 8;
// A message has one Content-Length; more than this many are somebody's joke.
constexpr std::size_t kMostLengths = 4;
// "From " and an empty CRLF line before it, which may turn out to be no content, stay out of the fingerprint until the
// decision; the tail keeps them when a piece ends there.
constexpr std::uint64_t kUndecided = kFromOctets + 2;
constexpr std::size_t kTailOctets = 16;
constexpr std::string_view kInternalSubject = "DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view without_line_end(std::string_view line) {
  if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// The first line of `text` with its LF; "" when there is no LF.
std::string_view first_line(std::string_view text) {
  const std::size_t end = text.find('\n');
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

}  // namespace

std::size_t find_first_from(std::string_view head) {
  std::size_t at = 0;
  if (head.substr(0, kByteOrderMark.size()) == kByteOrderMark) at = kByteOrderMark.size();
  while (at < head.size() && (head[at] == '\n' || head[at] == '\r')) ++at;
  return head.substr(at, kFrom.size()) == kFrom ? at : std::string_view::npos;
}

Splitter::Splitter(std::uint64_t begin, std::uint64_t end, Look look, SpanSink sink)
    : end_(end), look_(std::move(look)), sink_(std::move(sink)), base_(begin) {}

Status Splitter::feed(Octets octets) {
  piece_ = as_text(octets);
  at_ = 0;
  if (!started_ && !piece_.empty()) MH_CHECK(start_message(base_));
  while (at_ < piece_.size()) MH_CHECK(step());
  keep_tail();
  return {};
}

Status Splitter::step() {
  if (limit_ != 0 && here() >= limit_) return on_length_reached();
  if (state_ == State::from_line) return skip_from_line();
  if (matched_ != kNoMatch) return line_start();
  return rest_of_line();
}

Status Splitter::finish() {
  if (!started_) return {};
  if (limit_ != 0) return end_message(limit_);
  if (!content_begin_known_) span_.content_begin = end_;
  const bool torn = end_ > 0 && !octet_is(end_ - 1, '\n');
  if (torn && doubts_.bare_cr.count == 0) doubts_.no_final_newline.add(end_);
  const std::uint64_t end = torn ? end_ : empty_line_before(end_);
  return end_message(std::max(end, span_.content_begin));
}

/// Octets around `offset` that were fed already: in the piece, or in the tail before it.
bool Splitter::octet_is(std::uint64_t offset, char c) const {
  if (offset >= base_) return offset - base_ < piece_.size() && piece_[static_cast<std::size_t>(offset - base_)] == c;
  const std::uint64_t back = base_ - offset;
  return back <= tail_.size() && tail_[tail_.size() - static_cast<std::size_t>(back)] == c;
}

/// Where the empty line that ends at `offset` begins; `offset` itself when there is none.
std::uint64_t Splitter::empty_line_before(std::uint64_t offset) const {
  if (offset < 2 || !octet_is(offset - 1, '\n')) return offset;
  if (octet_is(offset - 2, '\n')) return offset - 1;
  if (offset >= 3 && octet_is(offset - 2, '\r') && octet_is(offset - 3, '\n')) return offset - 2;
  return offset;
}

void Splitter::fingerprint_to(std::uint64_t offset) {
  if (offset <= fingerprinted_) return;
  if (fingerprinted_ < base_) {
    const std::uint64_t stop = std::min(offset, base_);
    const std::string_view kept(tail_);
    fingerprint_.update(as_octets(kept.substr(kept.size() - static_cast<std::size_t>(base_ - fingerprinted_),
                                              static_cast<std::size_t>(stop - fingerprinted_))));
    fingerprinted_ = stop;
  }
  if (offset > fingerprinted_) {
    fingerprint_.update(as_octets(piece_.substr(static_cast<std::size_t>(fingerprinted_ - base_),
                                                static_cast<std::size_t>(offset - fingerprinted_))));
    fingerprinted_ = offset;
  }
}

/// Ends a piece: what is decided goes into the fingerprint, the last octets are kept.
void Splitter::keep_tail() {
  const std::uint64_t end = base_ + piece_.size();
  if (started_ && end > kUndecided) fingerprint_to(std::min(end - kUndecided, limit_ == 0 ? end : limit_));
  tail_.append(piece_.substr(piece_.size() - std::min(piece_.size(), kTailOctets)));
  if (tail_.size() > kTailOctets) tail_.erase(0, tail_.size() - kTailOctets);
  base_ = end;
  piece_ = {};
  at_ = 0;
}

/// From the piece where it reaches so far, which saves the caller most reads.
Result<std::string_view> Splitter::look(std::uint64_t offset, std::size_t want) {
  want = static_cast<std::size_t>(std::min<std::uint64_t>(want, end_ - std::min(offset, end_)));
  if (offset >= base_ && offset - base_ + want <= piece_.size()) {
    return piece_.substr(static_cast<std::size_t>(offset - base_), want);
  }
  return look_(offset, want);
}

Status Splitter::start_message(std::uint64_t begin) {
  MH_TRY(const std::string_view text, look(begin, kLookOctets));
  span_ = MessageSpan{};
  span_.begin = begin;
  std::string_view line = first_line(text);
  content_begin_known_ = !line.empty();
  const bool may_be_mac = !started_ && line.empty() && text.find('\r') != std::string_view::npos;
  if (may_be_mac) {  // no LF in 2 KiB and a CR: the line ends of the Macintosh before OS X
    line = text.substr(0, text.find('\r') + 1);
    content_begin_known_ = true;
    doubts_.bare_cr.add(begin);
  }
  span_.content_begin = begin + line.size();
  const std::string_view shown = content_begin_known_ ? without_line_end(line) : text;
  span_.from_line = std::string(shown.substr(0, kLongestFromLine));
  started_ = true;
  state_ = State::from_line;
  fingerprint_.reset();
  fingerprinted_ = begin;
  limit_ = 0;
  lengths_.clear();
  line_.clear();
  has_x_imap_ = has_internal_subject_ = has_bare_from_ = false;
  ++messages_;
  return {};
}

Status Splitter::end_message(std::uint64_t content_end) {
  fingerprint_to(content_end);
  span_.content_end = content_end;
  span_.fingerprint = fingerprint_.value();
  // Only as the file's first message: anywhere else it is somebody's mail that looks like one.
  span_.internal_data = messages_ == 1 && span_.begin == 0 && has_x_imap_ && has_internal_subject_;
  span_.verbatim = limit_ != 0 && has_bare_from_;
  return sink_(span_);
}

Status Splitter::skip_from_line() {
  if (here() < span_.begin) {  // the separator behind a believed length
    at_ = static_cast<std::size_t>(std::min<std::uint64_t>(span_.begin - base_, piece_.size()));
    return {};
  }
  if (!content_begin_known_) {
    const void* found = std::memchr(piece_.data() + at_, '\n', piece_.size() - at_);
    if (found == nullptr) {
      at_ = piece_.size();
      return {};
    }
    span_.content_begin = base_ + static_cast<std::size_t>(static_cast<const char*>(found) - piece_.data()) + 1;
    content_begin_known_ = true;
  }
  const std::uint64_t reach = std::min<std::uint64_t>(span_.content_begin, base_ + piece_.size());
  at_ = static_cast<std::size_t>(reach - base_);
  if (reach == span_.content_begin) {
    state_ = State::header;
    matched_ = 0;
  }
  return {};
}

/// One octet at the beginning of a line that may become "From ".
Status Splitter::line_start() {
  const char c = piece_[at_];
  if (c != kFrom[static_cast<std::size_t>(matched_)]) {
    matched_ = kNoMatch;
    return {};
  }
  ++at_;
  if (state_ == State::header) line_ += c;
  if (++matched_ < kFromOctets) return {};
  matched_ = kNoMatch;
  return on_from_octets();
}

Status Splitter::rest_of_line() {
  const std::uint64_t stop = limit_ == 0 ? base_ + piece_.size() : std::min<std::uint64_t>(limit_, base_ + piece_.size());
  const char* const begin = piece_.data();
  const std::size_t end = static_cast<std::size_t>(stop - base_);
  while (at_ < end) {
    const void* found = std::memchr(begin + at_, '\n', end - at_);
    const std::size_t after = found == nullptr ? end : static_cast<std::size_t>(static_cast<const char*>(found) - begin) + 1;
    if (state_ == State::header) {
      line_.append(piece_.substr(at_, std::min(after - at_, kHeaderLineHead - std::min(line_.size(), kHeaderLineHead))));
    }
    at_ = after;
    if (found == nullptr) return {};
    if (state_ == State::header) {
      matched_ = 0;
      return end_of_header_line();
    }
    // Nearly every line of a body begins with something else: on to its end without another thought.
    if (after == end || begin[after] == 'F') {
      matched_ = 0;
      return {};
    }
  }
  return {};
}

Status Splitter::end_of_header_line() {
  if (line_ == "\n" || line_ == "\r\n") return end_of_header();
  // Exactly what the housekeeping fields are that a writer leaves out: a name at the line's very start.
  const std::string_view line(line_);
  if (is_field_line(line)) {
    const std::size_t colon = line.find(':');
    const std::string_view name = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "Content-Length") && lengths_.size() < kMostLengths) {
      if (const auto length = parse_uint(value)) lengths_.push_back(*length);
    } else if (equals_ignoring_case(name, "X-IMAP")) {
      has_x_imap_ = true;
    } else if (equals_ignoring_case(name, "Subject")) {
      has_internal_subject_ = value == kInternalSubject;
    }
  }
  line_.clear();
  return {};
}

Status Splitter::end_of_header() {
  line_.clear();
  state_ = State::body;
  const std::uint64_t body_begin = here();
  bool doubtful = !lengths_.empty();
  for (const std::uint64_t length : lengths_) {
    const auto claimed = checked_add(body_begin, length);
    if (!claimed || *claimed > end_) continue;
    MH_TRY(const Length verdict, judge_length(*claimed));
    if (verdict == Length::believed) {
      limit_ = *claimed;
      return {};
    }
    doubtful = doubtful && verdict == Length::ignored;
  }
  if (doubtful) doubts_.ignored_lengths.add(span_.begin);
  return {};
}

/// A length is believed only where a From_ line or the end of the file stands at its end, one line end allowed between.
/// Where more empty lines lie between (mutt counts without those that it adds) it is of no use and of no concern.
Result<Splitter::Length> Splitter::judge_length(std::uint64_t claimed) {
  MH_TRY(const std::string_view found, look(claimed - 1, 1 + kMostLineEnds));
  const bool at_line_start = found.front() == '\n';
  const std::string_view rest = found.substr(1);
  const std::size_t line_ends = std::min(rest.find_first_not_of("\r\n"), rest.size());
  const std::size_t one = rest.starts_with('\n') ? 1 : rest.starts_with("\r\n") ? 2 : 0;
  next_begin_ = claimed + line_ends;
  if (line_ends == 0 && !at_line_start && claimed != end_) return Length::ignored;
  if (next_begin_ != end_) {
    MH_TRY(const bool is_divider, judge(next_begin_, /*after_empty_line=*/true, /*may_doubt=*/false));
    if (!is_divider) return Length::ignored;
  }
  return line_ends == one ? Length::believed : Length::of_no_use;
}

/// Stands at the end of a believed length.
Status Splitter::on_length_reached() {
  if (next_begin_ >= end_) {  // what is left is the separator
    at_ = piece_.size();
    return {};
  }
  // The octets up to the next From_ line may come in later pieces; its content begins behind both.
  MH_CHECK(end_message(limit_));
  return start_message(next_begin_);
}

/// Whether the line at `line_begin` begins a message.
Result<bool> Splitter::judge(std::uint64_t line_begin, bool after_empty_line, bool may_doubt) {
  MH_TRY(const std::string_view text, look(line_begin, kLookOctets));
  std::string_view line = first_line(text);
  // A From_ line that the end of the file cut off still counts when its date is whole.
  if (line.empty() && line_begin + text.size() == end_) line = text;
  if (line.empty() || line.size() > kLongestFromLine || line.substr(0, kFrom.size()) != kFrom) return false;
  const FromLine parsed = parse_from_line(without_line_end(line));
  const bool field_follows = is_field_line(without_line_end(first_line(text.substr(line.size()))));
  if (divides(parsed, after_empty_line, field_follows)) return true;
  const bool prose = parsed.kind == FromKind::text || parsed.kind == FromKind::bare;
  if (!prose && may_doubt) doubts_.near_from_lines.add(line_begin);
  return false;
}

/// "From " was read at a line's start.
Status Splitter::on_from_octets() {
  const std::uint64_t line_begin = here() - static_cast<std::uint64_t>(kFromOctets);
  // Right behind a From_ line a second one is the first line of the message (UUCP and its heirs wrote such pairs).
  if (line_begin == span_.content_begin) return {};
  const std::uint64_t empty_line = empty_line_before(line_begin);
  const bool after_empty_line = empty_line != line_begin;
  if (limit_ != 0) {
    has_bare_from_ = true;
    MH_TRY(const bool would_divide, judge(line_begin, after_empty_line, /*may_doubt=*/false));
    if (would_divide) doubts_.inner_from_lines.add(line_begin);
    return {};
  }
  MH_TRY(const bool divides_here, judge(line_begin, after_empty_line, /*may_doubt=*/true));
  if (!divides_here) return {};
  if (!after_empty_line) doubts_.no_empty_line.add(line_begin);
  MH_CHECK(end_message(std::max(empty_line, span_.content_begin)));
  return start_message(line_begin);
}

}  // namespace mailhaul::mbox
