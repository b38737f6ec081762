#include "cli/values.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace mailhaul::cli {
namespace {

using std::chrono::milliseconds;

TEST(Sizes, Are_powers_of_1024_with_an_optional_unit) {
  EXPECT_EQ(parse_size("1"), 1U);
  EXPECT_EQ(parse_size("64K"), 64U << 10);
  EXPECT_EQ(parse_size("64M"), 64U << 20);
  EXPECT_EQ(parse_size("64m"), 64U << 20);
  EXPECT_EQ(parse_size("64MiB"), 64U << 20);
  EXPECT_EQ(parse_size("2G"), 2ULL << 30);
  EXPECT_EQ(parse_size("1T"), 1ULL << 40);
}

TEST(Sizes, That_are_none_or_too_large_are_refused) {
  for (const char* text : {"", "0", "0M", "M", "-1", "+1", "1.5M", "64 M", "64MB", "64MM", "0x10",
                           "9223372036854775808", "18446744073709551616", "99999999999T"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Durations, Have_a_unit_except_for_zero) {
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
  EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(parse_duration("3s"), milliseconds(3000));
  EXPECT_EQ(parse_duration("120s"), milliseconds(120'000));
  EXPECT_EQ(parse_duration("2m"), milliseconds(120'000));
  EXPECT_EQ(parse_duration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(parse_duration("1d"), milliseconds(86'400'000));
  for (const char* text : {"", "3", "s", "-3s", "3 s", "1.5s", "3sec", "9999999d", "18446744073709551615d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Nearest, Finds_slips_swaps_and_beginnings_but_does_not_guess_wildly) {
  const std::vector<std::string> words{"--folder", "--exclude", "--dedup", "--dedup-scope", "--memory", "ls"};
  EXPECT_EQ(nearest("--foldr", words), "--folder");
  EXPECT_EQ(nearest("--fodler", words), "--folder");
  EXPECT_EQ(nearest("--memroy", words), "--memory");
  EXPECT_EQ(nearest("--excl", words), "--exclude");
  EXPECT_EQ(nearest("l", words), "ls");
  EXPECT_EQ(nearest("--bananas", words), std::nullopt);
  EXPECT_EQ(nearest("", words), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'x'), words), std::nullopt);
}

TEST(Nearest, Prefers_the_word_with_fewer_slips) {
  EXPECT_EQ(nearest("copi", {"move", "copy", "coppi"}), "copy");
  EXPECT_EQ(nearest("--dedub", {"--dedup", "--dedup-scope"}), "--dedup");
}

TEST(Numbers, Are_grouped_by_three) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(12'345'678), "12,345,678");
  EXPECT_EQ(grouped(18446744073709551615ULL), "18,446,744,073,709,551,615");
}

TEST(Seconds, Are_as_precise_as_people_need_them) {
  EXPECT_EQ(human_seconds(0), "0.0 s");
  EXPECT_EQ(human_seconds(0.44), "0.4 s");
  EXPECT_EQ(human_seconds(9.97), "10 s");
  EXPECT_EQ(human_seconds(59.6), "1 min 0 s");
  EXPECT_EQ(human_seconds(200), "3 min 20 s");
  EXPECT_EQ(human_seconds(7500), "2 h 5 min");
  EXPECT_EQ(human_seconds(-1), "0.0 s");
  EXPECT_EQ(human_seconds(std::numeric_limits<double>::quiet_NaN()), "0.0 s");
}

TEST(Columns, Count_wide_characters_twice_and_are_never_cut_within_a_character) {
  EXPECT_EQ(columns("abc"), 3U);
  EXPECT_EQ(columns("Entw\xc3\xbcrfe"), 8U);
  EXPECT_EQ(columns("\xe4\xb8\x8b\xe6\x9b\xb8"), 4U);
  EXPECT_EQ(columns("\xf0\x9f\x93\xa7"), 2U);
  EXPECT_EQ(cut_to_columns("abc", 2), "ab");
  EXPECT_EQ(cut_to_columns("\xe4\xb8\x8b\xe6\x9b\xb8", 3), "\xe4\xb8\x8b");
  EXPECT_EQ(cut_to_columns("abc", 80), "abc");
}

}  // namespace
}  // namespace mailhaul::cli
