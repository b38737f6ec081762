// The canonical forms of a message (NID, EID, header, body) digested in one pass. Private to message_scan.cpp and its
// tests: what other rooms need is in MessageFacts.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::mail {

/// Digests while the octets arrive; memory is constant for any message. A message costs one SHA-256. The EID is forked
/// from the NID only where the first housekeeping field begins, and then costs one more; so does each form that is
/// asked for: exact octets, body.
///
/// Canonical: every line end (LF or CRLF) is CRLF, all trailing ones are one, and a message that is not empty ends with
/// one. EID leaves out the lines of housekeeping fields from that form, so equal NID means equal EID.
class IdentityDigests {
 public:
  /// What is digested beside NID and EID.
  struct Wanted {
    bool exact = false;   ///< the octets as they come
    bool header = false;  ///< the canonical header block without housekeeping fields
    bool body = false;    ///< the canonical octets behind the first empty line ("" when there is no text)
  };
  explicit IdentityDigests(Wanted wanted);

  /// Takes octets of the header block and says how many of `chunk` it took: all of them, or up to the end of the first
  /// empty line; after that in_header() is false and the rest goes to update_body().
  std::size_t update_header(std::string_view chunk);
  void update_body(std::string_view chunk);
  [[nodiscard]] bool in_header() const { return in_header_; }

  struct Digests {
    Digest nid, eid;
    std::optional<Digest> cid, header_id, body;
    std::uint64_t bare_lf = 0;  ///< LF without CR before it
  };
  [[nodiscard]] Digests finish();

 private:
  /// The forms, as bits: a piece of canonical text belongs to one or more of them.
  enum Form : unsigned { kNid = 1, kEid = 2, kBody = 4 };
  /// What is known of the header line that is being read.
  enum class Line { undecided, tentative, kept, dropped };
  /// How far one form has come. Line ends wait until text follows, since trailing ones are folded.
  struct Progress {
    std::uint64_t pending = 0;
    bool has_text = false;
  };

  [[nodiscard]] std::uint64_t& pending(Form form);
  [[nodiscard]] bool takes(Form form) const;
  void write_pending(unsigned forms);
  void write_line_ends(std::uint64_t count, unsigned forms);
  void text(std::string_view octets, unsigned forms);
  void write(std::string_view octets, unsigned forms);
  void drain();
  void feed(std::string_view octets, unsigned forms);

  void fork_eid();
  void resolve_held_cr(std::string_view& chunk);
  void line_text(std::string_view octets);
  void header_text(std::string_view octets);
  void begin_line(char first);
  std::size_t decide(std::string_view octets);
  std::size_t decide_tentative(std::string_view octets);
  void settle(Line line);
  void line_end(bool is_bare);
  void header_line_end();
  std::size_t canonical_span(std::string_view chunk);
  const char* copy_lines(const char* at, const char* end);
  void lines(std::string_view chunk);

  static constexpr std::size_t kStage = 16 * 1024;  // half of the first-level cache
  static constexpr std::size_t kLineHead = 64;

  Sha256 nid_;
  std::optional<Sha256> eid_;         // from the first housekeeping field
  std::optional<Sha256> cid_, body_;  // where they are wanted
  Progress nid_progress_, eid_progress_, body_progress_;
  const bool wants_header_;
  std::optional<Digest> header_id_;
  std::uint64_t bare_lf_ = 0;
  bool any_ = false;
  bool held_cr_ = false;  // the last octet was CR and may be half of a line end
  bool in_header_ = true;

  // The header line at hand.
  bool at_line_start_ = true;
  bool first_line_ = true;
  Line line_ = Line::kept;
  std::array<char, kLineHead> line_head_{};  // its first octets while it is undecided
  std::size_t line_head_length_ = 0;
  std::optional<Sha256> eid_before_line_;  // while the line is tentative
  Progress eid_progress_before_line_;

  // Canonical text on its way into the contexts: short lines are not worth a call each.
  std::unique_ptr<char[]> stage_;
  std::size_t staged_ = 0;
  unsigned staged_forms_ = 0;
};

}  // namespace mailhaul::mail
