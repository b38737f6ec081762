// What a command over one place needs, as `ls` and `probe` share it.
#pragma once

#include <memory>
#include <string>

#include "cli/accounts.hpp"
#include "cli/frame.hpp"
#include "cli/process.hpp"
#include "cli/state.hpp"
#include "files/spool.hpp"
#include "pipeline/jobs.hpp"

namespace mailhaul::cli {

/// Lives as long as the command; what it hands out refers to it. Changes nothing but the file of `--trace`.
class OnePlace {
 public:
  /// Errors: usage, security; nothing was touched.
  static Result<std::unique_ptr<OnePlace>> open(Frame& frame, const PlaceOptions& options);
  OnePlace(const OnePlace&) = delete;
  OnePlace& operator=(const OnePlace&) = delete;

  [[nodiscard]] const pipeline::Job& job() const { return job_; }
  /// Once, when the store is closed: what was not shown yet.
  void finish();

 private:
  OnePlace(Frame& frame, store::Registry registry, std::unique_ptr<files::FileSystem> fs, StatePlaces state);

  std::unique_ptr<files::FileSystem> fs_;
  store::Registry registry_;
  SystemRandom random_;
  files::MemoryBudget budget_;
  files::Spool spool_;
  Warnings warnings_;
  Accounts accounts_;
  store::Services services_;
  pipeline::Job job_;
};

}  // namespace mailhaul::cli
