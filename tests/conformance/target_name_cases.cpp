// Targets: folder names survive, or are refused; never do two become one.
#include <algorithm>
#include <map>

#include "conformance/bench.hpp"

namespace mailhaul::conformance {

namespace {

using Names = std::vector<std::vector<std::string>>;

Names nasty_names() {
  return {{"Entw\xC3\xBC"
           "rfe"},
          {"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"},
          {"A&B"},
          {"A&-B"},
          {"&AGE-"},
          {"&"},
          {"a b"},
          {" leading"},
          {"trailing "},
          {"trailing."},
          {"~"},
          {"~home"},
          {"100%"},
          {"%2E"},
          {"%2F"},
          {"a/b"},
          {"a\\b"},
          {".hidden"},
          {".."},
          {"."},
          {"cur"},
          {"new"},
          {"tmp"},
          {"x.sbd"},
          {"x.lock"},
          {"x.msf"},
          {"x.mbox"},
          {"maildirfolder"},
          {"dovecot-keywords"},
          {".mailhaul"},
          {"*"},
          {"?"},
          {"\"quoted\""},
          {"new\nline"},
          {"tab\there"},
          {"\xF0\x9F\x98\x80"},
          {"case"},
          {"Case"},
          {"CASE"},
          {"Top"},
          {"Top", "Sub"},
          {"Top", "Sub", "Leaf"},
          {"Top", "Inbox"},
          {"caf\xC3\xA9"},
          {"cafe\xCC\x81"},
          {"INBOX"},
          {"INBOX", "Sub"},
          {"Top", "."},
          {"Top", ".."}};
}

/// Puts one message of its own into each folder; a refusal must be a `usage` of scope folder. Then each accepted folder
/// must come back by its name, or by the name that the target answered and told the user about.
void expect_names(const TargetSubject& subject, const Names& names, bool all_accepted) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  std::map<std::string, std::vector<std::string>> expected;  // EID -> folder
  std::uint64_t number = 0;
  for (const auto& components : names) {
    const mail::FolderPath path(components);
    const auto handle = bench.target->open_folder(path, mail::Role::none);
    if (!handle.ok()) {
      EXPECT_FALSE(all_accepted) << path.text() << ": " << handle.error().what;
      EXPECT_EQ(handle.error().kind, ErrorKind::usage) << path.text() << ": " << handle.error().what;
      EXPECT_EQ(handle.error().scope, Scope::folder) << path.text();
      continue;
    }
    if (handle->path != path) {
      const auto notes = bench.world->events().notes();
      const bool told = std::any_of(notes.begin(), notes.end(), [&](const store::Note& note) {
        return note.folder == path.text() || note.folder == handle->path.text() ||
               note.text.find(path.text()) != std::string::npos;
      });
      EXPECT_TRUE(told) << path.text() << " became " << handle->path.text() << " without a word";
    }
    ++number;
    const std::vector<Parcel> one{parcel(number, sample_message(number))};
    MH_ASSERT_OK(bench.shipper.ship_alone(*bench.target, path, one));
    expected[*eids_of(one).begin()] = handle->path.components;
  }
  ASSERT_FALSE(expected.empty());
  bench.target.reset();
  const auto kept = read_back(*bench.harness);
  EXPECT_EQ(kept.size(), expected.size());
  for (const Kept& one : kept) {
    EXPECT_EQ(one.folder, expected[to_hex(one.eid.octets())]) << mail::FolderPath(one.folder).text();
  }
}

void nasty_folder_names(const TargetSubject& subject) { expect_names(subject, nasty_names(), /*all_accepted=*/false); }

void plain_folder_names(const TargetSubject& subject) {
  expect_names(subject,
               {{"Entw\xC3\xBC"
                 "rfe"},
                {"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"},
                {"A&B"},
                {"with blanks here"},
                {"Sent"},
                {"Top", "Sub"},
                {"Top", "Sub", "Leaf"}},
               /*all_accepted=*/true);
}

void a_dot_in_a_name(const TargetSubject& subject) {
  const char separator = subject.make(Ground::forgetful)->claims().separator;
  expect_names(subject, {{"a.b"}, {"a", "b"}}, /*all_accepted=*/separator != '.');
}

void inbox_in_any_case(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  const auto upper = bench.target->open_folder(mail::FolderPath({"INBOX"}), mail::Role::inbox);
  const auto mixed = bench.target->open_folder(mail::FolderPath({"InBox"}), mail::Role::inbox);
  MH_ASSERT_OK(upper);
  MH_ASSERT_OK(mixed);
  EXPECT_EQ(upper->path, mixed->path);
  EXPECT_TRUE(upper->path.is_inbox());
  const auto parcels = sample_parcels(2);
  MH_ASSERT_OK(bench.shipper.ship_alone(*bench.target, upper->path, std::span(parcels).first(1)));
  MH_ASSERT_OK(bench.shipper.ship_alone(*bench.target, mixed->path, std::span(parcels).last(1)));
  bench.target.reset();
  const auto kept = read_back(*bench.harness);
  EXPECT_EQ(eids_of(kept), eids_of(parcels));
  for (const Kept& one : kept) EXPECT_EQ(one.folder, std::vector<std::string>{"INBOX"});
}

void long_and_deep_names(const TargetSubject& subject) {
  std::string umlauts;
  for (int i = 0; i < 127; ++i) umlauts += "\xC3\xBC";
  expect_names(subject,
               {{std::string(255, 'n')},
                {std::string(254, 'n') + "m"},
                {umlauts},
                {std::string(200, 'k')},
                {std::string(239, 'j')},
                {std::string(240, 'j')},
                {std::string(241, 'j')}},
               /*all_accepted=*/false);
  expect_names(subject, {std::vector<std::string>(60, "d"), std::vector<std::string>(32, "e")}, /*all_accepted=*/false);
}

void one_folder_only(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  MH_ASSERT_OK(bench.target->open_folder(subject.folder, mail::Role::none));
  std::size_t folders = 0;
  MH_ASSERT_OK(bench.target->folders([&](const store::FolderInfo&) -> Status {
    ++folders;
    return {};
  }));
  EXPECT_EQ(folders, 1U);
}

Reason single_folder(const TargetSubject& subject) {
  if (subject.make(Ground::forgetful)->claims().many_folders) return std::nullopt;
  return "holds one folder only, named by its place";
}

Reason many_folders(const TargetSubject& subject) {
  if (!subject.make(Ground::forgetful)->claims().many_folders) return std::nullopt;
  return "claims many folders: their names are tested instead";
}

}  // namespace

TargetCases target_name_cases() {
  return {{"Plain_folder_names_come_back", single_folder, plain_folder_names},
          {"Nasty_folder_names_come_back_or_are_refused", single_folder, nasty_folder_names},
          {"A_dot_in_a_folder_name_is_no_separator", single_folder, a_dot_in_a_name},
          {"Inbox_is_one_folder_in_any_case", single_folder, inbox_in_any_case},
          {"Long_and_deep_folder_names_come_back_or_are_refused", single_folder, long_and_deep_names},
          {"A_place_of_one_folder_lists_one", many_folders, one_folder_only}};
}

}  // namespace mailhaul::conformance
