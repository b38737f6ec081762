// What a store is given. Nothing else of the world reaches it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/clock.hpp"

namespace mailhaul::files {
class FileSystem;
class Spool;
}  // namespace mailhaul::files

namespace mailhaul::net {
class Dialer;
}  // namespace mailhaul::net

namespace mailhaul::store {

/// Something a person should know that is not the outcome of one message.
struct Note {
  enum class Weight {
    info,      ///< shown with -v and in the report
    warning,   ///< shown and in the report
    doubtful,  ///< as warning, and the run ends with 3 at least: the mail may not be what it was
  };
  Weight weight = Weight::warning;
  std::string folder;  ///< FolderPath::text(), or "" for the whole place
  std::string text;    ///< names file and offset; remote text in it is not yet made visible
};

/// Takes notes from any thread; must not block.
class Events {
 public:
  virtual ~Events() = default;
  virtual void note(const Note& note) = 0;
};

/// Random numbers from the system, or seeded in tests. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
};

/// Takes the protocol of a session (`--trace`), already without secrets: those who know which octets are secret (the
/// engines) leave them out by type, not by looking at the text. Thread-safe.
class Trace {
 public:
  enum class Way { sent, received, remark };
  virtual ~Trace() = default;
  /// One line without its line end, message octets only as their count. `session` tells connections apart ("source 1").
  /// Remote text in it is not yet made visible.
  virtual void line(std::string_view session, Way way, std::string_view text) = 0;
};

/// All of them outlive every store they are given to.
struct Services {
  const Clock& clock;
  files::FileSystem& fs;
  files::Spool& spool;
  const CancelToken& cancel;
  Events& events;
  Random& random;
  net::Dialer* dialer = nullptr;  ///< for stores on a network; null where there is none
  Trace* trace = nullptr;         ///< null when nobody listens
};

}  // namespace mailhaul::store
