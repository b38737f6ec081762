#include "mail/content.hpp"

#include <algorithm>
#include <memory>
#include <string>

namespace mailhaul::mail {

Status for_each_piece(const Content& content, const OctetSink& sink) {
  // 256 KiB: fits the second-level cache, and a write of it costs no more calls than a larger one would save.
  constexpr std::uint64_t kPiece = 256 * 1024;
  if (Octets held = content.held(); !held.empty()) {
    for (; !held.empty(); held = held.subspan(std::min<std::size_t>(held.size(), kPiece)))
      MH_CHECK(sink(held.first(std::min<std::size_t>(held.size(), kPiece))));
    return {};
  }
  const std::uint64_t size = content.size();
  const auto room = static_cast<std::size_t>(std::min(size, kPiece));
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(room);
  const std::span<std::byte> piece(memory.get(), room);
  for (std::uint64_t offset = 0; offset < size;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size - offset, room));
    MH_TRY(const std::size_t got, content.read(offset, piece.first(wanted)));
    if (got == 0 || got > wanted) {
      return make_error(ErrorKind::message, Scope::message,
                        "message content ends at octet " + std::to_string(offset) + " of " + std::to_string(size), {},
                        Retry::later);
    }
    MH_CHECK(sink(Octets(piece).first(got)));
    offset += got;
  }
  return {};
}

}  // namespace mailhaul::mail
