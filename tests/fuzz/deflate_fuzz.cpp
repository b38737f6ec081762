// Any octets as what a server says compressed: the same octets and the same end for any pieces and any room, never more
// than the room at once. And any octets as what we say: they come back. The first octet chooses pieces and room.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/deflate.hpp"

namespace {

using namespace mailhaul;
using namespace mailhaul::net;

constexpr std::size_t kMost = std::size_t{4} << 20U;  // of a bomb; what follows is more of the same

void demand(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  std::string text;
  bool end = false, corrupt = false;
  bool operator==(const Outcome&) const = default;
};

Outcome inflated(std::string_view text, std::size_t piece, std::size_t room) {
  auto inflater = Inflater::make();
  demand(inflater.ok());
  Outcome outcome;
  while (!text.empty()) {
    // Copies of their own, so that a sanitizer sees whoever goes past the piece or the room.
    const std::vector<char> now(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(piece, text.size())));
    text.remove_prefix(now.size());
    std::string_view rest(now.data(), now.size());
    for (bool more = true; more;) {
      std::vector<std::byte> into(room);
      const auto some = inflater->take(as_octets(rest), into);
      if (!some.ok()) {
        demand(some.error().kind == ErrorKind::unreachable && some.error().scope == Scope::session);
        outcome.corrupt = true;
        return outcome;
      }
      demand(some->taken <= rest.size() && some->made <= room);
      demand(some->taken + some->made > 0 || !some->more);
      rest.remove_prefix(some->taken);
      outcome.text += as_text(Octets(into).first(some->made));
      outcome.end = some->end;
      more = some->more;
      if (outcome.text.size() < kMost) continue;
      outcome.text.resize(kMost);
      outcome.end = false;
      return outcome;
    }
    demand(rest.empty());
  }
  return outcome;
}

std::string deflated(std::string_view text, std::size_t piece) {
  auto deflater = Deflater::make();
  demand(deflater.ok());
  std::vector<std::byte> all;
  while (!text.empty()) {
    demand(deflater->put(as_octets(text.substr(0, piece)), all).ok());
    text.remove_prefix(std::min(piece, text.size()));
  }
  return std::string(as_text(all));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = 1 + (data[0] & 15U), room = 1 + 16 * (data[0] >> 4U);
  const Outcome whole = inflated(text, text.size() + 1, std::size_t{256} << 10U);
  demand(inflated(text, piece, std::size_t{256} << 10U) == whole);
  // An octet at a time of a bomb takes too long to find anything else in.
  if (whole.text.size() < 100'000) demand(inflated(text, piece, room) == whole);
  const std::string wire = deflated(text, size < 20'000 ? piece : 4096);
  const Outcome back = inflated(wire, piece, room);
  demand(!back.corrupt && !back.end && back.text == text);
  return 0;
}
