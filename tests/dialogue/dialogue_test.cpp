// Every file below tests/dialogue is two tests: with the octets in large pieces, and one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "dialogue/script.hpp"
#include "dialogue/stage.hpp"

namespace mailhaul::dialogue {
namespace {

namespace fs = std::filesystem;

class Dialogue final : public testing::Test {
 public:
  Dialogue(std::string file, Pieces pieces) : file_(std::move(file)), pieces_(pieces) {}
  void TestBody() override {
    const auto script = read_script(file_);
    if (!script.ok()) FAIL() << script.error().what;
    if (pieces_ == Pieces::octets && script->get("pieces") == "whole")
      GTEST_SKIP() << "it depends on what comes together";
    if (const std::string wrong = play(*script, pieces_); !wrong.empty()) FAIL() << "\n" << wrong;
  }

 private:
  const std::string file_;
  const Pieces pieces_;
};

std::vector<fs::path> all_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(MH_SOURCE_DIR) / "tests" / "dialogue")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// gtest's filters take '-' for "not".
std::string test_name(const fs::path& file) {
  std::string name = file.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

/// Runs before main(): gtest_main gives no other chance to register.
[[maybe_unused]] const bool kRegistered = [] {
  for (const fs::path& file : all_files()) {
    for (const Pieces pieces : {Pieces::whole, Pieces::octets}) {
      const std::string suite =
          "Dialogue_" + file.parent_path().filename().string() + (pieces == Pieces::octets ? "_octet_by_octet" : "");
      testing::RegisterTest(suite.c_str(), test_name(file).c_str(), nullptr, nullptr, file.string().c_str(), 1,
                            [file, pieces]() -> testing::Test* { return new Dialogue(file.string(), pieces); });
    }
  }
  return true;
}();

}  // namespace

TEST(Dialogues, There_are_some) { EXPECT_GT(all_files().size(), 100U); }

}  // namespace mailhaul::dialogue
