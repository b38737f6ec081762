// The header fields with which mbox programs keep house: flags and keywords read from them, and written to them.
// They are forgeable, and therefore set flags and keywords and nothing else (threat 24). No I/O.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "mail/message_scan.hpp"
#include "mail/meta.hpp"
#include "plugins/mbox/format/quoting.hpp"

namespace mailhaul::mbox {

/// Flags and keywords of a message; received and labels stay empty.
[[nodiscard]] mail::Meta meta_of(const mail::Housekeeping& fields);

/// What is written into the header block for a message.
struct FreshFields {
  std::string text;            ///< Status, X-Status, X-Keywords, each ended by LF; "" when there is nothing to say
  bool lost_keywords = false;  ///< a keyword held a blank or a control character
};
[[nodiscard]] FreshFields fresh_fields(const mail::Meta& meta);

/// Passes a message on without its housekeeping fields and with `fresh` at the end of its header block. Streaming, for
/// any message: huge headers, none, no empty line, no octets. Ends the last line when it has no end. Errors are the sink's.
class HeaderRewriter {
 public:
  explicit HeaderRewriter(std::string fresh) : fresh_(std::move(fresh)) {}
  Status feed(Octets octets, const OctetSink& sink);
  Status finish(const OctetSink& sink);
  /// Octets of the header block that came, as far as it was seen.
  [[nodiscard]] std::uint64_t header_octets() const { return header_octets_; }

 private:
  enum class State { line_start, line_start_cr, name, copy, drop, body };
  Status line_start(char c, const OctetSink& sink);
  Status name(char c, const OctetSink& sink);
  /// Copies or drops up to and with the next LF; returns how many octets that was.
  Result<std::size_t> rest_of_line(std::string_view rest, const OctetSink& sink);
  Status decide(State next, const OctetSink& sink);
  Status emit(std::string_view text, const OctetSink& sink);
  Status end_line(const OctetSink& sink);

  std::string fresh_;
  State state_ = State::line_start;
  State last_line_ = State::copy;   ///< what a continuation line shares
  bool first_line_ = true;
  bool blank_seen_ = false;         ///< between a field's name and its colon
  std::string held_;                ///< octets of a line whose name is not known yet
  char last_ = '\n';                ///< the last octet passed on
  std::uint64_t header_octets_ = 0;
};

}  // namespace mailhaul::mbox
