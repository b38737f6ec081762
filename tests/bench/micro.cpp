// The hot loops by the clock, with Google Benchmark's own options: micro --benchmark_filter=imap
// --benchmark_format=json
#include <benchmark/benchmark.h>

#include <string>

#include "bench/loops.hpp"

int main(int argc, char** argv) {
  for (const auto& kind : mailhaul::bench::loop_kinds()) {
    benchmark::RegisterBenchmark(std::string(kind.name).c_str(), [&kind](benchmark::State& state) {
      const auto loop = kind.make();
      for (auto _ : state) loop->run();
      const auto units = static_cast<std::int64_t>(loop->units()) * static_cast<std::int64_t>(state.iterations());
      state.SetItemsProcessed(units);
      state.SetLabel(std::string(kind.unit));
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
