// Where each message of an mbox begins and ends. Fed with the file's octets in order and in any pieces; asks for other
// octets of the same file through `Look` where a decision needs them. No I/O of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "plugins/mbox/format/fingerprint.hpp"

namespace mailhaul::mbox {

/// One message in its file; offsets count from the file's start.
struct MessageSpan {
  std::uint64_t begin = 0;          ///< of the From_ line
  std::uint64_t content_begin = 0;  ///< behind the From_ line
  std::uint64_t content_end = 0;    ///< the one empty line before the next From_ line or the end is not content
  std::uint64_t fingerprint = 0;    ///< of [begin, content_end)
  std::string from_line;            ///< without line end; its first 1,024 octets
  bool verbatim = false;       ///< mboxcl2: nothing in it is quoted, so nothing is to be unquoted
  bool internal_data = false;  ///< the folder's own record of UW imapd and Dovecot, no message

  [[nodiscard]] std::uint64_t content_size() const { return content_end - content_begin; }
  bool operator==(const MessageSpan&) const = default;
};

/// How often something was met that leaves a doubt, and where first.
struct Doubt {
  std::uint64_t count = 0;
  std::uint64_t first = 0;
  void add(std::uint64_t offset) {
    if (count++ == 0) first = offset;
  }
  bool operator==(const Doubt&) const = default;
};

/// What a person should know about the splitting.
struct Doubts {
  Doubt near_from_lines;     ///< lines that come close to a From_ line and were taken as text
  Doubt no_empty_line;       ///< messages that begin without an empty line before them
  Doubt ignored_lengths;     ///< Content-Length fields that point nowhere (bad-input 7)
  Doubt inner_from_lines;    ///< From_ lines inside a length that was believed
  Doubt no_final_newline;    ///< the file ends in the middle of a line (bad-input 3); at the file's end
  Doubt bare_cr;             ///< the file ends its lines with CR alone
  bool operator==(const Doubts&) const = default;
};

/// The octets from `offset` on: `want` of them, fewer only where the file ends. Valid until the next call.
using Look = std::function<Result<std::string_view>(std::uint64_t offset, std::size_t want)>;
/// Takes one message; an Error stops the splitting.
using SpanSink = std::function<Status(const MessageSpan&)>;

/// The offset of the first From_ line in the head of a file, after a UTF-8 byte order mark and empty lines; npos when
/// the file does not begin with one.
[[nodiscard]] std::size_t find_first_from(std::string_view head);

/// Splits [begin, end) of a file; at `begin` stands a From_ line (of any form). Memory: some KiB, whatever the file.
/// Any division into pieces gives the same spans and doubts.
class Splitter {
 public:
  Splitter(std::uint64_t begin, std::uint64_t end, Look look, SpanSink sink);
  /// The next octets. Errors: the sink's and Look's.
  Status feed(Octets octets);
  /// After the last octet before `end`.
  Status finish();
  [[nodiscard]] const Doubts& doubts() const { return doubts_; }

 private:
  enum class State { from_line, header, body };
  enum class Length { believed, of_no_use, ignored };
  Status step();
  Status start_message(std::uint64_t begin);
  Status end_message(std::uint64_t content_end);
  Status skip_from_line();
  Status line_start();
  Status rest_of_line();
  Status end_of_header_line();
  Status end_of_header();
  Status on_from_octets();
  Status on_length_reached();
  Result<Length> judge_length(std::uint64_t claimed);
  Result<bool> judge(std::uint64_t line_begin, bool after_empty_line, bool may_doubt);
  Result<std::string_view> look(std::uint64_t offset, std::size_t want);

  [[nodiscard]] std::uint64_t here() const { return base_ + at_; }
  [[nodiscard]] bool octet_is(std::uint64_t offset, char c) const;
  [[nodiscard]] std::uint64_t empty_line_before(std::uint64_t offset) const;
  void fingerprint_to(std::uint64_t offset);
  void keep_tail();

  const std::uint64_t end_;
  Look look_;
  SpanSink sink_;
  Doubts doubts_;
  std::uint64_t messages_ = 0;

  // The piece being fed, and the last octets before it.
  std::string_view piece_;
  std::uint64_t base_;
  std::size_t at_ = 0;
  std::string tail_;
  std::uint64_t limit_ = 0;  ///< where a believed length ends; 0 = none
  std::uint64_t next_begin_ = 0;

  // The message being read.
  bool started_ = false;
  State state_ = State::from_line;
  MessageSpan span_;
  Fingerprint fingerprint_;
  std::uint64_t fingerprinted_ = 0;
  bool content_begin_known_ = false;
  int matched_ = 0;        ///< octets of "From " that the line began with; kNoMatch: another line
  std::string line_;       ///< the head of the present header line
  std::vector<std::uint64_t> lengths_;  ///< of its Content-Length fields
  bool has_x_imap_ = false, has_internal_subject_ = false;
  bool has_bare_from_ = false;
};

}  // namespace mailhaul::mbox
