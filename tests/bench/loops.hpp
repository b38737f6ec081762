// The loops in which the program spends its time, each on mail made here by a fixed rule: for the counts of
// instructions (hot_loops.cpp) and the micro-benchmarks (micro.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mailhaul::bench {

/// One loop, ready to run. What it needs was made before.
class Loop {
 public:
  virtual ~Loop() = default;
  /// Once over all of it; every run does the same. Ends the program when a result is not what it must be.
  virtual void run() = 0;
  /// How many units one run works on.
  [[nodiscard]] virtual std::uint64_t units() const = 0;
};

struct LoopKind {
  std::string_view name;
  std::string_view unit;  ///< what is counted: "octet", "message", …
  std::function<std::unique_ptr<Loop>()> make;
};

/// All loops, those with recorded counts of instructions first.
[[nodiscard]] const std::vector<LoopKind>& loop_kinds();

}  // namespace mailhaul::bench
