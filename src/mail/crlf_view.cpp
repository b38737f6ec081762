#include "mail/crlf_view.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace mailhaul::mail {

namespace {

constexpr std::size_t kPiece = 64U << 10U;

}  // namespace

void CrlfFilter::append(Octets octets, std::string& to) {
  std::string_view text = as_text(octets);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      to.append(text);
      after_cr_ = text.back() == '\r';
      return;
    }
    to.append(text.substr(0, end));
    const bool has_cr = end == 0 ? after_cr_ : text[end - 1] == '\r';
    if (!has_cr) to += '\r';
    to += '\n';
    after_cr_ = false;
    text.remove_prefix(end + 1);
  }
}

Result<std::size_t> CrlfReader::read(std::span<std::byte> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (taken_ == ready_.size()) {
      ready_.clear();
      taken_ = 0;
      std::vector<std::byte> piece(std::min<std::uint64_t>(kPiece, content_->size() - offset_));
      if (piece.empty()) break;
      MH_TRY(const std::size_t got, content_->read(offset_, piece));
      if (got == 0) break;
      offset_ += got;
      filter_.append(Octets(piece).first(got), ready_);
    }
    const std::size_t some = std::min(into.size() - filled, ready_.size() - taken_);
    std::memcpy(into.data() + filled, ready_.data() + taken_, some);
    filled += some;
    taken_ += some;
  }
  return filled;
}

}  // namespace mailhaul::mail
