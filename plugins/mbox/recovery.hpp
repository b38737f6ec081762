// What became of deliveries whose outcome is not known: found again in the file by their tickets, torn ones cut off
// (durability.md 2.6). The caller holds both locks of the file.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "plugins/mbox/format/quoting.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// Where a file ended before a batch.
struct Watermark {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::string tail;  ///< SHA-256 of the last 4 KiB, hexadecimal

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<Watermark> parse(std::string_view text);
};
[[nodiscard]] Result<Watermark> take_watermark(const files::File& file);

/// store::Target::find_since() on an open and locked file. Matches are durable when they are told.
[[nodiscard]] Status find_deliveries(files::File& file, std::string_view file_text, const Watermark& since,
                                     std::span<const store::Wanted> wanted, Quoting quoting, const CancelToken& cancel,
                                     const std::function<Status(store::Match)>& sink);

}  // namespace mailhaul::mbox
