// Reading mbox files: what is listed, fetched and told, and that nothing is changed.
#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>

#include "plugins/mbox/format/first_octets.hpp"
#include "support.hpp"

namespace mailhaul::mbox {
namespace {

using namespace test;
using Weight = store::Note::Weight;

const std::string kA = "From a@example.org Fri Feb 22 17:06:23 2008\n";
const std::string kB = "From b@example.org Thu Nov  1 11:19:12 2001\n";

class MboxSource : public testing::Test {
 protected:
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  World world_{*fs_};
  TempDir dir_;

  Fetched fetch(const std::string& path) {
    auto source = open_source(world_, path);
    EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().what);
    return source.ok() ? fetch_only_folder(**source) : Fetched{};
  }
  Error refusal(const std::string& path) {
    auto source = open_source(world_, path);
    EXPECT_FALSE(source.ok()) << path;
    return source.ok() ? Error{} : source.error();
  }
};

TEST_F(MboxSource, Yields_the_octets_unquoted_and_without_From_line) {
  write_file(dir_ / "x.mbox", kA + "S: 1\n\n>From here\n>>From there\n\n" + kB + "S: 2\r\nStatus: RO\r\n\r\nbody\r\n\r\n");
  const Fetched fetched = fetch(dir_ / "x.mbox");
  EXPECT_EQ(fetched.texts, (std::vector<std::string>{"S: 1\n\nFrom here\n>From there\n", "S: 2\r\nStatus: RO\r\n\r\nbody\r\n"}));
  EXPECT_TRUE(fetched.metas[0].flags.empty());
  EXPECT_TRUE(fetched.metas[1].flags.has(mail::Flags::seen));
  ASSERT_TRUE(fetched.metas[0].received);
  EXPECT_EQ(fetched.metas[0].received->instant.time_since_epoch().count(), 1203699983);
  EXPECT_TRUE(world_.notes.all.empty());
}

TEST_F(MboxSource, The_topmost_Received_goes_before_a_foreign_From_line) {
  write_file(dir_ / "x", kA + "Received: by x; Thu, 1 Nov 2001 11:19:12 +0100\n\n\n");
  const Fetched fetched = fetch(dir_ / "x");
  ASSERT_EQ(fetched.metas.size(), 1U);
  EXPECT_EQ(fetched.metas[0].received->instant.time_since_epoch().count(), 1004609952);
}

TEST_F(MboxSource, Our_own_From_line_goes_before_the_topmost_Received) {
  const std::string line = "From 0123456789abcdef0123456789abcdef@mailhaul Fri Feb 22 17:06:23 2008\n";
  write_file(dir_ / "x", line + "Received: by x; Thu, 1 Nov 2001 11:19:12 +0100\n\n\n");
  const Fetched fetched = fetch(dir_ / "x");
  ASSERT_EQ(fetched.metas.size(), 1U);
  EXPECT_EQ(fetched.metas[0].received->instant.time_since_epoch().count(), 1203699983);
}

TEST_F(MboxSource, An_empty_file_is_valid_and_a_missing_one_is_unreachable) {
  write_file(dir_ / "empty", "");
  EXPECT_TRUE(fetch(dir_ / "empty").texts.empty());
  EXPECT_EQ(refusal(dir_ / "nowhere").kind, ErrorKind::unreachable);
}

TEST_F(MboxSource, What_is_no_mbox_is_refused_and_named) {
  struct Row {
    const char* name;
    std::string octets;
    const char* hint;
  };
  const std::vector<Row> rows = {{"text", "hello\n", "begins with"},
                                 {"message.eml", "Subject: x\n\nbody\n", "single message"},
                                 {"x.zip", "PK\x03\x04zzz", "zip"},
                                 {"x.gz", "\x1F\x8B\x08zzz", "gzip"},
                                 {"x.pst", "!BDNzzz", "PST"}};
  for (const Row& row : rows) {
    write_file(dir_ / row.name, row.octets);
    const Error error = refusal(dir_ / row.name);
    EXPECT_EQ(error.kind, ErrorKind::usage) << row.name;
    EXPECT_NE(error.what.find("is not an mbox: its first line is \""), std::string::npos) << error.what;
    EXPECT_NE(error.hint.find(row.hint), std::string::npos) << error.hint;
  }
}

TEST_F(MboxSource, A_FIFO_a_directory_link_to_nowhere_and_a_Maildir_are_refused_as_usage) {
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(refusal(dir_ / "fifo").kind, ErrorKind::usage);
  std::filesystem::create_symlink(dir_ / "nowhere", dir_ / "dangling");
  EXPECT_EQ(refusal(dir_ / "dangling").kind, ErrorKind::usage);
  EXPECT_EQ(refusal("/dev/null").kind, ErrorKind::usage);
  std::filesystem::create_directories(dir_ / "maildir/cur");
  std::filesystem::create_directories(dir_ / "maildir/new");
  EXPECT_EQ(refusal(dir_ / "maildir").kind, ErrorKind::usage);
  write_file(dir_ / "plain", kA);
  EXPECT_EQ(refusal(dir_ / "plain/").kind, ErrorKind::usage);
}

TEST_F(MboxSource, Doubts_are_told_with_their_offsets) {
  write_file(dir_ / "x", kA + "Content-Length: 3\n\none\n\nFrom a Thu, 3rd Jan\n" + kB + "S: 2\n\nbo");
  fetch(dir_ / "x");
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "Content-Length that points nowhere"), 1U);
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "taken as text, the first at offset 68"), 1U);
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "without an empty line before them"), 1U);
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "has no final newline; the file may be truncated at offset 140"), 1U);
  EXPECT_EQ(world_.notes.all.size(), 4U);
}

TEST_F(MboxSource, The_record_of_UW_imapd_is_no_message) {
  write_file(dir_ / "x", "From MAILER-DAEMON Fri Feb 22 17:06:23 2008\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
                         "X-IMAP: 1 2\n\nx\n\n" + kA + "S: 1\n\nbody\n");
  EXPECT_EQ(fetch(dir_ / "x").texts, std::vector<std::string>{"S: 1\n\nbody\n"});
  EXPECT_EQ(world_.notes.count(Weight::info), 1U);
}

TEST_F(MboxSource, Reading_changes_neither_octets_nor_times) {
  write_file(dir_ / "x", kA + "S: 1\n\nbody\n");
  struct stat before {}, after {};
  ASSERT_EQ(::stat((dir_ / "x").c_str(), &before), 0);
  fetch(dir_ / "x");
  ASSERT_EQ(::stat((dir_ / "x").c_str(), &after), 0);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
  EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
  EXPECT_EQ(before.st_atim.tv_nsec, after.st_atim.tv_nsec);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), std::filesystem::directory_iterator()), 1);
}

TEST_F(MboxSource, An_appended_message_alone_is_told_in_a_delta) {
  const std::string first = kA + "S: 1\n\nbody\n";
  struct Row {
    const char* name;
    std::string old, added;
    bool delta;
  };
  const std::vector<Row> rows = {
      {"after an empty line", first + "\n", kB + "S: 2\n\nx\n\n", true},
      {"with its own empty line", first, "\n" + kB + "S: 2\n\nx\n\n", true},
      {"one empty line more, which the old message gains", first + "\n", "\n" + kB + "S: 2\n\nx\n\n", false},
      {"no empty line", first, kB + "S: 2\n\nx\n\n", false},
      {"text to the last message", first, "more\n", false},
      {"a torn line completed", kA + "S: 1\n\nbo", "dy\n\n" + kB + "S: 2\n\n", false}};
  for (const Row& row : rows) {
    write_file(dir_ / "x", row.old);
    auto source = open_source(world_, dir_ / "x");
    MH_OK(source);
    Items before, after, all;
    const auto folder = folders_of(**source).at(0);
    const auto end = (*source)->list(folder, std::nullopt, before);
    MH_OK(end);
    std::ofstream(dir_ / "x", std::ios::binary | std::ios::app) << row.added;
    const auto delta = (*source)->list(folder, end->state, after);
    MH_OK(delta);
    EXPECT_EQ(delta->complete, !row.delta) << row.name;
    MH_OK((*source)->list(folder, std::nullopt, all));
    std::vector<store::Key> keys, whole;
    if (row.delta) for (const store::Item& item : before.items) keys.push_back(item.key);
    for (const store::Item& item : after.items) keys.push_back(item.key);
    for (const store::Item& item : all.items) whole.push_back(item.key);
    EXPECT_EQ(keys, whole) << row.name;
    const auto same = (*source)->list(folder, delta->state, after);
    MH_OK(same);
    EXPECT_FALSE(same->complete);
  }
}

TEST_F(MboxSource, An_edited_file_never_passes_an_old_key) {
  write_file(dir_ / "x", kA + "S: 1\n\nbody\n\n" + kB + "S: 2\n\nbody\n");
  auto source = open_source(world_, dir_ / "x");
  MH_OK(source);
  const auto folder = folders_of(**source).at(0);
  Items items;
  MH_OK((*source)->list(folder, std::nullopt, items));
  write_file(dir_ / "x", kA + "S: 1\n\nBODY\n\n" + kB + "S: 2\n\nbody\n");
  Fetched fetched;
  MH_OK((*source)->fetch(once(folder, items.items), fetched));
  EXPECT_EQ(fetched.vanished, std::vector<store::Key>{items.items[0].key});
  EXPECT_EQ(fetched.texts, std::vector<std::string>{"S: 2\n\nbody\n"});
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "was changed after it was listed"), 1U);
}

TEST_F(MboxSource, A_key_without_locator_is_enough) {
  write_file(dir_ / "x", kA + "Content-Length: 17\nStatus: R\n\nFrom a\n>From bcd\n\n" + kB + "S: 2\n\n>From bcd\n");
  auto source = open_source(world_, dir_ / "x");
  MH_OK(source);
  const auto folder = folders_of(**source).at(0);
  Items items;
  MH_OK((*source)->list(folder, std::nullopt, items));
  std::vector<store::Key> keys;
  for (store::Item& item : items.items) {
    item.locator.clear();
    keys.push_back(item.key);
  }
  Fetched fetched;
  MH_OK((*source)->fetch(once(folder, items.items), fetched));
  EXPECT_EQ(fetched.texts, (std::vector<std::string>{"Content-Length: 17\nStatus: R\n\nFrom a\n>From bcd\n", "S: 2\n\nFrom bcd\n"}));
  keys.push_back("7.7.0000000000000000");
  keys.push_back("nonsense");
  Items described;
  MH_OK((*source)->describe(folder, keys, described));
  ASSERT_EQ(described.items.size(), 2U);
  EXPECT_TRUE(described.items[0].meta_complete);
  EXPECT_TRUE(described.items[0].meta.flags.has(mail::Flags::seen));
  EXPECT_EQ(described.gone, (std::vector<store::Key>{"7.7.0000000000000000", "nonsense"}));
}

TEST_F(MboxSource, Deep_quoting_of_mboxo_is_left_alone) {
  write_file(dir_ / "x", kA + "S: 1\n\n>From a\n>>From b\n");
  store::OpenOptions options;
  options.mbox_dialect = store::MboxDialect::mboxo;
  auto source = open_source(world_, dir_ / "x", options);
  MH_OK(source);
  EXPECT_EQ(fetch_only_folder(**source).texts, std::vector<std::string>{"S: 1\n\nFrom a\n>>From b\n"});
}

TEST_F(MboxSource, A_file_that_is_written_all_the_time_is_said_to_be_so) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += kA + "S: 1\n\nbody\n\n";
  write_file(dir_ / "x", text);
  auto source = open_source(world_, dir_ / "x");
  MH_OK(source);
  Items items;
  bool once_only = true;
  items.hook = [&] {
    if (std::exchange(once_only, false)) std::ofstream(dir_ / "x", std::ios::binary | std::ios::app) << "more\n";
  };
  const auto end = (*source)->list(folders_of(**source).at(0), std::nullopt, items);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::locked);
  EXPECT_NE(end.error().what.find("is being changed"), std::string::npos);
}

TEST_F(MboxSource, A_lock_of_another_program_is_waited_for_and_cancelled) {
  write_file(dir_ / "x", kA + "S: 1\n\nbody\n");
  auto source = open_source(world_, dir_ / "x");
  MH_OK(source);
  const auto folder = folders_of(**source).at(0);
  const int held = ::open((dir_ / "x").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(held, 0);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(held, F_OFD_SETLK, &lock), 0);
  world_.cancel.request();
  Items items;
  const auto end = (*source)->list(folder, std::nullopt, items);
  ::close(held);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::interrupted);
  EXPECT_TRUE(items.items.empty());
}

TEST_F(MboxSource, A_tree_gives_folders_containers_and_notes) {
  const std::string mail = kA + "S: 1\n\nbody\n";
  for (const char* name : {"Inbox", "Work", "Work.sbd/Old", "Only.sbd/Child", "plain/2019", "empty", "x&AOQ-y"}) write_file(dir_ / name, name == std::string("empty") ? "" : mail);
  for (const char* name : {"Work.msf", ".hidden", "notes.html", "x.lock", "popstate.dat", "a.json", "cookies.sqlite", "In.toc", "x.cmeta", "m.ev-summary-meta"}) write_file(dir_ / name, "junk");
  write_file(dir_ / "readme", "no mail\n");
  std::filesystem::create_symlink("/etc/passwd", dir_ / "link");
  auto source = open_source(world_, dir_.path());
  MH_OK(source);
  std::vector<std::string> names;
  for (const store::FolderInfo& folder : folders_of(**source)) names.push_back(folder.path.text() + (folder.selectable ? "" : " -"));
  EXPECT_EQ(names, (std::vector<std::string>{"INBOX", "Work", "empty", "xäy", "Only -", "Only/Child", "Work/Old", "plain -", "plain/2019"}));
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "readme is not an mbox: its first line is \"no mail\""), 1U);
  EXPECT_EQ(world_.notes.count(Weight::doubtful, "is a symbolic link; not followed"), 1U);
  EXPECT_EQ(world_.notes.all.size(), 2U);
  for (const store::FolderInfo& folder : folders_of(**source)) {
    if (!folder.selectable) continue;
    Items items;
    const auto end = (*source)->list(folder, std::nullopt, items);
    MH_OK(end);
    EXPECT_EQ(items.items.size(), folder.path.text() == "empty" ? 0U : 1U);
    EXPECT_EQ(end->state, folder.state);
  }
}

TEST_F(MboxSource, What_a_tree_holds_besides_mail_is_told_once_and_not_of_a_target) {
  write_file(dir_ / "readme", "no mail\n");
  Acks acks;
  auto target = open_target(world_, dir_.path() + "/", acks);
  MH_OK(target);
  MH_OK((*target)->folders([](store::FolderInfo) -> Status { return {}; }));
  EXPECT_TRUE(world_.notes.all.empty());
  auto source = open_source(world_, dir_.path());
  MH_OK(source);
  folders_of(**source);
  folders_of(**source);
  EXPECT_EQ(world_.notes.all.size(), 1U);
}

TEST_F(MboxSource, One_folder_never_comes_twice) {
  write_file(dir_ / "INBOX", kA + "S: 1\n\n");
  write_file(dir_ / "Inbox", kA + "S: 2\n\n");
  auto source = open_source(world_, dir_.path());
  MH_OK(source);
  const auto folders = folders_of(**source);
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[0].path.text(), "INBOX");
  EXPECT_EQ(folders[1].path.text(), "INBOX~2");
  Fetched fetched;
  for (const auto& folder : folders) {
    Items items;
    MH_OK((*source)->list(folder, std::nullopt, items));
    MH_OK((*source)->fetch(once(folder, items.items), fetched));
  }
  EXPECT_EQ(fetched.texts, (std::vector<std::string>{"S: 1\n", "S: 2\n"}));
}

TEST_F(MboxSource, A_file_that_became_something_else_is_damage_and_no_empty_folder) {
  write_file(dir_ / "x", kA + "S: 1\n\n");
  auto source = open_source(world_, dir_ / "x");
  MH_OK(source);
  const auto folder = folders_of(**source).at(0);
  write_file(dir_ / "x", "hello\n");
  Items items;
  const auto end = (*source)->list(folder, std::nullopt, items);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::damage);
}

}  // namespace
}  // namespace mailhaul::mbox
