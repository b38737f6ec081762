// What a store is given. Nothing else of the world reaches it.
#pragma once

#include <cstdint>
#include <string>

#include "base/cancel.hpp"
#include "base/clock.hpp"

namespace mailhaul::files {
class FileSystem;
class Spool;
}  // namespace mailhaul::files

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

/// All of them outlive every store they are given to.
struct Services {
  const Clock& clock;
  files::FileSystem& fs;
  files::Spool& spool;
  const CancelToken& cancel;
  Events& events;
  Random& random;
};

}  // namespace mailhaul::store
