#include "plugins/mbox/recovery.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "mail/message_scan.hpp"
#include "plugins/mbox/format/first_octets.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "plugins/mbox/format/message_key.hpp"
#include "plugins/mbox/mbox_file.hpp"
#include "plugins/mbox/region.hpp"

namespace mailhaul::mbox {
namespace {

// Longer than any From_ line of ours.
constexpr std::size_t kLongestOwnLine = 128;
constexpr std::size_t kTicketDigits = 32;

/// Whether `text` is what a cut left of a From_ line of ours.
bool is_cut_own_line(std::string_view text) {
  static constexpr std::string_view kFrom = "From ";
  if (text.size() <= kFrom.size()) return kFrom.starts_with(text);
  if (!text.starts_with(kFrom)) return false;
  text.remove_prefix(kFrom.size());
  const std::size_t digits = std::min(text.find_first_not_of("0123456789abcdef"), text.size());
  if (digits < kTicketDigits) return digits == text.size();
  text.remove_prefix(kTicketDigits);
  for (const std::string_view tail : {std::string_view("@mailhaul "), std::string_view(".nodate@mailhaul ")}) {
    if (tail.starts_with(text) || text.starts_with(tail)) return true;
  }
  return false;
}

/// One pass over what lies behind a watermark.
class Search {
 public:
  Search(files::File& file, std::string_view file_text, std::span<const store::Wanted> wanted, Quoting quoting,
         const CancelToken& cancel)
      : file_(file), file_text_(file_text), quoting_(quoting), cancel_(cancel) {
    for (const store::Wanted& delivery : wanted) {
      by_ticket_.emplace(delivery.ticket, &delivery);
      by_eid_.insert(delivery.eid.bytes);
    }
  }

  Status run(const Watermark& since);
  Status finish(const std::function<Status(store::Match)>& sink);

 private:
  struct Found {
    std::uint64_t begin;
    store::Match match;
  };

  Result<std::uint64_t> first_unknown(const Watermark& since, const files::FileStat& now);
  Status on_span(const MessageSpan& span);
  Status on_garbage(const MessageSpan& span);
  Status on_own(const MessageSpan& span, const store::Ticket& ticket, const store::Wanted& wanted);
  Status on_other(const MessageSpan& span);
  Result<mail::MessageFacts> facts_of(const MessageSpan& span, bool verbatim);
  Result<bool> ends_with_line_end(const MessageSpan& span);
  void torn(std::uint64_t offset) {
    if (!torn_) torn_ = offset;
  }
  void keep(const MessageSpan& span, std::optional<store::Ticket> ticket, const mail::MessageFacts& facts);

  files::File& file_;
  std::string_view file_text_;
  Quoting quoting_;
  const CancelToken& cancel_;
  std::map<store::Ticket, const store::Wanted*> by_ticket_;
  std::set<std::array<std::byte, 32>> by_eid_;
  bool same_file_ = false;     ///< the watermark was taken of this file
  std::uint64_t old_end_ = 0;  ///< up to here it is as it was then
  std::uint64_t scan_begin_ = 0;
  std::vector<Found> found_;
  std::optional<std::uint64_t> torn_;     ///< the first octet that is not good
  std::optional<std::uint64_t> foreign_;  ///< behind it: octets that are not ours to cut off
};

/// Where a scan may begin: behind the watermark when the file is still the one it was taken of, else at its start.
Result<std::uint64_t> Search::first_unknown(const Watermark& since, const files::FileStat& now) {
  const bool same_file = since.device == now.device && since.inode == now.inode && now.size >= since.size;
  if (same_file) {
    MH_TRY(const std::string tail, tail_digest(file_, since.size));
    if (tail == since.tail) {
      same_file_ = true;
      old_end_ = since.size;
      // The line ends that make the old last line an empty one belong to no message.
      MH_TRY(const std::string next, read_piece(file_, since.size, 4));
      const std::size_t separators = std::min(next.find_first_not_of("\r\n"), next.size());
      return since.size + separators;
    }
  }
  MH_TRY(const std::string head, read_head(file_));
  const std::size_t from = find_first_from(head);
  return from == std::string::npos ? 0 : from;
}

Status Search::run(const Watermark& since) {
  MH_TRY(const files::FileStat now, file_.stat());
  MH_TRY(const std::uint64_t begin, first_unknown(since, now));
  scan_begin_ = begin;
  if (begin >= now.size) return {};
  MH_TRY(const Doubts doubts, scan_file(file_, file_text_, begin, now.size, cancel_,
                                        [&](const MessageSpan& span) { return on_span(span); }));
  (void)doubts;  // a reader's matter; here tickets and digests decide
  return {};
}

Result<mail::MessageFacts> Search::facts_of(const MessageSpan& span, bool verbatim) {
  const Region region{MessageKey::of(span), Locator{span.content_begin, verbatim}, span.from_line};
  mail::MessageScanner scanner;
  MH_TRY(const bool same, read_region(file_, region, quoting_, cancel_, [&](Octets octets) -> Status {
    scanner.update(octets);
    return {};
  }));
  if (!same) return being_changed(file_text_);
  return scanner.finish();
}

void Search::keep(const MessageSpan& span, std::optional<store::Ticket> ticket, const mail::MessageFacts& facts) {
  found_.push_back({span.begin, {MessageKey::of(span).text(), ticket, facts.nid, facts.eid}});
}

Status Search::on_span(const MessageSpan& span) {
  const FromLine line = parse_from_line(span.from_line);
  if (line.kind == FromKind::text || line.kind == FromKind::near) return on_garbage(span);
  const auto ticket = store::Ticket::from_hex(line.ticket);
  if (!ticket) return on_other(span);
  const auto wanted = by_ticket_.find(*ticket);
  if (wanted == by_ticket_.end()) {  // another delivery of ours, recorded long since
    if (torn_ && !foreign_) foreign_ = span.begin;
    return {};
  }
  return on_own(span, *ticket, *wanted->second);
}

/// What begins with no From_ line right behind the old end. A write that was torn leaves the beginning of one of ours, cut
/// off by the end of the file or by zeros, or zeros alone where blocks were never written. Anything else somebody put
/// there, and it stays.
Status Search::on_garbage(const MessageSpan& span) {
  MH_TRY(const std::string head, read_piece(file_, span.begin, kLongestOwnLine));
  const std::size_t zeros = head.find('\0');
  const bool cut = zeros != std::string::npos || head.size() < kLongestOwnLine;
  if (span.begin == scan_begin_ && same_file_ && cut && is_cut_own_line(std::string_view(head).substr(0, zeros))) {
    torn(old_end_);
    return {};
  }
  if (torn_ && !foreign_) foreign_ = span.begin;
  return {};
}

/// Of a message without content it is the From_ line that must be whole.
Result<bool> Search::ends_with_line_end(const MessageSpan& span) {
  MH_TRY(const std::string last, read_piece(file_, span.content_end - 1, 1));
  return last.ends_with('\n');
}

Status Search::on_own(const MessageSpan& span, const store::Ticket& ticket, const store::Wanted& wanted) {
  MH_TRY(const bool ended, ends_with_line_end(span));
  MH_TRY(mail::MessageFacts facts, facts_of(span, span.verbatim));
  if (facts.eid != wanted.eid && quoting_ == Quoting::mboxo) {
    // What mboxo quoted cannot be told from what came quoted: either reading proves the octets whole.
    MH_TRY(facts, facts_of(span, /*verbatim=*/true));
  }
  if (ended && facts.eid == wanted.eid) {
    keep(span, ticket, facts);
  } else {
    torn(span.begin);
  }
  return {};
}

Status Search::on_other(const MessageSpan& span) {
  if (torn_ && !foreign_) foreign_ = span.begin;
  MH_TRY(const mail::MessageFacts facts, facts_of(span, span.verbatim));
  if (by_eid_.contains(facts.eid.bytes)) keep(span, std::nullopt, facts);
  return {};
}

Status Search::finish(const std::function<Status(store::Match)>& sink) {
  if (torn_ && foreign_) {
    return make_error(ErrorKind::damage, Scope::folder,
                      visible(file_text_) + " holds an incomplete message at offset " + std::to_string(*torn_) +
                          " and other octets behind it at offset " + std::to_string(*foreign_),
                      "nothing was changed; look at the file and remove the incomplete message by hand");
  }
  if (torn_) MH_CHECK(file_.truncate(*torn_));
  // A match is a promise: what it names must survive the next power loss too.
  if (torn_ || !found_.empty()) MH_CHECK(file_.sync());
  for (Found& found : found_) {
    if (torn_ && found.begin >= *torn_) continue;
    MH_CHECK(sink(std::move(found.match)));
  }
  return {};
}

}  // namespace

std::string Watermark::text() const {
  return "v1:" + std::to_string(device) + ":" + std::to_string(inode) + ":" + std::to_string(size) + ":" + tail;
}

std::optional<Watermark> Watermark::parse(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 5 || parts[0] != "v1" || parts[4].size() != 64) return std::nullopt;
  const auto device = parse_uint(parts[1]), inode = parse_uint(parts[2]), size = parse_uint(parts[3]);
  if (!device || !inode || !size) return std::nullopt;
  return Watermark{*device, *inode, *size, parts[4]};
}

Result<Watermark> take_watermark(const files::File& file) {
  MH_TRY(const files::FileStat stat, file.stat());
  MH_TRY(std::string tail, tail_digest(file, stat.size));
  return Watermark{stat.device, stat.inode, stat.size, std::move(tail)};
}

Status find_deliveries(files::File& file, std::string_view file_text, const Watermark& since,
                       std::span<const store::Wanted> wanted, Quoting quoting, const CancelToken& cancel,
                       const std::function<Status(store::Match)>& sink) {
  Search search(file, file_text, wanted, quoting, cancel);
  MH_CHECK(search.run(since));
  return search.finish(sink);
}

}  // namespace mailhaul::mbox
