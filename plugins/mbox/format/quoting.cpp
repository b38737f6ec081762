#include "plugins/mbox/format/quoting.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace mailhaul::mbox {
namespace {

constexpr std::string_view kFrom = "From ";

}  // namespace

std::size_t Requoter::read_line_start(std::string_view rest, bool& complete) {
  std::size_t taken = 0;
  complete = false;
  while (taken < rest.size()) {
    const char c = rest[taken];
    if (matched_ == 0 && c == '>') {
      ++marks_;
    } else if (c == kFrom[matched_]) {
      ++matched_;
    } else {
      complete = true;
      return taken;
    }
    ++taken;
    if (matched_ == kFrom.size()) {
      complete = true;
      return taken;
    }
  }
  return taken;
}

Status Requoter::release(bool is_from_line, const OctetSink& sink) {
  at_line_start_ = false;
  std::uint64_t marks = marks_;
  if (is_from_line && direction_ == Direction::quote) {
    if (quoting_ == Quoting::mboxrd || marks == 0) ++marks;
  } else if (is_from_line && marks > 0) {
    if (quoting_ == Quoting::mboxrd || marks == 1) --marks;
  }
  static constexpr auto kMarks = [] {
    std::array<char, 1024> block{};
    block.fill('>');
    return block;
  }();
  while (marks > 0) {
    const std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(marks, kMarks.size()));
    MH_CHECK(sink(as_octets(std::string_view(kMarks.data(), piece))));
    marks -= piece;
  }
  if (matched_ > 0) MH_CHECK(sink(as_octets(kFrom.substr(0, matched_))));
  marks_ = 0;
  matched_ = 0;
  return {};
}

Status Requoter::feed(Octets octets, const OctetSink& sink) {
  std::string_view rest = as_text(octets);
  while (!rest.empty()) {
    if (at_line_start_) {
      bool complete = false;
      rest.remove_prefix(read_line_start(rest, complete));
      if (!complete) return {};
      MH_CHECK(release(matched_ == kFrom.size(), sink));
      continue;
    }
    // Up to the next line that begins with '>' or 'F' the octets pass as they are.
    std::size_t pass = 0;
    while (!at_line_start_ && pass < rest.size()) {
      const void* found = std::memchr(rest.data() + pass, '\n', rest.size() - pass);
      if (found == nullptr) {
        pass = rest.size();
        break;
      }
      pass = static_cast<std::size_t>(static_cast<const char*>(found) - rest.data()) + 1;
      at_line_start_ = pass == rest.size() || rest[pass] == '>' || rest[pass] == 'F';
    }
    if (pass > 0) MH_CHECK(sink(as_octets(rest.substr(0, pass))));
    rest.remove_prefix(pass);
  }
  return {};
}

Status Requoter::finish(const OctetSink& sink) {
  if (marks_ == 0 && matched_ == 0) return {};
  return release(/*is_from_line=*/false, sink);
}

}  // namespace mailhaul::mbox
