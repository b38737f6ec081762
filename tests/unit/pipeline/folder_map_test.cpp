#include <gtest/gtest.h>

#include <map>

#include "pipeline/folder_map.hpp"
#include "pipeline/report.hpp"

namespace mailhaul::pipeline {
namespace {

std::vector<store::FolderInfo> folders(const std::vector<std::string>& names) {
  std::vector<store::FolderInfo> infos;
  for (const auto& name : names) {
    store::FolderInfo info;
    info.path = *mail::FolderPath::from_text(name);
    info.role = mail::role_by_name(info.path);
    infos.push_back(info);
  }
  return infos;
}

std::map<std::string, std::string> names_of(const Result<FolderMap>& map) {
  std::map<std::string, std::string> names;
  EXPECT_TRUE(map.ok()) << (map.ok() ? "" : map.error().what);
  if (map.ok())
    for (const auto& plan : map->folders) names[plan.source.path.text()] = plan.target.text();
  return names;
}

TEST(FolderMap, Names_stay_as_they_are_where_the_target_can_hold_them) {
  const auto map = map_folders(folders({"INBOX", "Entwürfe", "日本語", "A&B", "a.b"}), {}, {}, {}, {});
  for (const auto& [from, to] : names_of(map)) EXPECT_EQ(from, to);
  EXPECT_TRUE(map->name_changes.empty());
}

TEST(FolderMap, The_separator_becomes_an_underscore_without_making_two_folders_one) {
  TargetNames target;
  target.separator = '.';
  const auto map = map_folders(folders({"a.b", "a.b/c", "a_b", "a-b"}), target, {}, {}, {});
  EXPECT_EQ(names_of(map), (std::map<std::string, std::string>{
                               {"a.b", "a_b_2"}, {"a.b/c", "a_b_2/c"}, {"a_b", "a_b"}, {"a-b", "a-b"}}));
  EXPECT_EQ(map->name_changes.size(), 2U);
}

TEST(FolderMap, Two_folders_that_differ_only_in_the_separator_stay_two) {
  TargetNames target;
  target.separator = '.';
  const auto names = names_of(map_folders(folders({"x.y_z", "x_y.z"}), target, {}, {}, {}));
  EXPECT_NE(names.at("x.y_z"), names.at("x_y.z"));
}

TEST(FolderMap, Map_takes_the_longest_rule_and_what_lies_below) {
  FolderRules rules;
  rules.map = {{"Work", "Job"}, {"Work/Old", "Archive/Work"}};
  EXPECT_EQ(names_of(map_folders(folders({"Work", "Work/New", "Work/Old", "Work/Old/2001"}), {}, {}, rules, {})),
            (std::map<std::string, std::string>{{"Work", "Job"},
                                                {"Work/New", "Job/New"},
                                                {"Work/Old", "Archive/Work"},
                                                {"Work/Old/2001", "Archive/Work/2001"}}));
}

TEST(FolderMap, A_rule_that_names_no_folder_is_an_error_of_usage) {
  FolderRules rules;
  rules.map = {{"Wrok", "Job"}};
  const auto map = map_folders(folders({"Work"}), {}, {}, rules, {});
  ASSERT_FALSE(map.ok());
  EXPECT_EQ(map.error().kind, ErrorKind::usage);
}

TEST(FolderMap, Into_puts_everything_below) {
  FolderRules rules;
  rules.into = mail::FolderPath::from_text("Old/Mail");
  EXPECT_EQ(names_of(map_folders(folders({"INBOX", "Sent"}), {}, {}, rules, {})),
            (std::map<std::string, std::string>{{"INBOX", "Old/Mail/INBOX"}, {"Sent", "Old/Mail/Sent"}}));
}

TEST(FolderMap, Into_is_the_folder_itself_for_a_place_without_folder_names) {
  FolderRules rules;
  rules.into = mail::FolderPath::from_text("Old/Mail");
  auto mailbox = folders({"INBOX"});
  mailbox[0].only = true;
  EXPECT_EQ(names_of(map_folders(mailbox, {}, {}, rules, {})),
            (std::map<std::string, std::string>{{"INBOX", "Old/Mail"}}));
  rules.map = {{"INBOX", "Post"}};
  EXPECT_EQ(names_of(map_folders(mailbox, {}, {}, rules, {})),
            (std::map<std::string, std::string>{{"INBOX", "Old/Mail/Post"}}));
}

TEST(FolderMap, A_role_finds_its_folder_at_the_target_with_all_below_it) {
  TargetNames target;
  target.folders = folders({"INBOX", "Gesendet", "Trash"});
  EXPECT_EQ(names_of(map_folders(folders({"Sent", "Sent/2020", "Trash", "Drafts"}), target, {}, {}, {})),
            (std::map<std::string, std::string>{
                {"Sent", "Gesendet"}, {"Sent/2020", "Gesendet/2020"}, {"Trash", "Trash"}, {"Drafts", "Drafts"}}));
}

TEST(FolderMap, A_role_never_merges_two_folders_of_the_source) {
  TargetNames target;
  target.folders = folders({"Gesendet"});
  const auto names = names_of(map_folders(folders({"Sent", "Gesendet"}), target, {}, {}, {}));
  EXPECT_EQ(names.at("Sent"), "Sent");
  EXPECT_EQ(names.at("Gesendet"), "Gesendet");
}

TEST(FolderMap, No_role_map_keeps_the_names) {
  TargetNames target;
  target.folders = folders({"Gesendet"});
  FolderRules rules;
  rules.role_map = false;
  EXPECT_EQ(names_of(map_folders(folders({"Sent"}), target, {}, rules, {})).at("Sent"), "Sent");
}

TEST(FolderMap, An_earlier_name_stays_when_the_target_has_changed_since) {
  TargetNames target;
  target.folders = folders({"Gesendet", "Sent"});
  const auto earlier = [](const std::string& name) { return name == "Sent" ? std::optional<std::string>("Gesendet") : std::nullopt; };
  EXPECT_EQ(names_of(map_folders(folders({"Sent"}), target, {}, {}, earlier)).at("Sent"), "Gesendet");
}

TEST(FolderMap, Folder_and_exclude_select_by_glob_and_a_glob_without_a_folder_is_an_error) {
  Selection selection;
  selection.folders = {"Work*"};
  selection.exclude = {"*/Old"};
  EXPECT_EQ(names_of(map_folders(folders({"INBOX", "Work", "Work/New", "Work/Old"}), {}, selection, {}, {})),
            (std::map<std::string, std::string>{{"Work", "Work"}, {"Work/New", "Work/New"}}));
  selection.folders = {"Nothing"};
  EXPECT_FALSE(map_folders(folders({"INBOX"}), {}, selection, {}, {}).ok());
}

TEST(FolderMap, Views_are_skipped_unless_they_are_named) {
  auto source = folders({"INBOX", "All Mail"});
  source[1].role = mail::Role::all;
  const auto map = map_folders(source, {}, {}, {}, {});
  EXPECT_EQ(map->folders.size(), 1U);
  EXPECT_EQ(map->skipped_views, std::vector<std::string>{"All Mail"});
  Selection named;
  named.folders = {"All Mail"};
  EXPECT_EQ(map_folders(source, {}, named, {}, {})->folders.size(), 1U);
}

TEST(Report, The_worse_exit_code_follows_the_order_of_the_contract) {
  const std::vector<int> order{2, 1, 9, 7, 6, 14, 11, 10, 12, 8, 4, 5, 15, 13, 3, 0};
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t j = i; j < order.size(); ++j) {
      EXPECT_EQ(worse_exit(order[i], order[j]), order[i]);
      EXPECT_EQ(worse_exit(order[j], order[i]), order[i]);
    }
}

TEST(Report, The_same_error_has_another_code_on_another_side) {
  const auto error = make_error(ErrorKind::unreachable, Scope::run, "gone");
  EXPECT_EQ(exit_code(error, Side::source), 4);
  EXPECT_EQ(exit_code(error, Side::target), 5);
  EXPECT_EQ(exit_code(error, Side::none), 2);
}

}  // namespace
}  // namespace mailhaul::pipeline
