// One hot loop, for a counter of instructions:
//
//   hot_loops list             the loops, one a line: name and unit
//   hot_loops NAME TIMES       runs it; says how many units that were
//
// What is to be counted is what happens inside measured(): instructions.py names it to callgrind.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/loops.hpp"

namespace bench = mailhaul::bench;

extern "C" __attribute__((noinline)) void measured(bench::Loop* loop, unsigned long times) {
  for (; times > 0; --times) loop->run();
}

int main(int argc, char** argv) {
  const auto& kinds = bench::loop_kinds();
  if (argc == 2 && std::string_view(argv[1]) == "list") {
    for (const auto& kind : kinds)
      std::printf("%.*s %.*s\n", static_cast<int>(kind.name.size()), kind.name.data(),
                  static_cast<int>(kind.unit.size()), kind.unit.data());
    return 0;
  }
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const auto& one) { return argc == 3 && one.name == std::string_view(argv[1]); });
  if (kind == kinds.end()) {
    std::fputs("usage: hot_loops list | NAME TIMES\n", stderr);
    return 2;
  }
  const unsigned long times = std::strtoul(argv[2], nullptr, 10);
  const auto loop = kind->make();
  loop->run();  // what happens once is over before the count begins
  measured(loop.get(), times);
  std::printf("%llu\n", static_cast<unsigned long long>(times) * loop->units());
  return 0;
}
