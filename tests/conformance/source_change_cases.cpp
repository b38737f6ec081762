// Sources: the state that a run remembers, and what a later run learns from it.
#include <algorithm>
#include <chrono>
#include <set>

#include "conformance/bench.hpp"
#include "conformance/gather.hpp"

namespace mailhaul::conformance {

namespace {

std::vector<Planted> few(const mail::FolderPath& folder, std::uint64_t first, std::uint64_t count) {
  std::vector<Planted> mail;
  for (std::uint64_t i = first; i < first + count; ++i) {
    Planted one;
    one.folder = folder;
    one.octets = sample_message(i, 500);
    mail.push_back(std::move(one));
  }
  return mail;
}

/// A later session: whatever was done to the place lies an hour back for it, so that no state is void for being young.
constexpr std::chrono::seconds kLater{3600};

/// One session of its own: the folder as listed, its items, and the state at the end.
struct Session {
  store::FolderInfo folder;
  Listing listing;
  store::ListEnd end;
};

Result<Session> read(SourceHarness& harness, const mail::FolderPath& path, std::optional<std::string> since) {
  World world(harness.fs(), 8U << 20U, 1, kLater);
  MH_TRY(const auto source, harness.open(world.services()));
  Session session;
  MH_TRY(session.folder, folder_of(*source, path));
  MH_TRY(session.end, source->list(session.folder, std::move(since), session.listing));
  return session;
}

std::set<store::Key> keys_of(const Listing& listing) {
  std::set<store::Key> keys;
  for (const store::Item& item : listing.items) keys.insert(item.key);
  return keys;
}

void unchanged_place_has_an_equal_state(const SourceSubject& subject) {
  const auto harness = subject.make();
  harness->plant(few(subject.folder, 1, 20));
  harness->age();
  const auto first = read(*harness, subject.folder, std::nullopt);
  MH_ASSERT_OK(first);
  ASSERT_NE(first->end.state, "") << "a place at rest must have a state, or every run lists everything";
  EXPECT_TRUE(first->folder.covers.new_mail);
  EXPECT_TRUE(first->folder.covers.gone);
  const auto second = read(*harness, subject.folder, first->end.state);
  MH_ASSERT_OK(second);
  EXPECT_EQ(second->end.state, first->end.state);
  EXPECT_EQ(second->folder.state, first->end.state) << "equal state must show before anything is listed";
  if (!second->end.complete) {
    EXPECT_TRUE(second->listing.items.empty());
    EXPECT_TRUE(second->listing.gone.empty());
  }
}

/// A file system's clock is coarse: what changes twice within its step looks unchanged, so a state taken now is not
/// one.
void young_change_is_never_missed(const SourceSubject& subject) {
  const auto harness = subject.make();
  harness->plant(few(subject.folder, 1, 3));
  World world(harness->fs());
  std::optional<std::string> state;
  for (std::uint64_t round = 0; round < 20; ++round) {
    const auto source = harness->open(world.services());
    MH_ASSERT_OK(source);
    const auto folder = folder_of(**source, subject.folder);
    MH_ASSERT_OK(folder);
    if (state && !state->empty()) {
      EXPECT_NE(folder->state, *state) << "new mail would be passed over";
    }
    Listing listing;
    const auto end = (*source)->list(*folder, std::nullopt, listing);
    MH_ASSERT_OK(end);
    EXPECT_EQ(listing.items.size(), 3 + round);
    state = end->state;
    harness->plant(few(subject.folder, 100 + round, 1));
  }
}

void new_mail_changes_the_state(const SourceSubject& subject) {
  const auto harness = subject.make();
  harness->plant(few(subject.folder, 1, 20));
  harness->age();
  const auto before = read(*harness, subject.folder, std::nullopt);
  MH_ASSERT_OK(before);
  harness->plant(few(subject.folder, 100, 2));
  const auto after = read(*harness, subject.folder, before->end.state);
  MH_ASSERT_OK(after);
  EXPECT_NE(after->folder.state, before->end.state);
  EXPECT_NE(after->end.state, before->end.state);
  EXPECT_EQ(after->folder.epoch, before->folder.epoch);
  const auto all = read(*harness, subject.folder, std::nullopt);
  MH_ASSERT_OK(all);
  std::set<store::Key> fresh = keys_of(all->listing);
  EXPECT_EQ(fresh.size(), 22U);
  for (const store::Key& key : keys_of(before->listing)) {
    EXPECT_EQ(fresh.erase(key), 1U) << "the key of an old message changed";
  }
  const auto told = keys_of(after->listing);
  EXPECT_TRUE(std::includes(told.begin(), told.end(), fresh.begin(), fresh.end())) << "new mail is not named";
  EXPECT_TRUE(after->listing.gone.empty());
  if (after->end.complete) {
    EXPECT_EQ(told, keys_of(all->listing));
  }
}

void gone_mail_changes_the_state(const SourceSubject& subject) {
  const auto harness = subject.make();
  harness->plant(few(subject.folder, 1, 20));
  harness->age();
  const auto before = read(*harness, subject.folder, std::nullopt);
  MH_ASSERT_OK(before);
  harness->take_last(subject.folder);
  const auto after = read(*harness, subject.folder, before->end.state);
  MH_ASSERT_OK(after);
  EXPECT_NE(after->folder.state, before->end.state);
  const auto all = read(*harness, subject.folder, std::nullopt);
  MH_ASSERT_OK(all);
  EXPECT_EQ(all->listing.items.size(), 19U);
  std::set<store::Key> lost = keys_of(before->listing);
  for (const store::Key& key : keys_of(all->listing)) lost.erase(key);
  ASSERT_EQ(lost.size(), 1U);
  if (after->end.complete) {
    EXPECT_EQ(keys_of(after->listing), keys_of(all->listing));
  } else {
    EXPECT_EQ(after->listing.gone, std::vector<store::Key>{*lost.begin()});
  }
}

void state_of_no_meaning_gives_a_full_listing(const SourceSubject& subject) {
  const auto harness = subject.make();
  harness->plant(few(subject.folder, 1, 20));
  for (const std::string& state : {std::string(), std::string("nonsense"), std::string(3000, 'x')}) {
    const auto session = read(*harness, subject.folder, state);
    MH_ASSERT_OK(session);
    EXPECT_TRUE(session->end.complete) << state;
    EXPECT_EQ(session->listing.items.size(), 20U) << state;
  }
}

void folders_are_listed_once_in_a_stable_order(const SourceSubject& subject) {
  const auto harness = subject.make();
  for (const char* name : {"Work", "Archive", "zulu", "Alpha"}) harness->plant(few(mail::FolderPath({name}), 1, 2));
  harness->plant(few(subject.folder, 5, 1));
  std::vector<std::string> first;
  for (int round = 0; round < 2; ++round) {
    World world(harness->fs());
    const auto source = harness->open(world.services());
    MH_ASSERT_OK(source);
    const auto folders = all_folders(**source);
    MH_ASSERT_OK(folders);
    std::vector<std::string> names;
    for (const store::FolderInfo& info : *folders) names.push_back(info.path.text());
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size()) << "a folder came twice";
    EXPECT_EQ(std::count(names.begin(), names.end(), subject.folder.text()), 1);
    if (round == 0) first = names;
    EXPECT_EQ(names, first);
  }
}

}  // namespace

SourceCases source_change_cases() {
  return {{"An_unchanged_place_has_an_equal_state", {}, unchanged_place_has_an_equal_state},
          {"A_change_within_the_clock_step_is_never_missed", {}, young_change_is_never_missed},
          {"New_mail_changes_the_state_and_is_named", {}, new_mail_changes_the_state},
          {"Gone_mail_changes_the_state_and_is_told", {}, gone_mail_changes_the_state},
          {"A_state_of_no_meaning_gives_a_full_listing", {}, state_of_no_meaning_gives_a_full_listing},
          {"Folders_are_listed_once_in_a_stable_order", {}, folders_are_listed_once_in_a_stable_order}};
}

}  // namespace mailhaul::conformance
