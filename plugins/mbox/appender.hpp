// Messages written to the end of an mbox: buffered, and taken back whole when a write fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "mail/content.hpp"
#include "plugins/mbox/format/quoting.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// One message as it lies in the file, or will.
struct Written {
  std::uint64_t begin = 0;  ///< of its From_ line
  std::uint64_t end = 0;    ///< behind its empty line
  store::Stored stored;
};

/// Holds up to 1 MiB that is not in the file yet. After a failed write of its own, wrote() tells how far the file is good.
class Appender {
 public:
  Appender(files::File& file, std::uint64_t end) : file_(file), in_file_(end) {}

  /// Adds line ends so that the file is empty or ends with an empty line.
  Status end_last_message();
  /// One message in mbox form. Errors: the content's (scope message), interrupted, or the file's: then failed() is true.
  Result<Written> add(const store::Ticket& ticket, const mail::Message& message, Quoting quoting,
                      const CancelToken& cancel);
  /// Writes what is buffered.
  Status write_out();
  /// Forgets everything from `offset` on; what is in the file already is cut off.
  Status take_back(std::uint64_t offset);
  /// Octets [begin, end) of the buffer, which are not in the file yet.
  [[nodiscard]] std::string buffered(std::uint64_t begin, std::uint64_t end) const;
  /// Puts octets at the end and writes them at once.
  Status write_now(std::string_view octets);

  [[nodiscard]] std::uint64_t end() const { return in_file_ + buffer_.size(); }
  [[nodiscard]] std::uint64_t in_file() const { return in_file_; }
  [[nodiscard]] bool failed() const { return failed_; }
  void clear_failure() { failed_ = false; }

 private:
  Status put(Octets octets);

  files::File& file_;
  std::uint64_t in_file_;
  std::string buffer_;
  bool failed_ = false;
};

}  // namespace mailhaul::mbox
