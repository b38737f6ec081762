#include <fcntl.h>
#include <sys/time.h>

#include "unit/maildir/growing_fs.hpp"
#include "unit/maildir/support.hpp"

namespace mailhaul::maildir::test {
namespace {

class Source : public testing::Test {
 protected:
  std::unique_ptr<store::Source> open(const std::string& path) {
    auto source = open_source(path, world.services);
    EXPECT_TRUE(source.ok()) << source.error().what;
    return source.ok() ? std::move(*source) : nullptr;
  }
  static std::vector<std::string> paths(store::Source& source) {
    std::vector<std::string> all;
    for (const auto& folder : folders_of(source)) all.push_back(folder.path.text());
    return all;
  }
  static void set_times(const std::string& path, std::int64_t access, std::int64_t change) {
    const timeval times[2] = {{access, 0}, {change, 0}};
    ASSERT_EQ(::lutimes(path.c_str(), times), 0);
  }

  std::unique_ptr<files::FileSystem> fs = files::make_real_file_system();
  World world{*fs};
  TempDir dir;
};

TEST_F(Source, A_place_that_is_no_Maildir_is_refused_with_the_reason) {
  const auto missing = open_source(dir / "none", world.services);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::unreachable);
  const auto empty = open_source(dir.path(), world.services);
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().kind, ErrorKind::usage);
  EXPECT_EQ(empty.error().what, dir.path() + " is not a Maildir: no cur or new in it");
  put(dir / "file", "x");
  const auto file = open_source(dir / "file", world.services);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().kind, ErrorKind::usage);
}

TEST_F(Source, Both_layouts_are_read_and_a_root_without_cur_is_still_a_tree) {
  for (const char* folder : {".Sent", ".Work.Sub", ".Entw&APw-rfe"})
    make_maildir(dir / (std::string("plus/") + folder));
  auto plus = open(dir / "plus");
  EXPECT_EQ(paths(*plus), (std::vector<std::string>{"Entw\xC3\xBC"
                                                    "rfe",
                                                    "Sent", "Work/Sub"}));
  for (const char* folder : {"INBOX", "Work", "Work/Sub"}) make_maildir(dir / (std::string("nested/") + folder));
  auto nested = open(dir / "nested");
  EXPECT_EQ(paths(*nested), (std::vector<std::string>{"INBOX", "Work", "Work/Sub"}));
  std::filesystem::create_directories(dir / "onlynew/new");
  EXPECT_EQ(paths(*open(dir / "onlynew")), (std::vector<std::string>{"INBOX"}));
}

TEST_F(Source, Two_directories_with_one_name_stay_two_folders) {
  for (const char* folder : {"", "INBOX", "A/B", ".A.B"}) make_maildir(dir / folder);
  auto source = open(dir.path());
  const auto all = paths(*source);
  EXPECT_EQ(all, (std::vector<std::string>{"A/B", "A/B~2", "INBOX", "INBOX~2"}));
  EXPECT_EQ(world.notes.count(store::Note::Weight::warning), 2U);
}

TEST_F(Source, Sixty_levels_are_read_and_the_hundred_and_first_is_a_doubtful_note) {
  std::string path = dir.path();
  for (int i = 1; i <= 101; ++i) {
    path += "/d";
    if (i == 60 || i == 100 || i == 101) make_maildir(path);
  }
  auto source = open(dir.path());
  EXPECT_EQ(folders_of(*source).size(), 2U);
  EXPECT_EQ(world.notes.count(store::Note::Weight::doubtful), 1U);
}

TEST_F(Source, Links_are_never_followed) {
  make_maildir(dir / "real/Work");
  make_maildir(dir / "other");
  put(dir / "secret", "secret");
  put(dir / "other/cur/1.h:2,", "mail");
  std::filesystem::create_symlink(dir / "secret", dir / "real/Work/cur/2.h:2,");
  std::filesystem::create_directory_symlink(dir / "other", dir / "real/Linked");
  std::filesystem::create_directory(dir / "real/Half");
  std::filesystem::create_directory(dir / "real/Half/new");
  std::filesystem::create_directory_symlink(dir / "other/cur", dir / "real/Half/cur");
  std::filesystem::create_symlink(dir / "secret", dir / "real/harmless");
  auto source = open(dir / "real");
  EXPECT_EQ(paths(*source), (std::vector<std::string>{"Half", "Work"}));
  EXPECT_EQ(world.notes.count(store::Note::Weight::doubtful), 2U);
  for (const auto& folder : folders_of(*source)) {
    Items items;
    MH_OK(source->list(folder, std::nullopt, items));
    EXPECT_TRUE(items.items.empty());
    if (folder.path.text() != "Work") continue;
    ASSERT_EQ(items.bad.size(), 1U);
    EXPECT_EQ(items.bad[0].first, "2.h");
    EXPECT_NE(items.bad[0].second.find("link ignored for safety"), std::string::npos);
  }
}

TEST_F(Source, What_is_no_message_is_ignored_noted_or_bad) {
  make_maildir(dir.path());
  put(dir / "cur/.gitkeep", "");
  std::filesystem::create_directory(dir / "cur/subdir");
  ASSERT_EQ(::mkfifo((dir / "new/fifo").c_str(), 0600), 0);
  auto source = open(dir.path());
  const auto folders = folders_of(*source);
  Items items;
  MH_OK(source->list(folders.front(), std::nullopt, items));
  EXPECT_TRUE(items.items.empty());
  ASSERT_EQ(items.bad.size(), 1U);
  EXPECT_EQ(items.bad[0].first, "fifo");
  EXPECT_EQ(world.notes.count(store::Note::Weight::info), 1U);
  // Whoever asks for it all the same gets no hanging open() and no content.
  store::Item item;
  item.key = "fifo";
  item.locator = "new/fifo";
  Fetched fetched;
  MH_OK(source->fetch(once(folders.front(), {item}), fetched));
  EXPECT_EQ(fetched.failed.count("fifo"), 1U);
}

TEST_F(Source, Flags_keywords_and_dates_come_with_the_message) {
  make_maildir(dir.path());
  put(dir / "dovecot-keywords", "0 $Junk\n2 Work\n");
  put(dir / "cur/1.h,S=4:2,FSacq", "mail");
  put(dir / "new/2.h:2,T", "new");
  set_times(dir / "cur/1.h,S=4:2,FSacq", 1000000000, 1234567890);
  auto source = open(dir.path());
  const auto folders = folders_of(*source);
  Items items;
  MH_OK(source->list(folders.front(), std::nullopt, items));
  ASSERT_EQ(items.items.size(), 2U);
  const store::Item* listed = items.find("1.h,S=4");
  ASSERT_NE(listed, nullptr);
  EXPECT_EQ(listed->size, 4U);
  EXPECT_FALSE(listed->meta_complete);
  EXPECT_EQ(listed->meta.keywords, (std::vector<std::string>{"$Junk", "Work"}));
  Fetched fetched;
  MH_OK(source->fetch(once(folders.front(), items.items), fetched));
  const mail::Meta& meta = fetched.metas["1.h,S=4"];
  EXPECT_EQ(fetched.texts["1.h,S=4"], "mail");
  EXPECT_EQ(meta.flags.bits(), mail::Flags::flagged | mail::Flags::seen);
  EXPECT_EQ(meta.labels, (std::vector<std::string>{"maildir-info:q"}));
  ASSERT_TRUE(meta.received);
  EXPECT_EQ(meta.received->instant.time_since_epoch().count(), 1234567890);
  EXPECT_FALSE(meta.received->zone);
  EXPECT_TRUE(fetched.metas["2.h"].flags.has(mail::Flags::deleted));
  Items described;
  const std::vector<store::Key> keys{"1.h,S=4", "nobody"};
  MH_OK(source->describe(folders.front(), keys, described));
  ASSERT_EQ(described.items.size(), 1U);
  EXPECT_TRUE(described.items[0].meta_complete);
  EXPECT_EQ(described.items[0].meta, meta);
  EXPECT_EQ(described.gone, (std::vector<store::Key>{"nobody"}));
}

TEST_F(Source, Files_that_share_a_base_name_have_keys_of_their_own) {
  make_maildir(dir.path());
  put(dir / "new/x", "1");
  put(dir / "cur/x:2,S", "2");
  put(dir / "cur/y:2,", "3");
  put(dir / "cur/y:2,S", "4");
  put(dir / "new/z", "5");
  put(dir / "cur/a~new", "6");
  auto source = open(dir.path());
  auto all = fetch_all(*source)["INBOX"].texts;
  EXPECT_EQ(all.size(), 6U);
  EXPECT_EQ(all["x"], "2");
  EXPECT_EQ(all["x~new"], "1");
  EXPECT_EQ(all["y~:2,"], "3");
  EXPECT_EQ(all["y~:2,S"], "4");
  EXPECT_EQ(all["z"], "5");
  EXPECT_EQ(all["a%7Enew"], "6");
}

TEST_F(Source, A_message_renamed_after_the_listing_is_found_and_a_removed_one_has_vanished) {
  make_maildir(dir.path());
  for (const char* name : {"a", "b", "c"}) put(dir / ("new/" + std::string(name)), name);
  auto source = open(dir.path());
  const auto folders = folders_of(*source);
  Items items;
  MH_OK(source->list(folders.front(), std::nullopt, items));
  std::filesystem::rename(dir / "new/a", dir / "cur/a:2,FS");
  std::filesystem::remove(dir / "new/b");
  Fetched fetched;
  MH_OK(source->fetch(once(folders.front(), items.items), fetched));
  EXPECT_EQ(fetched.texts["a"], "a");
  EXPECT_TRUE(fetched.metas["a"].flags.has(mail::Flags::flagged));
  EXPECT_EQ(fetched.texts["c"], "c");
  EXPECT_EQ(fetched.vanished, (std::vector<store::Key>{"b"}));
}

TEST_F(Source, Equal_state_answers_without_a_listing_and_every_change_makes_another) {
  make_maildir(dir.path());
  put(dir / "cur/1.h:2,", "mail");
  auto source = open(dir.path());
  EXPECT_EQ(folders_of(*source).front().state, "") << "younger than 2 s";
  world.clock.shift = std::chrono::hours(1);
  const auto info = folders_of(*source).front();
  EXPECT_TRUE(info.covers.new_mail && info.covers.gone && info.covers.meta);
  Items items;
  const auto first = source->list(info, std::nullopt, items);
  MH_OK(first);
  EXPECT_TRUE(first->complete);
  EXPECT_EQ(first->state, info.state);
  ASSERT_NE(first->state, "");
  Items none;
  const auto second = source->list(info, first->state, none);
  MH_OK(second);
  EXPECT_FALSE(second->complete);
  EXPECT_TRUE(none.items.empty());
  put(dir / "dovecot-keywords", "0 x\n");
  Items again;
  const auto third = source->list(info, first->state, again);
  MH_OK(third);
  EXPECT_TRUE(third->complete);
  EXPECT_NE(third->state, first->state);
  EXPECT_EQ(again.items.size(), 1U);
}

/// Adds a message in the middle of the first listing.
struct Busy final : store::ItemSink {
  explicit Busy(std::function<void()> act) : act_(std::move(act)) {}
  Status on_item(store::Item item) override {
    keys.push_back(item.key);
    if (keys.size() == 1) act_();
    return {};
  }
  Status on_gone(const store::Key&) override { return {}; }
  Status on_bad(const store::Key&, Error) override { return {}; }
  std::vector<store::Key> keys;

 private:
  std::function<void()> act_;
};

TEST_F(Source, Mail_that_moves_while_it_is_listed_is_offered_once_and_the_state_is_not_kept) {
  make_maildir(dir.path());
  for (int i = 0; i < 50; ++i) put(dir / ("cur/" + std::to_string(i) + ".h:2,"), "mail");
  put(dir / "new/late", "mail");
  world.clock.shift = std::chrono::hours(1);
  auto source = open(dir.path());
  const auto info = folders_of(*source).front();
  Busy busy([&] {
    std::filesystem::rename(dir / "new/late", dir / "cur/late:2,S");
    for (int i = 0; i < 50; i += 3) {
      std::filesystem::rename(dir / ("cur/" + std::to_string(i) + ".h:2,"),
                              dir / ("cur/" + std::to_string(i) + ".h:2,RS"));
    }
  });
  const auto end = source->list(info, std::nullopt, busy);
  MH_OK(end);
  EXPECT_EQ(end->state, "");
  std::sort(busy.keys.begin(), busy.keys.end());
  EXPECT_EQ(std::adjacent_find(busy.keys.begin(), busy.keys.end()), busy.keys.end());
  EXPECT_EQ(busy.keys.size(), 51U);
}

TEST_F(Source, An_error_of_the_sink_stops_and_cancelling_stops) {
  make_maildir(dir.path());
  for (int i = 0; i < 5; ++i) put(dir / ("cur/" + std::to_string(i)), "mail");
  struct Stopping final : store::ItemSink {
    Status on_item(store::Item) override { return make_error(ErrorKind::bug, Scope::run, "stop"); }
    Status on_gone(const store::Key&) override { return {}; }
    Status on_bad(const store::Key&, Error) override { return {}; }
  } stopping;
  auto source = open(dir.path());
  const auto info = folders_of(*source).front();
  const auto stopped = source->list(info, std::nullopt, stopping);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().what, "stop");
  world.cancel.request();
  Items items;
  const auto cancelled = source->list(info, std::nullopt, items);
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().kind, ErrorKind::interrupted);
}

struct Snapshot {
  std::string octets;
  std::int64_t access = 0, change = 0;
  bool operator==(const Snapshot&) const = default;
};

std::map<std::string, Snapshot> snapshot(const std::string& root) {
  std::map<std::string, Snapshot> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    struct stat facts {};
    if (::lstat(entry.path().c_str(), &facts) != 0) continue;
    Snapshot& one = all[entry.path().string()];
    one.access = facts.st_atim.tv_sec * 1'000'000'000 + facts.st_atim.tv_nsec;
    one.change = facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec;
    if (!S_ISREG(facts.st_mode)) {
      one.access = 0;  // whoever lists a directory reads it, this test too
      continue;
    }
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_NOATIME);
    std::vector<char> octets(static_cast<std::size_t>(facts.st_size));
    EXPECT_EQ(::read(fd, octets.data(), octets.size()), facts.st_size);
    ::close(fd);
    one.octets.assign(octets.begin(), octets.end());
  }
  return all;
}

TEST_F(Source, Reading_changes_no_octet_and_no_time) {
  make_maildir(dir / "m");
  make_maildir(dir / "m/.Sub");
  put(dir / "m/dovecot-keywords", "0 x\n");
  for (const char* name : {"m/cur/1.h:2,Sa", "m/new/2.h", "m/.Sub/cur/3.h:2,"}) {
    put(dir / name, std::string(300000, 'x'));
    set_times(dir / name, 1000, 2000);
  }
  const auto before = snapshot(dir / "m");
  auto source = open(dir / "m");
  const auto all = fetch_all(*source);
  EXPECT_EQ(all.at("INBOX").texts.size() + all.at("Sub").texts.size(), 3U);
  EXPECT_EQ(snapshot(dir / "m"), before);
}

TEST_F(Source, Names_of_any_octets_are_listed_and_fetched) {
  make_maildir(dir.path());
  put(dir / "cur/\xFF\xFE 1%41:2,S", "odd");
  put(dir / ("cur/" + std::string(250, 'n')), "long");
  auto source = open(dir.path());
  const auto fetched = fetch_all(*source)["INBOX"];
  EXPECT_EQ(fetched.texts.at("%FF%FE%201%2541"), "odd");
  EXPECT_EQ(fetched.texts.at(std::string(250, 'n')), "long");
}

TEST_F(Source, Large_messages_arrive_whole) {
  make_maildir(dir.path());
  std::string text;
  for (int i = 0; text.size() < 6'000'000; ++i) text += std::to_string(i) + "\n";
  put(dir / "cur/big", text);
  put(dir / "cur/edge", text.substr(0, 256 * 1024));
  put(dir / "cur/empty", "");
  auto source = open(dir.path());
  const auto fetched = fetch_all(*source)["INBOX"];
  EXPECT_TRUE(fetched.texts.at("big") == text);
  EXPECT_TRUE(fetched.texts.at("edge") == text.substr(0, 256 * 1024));
  EXPECT_EQ(fetched.texts.at("empty"), "");
}

TEST_F(Source, A_message_that_grows_is_read_once_more_and_then_fails_alone) {
  make_maildir(dir.path());
  put(dir / "cur/a", "mail");
  GrowingFs growing(*fs, dir / "cur/a");
  World other(growing);
  const auto source = open_source(dir.path(), other.services);
  MH_OK(source);
  growing.growths = 1;
  const auto second_try = fetch_all(**source)["INBOX"];
  EXPECT_EQ(second_try.texts.at("a"), "mail+");
  growing.growths = 2;
  const auto given_up = fetch_all(**source)["INBOX"];
  EXPECT_TRUE(given_up.texts.empty());
  EXPECT_NE(given_up.failed.at("a").find("is being changed"), std::string::npos);
}

struct CorpusRow {
  const char* place;
  std::map<std::string, std::size_t> folders;
};

TEST_F(Source, Real_Maildirs_are_read_with_all_their_messages) {
  if (std::string(MH_CORPORA).empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const CorpusRow rows[] = {
      {"stalwart-mail-parser/resources/maildir", {{"INBOX", 2}, {"My Folder", 2}, {"My Folder/Nested Folder", 2}}},
      {"laminas-mail/maildir", {{"INBOX", 5}, {"subfolder/test", 1}}},
      {"mox/testdata/importtest.maildir", {{"INBOX", 2}}},
      {"staktrace-maildir/testdata/maildir", {{"INBOX", 2}}},
      {"staktrace-maildir/testdata/submaildirs", {{"INBOX", 0}}},
      {"email-folder/t/testmaildir", {{"INBOX", 10}}},
  };
  for (const CorpusRow& row : rows) {
    SCOPED_TRACE(row.place);
    const std::string path = std::string(MH_CORPORA) + "/" + row.place;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
    auto source = open(path);
    std::map<std::string, std::size_t> counts;
    for (const auto& [folder, fetched] : fetch_all(*source)) {
      counts[folder] = fetched.texts.size();
      EXPECT_TRUE(fetched.failed.empty() && fetched.vanished.empty());
    }
    EXPECT_EQ(counts, row.folders);
  }
}

TEST_F(Source, Flags_of_real_Maildirs_mean_what_their_programs_meant) {
  if (std::string(MH_CORPORA).empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const std::string root = std::string(MH_CORPORA) + "/stalwart-mail-parser/resources/maildir";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  const auto all = fetch_all(*open(root));
  const mail::Meta& windows = all.at("My Folder/Nested Folder").metas.at("1276533073.M242911P3632.kurkku");
  EXPECT_EQ(windows.flags.bits(), mail::Flags::flagged);
  EXPECT_EQ(windows.keywords, (std::vector<std::string>{"$Forwarded"}));
  const mail::Meta& letters = all.at("INBOX").metas.at("1234567890.M20046P2137.mailserver,S=4542,W=4642");
  EXPECT_EQ(letters.labels, (std::vector<std::string>{"maildir-info:b"}));
}

}  // namespace
}  // namespace mailhaul::maildir::test
