// The octets of one message, wherever they lie.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "mail/message_scan.hpp"
#include "mail/meta.hpp"

namespace mailhaul::mail {

/// The octets of one message as the store's format yields them (mbox unquoted, POP3 unstuffed, nothing else
/// changed). Immutable, of known size, re-readable. Every method may be called from any thread at once.
class Content {
 public:
  virtual ~Content() = default;
  [[nodiscard]] virtual const MessageFacts& facts() const = 0;
  /// Fills `into` from `offset`; fewer octets only at the end, 0 at or after it. Error: the spool could not be
  /// read (scope message).
  [[nodiscard]] virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const = 0;
  /// All octets where they lie in memory in one piece, for as long as the content lives; else empty: read() them.
  [[nodiscard]] virtual Octets held() const { return {}; }

  [[nodiscard]] std::uint64_t size() const { return facts().size; }
};

using ContentPtr = std::shared_ptr<const Content>;
using OctetSink = std::function<Status(Octets)>;

/// Feeds the whole content in order, in pieces of at most 256 KiB. Stops at the sink's first error.
[[nodiscard]] Status for_each_piece(const Content& content, const OctetSink& sink);

/// What a source hands over and a target takes.
struct Message {
  ContentPtr content;
  Meta meta;
};

}  // namespace mailhaul::mail
