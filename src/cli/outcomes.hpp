// `--outcomes FILE`: one JSON line a message, what became of it.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "files/file_system.hpp"
#include "pipeline/report.hpp"

namespace mailhaul::cli {

/// `{"folder":…,"key":…,"nid":…,"outcome":…,"target_key":…,"reason":…,"twin":…}` and LF.
[[nodiscard]] std::string outcome_line(const pipeline::MessageOutcome& outcome);

/// Used by one thread. What close() has not written is lost with the object.
class OutcomesFile {
 public:
  /// Makes the file or empties an earlier outcomes file. Errors: usage; also for a file that is there and is none:
  /// a slip of the hand must not cost a mailbox.
  static Result<std::unique_ptr<OutcomesFile>> open(files::FileSystem& fs, const std::string& path);
  /// Buffered, 64 KiB at a time. Error: kind bug = exit 1, the file cannot take it.
  Status write(const pipeline::MessageOutcome& outcome);
  Status close();

 private:
  OutcomesFile(std::unique_ptr<files::File> file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Status flush();

  std::unique_ptr<files::File> file_;
  std::string path_;
  std::string kept_;
  std::uint64_t written_ = 0;
};

}  // namespace mailhaul::cli
