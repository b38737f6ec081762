// `--trace FILE`: the conversation with servers, for somebody who wants to see it. The sessions have left secrets out.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "store/services.hpp"

namespace mailhaul::cli {

/// Lines like `   1.234 source 1 > a1 CAPABILITY`: seconds since the start, session, `>` sent, `<` received, `*` a
/// remark. Thread-safe; each line is written before line() returns. After a failed write the rest is dropped.
class TraceFile final : public store::Trace {
 public:
  /// Makes the file anew, mode 0600, in the place of an earlier trace. Errors: usage; also for a file that is there and
  /// is none: a slip of the hand must not cost a mailbox. `clock` outlives it.
  static Result<std::unique_ptr<TraceFile>> open(files::FileSystem& fs, const std::string& path, const Clock& clock);
  void line(std::string_view session, Way way, std::string_view text) override;
  /// Once, at the end. Error: the trace is cut short, and why.
  [[nodiscard]] Status close();

 private:
  TraceFile(std::unique_ptr<files::File> file, std::string path, const Clock& clock)
      : file_(std::move(file)), path_(std::move(path)), clock_(clock), begin_(clock.steady()) {}
  void write_locked(std::string_view text);

  const std::unique_ptr<files::File> file_;
  const std::string path_;
  const Clock& clock_;
  const std::chrono::steady_clock::time_point begin_;
  std::mutex mutex_;
  std::uint64_t written_ = 0;
  std::optional<Error> failed_;
};

}  // namespace mailhaul::cli
