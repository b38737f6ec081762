// One message's octets read from its file and checked against its key.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "mail/meta.hpp"
#include "plugins/mbox/format/message_key.hpp"
#include "plugins/mbox/format/quoting.hpp"

namespace mailhaul::mbox {

/// What a key names in its file.
struct Region {
  MessageKey key;
  Locator locator;
  std::string from_line;  ///< without line end, at most 1,024 octets
};

/// Takes the region's From_ line from the file, and its locator too when the session that listed it is gone (nullopt).
/// nullopt: nothing there can be the message of this key.
[[nodiscard]] Result<std::optional<Region>> find_region(const files::File& file, const MessageKey& key,
                                                        std::optional<Locator> locator, const CancelToken& cancel);

/// Streams the content (unquoted) in pieces of at most 256 KiB. False: the octets are not those of the key, and what the
/// sink took is worth nothing. Errors: the file's, the sink's, interrupted.
[[nodiscard]] Result<bool> read_region(const files::File& file, const Region& region, Quoting quoting,
                                       const CancelToken& cancel, const OctetSink& sink);

}  // namespace mailhaul::mbox
