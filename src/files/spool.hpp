// Message contents while they travel: small ones in memory under one budget, large ones in an unlinked file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "mail/content.hpp"
#include "mail/message_scan.hpp"

namespace mailhaul::files {

/// Octets of message content held in memory at once. Never waits. Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}
  [[nodiscard]] bool try_take(std::uint64_t octets);
  void give_back(std::uint64_t octets);
  [[nodiscard]] std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0}, peak_{0};
};

/// Takes one message while it arrives. One thread. Dropped without finish(): nothing is left.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  /// Error: no_space or damage of the spool disk, scope run.
  virtual Status append(Octets octets) = 0;
  /// Once. The facts are computed in the pass that append() made.
  virtual Result<mail::ContentPtr> finish() = 0;
};

/// What a spool keeps of a message: its octets, or (for comparing) its facts alone; read() of such a content is an Error.
enum class Keep { octets, facts };

/// Where messages travel. Over the budget (or above 4 MiB a message) content spills to an unlinked file in
/// `directory` (O_TMPFILE, mode 0600) instead of waiting, so that no batch can deadlock. Thread-safe.
class Spool {
 public:
  /// `directory` must exist. `budget` outlives the spool and every content of it.
  Spool(std::string directory, MemoryBudget& budget, mail::ScanOptions options, Keep keep = Keep::octets);
  [[nodiscard]] Result<std::unique_ptr<ContentWriter>> begin();
  [[nodiscard]] std::uint64_t spilled() const { return spilled_.load(std::memory_order_relaxed); }  ///< messages

 private:
  friend class SpoolWriter;
  std::string directory_;
  MemoryBudget& budget_;
  mail::ScanOptions options_;
  Keep keep_;
  std::atomic<std::uint64_t> spilled_{0};
};

}  // namespace mailhaul::files
