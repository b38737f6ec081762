#include "mail/file_name.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/strings.hpp"

using namespace mailhaul;
using namespace mailhaul::mail;

namespace {

bool is_maildir_part(std::string_view name) { return name == "cur" || name == "new" || name == "tmp"; }

void expect_harmless(const std::string& name) {
  ASSERT_FALSE(name.empty());
  ASSERT_NE(name.front(), '.');
  ASSERT_EQ(name.find('/'), std::string::npos);
  for (const char c : name) ASSERT_TRUE(c >= 0x20 && c <= 0x7E) << name;
}

}  // namespace

TEST(FileName, Known_answers) {
  struct Row {
    std::string component, name;
  };
  for (const Row& row : std::initializer_list<Row>{{"Sent Items", "Sent Items"},
                                                   {"Entw\xC3\xBCrfe", "Entw&APw-rfe"},
                                                   {"Tom & Jerry", "Tom &- Jerry"},
                                                   {"a/b", "a%2Fb"},
                                                   {".", "%2E"},
                                                   {"..", "%2E."},
                                                   {"...", "%2E.."},
                                                   {".hidden", "%2Ehidden"},
                                                   {"a.b", "a.b"},
                                                   {"100%", "100%"},
                                                   {"100%ab", "100%25ab"},
                                                   {"%2F", "%252F"},
                                                   {"%%41", "%%2541"},
                                                   {"\xFF", "%FF"},
                                                   {"\xC3\xBC\xFF\xC3\xBC", "&APw-%FF&APw-"},
                                                   {"", "%00%00"},
                                                   {std::string(1, '\0'), "&AAA-"},
                                                   {"a\nb", "a&AAo-b"}}) {
    EXPECT_EQ(to_file_name(row.component), row.name);
    EXPECT_EQ(from_file_name(row.name), row.component) << row.name;
  }
}

TEST(FileName, A_reserved_name_has_its_first_octet_escaped) {
  EXPECT_EQ(to_file_name("cur", is_maildir_part), "%63ur");
  EXPECT_EQ(from_file_name("%63ur", is_maildir_part), "cur");
  EXPECT_EQ(to_file_name("%63ur", is_maildir_part), "%2563ur");
  EXPECT_EQ(from_file_name("%2563ur", is_maildir_part), "%63ur");
  EXPECT_EQ(to_file_name("cure", is_maildir_part), "cure");
  const auto always = [](std::string_view) { return true; };
  for (const std::string& component : {std::string(), std::string(1, '\0'), std::string(2, '\0'), std::string("&"),
                                       std::string("%"), std::string("\xC3\xBC\xC3\xBC")}) {
    EXPECT_EQ(from_file_name(to_file_name(component, always), always), component) << to_file_name(component, always);
  }
}

TEST(FileName, A_name_that_is_not_ours_stands_for_itself) {
  for (const char* name : {"%63ur", "%2f", "%2E%2E", "&AGE-", "&", ".hidden", "a&b"}) {
    EXPECT_EQ(from_file_name(name), name);
  }
  EXPECT_EQ(from_file_name("\xC3\xBC"), "\xC3\xBC");
  EXPECT_EQ(from_file_name("a\xFF"), "a\xEF\xBF\xBD");
}

TEST(FileName, A_long_name_is_cut_at_a_whole_character_and_told_apart_by_a_digest) {
  const std::string first = std::string(300, 'a') + "1";
  const std::string second = std::string(300, 'a') + "2";
  EXPECT_EQ(to_file_name(first).size(), 240U);
  EXPECT_EQ(to_file_name(first).substr(0, 224), std::string(223, 'a') + "~");
  EXPECT_NE(to_file_name(first), to_file_name(second));
  EXPECT_EQ(to_file_name(std::string(240, 'a')), std::string(240, 'a'));
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "\xC3\xBC";
  EXPECT_EQ(to_file_name(umlauts).find('&'), std::string::npos);
  for (std::size_t most = 17; most < 40; ++most) {
    const std::string slashes = to_file_name(std::string(100, '/'), {}, most);
    EXPECT_LE(slashes.size(), most);
    EXPECT_EQ((slashes.size() - 17) % 3, 0U) << slashes;
  }
}

TEST(FileName, Random_octets_make_harmless_names_that_are_read_back_and_never_collide) {
  std::mt19937 random(10);
  constexpr std::string_view kNasty = "./%&-~2EeFf\xC3\xBC\xFF\0 curnewtmp";
  std::set<std::string> components;
  std::set<std::string> names;
  for (int round = 0; round < 30000; ++round) {
    std::string component(random() % 10, '\0');
    for (char& c : component) {
      c = round % 3 == 0 ? static_cast<char>(random() % 256) : kNasty[random() % kNasty.size()];
    }
    const std::string name = to_file_name(component, is_maildir_part);
    expect_harmless(name);
    ASSERT_FALSE(is_maildir_part(name));
    ASSERT_EQ(from_file_name(name, is_maildir_part), component) << name;
    components.insert(component);
    names.insert(name);
  }
  EXPECT_EQ(components.size(), names.size());
  EXPECT_GT(names.size(), 15000U);
}

TEST(FileName, Random_long_octets_stay_within_the_limit) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string component(random() % 400, '\0');
    for (char& c : component) c = static_cast<char>(random() % 256);
    const std::string name = to_file_name(component, is_maildir_part);
    expect_harmless(name);
    ASSERT_LE(name.size(), 240U);
    if (name[name.size() - std::min<std::size_t>(17, name.size())] == '~') continue;
    ASSERT_EQ(from_file_name(name, is_maildir_part), component);
  }
}

TEST(FileName, Any_name_found_on_disk_is_read_as_valid_utf8) {
  std::mt19937 random(12);
  for (int round = 0; round < 50000; ++round) {
    std::string name(1 + random() % 12, '\0');
    for (char& c : name) c = static_cast<char>(random() % 256);
    const std::string component = from_file_name(name);
    if (to_file_name(component) != name) {
      ASSERT_TRUE(is_valid_utf8(component));
    }
  }
}
