// A place in memory, scheme "memory": the contract of store.hpp with every ability, and a power switch. It shows that
// the suite can be passed, and stands at both ends of the matrix.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "files/failing_fs.hpp"
#include "store/store.hpp"

namespace mailhaul::conformance {

/// One message of a memory folder. `change` is the folder's change count when it was last written.
struct MemoryMessage {
  mail::Message message;
  std::optional<store::Ticket> ticket;
  std::uint64_t change = 0;
};

struct MemoryFolder {
  mail::FolderPath path;
  mail::Role role = mail::Role::none;
  std::uint64_t epoch = 0;
  bool subscribed = true;
  std::uint64_t next = 1;  ///< number of the next message, never used twice
  std::uint64_t changes = 0;
  std::map<std::uint64_t, MemoryMessage> messages;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> gone;  ///< change, number
};

using MemoryFolders = std::map<std::vector<std::string>, MemoryFolder>;
using MemoryChange = std::function<void(MemoryFolders&)>;

/// What every session of a place shares. Two halves: what calls see, and what a power cut leaves. A change is made to
/// the seen half at once and to the durable one at sync(). Thread-safe.
class MemoryPlace {
 public:
  /// Counts one changing call; an Error when the armed one is reached, or power is off.
  Status step();
  Status make(const MemoryChange& change);  ///< step, then to the seen half
  Status make_durably(const MemoryChange& change);
  Status sync();  ///< step, then all changes so far to the durable half
  void look(const std::function<void(const MemoryFolders&)>& at) const;
  std::uint64_t new_epoch();

  void arm(std::uint64_t call, files::Fault fault);
  void disarm();
  [[nodiscard]] std::uint64_t calls() const;
  [[nodiscard]] bool fired() const;
  /// What a power cut leaves: seed 0 drops every change not yet synced, 1 keeps all, others choose one by one.
  [[nodiscard]] std::shared_ptr<MemoryPlace> lose_power(std::uint64_t seed) const;

 private:
  Status step_locked();
  mutable std::mutex mutex_;
  MemoryFolders seen_, durable_;
  std::vector<MemoryChange> unsynced_;
  std::uint64_t epochs_ = 100;
  std::uint64_t calls_ = 0;
  std::optional<std::uint64_t> armed_;
  files::Fault fault_ = files::Fault::crash;
  bool fired_ = false, off_ = false;
};

[[nodiscard]] store::Caps memory_caps();
[[nodiscard]] std::unique_ptr<store::Source> open_memory_source(std::shared_ptr<MemoryPlace> place,
                                                                store::Services& services);
[[nodiscard]] std::unique_ptr<store::Target> open_memory_target(std::shared_ptr<MemoryPlace> place,
                                                                store::Services& services, store::AckSink& acks);

}  // namespace mailhaul::conformance
