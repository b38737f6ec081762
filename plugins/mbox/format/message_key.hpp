// Keys and locators: how a message of an mbox is named to the engine, as text. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/mbox/format/splitter.hpp"

namespace mailhaul::mbox {

/// `<offset>.<length>.<XXH3-64>` of the region from the From_ line to the content's end: an edited file never passes an
/// old key, because the octets are read against it.
struct MessageKey {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t fingerprint = 0;
  bool operator==(const MessageKey&) const = default;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<MessageKey> parse(std::string_view text);
  [[nodiscard]] static MessageKey of(const MessageSpan& span) {
    return {span.begin, span.content_end - span.begin, span.fingerprint};
  }
};

/// What a reader needs beside the key: where the content begins in the region, and whether it is quoted.
struct Locator {
  std::uint64_t content_begin = 0;
  bool verbatim = false;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<Locator> parse(std::string_view text);
};

}  // namespace mailhaul::mbox
