// '>' before the "From " of a body: mboxrd adds one to every ">*From " line and takes one off every ">+From " line,
// which is exact; mboxo adds one to "From " lines only and cannot be undone without doubt. No I/O.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace mailhaul::mbox {

enum class Quoting { mboxrd, mboxo };
using OctetSink = std::function<Status(Octets)>;

/// Adds or takes off the '>' in a stream fed in any pieces; bounded memory for any line, also one of GiBs of '>'.
/// Errors are the sink's. After the last piece: finish().
class Requoter {
 public:
  enum class Direction { quote, unquote };
  Requoter(Direction direction, Quoting quoting) : direction_(direction), quoting_(quoting) {}
  Status feed(Octets octets, const OctetSink& sink);
  Status finish(const OctetSink& sink);

 private:
  /// Reads on at a line's start; what is read there is held as numbers. Returns how many octets it took.
  std::size_t read_line_start(std::string_view rest, bool& complete);
  Status release(bool is_from_line, const OctetSink& sink);

  Direction direction_;
  Quoting quoting_;
  bool at_line_start_ = true;
  std::uint64_t marks_ = 0;   ///< '>' held
  std::size_t matched_ = 0;   ///< octets of "From " held
};

}  // namespace mailhaul::mbox
