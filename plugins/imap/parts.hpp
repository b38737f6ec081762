// One large message that is fetched in parts (BODY.PEEK[]<0.8388608>), so that a server which builds in memory what it
// sends is not asked to build all of it, and the answers to other commands come in between.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "files/spool.hpp"
#include "plugins/imap/protocol/client.hpp"
#include "plugins/imap/protocol/response.hpp"

namespace mailhaul::imap {

/// Puts parts together in their order, whatever the server answers. What is wrong ends it with failed(): the message is
/// then for a whole fetch. Sends nothing itself.
class Parts {
 public:
  static constexpr std::uint64_t kOctets = 8ULL << 20U;  ///< of a part
  static constexpr std::uint64_t kLarge = 32ULL << 20U;  ///< messages above are fetched so

  /// `size`: as the listing told it; how far is asked ahead, and what the whole is measured by.
  Parts(Uid uid, std::uint64_t size, std::unique_ptr<files::ContentWriter> writer)
      : uid_(uid), size_(size), writer_(std::move(writer)) {}

  [[nodiscard]] Uid uid() const { return uid_; }
  /// Where the part begins that is to be asked for now, two at once; nullopt: none. It counts as asked for then.
  [[nodiscard]] std::optional<std::uint64_t> next();
  /// The command with which `next()` is asked for.
  [[nodiscard]] Command command(std::uint64_t offset) const;

  /// A body begins. True when it is the part that is due, by what stands before it: append() and take() belong to it.
  [[nodiscard]] bool begin(const BodyHead& head, std::uint64_t octets);
  Status append(Octets octets);  ///< Error: of the spool
  /// The FETCH response with this UID that had a body, or said that there is none.
  void take(const FetchResponse& fetched);
  void done(std::uint64_t offset, bool ok);  ///< the command for that part has ended
  void fail() { failed_ = true; }

  [[nodiscard]] bool idle() const { return asked_.empty(); }
  [[nodiscard]] bool failed() const { return failed_; }
  /// An empty part behind the last octet has shown where the message ends.
  [[nodiscard]] bool complete() const { return ended_ && !failed_; }
  /// Once, when complete(). nullopt: it has another size than the listing told, by more than servers that count
  /// otherwise do.
  [[nodiscard]] Result<std::optional<mail::ContentPtr>> finish();
  /// Flags and date, as they came with the first part.
  [[nodiscard]] const FetchResponse& first() const { return first_; }

 private:
  struct Asked {
    std::uint64_t offset = 0;
    bool answered = false;
  };
  void take_in_order(std::uint64_t octets);

  const Uid uid_;
  const std::uint64_t size_;
  std::unique_ptr<files::ContentWriter> writer_;
  std::deque<Asked> asked_;      // in the order of the commands
  std::uint64_t next_ = 0;       // where the next part begins
  std::uint64_t assembled_ = 0;  // octets put together
  std::uint64_t arrived_ = 0;    // of the part that is due
  bool arriving_ = false;
  bool short_ = false;  // the last part was not full: the end, if nothing is behind it
  bool ended_ = false, failed_ = false;
  FetchResponse first_;
};

}  // namespace mailhaul::imap
