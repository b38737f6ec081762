// What the tests of this room share: a folder that goes away, and clocks.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"

namespace mailhaul::files {

/// A new folder of the system, removed with all in it at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mailhaul-files-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;  // litter in the temporary folder fails no test
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Both clocks stand where the test puts them.
class StandingClock final : public Clock {
 public:
  std::chrono::system_clock::time_point wall() const override { return wall_; }
  std::chrono::steady_clock::time_point steady() const override { return {}; }
  std::chrono::system_clock::time_point wall_{std::chrono::seconds(1'700'000'000)};
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void spill_to(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Every file of a folder with its octets: two of them equal means that nothing was changed.
inline std::map<std::string, std::string> snapshot(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    files[entry.path().filename()] = slurp(entry.path());
  return files;
}

/// What a file of the seam holds.
inline std::string read_all(File& file) {
  auto facts = file.stat();
  if (!facts.ok()) return "unreadable: " + facts.error().what;
  std::string text(static_cast<std::size_t>(facts->size), '\0');
  auto got = file.read_at(0, std::as_writable_bytes(std::span(text)));
  return got.ok() && *got == text.size() ? text : "unreadable";
}

/// For ASSERT_TRUE: says what went wrong.
template <typename T>
::testing::AssertionResult succeeded(const Result<T>& result) {
  if (result.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().what;
}

}  // namespace mailhaul::files
