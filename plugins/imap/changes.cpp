#include "plugins/imap/changes.hpp"

#include <algorithm>

namespace mailhaul::imap {

namespace {

constexpr std::size_t kMostRanges = 1'000'000;  // 8 MB; as many as one answer may hold
constexpr std::uint64_t kHighestUid = 0xFFFF'FFFF;

}  // namespace

std::optional<Changes> Changes::between(const std::string& since, const std::string& now) {
  const auto before = parse_state(since), after = parse_state(now);
  const bool goes_on = before && after && before->uidvalidity == after->uidvalidity &&
                       before->uidnext <= after->uidnext && before->uidnext != 0 && before->uidnext <= kHighestUid;
  if (!goes_on) return std::nullopt;
  return Changes(*before, *after);
}

Changes::Changes(const State& before, const State& after) : before_(before) {
  const std::uint64_t new_uids = after.uidnext - before.uidnext;
  grew_ = after.messages >= before.messages && after.messages - before.messages <= new_uids;
  is_sure_ = grew_ && after.messages - before.messages == new_uids;
  has_modseq_ = before.highestmodseq && after.highestmodseq && *before.highestmodseq < *after.highestmodseq;
}

bool Changes::wants_vanished() const { return has_modseq_ && !is_sure_; }

std::string Changes::parameters() const {
  return " (QRESYNC (" + std::to_string(before_.uidvalidity) + " " + std::to_string(*before_.highestmodseq) + "))";
}

void Changes::take(const Response& response) {
  const auto* told = std::get_if<VanishedResponse>(&response);
  if (told == nullptr || !asks_ || too_many_) return;
  too_many_ = !told->whole;
  if (!told->earlier) return;
  for (const UidSet::Range& range : told->uids.ranges()) {
    // What came since is told by the listing of it.
    if (range.first >= before_.uidnext) break;
    too_many_ = vanished_.size() >= kMostRanges;
    if (too_many_) return;
    vanished_.push_back({range.first, std::min(range.last, static_cast<Uid>(before_.uidnext - 1))});
  }
}

std::optional<UidSet> Changes::gone(const Mailbox& now, std::uint64_t fresh) const {
  UidSet set;
  if (asks_) {
    // NOMODSEQ, or a number below the remembered one: the server has forgotten what it knew then (RFC 7162 3.1.2.2).
    const bool remembers = now.highestmodseq && *now.highestmodseq >= *before_.highestmodseq;
    if (too_many_ || !remembers) return std::nullopt;
    set = UidSet::of(vanished_);
  }
  const std::uint64_t count = set.count();
  if (count > before_.messages || before_.messages - count + fresh != now.exists) return std::nullopt;
  return set;
}

}  // namespace mailhaul::imap
