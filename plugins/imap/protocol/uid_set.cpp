#include "plugins/imap/protocol/uid_set.hpp"

#include <algorithm>
#include <utility>

namespace mailhaul::imap {

namespace {

/// nz-number at the start of `text`, which is moved behind it. nullopt for 0, for more than 32 bits, for no digit.
std::optional<Uid> take_uid(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    value = value * 10 + static_cast<std::uint64_t>(text[digits] - '0');
    if (value > 0xFFFFFFFF) return std::nullopt;
    ++digits;
  }
  if (digits == 0 || value == 0) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<Uid>(value);
}

/// "7" or "3:7" at the start of `text`. RFC 4315 section 4: "2:4 and 4:2 are equivalent"; hMailServer sends the latter.
std::optional<UidSet::Range> take_range(std::string_view& text) {
  const auto first = take_uid(text);
  if (!first) return std::nullopt;
  if (text.empty() || text.front() != ':') return UidSet::Range{*first, *first};
  text.remove_prefix(1);
  const auto last = take_uid(text);
  if (!last) return std::nullopt;
  return UidSet::Range{std::min(*first, *last), std::max(*first, *last)};
}

/// Calls `take` for each range in order, until it says false. False also for what is no set.
template <typename Take>
bool each_range(std::string_view text, Take take) {
  for (;;) {
    const auto range = take_range(text);
    if (!range || !take(*range)) return false;
    if (text.empty()) return true;
    if (text.front() != ',') return false;
    text.remove_prefix(1);
  }
}

void append_range(std::string& text, const UidSet::Range& range) {
  if (!text.empty()) text += ',';
  text += std::to_string(range.first);
  if (range.last != range.first) text += ':' + std::to_string(range.last);
}

}  // namespace

UidSet UidSet::of(std::vector<Range> ranges) {
  const auto before = [](const Range& a, const Range& b) { return a.first < b.first; };
  if (!std::is_sorted(ranges.begin(), ranges.end(), before)) std::sort(ranges.begin(), ranges.end(), before);
  UidSet set;
  for (const Range& range : ranges) set.add(range.first, range.last);
  return set;
}

void UidSet::add(Uid first, Uid last) {
  // 64 bits: the neighbour of 2^32-1 must not be 0.
  const auto next = [](Uid uid) { return std::uint64_t{uid} + 1; };
  if (ranges_.empty() || next(ranges_.back().last) < first) {
    ranges_.push_back({first, last});
    return;
  }
  if (ranges_.back().first <= first) {
    ranges_.back().last = std::max(ranges_.back().last, last);
    return;
  }
  const auto begin = std::lower_bound(ranges_.begin(), ranges_.end(), first,
                                      [&](const Range& range, Uid uid) { return next(range.last) < uid; });
  auto end = begin;
  Range merged{first, last};
  for (; end != ranges_.end() && end->first <= next(last); ++end) {
    merged.first = std::min(merged.first, end->first);
    merged.last = std::max(merged.last, end->last);
  }
  if (begin == end) {
    ranges_.insert(begin, merged);
  } else {
    *begin = merged;
    ranges_.erase(begin + 1, end);
  }
}

void UidSet::remove(Uid uid) {
  const auto at = std::lower_bound(ranges_.begin(), ranges_.end(), uid,
                                   [](const Range& range, Uid value) { return range.last < value; });
  if (at == ranges_.end() || at->first > uid) return;
  if (at->first == at->last) {
    ranges_.erase(at);
  } else if (at->first == uid) {
    ++at->first;
  } else if (at->last == uid) {
    --at->last;
  } else {
    const Range behind{uid + 1, at->last};
    at->last = uid - 1;
    ranges_.insert(at + 1, behind);
  }
}

bool UidSet::contains(Uid uid) const {
  const auto at = std::lower_bound(ranges_.begin(), ranges_.end(), uid,
                                   [](const Range& range, Uid value) { return range.last < value; });
  return at != ranges_.end() && at->first <= uid;
}

std::uint64_t UidSet::count() const {
  std::uint64_t count = 0;
  for (const Range& range : ranges_) count += std::uint64_t{range.last} - range.first + 1;
  return count;
}

std::optional<Uid> UidSet::at(std::uint64_t n) const {
  for (const Range& range : ranges_) {
    const std::uint64_t size = std::uint64_t{range.last} - range.first + 1;
    if (n < size) return static_cast<Uid>(range.first + n);
    n -= size;
  }
  return std::nullopt;
}

std::string UidSet::text() const {
  std::string text;
  for (const Range& range : ranges_) append_range(text, range);
  return text;
}

std::vector<UidSet> UidSet::split(std::size_t max_octets) const {
  std::vector<UidSet> pieces;
  std::size_t octets = 0;
  std::string text;
  for (const Range& range : ranges_) {
    text.clear();
    append_range(text, range);
    // A range that is longer by itself goes alone: there is nothing smaller to say.
    if (pieces.empty() || octets + 1 + text.size() > max_octets) {
      pieces.emplace_back();
      octets = text.size();
    } else {
      octets += 1 + text.size();
    }
    pieces.back().ranges_.push_back(range);
  }
  return pieces;
}

std::optional<UidSet> UidSet::parse(std::string_view text, std::size_t max_ranges) {
  // Collected first and sorted once: ranges in a hostile order must not cost quadratic time.
  std::vector<Range> ranges;
  const bool whole = each_range(text, [&](const Range& range) {
    ranges.push_back(range);
    return ranges.size() <= max_ranges;
  });
  if (!whole) return std::nullopt;
  return of(std::move(ranges));
}

std::optional<std::vector<Uid>> UidSet::parse_ordered(std::string_view text, std::size_t max_uids) {
  std::vector<Uid> uids;
  const bool whole = each_range(text, [&](const Range& range) {
    if (std::uint64_t{range.last} - range.first >= max_uids - uids.size()) return false;
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid) uids.push_back(static_cast<Uid>(uid));
    return true;
  });
  if (!whole) return std::nullopt;
  return uids;
}

}  // namespace mailhaul::imap
