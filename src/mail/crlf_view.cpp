#include "mail/crlf_view.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

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

/// Appends what comes next to what is ready; says how many octets it was.
Result<std::size_t> CrlfReader::take_on(std::size_t wanted) {
  if (const Octets held = content_->held(); !held.empty()) {
    filter_.append(held.subspan(static_cast<std::size_t>(offset_), wanted), ready_);
    return wanted;
  }
  const auto piece = std::make_unique_for_overwrite<std::byte[]>(wanted);
  MH_TRY(const std::size_t got, content_->read(offset_, {piece.get(), wanted}));
  filter_.append({piece.get(), got}, ready_);
  return got;
}

Result<std::size_t> CrlfReader::read(std::span<std::byte> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (taken_ == ready_.size()) {
      ready_.clear();
      taken_ = 0;
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, content_->size() - offset_));
      if (wanted == 0) break;
      MH_TRY(const std::size_t got, take_on(wanted));
      if (got == 0) break;
      offset_ += got;
    }
    const std::size_t some = std::min(into.size() - filled, ready_.size() - taken_);
    std::memcpy(into.data() + filled, ready_.data() + taken_, some);
    filled += some;
    taken_ += some;
  }
  return filled;
}

}  // namespace mailhaul::mail
