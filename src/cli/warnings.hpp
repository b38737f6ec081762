// Notes of a run as they come, for somebody who watches.
#pragma once

#include <cstddef>
#include <mutex>

#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "store/services.hpp"

namespace mailhaul::cli {

/// Shows the first 20 warnings as plain lines; the report has all. Thread-safe; blocks only while stderr does.
class Warnings final : public store::Events {
 public:
  enum class Show { nothing, warnings, everything };
  Warnings(Terminal& terminal, Show show) : terminal_(terminal), show_(show) {}
  void note(const store::Note& note) override;
  /// Once, at the end: how many were not shown.
  void finish();

 private:
  Terminal& terminal_;
  const Show show_;
  std::mutex mutex_;
  std::size_t seen_ = 0;
};

/// By `-q` and `-v`.
[[nodiscard]] Warnings::Show warnings_to_show(const GlobalOptions& global);

}  // namespace mailhaul::cli
