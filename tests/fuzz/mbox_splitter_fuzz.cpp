// Any octets as an mbox: the same spans for any pieces, in order, with nothing left out; and as a message: what is
// written to an mbox splits into that one message again, with equal identity.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mail/message_scan.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "plugins/mbox/format/housekeeping.hpp"
#include "plugins/mbox/format/quoting.hpp"
#include "plugins/mbox/format/splitter.hpp"

namespace {

using namespace mailhaul;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Split {
  std::vector<mbox::MessageSpan> spans;
  mbox::Doubts doubts;
  bool operator==(const Split&) const = default;
};

Split split(std::string_view text, std::size_t piece) {
  Split result;
  const std::size_t begin = mbox::find_first_from(text);
  if (begin == std::string_view::npos) return result;
  const mbox::Look look = [&](std::uint64_t offset, std::size_t want) -> Result<std::string_view> {
    require(offset <= text.size() && want <= text.size() - offset);
    return text.substr(static_cast<std::size_t>(offset), want);
  };
  mbox::Splitter splitter(begin, text.size(), look, [&](const mbox::MessageSpan& span) -> Status {
    result.spans.push_back(span);
    return {};
  });
  for (std::size_t at = begin; at < text.size(); at += piece) {
    require(splitter.feed(as_octets(text.substr(at, piece))).ok());
    if (text.size() - at <= piece) break;
  }
  require(splitter.finish().ok());
  result.doubts = splitter.doubts();
  return result;
}

void check_order(std::string_view text, const Split& result) {
  std::uint64_t at = mbox::find_first_from(text);
  for (const mbox::MessageSpan& span : result.spans) {
    require(span.begin >= at && span.begin - at <= 2);
    require(span.begin <= span.content_begin && span.content_begin <= span.content_end);
    at = span.content_end;
  }
  if (!result.spans.empty()) require(text.size() - at <= 2);
}

/// The text as one message written to an mbox, and read back.
void check_round_trip(std::string_view text) {
  const mail::MessageFacts facts = mail::scan_message(as_octets(text));
  std::string file = mbox::make_from_line(std::string(32, '0'), Instant{});
  const std::size_t content_begin = file.size();
  const mbox::OctetSink out = [&](Octets octets) -> Status {
    file.append(as_text(octets));
    return {};
  };
  mbox::Requoter requoter(mbox::Requoter::Direction::quote, mbox::Quoting::mboxrd);
  const mbox::OctetSink quoted = [&](Octets octets) { return requoter.feed(octets, out); };
  // Messages without text of their own are the target's special cases.
  const bool has_text = facts.nid != mail::scan_message(as_octets("\n")).nid && facts.eid != mail::scan_message({}).eid;
  mbox::HeaderRewriter rewriter(has_text ? "Status: RO\n" : "");
  require(rewriter.feed(as_octets(text), quoted).ok() && rewriter.finish(quoted).ok() && requoter.finish(out).ok());
  const std::size_t content_end = file.size();
  file += "\n" + mbox::make_from_line(std::string(32, '1'), Instant{}) + "\n";

  const Split result = split(file, 4096);
  require(result.spans.size() == 2);
  require(result.spans[0].content_begin == content_begin && result.spans[0].content_end == content_end);
  require(!result.spans[0].verbatim && !result.spans[0].internal_data);
  if (!has_text) return;
  mail::MessageScanner scanner;
  mbox::Requoter unquoter(mbox::Requoter::Direction::unquote, mbox::Quoting::mboxrd);
  const mbox::OctetSink scan = [&](Octets octets) -> Status {
    scanner.update(octets);
    return {};
  };
  require(unquoter.feed(as_octets(std::string_view(file).substr(content_begin, content_end - content_begin)), scan).ok());
  require(unquoter.finish(scan).ok());
  require(scanner.finish().eid == facts.eid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Split whole = split(text, text.size() + 1);
  check_order(text, whole);
  require(split(text, 1) == whole);
  require(split(text, 13) == whole);
  check_round_trip(text);
  return 0;
}
