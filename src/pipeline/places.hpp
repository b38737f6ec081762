// The two places of a run: opened, told apart, and locked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.hpp"
#include "ledger/place.hpp"
#include "pipeline/jobs.hpp"
#include "pipeline/patience.hpp"
#include "pipeline/report.hpp"

namespace mailhaul::pipeline {

/// An Error with the side on which it happened: the exit code depends on it.
struct SidedError {
  Error error;
  Side side = Side::none;
};

/// Identities of both places. Error: usage when they are the same or one lies inside the other.
struct Identities {
  std::string source, target;
};
[[nodiscard]] Result<Identities> identify(const Job& job, const store::Descriptor& source, const store::Descriptor& target);

/// All folders of a place, in its order.
[[nodiscard]] Result<std::vector<store::FolderInfo>> collect_folders(store::Source& source);

/// The pauses that a server asks for before its first session of a run. Later ones are of BackOff: then there is more to
/// lose by giving up.
class FirstPauses {
 public:
  FirstPauses(const Patience& patience, store::Services& services) : patience_(patience), services_(services) {}
  /// Waits, and tells that; true: another try. false: no pause was asked for, or enough were granted. Error: interrupted.
  [[nodiscard]] Result<bool> grant(const Error& why, const std::function<void()>& tick = {});

 private:
  const Patience& patience_;
  store::Services& services_;
  unsigned tries_ = 0;
};

/// A place read as a source. Where there is a server, it outlives its sessions (SteadySource); a place without one has no
/// session to lose, and is spared the bookkeeping. All arguments outlive what is returned.
[[nodiscard]] Result<std::unique_ptr<store::Source>> open_steady(const store::Descriptor& descriptor,
                                                                 const store::Location& location,
                                                                 store::Services& services,
                                                                 const store::OpenOptions& options,
                                                                 const Patience& patience);

/// The target read as a source, if it is there: nullptr when it is not. Else as open_steady().
[[nodiscard]] Result<std::unique_ptr<store::Source>> open_existing(const store::Descriptor& descriptor,
                                                                   const store::Location& location,
                                                                   store::Services& services,
                                                                   const store::OpenOptions& options,
                                                                   const Patience& patience);

/// Digest by which loose twins are found, as the options say; nullopt when they are not, or the message has no such thing.
[[nodiscard]] std::optional<Digest> loose_key_of(const mail::MessageFacts& facts, Dedup dedup);

}  // namespace mailhaul::pipeline
