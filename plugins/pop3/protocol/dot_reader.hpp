// The octets of a multi-line answer, without the dots that its framing put there (RFC 1939 section 3). Byte-exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace mailhaul::pop3 {

/// Of a line that begins with two dots the first is taken away; a line of one dot ends it. A dot in front of anything
/// else stays: a server that keeps to the RFC sends no such line, and one that forgets to add dots (bad-input 63) means
/// it. Lines end with CRLF, and a bare LF is an octet like any other: else whoever writes a message could end it early
/// and forge what follows. Only where the status line, or the first line, ends with LF alone does every LF end a line
/// (servers that send the files of a Unix system as they are).
class DotReader {
 public:
  using Sink = std::function<Status(Octets)>;

  /// `crlf`: the status line ended so.
  explicit DotReader(bool crlf = true) : ends_(crlf ? Ends::open : Ends::lf) {}
  /// Gives the sink what belongs to the message, and returns how many octets of `in` were taken: all of them, or those
  /// up to the end. Error: the sink's.
  [[nodiscard]] Result<std::size_t> feed(Octets in, const Sink& sink);
  [[nodiscard]] bool done() const { return state_ == State::done; }
  /// LF in the text so far.
  [[nodiscard]] std::uint64_t line_feeds() const { return line_feeds_; }
  /// Every LF ends a line.
  [[nodiscard]] bool lf_only() const { return ends_ == Ends::lf; }

 private:
  enum class State { line_start, text, dot, dot_cr, done };
  enum class Ends { open, crlf, lf };
  [[nodiscard]] bool ends_line(bool after_cr);

  State state_ = State::line_start;
  Ends ends_;
  bool after_cr_ = false;  ///< the last octet of the text was CR
  std::uint64_t line_feeds_ = 0;
};

}  // namespace mailhaul::pop3
