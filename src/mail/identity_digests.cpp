#include "mail/identity_digests.hpp"

#include <algorithm>
#include <cstring>

#include "mail/header_scan.hpp"

namespace mailhaul::mail {

namespace {

constexpr std::string_view kCrlf = "\r\n";
constexpr std::size_t kLongestHousekeepingName = 17;  // X-Mozilla-Status2

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Many line ends in one piece, for the runs that hostile mail is made of.
constexpr std::array<char, 512> many_line_ends() {
  std::array<char, 512> ends{};
  for (std::size_t i = 0; i < ends.size(); i += 2) {
    ends[i] = '\r';
    ends[i + 1] = '\n';
  }
  return ends;
}
constexpr std::array<char, 512> kLineEnds = many_line_ends();

const char* find_lf(const char* from, const char* end) {
  return static_cast<const char*>(std::memchr(from, '\n', static_cast<std::size_t>(end - from)));
}

std::string_view between(const char* from, const char* end) { return {from, static_cast<std::size_t>(end - from)}; }

/// What the first octets of a line say of it.
enum class Verdict { more, housekeeping, other };

Verdict judge(std::string_view head) {
  // All names begin with one of these; most lines are decided here.
  const char first = head.empty() ? 's' : static_cast<char>(head[0] | 0x20);
  if (first != 's' && first != 'x' && first != 'c') return Verdict::other;
  std::size_t length = 0;
  while (length < head.size() && head[length] > 0x20 && head[length] < 0x7F && head[length] != ':') ++length;
  if (length > kLongestHousekeepingName) return Verdict::other;
  if (length == head.size()) return Verdict::more;
  std::size_t colon = length;
  while (colon < head.size() && is_blank(head[colon])) ++colon;
  if (!is_housekeeping_field(head.substr(0, length))) return Verdict::other;
  if (colon == head.size()) return Verdict::more;
  return head[colon] == ':' ? Verdict::housekeeping : Verdict::other;
}

}  // namespace

IdentityDigests::IdentityDigests(Wanted wanted) : wants_header_(wanted.header), stage_(new char[kStage]) {
  if (wanted.exact) cid_.emplace();
  if (wanted.body) body_.emplace();
}

// ---- Canonical text on its way to the contexts.

std::uint64_t& IdentityDigests::pending(Form form) {
  return form == kNid ? nid_progress_.pending : form == kEid ? eid_progress_.pending : body_progress_.pending;
}

bool IdentityDigests::takes(Form form) const {
  return form == kNid || (form == kEid && eid_.has_value()) || (form == kBody && body_.has_value());
}

void IdentityDigests::feed(std::string_view octets, unsigned forms) {
  if ((forms & kNid) != 0) nid_.update(as_octets(octets));
  if ((forms & kEid) != 0 && eid_) eid_->update(as_octets(octets));
  if ((forms & kBody) != 0 && body_) body_->update(as_octets(octets));
}

void IdentityDigests::drain() {
  if (staged_ == 0) return;
  feed({stage_.get(), staged_}, staged_forms_);
  staged_ = 0;
}

void IdentityDigests::write(std::string_view octets, unsigned forms) {
  if (forms != staged_forms_ || octets.size() > kStage - staged_) {
    drain();
    staged_forms_ = forms;
  }
  if (octets.size() > kStage / 4) {
    drain();
    feed(octets, forms);
    return;
  }
  std::memcpy(stage_.get() + staged_, octets.data(), octets.size());
  staged_ += octets.size();
}

void IdentityDigests::write_line_ends(std::uint64_t count, unsigned forms) {
  while (count > 0) {
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(count, kLineEnds.size() / 2));
    write({kLineEnds.data(), now * 2}, forms);
    count -= now;
  }
}

void IdentityDigests::write_pending(unsigned forms) {
  std::uint64_t common = nid_progress_.pending;
  for (const Form form : {kEid, kBody}) {
    if ((forms & form) != 0) common = std::min(common, pending(form));
  }
  write_line_ends(common, forms);
  for (const Form form : {kNid, kEid, kBody}) {
    if ((forms & form) == 0) continue;
    // Forms differ at the first text behind the header only; the order within each is what counts.
    if (takes(form)) write_line_ends(pending(form) - common, form);
    pending(form) = 0;
  }
}

void IdentityDigests::text(std::string_view octets, unsigned forms) {
  if (nid_progress_.pending + eid_progress_.pending + body_progress_.pending > 0) write_pending(forms);
  if ((forms & kEid) != 0) eid_progress_.has_text = true;
  if ((forms & kBody) != 0) body_progress_.has_text = true;
  nid_progress_.has_text = true;
  write(octets, forms);
}

// ---- The fork.

void IdentityDigests::fork_eid() {
  if (eid_) return;
  drain();
  eid_ = nid_;
}

// ---- Header lines.

void IdentityDigests::begin_line(char first) {
  at_line_start_ = false;
  const bool is_continuation = is_blank(first) && !first_line_;
  if (is_continuation) return;  // shares the fate of the line before
  line_ = Line::undecided;
  line_head_length_ = 0;
}

/// The line is known now: its first octets go where they belong.
void IdentityDigests::settle(Line line) {
  line_ = line;
  if (line == Line::dropped) fork_eid();
  const std::string_view head(line_head_.data(), line_head_length_);
  if (!head.empty()) text(head, line == Line::dropped ? unsigned{kNid} : kNid | kEid);
  line_head_length_ = 0;
}

/// Takes octets of an undecided line until it is decided or they end; says how many it took.
std::size_t IdentityDigests::decide(std::string_view octets) {
  if (line_head_length_ == 0) {
    const Verdict verdict = judge(octets.substr(0, kLineHead));
    if (verdict != Verdict::more) {
      settle(verdict == Verdict::housekeeping ? Line::dropped : Line::kept);
      return 0;
    }
  }
  const std::size_t taken = std::min(octets.size(), kLineHead - line_head_length_);
  std::memcpy(line_head_.data() + line_head_length_, octets.data(), taken);
  line_head_length_ += taken;
  const Verdict verdict = judge({line_head_.data(), line_head_length_});
  if (verdict != Verdict::more) {
    settle(verdict == Verdict::housekeeping ? Line::dropped : Line::kept);
  } else if (line_head_length_ == kLineHead) {
    // A housekeeping name and dozens of blanks: the EID goes on as if the line were kept, and goes back if a colon
    // comes.
    fork_eid();
    drain();
    eid_before_line_ = *eid_;
    eid_progress_before_line_ = eid_progress_;
    settle(Line::tentative);
  }
  return taken;
}

std::size_t IdentityDigests::decide_tentative(std::string_view octets) {
  const auto* const end = std::find_if_not(octets.begin(), octets.end(), is_blank);
  const auto blanks = static_cast<std::size_t>(end - octets.begin());
  if (blanks > 0) text(octets.substr(0, blanks), kNid | kEid);
  if (blanks == octets.size()) return blanks;
  line_ = Line::kept;
  if (octets[blanks] == ':') {
    drain();
    eid_ = std::move(eid_before_line_);
    eid_progress_ = eid_progress_before_line_;
    line_ = Line::dropped;
  }
  eid_before_line_.reset();
  return blanks;
}

void IdentityDigests::header_text(std::string_view octets) {
  if (at_line_start_) begin_line(octets.front());
  if (line_ == Line::undecided) octets.remove_prefix(decide(octets));
  if (line_ == Line::tentative) octets.remove_prefix(decide_tentative(octets));
  if (!octets.empty()) text(octets, line_ == Line::dropped ? unsigned{kNid} : kNid | kEid);
}

void IdentityDigests::header_line_end() {
  if (at_line_start_) {  // an empty line
    if (wants_header_) {
      drain();
      Sha256 header = eid_ ? *eid_ : nid_;
      if (eid_progress_.pending > 0) header.update(as_octets(kCrlf));
      header_id_ = std::move(header).finish();
    }
    in_header_ = false;
    ++eid_progress_.pending;
    return;
  }
  if (line_ == Line::undecided) settle(Line::kept);
  if (line_ == Line::tentative) {
    line_ = Line::kept;
    eid_before_line_.reset();
  }
  if (line_ == Line::kept) ++eid_progress_.pending;
  at_line_start_ = true;
  first_line_ = false;
}

// ---- Octets as they come.

void IdentityDigests::line_text(std::string_view octets) {
  if (octets.empty()) return;
  if (in_header_) {
    header_text(octets);
  } else {
    text(octets, kNid | kEid | kBody);
  }
}

void IdentityDigests::line_end(bool is_bare) {
  // In the header an undecided line's octets still have to reach the shared context before it is forked.
  if (in_header_ && !at_line_start_ && line_ == Line::undecided) settle(Line::kept);
  if (is_bare) ++bare_lf_;
  if (in_header_) {
    header_line_end();
  } else {
    ++eid_progress_.pending;
    ++body_progress_.pending;
  }
  ++nid_progress_.pending;
}

/// A CR at the end of the last chunk is half of a line end or an octet of the line.
void IdentityDigests::resolve_held_cr(std::string_view& chunk) {
  if (!held_cr_ || chunk.empty()) return;
  held_cr_ = false;
  if (chunk.front() == '\n') {
    chunk.remove_prefix(1);
    line_end(/*is_bare=*/false);
  } else {
    line_text("\r");
  }
}

std::size_t IdentityDigests::update_header(std::string_view chunk) {
  if (chunk.empty()) return 0;
  any_ = true;
  const char* const begin = chunk.data();
  const char* const end = begin + chunk.size();
  resolve_held_cr(chunk);
  const char* at = chunk.data();
  while (at < end && in_header_) {
    const char* const lf = find_lf(at, end);
    const char* text_end = lf != nullptr ? lf : end;
    const bool ends_with_cr = text_end > at && text_end[-1] == '\r';
    if (ends_with_cr) --text_end;
    line_text(between(at, text_end));
    if (lf == nullptr) {
      held_cr_ = ends_with_cr;
      at = end;
      break;
    }
    line_end(/*is_bare=*/!ends_with_cr);
    at = lf + 1;
  }
  if (cid_) cid_->update(as_octets(between(begin, at)));
  return static_cast<std::size_t>(at - begin);
}

/// While every line end is CRLF, the octets are canonical as they come: takes what stays so in one piece and says how
/// much that was; the next octet, if any, is a bare LF.
std::size_t IdentityDigests::canonical_span(std::string_view chunk) {
  const char* const begin = chunk.data();
  const char* const end = begin + chunk.size();
  const char* limit = find_lf(begin, end);
  while (limit != nullptr && limit > begin && limit[-1] == '\r') limit = find_lf(limit + 1, end);
  if (limit == nullptr) limit = end;
  const char* text_end = limit;
  if (limit == end && text_end > begin && text_end[-1] == '\r') {
    held_cr_ = true;
    --text_end;
  }
  std::uint64_t line_ends = 0;
  while (text_end - begin >= 2 && text_end[-1] == '\n' && text_end[-2] == '\r') {
    text_end -= 2;
    ++line_ends;
  }
  line_text(between(begin, text_end));
  nid_progress_.pending += line_ends;
  eid_progress_.pending += line_ends;
  body_progress_.pending += line_ends;
  return static_cast<std::size_t>(limit - begin);
}

/// Copies ordinary body lines, each behind one line end that waited, as long as they fit the stage; says where it
/// stopped. The hot loop of LF mail: everything unusual is left to lines().
const char* IdentityDigests::copy_lines(const char* at, const char* end) {
  const bool is_ordinary = nid_progress_.pending == 1 && eid_progress_.pending == 1 && body_progress_.pending == 1;
  if (!is_ordinary || staged_forms_ != (kNid | kEid | kBody)) return at;
  char* out = stage_.get() + staged_;
  auto room = kStage - staged_;
  std::uint64_t bare = 0;
  while (at < end) {
    const char* const lf = find_lf(at, end);
    if (lf == nullptr || lf == at || lf[-1] == '\r') break;
    const auto length = static_cast<std::size_t>(lf - at);
    if (length + kCrlf.size() > room) break;
    out[0] = '\r';
    out[1] = '\n';
    std::memcpy(out + kCrlf.size(), at, length);
    out += kCrlf.size() + length;
    room -= kCrlf.size() + length;
    ++bare;
    at = lf + 1;
  }
  staged_ = kStage - room;
  bare_lf_ += bare;
  return at;
}

/// The body once there was a bare LF.
void IdentityDigests::lines(std::string_view chunk) {
  const char* at = chunk.data();
  const char* const end = at + chunk.size();
  while (at < end) {
    at = copy_lines(at, end);
    if (at == end) return;
    const char* const lf = find_lf(at, end);
    const char* text_end = lf != nullptr ? lf : end;
    const bool ends_with_cr = text_end > at && text_end[-1] == '\r';
    if (ends_with_cr) --text_end;
    line_text(between(at, text_end));
    if (lf == nullptr) {
      held_cr_ = ends_with_cr;
      return;
    }
    line_end(/*is_bare=*/!ends_with_cr);
    at = lf + 1;
  }
}

void IdentityDigests::update_body(std::string_view chunk) {
  if (chunk.empty()) return;
  any_ = true;
  if (cid_) cid_->update(as_octets(chunk));
  resolve_held_cr(chunk);
  if (bare_lf_ == 0) chunk.remove_prefix(canonical_span(chunk));
  lines(chunk);
}

IdentityDigests::Digests IdentityDigests::finish() {
  if (held_cr_) line_text("\r");
  held_cr_ = false;
  if (in_header_ && line_ == Line::undecided && !at_line_start_) settle(Line::kept);
  drain();
  // One line end is what the canonical form ends with.
  if (any_) feed(kCrlf, kNid);
  // Left of a message whose every line was housekeeping: nothing.
  const bool eid_has_line = eid_progress_.has_text || (any_ && !nid_progress_.has_text);
  if (eid_has_line) feed(kCrlf, kEid);
  if (body_progress_.has_text) feed(kCrlf, kBody);

  Digests digests;
  digests.nid = std::move(nid_).finish();
  digests.eid = eid_ ? std::move(*eid_).finish() : digests.nid;
  if (wants_header_) digests.header_id = header_id_.value_or(digests.eid);
  if (cid_) digests.cid = std::move(*cid_).finish();
  if (body_) digests.body = std::move(*body_).finish();
  digests.bare_lf = bare_lf_;
  return digests;
}

}  // namespace mailhaul::mail
