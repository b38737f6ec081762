// One batch of deliveries to one mbox: from the lock and the watermark to the acks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "files/lock.hpp"
#include "plugins/mbox/appender.hpp"
#include "plugins/mbox/recovery.hpp"
#include "store/services.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// A file opened for writing, under both locks of an mbox.
struct LockedFile {
  std::unique_ptr<files::File> file;
  std::unique_ptr<files::MboxLock> lock;  ///< dies before the file
};
/// Error usage when `name` is there and no mbox (a torn one is). Makes nothing.
[[nodiscard]] Status check_before_writing(files::Dir& dir, const std::string& name, const std::string& file_text);
/// Opens `name` without a lock, making it durably when it is not there. Error usage when it is no mbox (a torn one is).
[[nodiscard]] Result<std::unique_ptr<files::File>> open_for_writing(files::Dir& dir, const std::string& name,
                                                                    const std::string& file_text);
/// The same with both locks. Also error locked.
[[nodiscard]] Result<LockedFile> open_locked(files::Dir& dir, const std::string& name, const std::string& file_text,
                                             store::Services& services);

/// Lives from watermark() to flush(). Dropped without close(): nothing is acknowledged, the locks are let go.
class Batch {
 public:
  /// `dir` must outlive it.
  static Result<std::unique_ptr<Batch>> open(files::Dir& dir, const std::string& name, const std::string& file_text,
                                             store::Services& services);

  [[nodiscard]] std::string watermark() const { return watermark_.text(); }
  /// Writes one message, or notes why not: every message gets its ack. Errors: interrupted, when nothing is left of the
  /// message; any other one when nobody can say what the file holds now, and the batch is over.
  Status add(const store::Ticket& ticket, const mail::Message& message, Quoting quoting, const CancelToken& cancel,
             store::AckSink& acks);
  /// Makes everything durable and acknowledges it. Errors as add().
  Status settle(store::AckSink& acks);
  /// Lets go of the locks. Error: a lock file stayed behind.
  Status close();

 private:
  struct Pending {
    store::Ticket ticket;
    Written written;
    std::optional<Error> refused;
  };

  Batch(files::Dir& dir, std::string name, std::string file_text, LockedFile locked, Watermark watermark)
      : dir_(dir), name_(std::move(name)), file_text_(std::move(file_text)), watermark_(std::move(watermark)),
        locked_(std::move(locked)), appender_(*locked_.file, watermark_.size), synced_(watermark_.size) {}

  Status on_failed_add(const store::Ticket& ticket, std::uint64_t begin, Error error);
  Status salvage(const Error& error);
  Status refuse_from(std::size_t first, std::uint64_t offset, const Error& error);
  Status sync();
  Status check_place() const;
  Status undo_unsynced();
  void acknowledge(store::AckSink& acks);
  Status give_up(Error error, store::AckSink& acks);

  files::Dir& dir_;
  std::string name_, file_text_;
  Watermark watermark_;
  std::unique_ptr<files::File> reopened_;  ///< after a failed sync: the first handle is not to be trusted
  LockedFile locked_;
  Appender appender_;
  std::uint64_t synced_;  ///< up to here everything is durable and acknowledged
  std::vector<Pending> pending_;
  std::optional<Error> failed_;  ///< since then every message is refused
  bool ready_ = false;           ///< ends with a message of this batch, and so with an empty line
};

}  // namespace mailhaul::mbox
