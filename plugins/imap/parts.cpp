#include "plugins/imap/parts.hpp"

#include <algorithm>
#include <utility>

#include "plugins/imap/protocol/limits.hpp"

namespace mailhaul::imap {

namespace {

constexpr std::size_t kAtOnce = 2;  // one arrives while the next is asked for

/// Servers count LF, or add a field: more may come than was told. Less may be a message whose end the server could not
/// read, and said so by an empty part (Cyrus answers so beyond the end and when a file cannot be opened).
bool fits(std::uint64_t octets, std::uint64_t told) {
  return octets >= told ? octets - told <= std::max<std::uint64_t>(1024, told / 25) : told - octets <= 1024;
}

}  // namespace

std::optional<std::uint64_t> Parts::next() {
  if (failed_ || ended_ || asked_.size() >= kAtOnce) return std::nullopt;
  // Ahead only as far as the message is said to go; its end is looked for when all before it is here.
  if (!asked_.empty() && (short_ || next_ >= size_)) return std::nullopt;
  const std::uint64_t offset = short_ ? assembled_ : next_;
  asked_.push_back({offset, false});
  next_ = offset + kOctets;
  return offset;
}

Command Parts::command(std::uint64_t offset) const {
  Command command("UID FETCH");
  UidSet one;
  one.add(uid_);
  // The UID first: what stands before a body tells whose it is.
  command.uids(one).raw(offset == 0 ? " (UID FLAGS INTERNALDATE BODY.PEEK[]<" : " (UID BODY.PEEK[]<");
  command.raw(std::to_string(offset) + "." + std::to_string(kOctets) + ">)");
  return command;
}

bool Parts::begin(const BodyHead& head, std::uint64_t octets) {
  const bool is_due = head.uid == uid_ && head.origin == assembled_ && !asked_.empty();
  if (!is_due || failed_) return false;
  // More than was asked for, more behind a part that was not full, or more than a message can have.
  if (octets > kOctets || (short_ && octets > 0) || assembled_ + octets > Limits().body) failed_ = true;
  arriving_ = true;
  arrived_ = 0;
  return true;
}

Status Parts::append(Octets octets) {
  arrived_ += octets.size();
  return failed_ ? Status() : writer_->append(octets);
}

void Parts::take(const FetchResponse& fetched) {
  const bool arrived = std::exchange(arriving_, false);
  if (failed_) return;
  const auto asked = std::find_if(asked_.begin(), asked_.end(),
                                  [&](const Asked& one) { return !one.answered && fetched.body_origin == one.offset; });
  // Without an origin, or with another: the answer to something else. Octets that did not come by begin() are lost.
  const bool lost = !arrived && fetched.body_size != 0;
  if (asked == asked_.end() || lost || (arrived && asked->offset != assembled_)) {
    failed_ = true;
    return;
  }
  asked->answered = true;
  if (asked->offset == 0) first_ = fetched;
  if (asked->offset == assembled_) {
    failed_ = fetched.body == FetchResponse::Body::nil;  // no text is no end
    return take_in_order(arrived ? arrived_ : 0);
  }
  // A part that was asked for in advance, beyond the end.
  if (!short_) failed_ = true;
}

void Parts::take_in_order(std::uint64_t octets) {
  assembled_ += octets;
  ended_ = octets == 0;
  short_ = octets < kOctets;
}

void Parts::done(std::uint64_t offset, bool ok) {
  const auto asked = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& one) { return one.offset == offset; });
  if (asked == asked_.end()) return;
  if (!ok || !asked->answered) failed_ = true;
  asked_.erase(asked);
}

Result<std::optional<mail::ContentPtr>> Parts::finish() {
  if (!fits(assembled_, size_)) return std::optional<mail::ContentPtr>();
  MH_TRY(auto content, writer_->finish());
  if (content->size() != assembled_) return std::optional<mail::ContentPtr>();
  return std::optional(std::move(content));
}

}  // namespace mailhaul::imap
