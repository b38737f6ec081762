// What a run says of itself: the account of every message (docs/user/commands.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "store/services.hpp"

namespace mailhaul::pipeline {

/// How one listed message ended. Exactly one each.
enum class Outcome { copied, present, duplicate, filtered, failed, vanished, pending, unknown };
[[nodiscard]] std::string_view to_text(Outcome outcome);

/// One message and its end: a line of `--outcomes`.
struct MessageOutcome {
  std::string folder;      ///< source folder, FolderPath::text()
  std::string key;         ///< source key
  std::string nid;         ///< hex, or "" when the message was not read
  Outcome outcome = Outcome::pending;
  std::string target_key;  ///< when known
  std::string reason;      ///< why failed, filtered, duplicate…
  std::string twin;        ///< key of the twin, for duplicates
};

struct Failure {
  std::string folder, key, message_id;
  std::string reason;  ///< a stable word: the ErrorKind
  std::string detail;  ///< for a person
};

struct FolderLine {
  std::string source, target;
  std::uint64_t listed = 0, copied = 0, octets = 0;
};

/// Counters of `copy`.
struct CopyCounts {
  std::uint64_t listed = 0, copied = 0, present = 0, present_by_header = 0, duplicate = 0, filtered = 0, failed = 0,
                vanished = 0, pending = 0, unknown = 0, altered = 0, repaired = 0, updated = 0, moved = 0, deleted = 0,
                octets = 0;
  std::uint64_t lost_keywords = 0, lost_dates = 0, lost_flags = 0;

  [[nodiscard]] bool balanced() const {
    return listed == copied + present + duplicate + filtered + failed + vanished + pending + unknown;
  }
};

/// Counters of `verify`; checked = identical + equivalent + missing + different.
struct VerifyCounts {
  std::uint64_t checked = 0, identical = 0, equivalent = 0, missing = 0, different = 0, flags_differ = 0,
                dates_differ = 0, extra = 0, unreadable = 0;  ///< unreadable: of either side; counted in no other
};

/// The end of a run. `exit` follows the table of docs/user/commands.md with its order of precedence.
struct Report {
  std::string command, source, target;
  bool dry_run = false;
  CopyCounts counts;
  VerifyCounts verify;
  double seconds = 0;
  int exit = 0;
  std::vector<FolderLine> folders;
  std::vector<Failure> failures;         ///< the first 1,000
  std::vector<store::Note> notes;        ///< the first 1,000
  std::vector<std::string> name_changes; ///< "Work/a.b -> Work/a_b: …"
  std::optional<Error> error;            ///< what stopped the run
};

/// A stable word for scripts: the enumerator's name.
[[nodiscard]] std::string_view to_text(ErrorKind kind);
/// Exit code of an error on its side (unreachable: 4 source, 5 target, 2 when it is our own state that is).
enum class Side { none, source, target };
[[nodiscard]] int exit_code(const Error& error, Side side);
/// Of two codes that both apply, the one that docs/user/commands.md puts first: 2, 1, 9, 7, 6, 14, 11, 10, 12, 8, 4, 5, 15,
/// 13, 3, 0.
[[nodiscard]] int worse_exit(int a, int b);

/// Where a run is, for a progress line.
struct Progress {
  enum class Phase { connecting, listing, reading, recovering, adopting, copying, settling, verifying, finishing };
  Phase phase = Phase::connecting;
  std::string folder;
  std::uint64_t done = 0;      ///< messages with an outcome
  std::uint64_t total = 0;     ///< messages listed so far; final from `copying` on
  std::uint64_t octets = 0;    ///< octets read so far
  std::uint64_t copied = 0, failed = 0;
  std::uint64_t in_doubt = 0;         ///< deliveries without a verdict
  std::chrono::milliseconds wait{0};  ///< how long they will be waited for at most
};

/// Hears of a run while it goes on. Called from the run's main thread; notes may come from any thread (Events).
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_progress(const Progress& progress) = 0;  ///< often; the listener thins it out
  /// An Error (the outcomes file cannot be written) stops the run with exit 1.
  virtual Status on_outcome(const MessageOutcome& outcome) = 0;
  [[nodiscard]] virtual bool wants_outcomes() const = 0;
};

/// One folder of `ls`.
struct FolderSummary {
  std::string path, role;
  std::uint64_t messages = 0, octets = 0, unseen = 0;
  bool selectable = true;
};

}  // namespace mailhaul::pipeline
