// One suite that every Source and every Target must pass. A subject is a store with a harness that can open it, read it
// back by other means, and take its power away. A claimed ability makes its tests mandatory, an unclaimed one must be
// refused; what does not apply to a subject is skipped with a reason and listed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/readers.hpp"
#include "conformance/world.hpp"
#include "files/failing_fs.hpp"
#include "store/store.hpp"

namespace mailhaul::conformance {

/// What a place stands on: the system's files, or a simulated disk that can lose power.
enum class Ground { disk, forgetful };

/// One place to write to. Not thread-safe; the targets it opens die before it.
class TargetHarness {
 public:
  virtual ~TargetHarness() = default;
  /// What caps() must say, written by hand.
  [[nodiscard]] virtual store::Caps claims() const = 0;
  /// What the services of its targets must name.
  [[nodiscard]] virtual files::FileSystem& fs() = 0;
  /// What the store says before it is opened: the same as caps(), and nothing is made for it.
  [[nodiscard]] virtual Result<store::Caps> foretell(store::Services& services) = 0;
  /// The same place each time.
  [[nodiscard]] virtual Result<std::unique_ptr<store::Target>> open(store::Services& services,
                                                                    store::AckSink& acks) = 0;
  /// The same place to read from: for the matrix, never for a verdict on the target.
  [[nodiscard]] virtual Result<std::unique_ptr<store::Source>> open_source(store::Services& services) = 0;
  /// All messages, by a reader that shares no code with the store. A place never made: no messages.
  [[nodiscard]] virtual Result<std::vector<Kept>> read_back() = 0;
  /// A copy of the place as a power cut leaves it (Ground::forgetful only). `seed` as in ForgettingFs::lose_power.
  [[nodiscard]] virtual std::unique_ptr<TargetHarness> crash(std::uint64_t seed) const = 0;
  /// Faults at the n-th changing call, counted since the harness was made.
  virtual void arm(std::uint64_t call, files::Fault fault) = 0;
  virtual void disarm() = 0;
  [[nodiscard]] virtual std::uint64_t calls() const = 0;
  [[nodiscard]] virtual bool fired() const = 0;
  /// As another program would: the folder and its mail are gone.
  virtual void vanish(const mail::FolderPath& folder) = 0;
};

/// What the suite has to know of a target before it makes a place.
struct TargetSubject {
  std::string name;  ///< letters, digits, '_'
  std::function<std::unique_ptr<TargetHarness>(Ground)> make;
  mail::FolderPath folder;            ///< one that every place of it can hold
  bool torn_until_recovery = false;   ///< a crash may leave part of a message until find_since() (one file for all)
  bool holds_mail_in_memory = false;  ///< the place itself is memory: no bound can be asked of it
  std::uint64_t fewest_crash_points = 10;  ///< a scenario that offers fewer calls to stop at proves nothing
  /// Why no power can be taken from the place and no call of it made to fail (crash(), arm()); "" = it can.
  std::string keeps_power;
  /// Received dates that a server behind the place spoils although it accepts them, beyond what caps() can say.
  std::function<bool(Instant)> spoils_date;
  std::string absent;  ///< why no case can run here (a server is not installed); "" = they can
};

/// One message as the test planted it, by code of its own.
struct Planted {
  mail::FolderPath folder;
  std::string octets;
  mail::Meta meta;
};

/// One place to read from.
class SourceHarness {
 public:
  virtual ~SourceHarness() = default;
  [[nodiscard]] virtual store::Caps claims() const = 0;
  [[nodiscard]] virtual files::FileSystem& fs() = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<store::Source>> open(store::Services& services) = 0;
  /// Adds mail, as another program would.
  virtual void plant(const std::vector<Planted>& mail) = 0;
  /// Makes the place look as if nobody had touched it for an hour.
  virtual void age() = 0;
  /// Takes the message planted last away from the folder.
  virtual void take_last(const mail::FolderPath& folder) = 0;
  /// Names, sizes, times (also of access) and octets of everything at the place.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  /// Plants what no reader can like beside good mail. Returns how many messages of `folder` are still good and how many
  /// complaints (on_bad, on_failed or a note) there must be at least; nullopt: this place cannot be spoilt.
  struct Spoilt {
    std::size_t good = 0;
    std::size_t complaints = 0;
  };
  virtual std::optional<Spoilt> spoil(const mail::FolderPath& folder) = 0;
};

struct SourceSubject {
  std::string name;
  std::function<std::unique_ptr<SourceHarness>()> make;
  mail::FolderPath folder;
  bool holds_mail_in_memory = false;
  std::string absent;  ///< as of a TargetSubject
};

/// A reason why a case does not apply, or nullopt.
using Reason = std::optional<std::string>;

template <typename Subject>
struct Case {
  std::string name;                               ///< a sentence about behaviour
  std::function<Reason(const Subject&)> not_for;  ///< may be empty: for all
  std::function<void(const Subject&)> run;
};
using TargetCases = std::vector<Case<TargetSubject>>;
using SourceCases = std::vector<Case<SourceSubject>>;

[[nodiscard]] TargetCases target_basic_cases();
[[nodiscard]] TargetCases target_octet_cases();
[[nodiscard]] TargetCases target_name_cases();
[[nodiscard]] TargetCases target_fault_cases();
[[nodiscard]] TargetCases target_volume_cases();
[[nodiscard]] TargetCases matrix_cases();
[[nodiscard]] SourceCases source_cases();
[[nodiscard]] SourceCases source_change_cases();

[[nodiscard]] std::vector<TargetSubject> target_subjects();
[[nodiscard]] std::vector<SourceSubject> source_subjects();

}  // namespace mailhaul::conformance
