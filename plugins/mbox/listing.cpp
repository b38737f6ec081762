#include "plugins/mbox/listing.hpp"

#include <utility>

#include "plugins/mbox/format/first_octets.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "plugins/mbox/format/message_key.hpp"

namespace mailhaul::mbox {
namespace {

using Weight = store::Note::Weight;

// A listing waits with so many items for the proof that the file stood still; a longer one has bounded memory instead
// of a second try.
constexpr std::size_t kMostHeld = 4096;

store::Item item_of(const MessageSpan& span) {
  store::Item item;
  item.key = MessageKey::of(span).text();
  item.locator = Locator{span.content_begin, span.verbatim}.text();
  item.size = span.content_size();
  return item;
}

/// The octets of one line end at the beginning of `text`.
std::size_t line_end_length(std::string_view text) {
  if (text.substr(0, 1) == "\n") return 1;
  return text.substr(0, 2) == "\r\n" ? 2 : 0;
}

bool ends_with_empty_line(std::string_view text) { return text.ends_with("\n\n") || text.ends_with("\n\r\n"); }

}  // namespace

/// Where the first appended message begins; nullopt when the old part may have changed. The old end must be one that
/// the new part leaves as it was: a line or an empty line more or less would change the last old message's key.
Result<std::optional<std::uint64_t>> Listing::appended_since(const FileState& old, const FileState& now) const {
  const std::optional<std::uint64_t> none;
  if (old.device != now.device || old.inode != now.inode || old.size == 0 || now.size <= old.size) return none;
  MH_TRY(const std::string tail, tail_digest(file_, old.size));
  if (tail != old.tail) return none;
  const std::uint64_t back = std::min<std::uint64_t>(old.size, 3);
  MH_TRY(const std::string border, read_piece(file_, old.size - back, 4096));
  const std::string_view before = std::string_view(border).substr(0, static_cast<std::size_t>(back));
  std::string_view after = std::string_view(border).substr(static_cast<std::size_t>(back));
  const std::size_t separator = line_end_length(after);
  if (!before.ends_with('\n') || ends_with_empty_line(before) != (separator == 0)) return none;
  after.remove_prefix(separator);
  const std::string_view line = after.substr(0, after.find_first_of("\r\n"));
  if (!line.starts_with("From ")) return none;
  std::string_view next = after.substr(std::min(after.size(), after.find('\n')));
  if (!next.empty()) next.remove_prefix(1);
  next = next.substr(0, next.find_first_of("\r\n"));
  if (!divides(parse_from_line(line), /*after_empty_line=*/true, is_field_line(next))) return none;
  return std::optional<std::uint64_t>(old.size + separator);
}

Result<store::ListEnd> Listing::run(const std::optional<std::string>& since, store::ItemSink& sink) {
  MH_TRY(const FileState before, read_state(file_));
  before_ = &before;
  store::ListEnd end;
  end.state = before.text();
  std::uint64_t begin = 0;
  if (const auto old = since ? FileState::parse(*since) : std::nullopt) {
    end.complete = false;
    if (*old == before) return end;
    MH_TRY(const auto appended, appended_since(*old, before));
    end.complete = !appended.has_value();
    begin = appended.value_or(0);
  }
  if (end.complete && before.size > 0) {
    MH_TRY(const std::string head, read_head(file_));
    if (!looks_like_mbox(head)) {
      NotAnMbox other = describe_other_file(file_text_, head);
      return make_error(ErrorKind::damage, Scope::folder, std::move(other.what), std::move(other.hint));
    }
    begin = find_first_from(head);
  }
  MH_TRY(const Doubts doubts, scan_file(file_, file_text_, begin, before.size, services_.cancel,
                                        [&](const MessageSpan& span) { return on_span(span, sink); }));
  MH_CHECK(check_unchanged(before));
  MH_CHECK(deliver(sink));
  tell(doubts);
  return end;
}

Status Listing::on_span(const MessageSpan& span, store::ItemSink& sink) {
  if (span.internal_data) {
    internal_data_ = true;
    return {};
  }
  held_.push_back(item_of(span));
  if (held_.size() < kMostHeld) return {};
  if (!delivered_) MH_CHECK(check_unchanged(*before_));
  return deliver(sink);
}

Status Listing::deliver(store::ItemSink& sink) {
  for (store::Item& item : held_) {
    delivered_ = true;
    MH_CHECK(sink.on_item(std::move(item)));
  }
  held_.clear();
  return {};
}

Status Listing::check_unchanged(const FileState& before) const {
  MH_TRY(const FileState now, read_state(file_));
  if (now == before) return {};
  return being_changed(file_text_);
}

void Listing::tell(const Doubt& doubt, const std::string& text) {
  if (doubt.count == 0) return;
  std::string what = file_text_ + ": " + std::to_string(doubt.count) + " " + text + ", the first at offset " +
                     std::to_string(doubt.first);
  services_.events.note({Weight::doubtful, folder_, std::move(what)});
}

void Listing::tell(const Doubts& doubts) {
  tell(doubts.near_from_lines, "lines look like the beginning of a message but were taken as text");
  tell(doubts.no_empty_line, "messages begin without an empty line before them");
  tell(doubts.ignored_lengths, "messages have a Content-Length that points nowhere; it was ignored");
  tell(doubts.inner_from_lines, "lines inside a message of known length look like the beginning of another");
  if (doubts.bare_cr.count > 0) {
    services_.events.note({Weight::doubtful, folder_,
                           file_text_ + " ends its lines with CR alone; it was taken as one message (convert it with: tr '\\r' '\\n')"});
  }
  if (doubts.no_final_newline.count > 0) {
    services_.events.note({Weight::doubtful, folder_,
                           file_text_ + " has no final newline; the file may be truncated at offset " +
                               std::to_string(doubts.no_final_newline.first)});
  }
  if (internal_data_) {
    services_.events.note({Weight::info, folder_,
                           file_text_ + " begins with the folder's own record of a mail program, which is no message"});
  }
}

}  // namespace mailhaul::mbox
