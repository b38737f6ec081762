#include "plugins/mbox/appender.hpp"

#include <algorithm>
#include <utility>

#include "mail/sha256.hpp"
#include "plugins/mbox/format/fingerprint.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "plugins/mbox/format/housekeeping.hpp"
#include "plugins/mbox/format/message_key.hpp"
#include "plugins/mbox/mbox_file.hpp"

namespace mailhaul::mbox {
namespace {

constexpr std::size_t kBuffer = 1U << 20U;
// Header facts are read from the first MiB of a header block (mail::MessageScanner): fields behind it would be lost.
constexpr std::uint64_t kReadableHeader = (1U << 20U) - 4096U;

struct Fields {
  std::string text;
  bool lost_flags = false;
  bool lost_keywords = false;
};

/// The fields for a message, minding two messages whose identity (EID) a field more or less would change: one of line
/// ends only, and one that is nothing but housekeeping fields.
Fields fields_for(const mail::Message& message) {
  static const Digest kOnlyLineEnds = mail::sha256(as_octets("\r\n"));
  static const Digest kNothing = mail::sha256({});
  const mail::MessageFacts& facts = message.content->facts();
  FreshFields fresh = fresh_fields(message.meta);
  Fields fields;
  fields.lost_keywords = fresh.lost_keywords;
  fields.lost_flags = !message.meta.labels.empty();
  if (facts.nid == kOnlyLineEnds && !fresh.text.empty()) {
    fields.lost_flags = fields.lost_flags || !message.meta.flags.empty();
    fields.lost_keywords = !message.meta.keywords.empty();
    return fields;
  }
  fields.text = std::move(fresh.text);
  if (facts.size > 0 && facts.eid == kNothing && fields.text.empty()) fields.text = "Status: O\n";
  return fields;
}

}  // namespace

Status Appender::put(Octets octets) {
  buffer_.append(as_text(octets));
  return buffer_.size() < kBuffer ? Status{} : write_out();
}

Status Appender::write_out() {
  if (buffer_.empty()) return {};
  Status written = file_.write_at(in_file_, as_octets(buffer_));
  if (!written.ok()) {
    failed_ = true;
    return written;
  }
  in_file_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status Appender::write_now(std::string_view octets) {
  buffer_.append(octets);
  return write_out();
}

Status Appender::take_back(std::uint64_t offset) {
  if (offset >= in_file_) {
    buffer_.resize(std::min(buffer_.size(), static_cast<std::size_t>(offset - in_file_)));
    // A write that failed may have left a part behind the good end.
    return failed_ ? file_.truncate(in_file_) : Status{};
  }
  buffer_.clear();
  in_file_ = offset;
  return file_.truncate(offset);
}

std::string Appender::buffered(std::uint64_t begin, std::uint64_t end) const {
  return buffer_.substr(static_cast<std::size_t>(begin - in_file_), static_cast<std::size_t>(end - begin));
}

Status Appender::end_last_message() {
  const std::uint64_t back = std::min<std::uint64_t>(in_file_, 3);
  MH_TRY(const std::string last, read_piece(file_, in_file_ - back, static_cast<std::size_t>(back)));
  if (last.empty() || last.ends_with("\n\n") || last.ends_with("\n\r\n")) return {};
  // One octet that is a line end: an empty line is all the file holds.
  if (last == "\n" || last == "\r\n") return {};
  return put(as_octets(last.ends_with('\n') ? "\n" : "\n\n"));
}

Result<Written> Appender::add(const store::Ticket& ticket, const mail::Message& message, Quoting quoting,
                              const CancelToken& cancel) {
  Written written;
  written.begin = end();
  std::optional<Instant> received;
  if (message.meta.received) received = message.meta.received->instant;
  written.stored.lost_date = !received || !is_writable_date(*received);

  Fingerprint fingerprint;
  const OctetSink out = [&](Octets octets) -> Status {
    fingerprint.update(octets);
    return put(octets);
  };
  const std::string from_line = make_from_line(ticket.hex(), received);
  MH_CHECK(out(as_octets(from_line)));

  const Fields fields = fields_for(message);
  HeaderRewriter rewriter(fields.text);
  Requoter requoter(Requoter::Direction::quote, quoting);
  const OctetSink quoted = [&](Octets octets) { return requoter.feed(octets, out); };
  MH_CHECK(mail::for_each_piece(*message.content, [&](Octets octets) -> Status {
    if (cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted while writing a message");
    return rewriter.feed(octets, quoted);
  }));
  MH_CHECK(rewriter.finish(quoted));
  MH_CHECK(requoter.finish(out));

  const MessageKey key{written.begin, end() - written.begin, fingerprint.value()};
  MH_CHECK(put(as_octets("\n")));
  written.end = end();
  written.stored.key = key.text();
  written.stored.lost_keywords = fields.lost_keywords;
  written.stored.lost_flags = fields.lost_flags || (!fields.text.empty() && rewriter.header_octets() > kReadableHeader);
  return written;
}

}  // namespace mailhaul::mbox
