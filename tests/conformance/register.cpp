// Makes a gtest of each case for each subject, and lists what is skipped and why.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "conformance/suite.hpp"

namespace mailhaul::conformance {

namespace {

template <typename Subject>
class CaseTest : public testing::Test {
 public:
  CaseTest(Case<Subject> test, Subject subject) : case_(std::move(test)), subject_(std::move(subject)) {}
  void TestBody() override {
    if (!subject_.absent.empty()) GTEST_SKIP() << subject_.absent;
    if (const Reason reason = case_.not_for ? case_.not_for(subject_) : std::nullopt) GTEST_SKIP() << *reason;
    case_.run(subject_);
  }

 private:
  Case<Subject> case_;
  Subject subject_;
};

template <typename T>
void append(std::vector<T>& to, std::vector<T> more) {
  for (T& one : more) to.push_back(std::move(one));
}

TargetCases all_target_cases() {
  TargetCases cases = target_basic_cases();
  append(cases, target_octet_cases());
  append(cases, target_name_cases());
  append(cases, target_fault_cases());
  append(cases, target_volume_cases());
  append(cases, matrix_cases());
  return cases;
}

SourceCases all_source_cases() {
  SourceCases cases = source_cases();
  append(cases, source_change_cases());
  return cases;
}

template <typename Subject>
void register_cases(const std::string& side, const std::vector<Subject>& subjects,
                    const std::vector<Case<Subject>>& cases) {
  for (const Subject& subject : subjects) {
    for (const Case<Subject>& test : cases) {
      testing::RegisterTest((side + "_" + subject.name).c_str(), test.name.c_str(), nullptr, nullptr, __FILE__,
                            __LINE__,
                            [test, subject]() -> testing::Test* { return new CaseTest<Subject>(test, subject); });
    }
  }
}

/// Prints the skips of one side and returns {cases run, cases skipped}; a subject that is absent counts as neither.
template <typename Subject>
std::pair<std::size_t, std::size_t> list_skips(const std::string& side, const std::vector<Subject>& subjects,
                                               const std::vector<Case<Subject>>& cases) {
  std::size_t run = 0, skipped = 0;
  for (const Subject& subject : subjects) {
    if (!subject.absent.empty()) {
      std::cout << side << "_" << subject.name << ".*: " << subject.absent << "\n";
      continue;
    }
    for (const Case<Subject>& test : cases) {
      const Reason reason = test.not_for ? test.not_for(subject) : std::nullopt;
      ++(reason ? skipped : run);
      if (reason) std::cout << side << "_" << subject.name << "." << test.name << ": " << *reason << "\n";
    }
  }
  return {run, skipped};
}

/// Runs before main(): gtest_main gives no other chance to register.
[[maybe_unused]] const bool kRegistered = [] {
  register_cases("Target", target_subjects(), all_target_cases());
  register_cases("Source", source_subjects(), all_source_cases());
  return true;
}();

}  // namespace

TEST(Conformance, Skips_are_counted_and_listed) {
  const auto [target_run, target_skipped] = list_skips("Target", target_subjects(), all_target_cases());
  const auto [source_run, source_skipped] = list_skips("Source", source_subjects(), all_source_cases());
  std::cout << target_run + source_run << " cases run, " << target_skipped + source_skipped << " skipped\n";
  EXPECT_GT(target_run + source_run, 4 * (target_skipped + source_skipped)) << "a suite of skips proves nothing";
}

TEST(Conformance, The_memory_store_claims_every_ability_and_skips_no_test_of_one) {
  std::set<std::string> skipped;
  for (const TargetSubject& subject : target_subjects()) {
    if (subject.name != "memory") continue;
    for (const auto& test : all_target_cases()) {
      if (test.not_for && test.not_for(subject)) skipped.insert(test.name);
    }
  }
  // It has no files, holds all mail, and claims all there is: nothing is left to refuse.
  EXPECT_LE(skipped.size(), 6U);
}

}  // namespace mailhaul::conformance
