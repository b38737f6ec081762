// Where a pair's ledger lies, and the locks that keep two runs apart.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "files/lock.hpp"

namespace mailhaul::ledger {

/// `DIRECTORY/<16 hexadecimal digits>.ledger`, the same for the same two identities.
[[nodiscard]] std::string ledger_path(const std::string& directory, std::string_view source, std::string_view target);

/// Held for a whole run: nobody else writes this ledger, and no other run of this user writes that target.
class PairLock {
 public:
  /// `directory` must exist. Error: locked, naming the run that holds it.
  static Result<std::unique_ptr<PairLock>> acquire(files::FileSystem& fs, const std::string& directory,
                                                   const std::string& ledger_path, std::string_view target,
                                                   const Clock& clock);

 private:
  PairLock(std::unique_ptr<files::RunLock> ledger, std::unique_ptr<files::RunLock> target)
      : ledger_(std::move(ledger)), target_(std::move(target)) {}
  std::unique_ptr<files::RunLock> ledger_, target_;
};

}  // namespace mailhaul::ledger
