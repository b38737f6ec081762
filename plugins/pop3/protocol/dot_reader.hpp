// The octets of a multi-line answer, without the dots that its framing put there (RFC 1939 section 3). Byte-exact.
#pragma once

#include <cstddef>
#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace mailhaul::pop3 {

/// Of a line that begins with two dots the first is taken away; a line of one dot ends it. Line ends are CRLF, or LF
/// alone: servers that send the files of a Unix system as they are treat both so. A dot in front of anything else stays:
/// a server that keeps to the RFC sends no such line, and one that forgets to add dots (bad-input 63) means it.
class DotReader {
 public:
  using Sink = std::function<Status(Octets)>;

  /// Gives the sink what belongs to the message, and returns how many octets of `in` were taken: all of them, or those
  /// up to the end. Error: the sink's.
  [[nodiscard]] Result<std::size_t> feed(Octets in, const Sink& sink);
  [[nodiscard]] bool done() const { return state_ == State::done; }

 private:
  enum class State { line_start, text, dot, dot_cr, done };
  State state_ = State::line_start;
};

}  // namespace mailhaul::pop3
