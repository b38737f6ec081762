#include "plugins/mbox/region.hpp"

#include <algorithm>
#include <memory>
#include <span>

#include "plugins/mbox/format/fingerprint.hpp"
#include "plugins/mbox/mbox_file.hpp"

namespace mailhaul::mbox {
namespace {

constexpr std::size_t kPiece = 256U << 10U;
constexpr std::size_t kLongestFromLine = 1024;

std::string line_of(std::string text) {
  const std::size_t end = text.find_first_of("\r\n");
  if (end != std::string::npos) text.resize(end);
  return text;
}

}  // namespace

Result<std::optional<Region>> find_region(const files::File& file, const MessageKey& key, std::optional<Locator> locator,
                                          const CancelToken& cancel) {
  MH_TRY(std::string head, read_piece(file, key.offset, static_cast<std::size_t>(std::min<std::uint64_t>(key.length, kLongestFromLine))));
  if (!head.starts_with("From ")) return std::optional<Region>();
  const std::uint64_t end = key.offset + key.length;
  if (!locator) {
    MH_TRY(const files::FileStat stat, file.stat());
    if (stat.size < end) return std::optional<Region>();
    // Alone, the region divides as it did in its file: its end stands for the next From_ line.
    std::optional<MessageSpan> only;
    MH_TRY(const Doubts doubts, scan_file(file, "", key.offset, end, cancel, [&](const MessageSpan& span) -> Status {
      if (!only) only = span;
      return {};
    }));
    (void)doubts;  // the listing told them
    if (!only) return std::optional<Region>();
    locator = Locator{only->content_begin, only->verbatim};
  }
  if (locator->content_begin < key.offset || locator->content_begin > end) return std::optional<Region>();
  head.resize(std::min<std::size_t>(head.size(), static_cast<std::size_t>(locator->content_begin - key.offset)));
  return std::optional<Region>(Region{key, *locator, line_of(std::move(head))});
}

Result<bool> read_region(const files::File& file, const Region& region, Quoting quoting, const CancelToken& cancel,
                         const OctetSink& sink) {
  Fingerprint fingerprint;
  Requoter requoter(Requoter::Direction::unquote, quoting);
  const std::uint64_t end = region.key.offset + region.key.length;
  const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, region.key.length));
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(room);
  const std::span<std::byte> buffer(memory.get(), room);
  for (std::uint64_t at = region.key.offset; at < end;) {
    if (cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted while reading a message");
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at));
    MH_TRY(const std::size_t got, file.read_at(at, buffer.first(want)));
    if (got < want) return false;
    const Octets piece = buffer.first(got);
    fingerprint.update(piece);
    const std::uint64_t skipped = std::max(at, region.locator.content_begin) - at;
    if (skipped < got) {
      const Octets content = piece.subspan(static_cast<std::size_t>(skipped));
      MH_CHECK(region.locator.verbatim ? sink(content) : requoter.feed(content, sink));
    }
    at += got;
  }
  MH_CHECK(requoter.finish(sink));
  return fingerprint.value() == region.key.fingerprint;
}

}  // namespace mailhaul::mbox
