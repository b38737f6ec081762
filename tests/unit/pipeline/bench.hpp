// What a run is given in these tests: a clock that sleeping moves, a scratch folder, recorded notes.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "files/file_system.hpp"
#include "files/spool.hpp"
#include "store/services.hpp"
#include "unit/pipeline/flaky_place.hpp"

namespace mailhaul::pipeline {

class Bench final : private store::Events, private store::Random {
 public:
  Bench() {
    // Hundreds of runs, each with its syncs: in memory where there is such a place.
    const std::filesystem::path memory = "/dev/shm";
    std::error_code missing;
    const auto base = std::filesystem::is_directory(memory, missing) ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (base / "mailhaul-pipeline-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    spool_ = std::make_unique<files::Spool>(path_, budget_, mail::ScanOptions{});
    facts_ = std::make_unique<files::Spool>(path_, budget_, mail::ScanOptions{.header_id = true}, files::Keep::facts);
    services_ = std::make_unique<store::Services>(store::Services{
        clock_, *fs_, *spool_, cancel_, static_cast<store::Events&>(*this), static_cast<store::Random&>(*this)});
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() override { std::filesystem::remove_all(path_); }

  [[nodiscard]] FakeClock& clock() { return clock_; }
  [[nodiscard]] CancelToken& cancel() { return cancel_; }
  [[nodiscard]] store::Services& services() { return *services_; }
  [[nodiscard]] files::Spool& facts_spool() { return *facts_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<store::Note> notes() {
    const std::lock_guard lock(mutex_);
    return notes_;
  }

 private:
  void note(const store::Note& note) override {
    const std::lock_guard lock(mutex_);
    notes_.push_back(note);
  }
  std::uint64_t next() override { return engine_(); }

  FakeClock clock_;
  CancelToken cancel_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  files::MemoryBudget budget_{64ULL << 20};
  std::string path_;
  std::unique_ptr<files::Spool> spool_, facts_;
  std::unique_ptr<store::Services> services_;
  std::mutex mutex_;
  std::vector<store::Note> notes_;
  std::mt19937_64 engine_{7};
};

}  // namespace mailhaul::pipeline
