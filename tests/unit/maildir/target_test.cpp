#include "files/failing_fs.hpp"
#include "unit/maildir/support.hpp"

namespace mailhaul::maildir::test {
namespace {

class Target : public testing::Test {
 protected:
  std::unique_ptr<store::Target> open() {
    auto target = open_target(dir / "m", world.services, acks);
    EXPECT_TRUE(target.ok()) << target.error().what;
    return target.ok() ? std::move(*target) : nullptr;
  }
  static store::FolderHandle folder(store::Target& target, const std::string& text) {
    auto handle = target.open_folder(*mail::FolderPath::from_text(text), mail::Role::none);
    EXPECT_TRUE(handle.ok()) << handle.error().what;
    return handle.ok() ? *handle : store::FolderHandle{};
  }
  mail::Meta meta(std::uint8_t flags, std::vector<std::string> keywords = {}, std::vector<std::string> labels = {}) {
    mail::Meta made{mail::Flags(flags), std::move(keywords), mail::ReceivedDate{}, std::move(labels)};
    made.received->instant = Instant(std::chrono::seconds(1234567890));
    return made;
  }
  std::string only(const std::string& path) {
    const auto names = names_in(dir / path);
    EXPECT_EQ(names.size(), 1U) << path;
    return names.empty() ? std::string() : names.front();
  }

  std::unique_ptr<files::FileSystem> real = files::make_real_file_system();
  std::unique_ptr<files::FailingFs> fs = files::make_failing_fs(*real);
  World world{*fs};
  TempDir dir;
  Acks acks;
};

TEST_F(Target, A_delivery_stands_in_cur_with_its_octets_date_and_info) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  EXPECT_TRUE(inbox.created);
  MH_OK(target->submit(inbox, ticket(1), world.message("Subject: x\n\nbody\n", meta(31, {"$forwarded", "Work"}))));
  EXPECT_TRUE(acks.all.empty()) << "nothing is promised before it is durable";
  EXPECT_EQ(names_in(dir / "m/cur").size(), 0U);
  MH_OK(target->flush());
  const store::Stored* stored = acks.stored(1);
  ASSERT_NE(stored, nullptr);
  EXPECT_FALSE(stored->lost_date || stored->lost_flags || stored->lost_keywords);
  const std::string name = only("m/cur");
  EXPECT_TRUE(name.ends_with(".mailhaul,S=17,W=20:2,DFPRSTa")) << name;
  EXPECT_EQ(stored->key, name.substr(0, name.find(':')));
  EXPECT_EQ(ticket_of(name), ticket(1).hex());
  EXPECT_EQ(get(dir / ("m/cur/" + name)), "Subject: x\n\nbody\n");
  EXPECT_EQ(get(dir / "m/dovecot-keywords"), "0 Work\n");
  struct stat facts {};
  ASSERT_EQ(::stat((dir / ("m/cur/" + name)).c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtime, 1234567890);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_TRUE(names_in(dir / "m/tmp").empty());
  EXPECT_TRUE(names_in(dir / "m").size() == 4) << "cur, dovecot-keywords, new, tmp and no litter";
}

TEST_F(Target, What_was_written_is_read_back_by_the_source) {
  auto target = open();
  const auto sub = folder(*target,
                          "Entw\xC3\xBC"
                          "rfe/A&B");
  EXPECT_TRUE(std::filesystem::exists(dir / "m/.Entw&APw-rfe.A&-B/maildirfolder"));
  const mail::Meta given = meta(mail::Flags::seen, {"Work"}, {"maildir-info:Z"});
  MH_OK(target->submit(sub, ticket(1), world.message("a\r\nb", given)));
  MH_OK(target->submit(sub, ticket(2), world.message("", meta(0))));
  MH_OK(target->flush());
  auto source = open_source(dir / "m", world.services);
  MH_OK(source);
  const auto all = fetch_all(**source);
  const Fetched& fetched = all.at(
      "Entw\xC3\xBC"
      "rfe/A&B");
  EXPECT_EQ(fetched.texts.at(*acks.stored(1)->key), "a\r\nb");
  EXPECT_EQ(fetched.metas.at(*acks.stored(1)->key), given);
  EXPECT_EQ(fetched.texts.at(*acks.stored(2)->key), "");
}

TEST_F(Target, What_cannot_be_kept_is_counted) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  mail::Meta dateless = meta(0);
  dateless.received.reset();
  MH_OK(target->submit(inbox, ticket(1), world.message("1", dateless)));
  MH_OK(target->submit(inbox, ticket(2), world.message("2", meta(0, {"two words"}))));
  MH_OK(target->submit(inbox, ticket(3), world.message("3", meta(0, {}, {"Gmail/Label"}))));
  mail::Meta old = meta(0);
  old.received->instant = Instant(std::chrono::seconds(-86400));
  MH_OK(target->submit(inbox, ticket(4), world.message("4", old)));
  MH_OK(target->flush());
  EXPECT_TRUE(acks.stored(1)->lost_date);
  EXPECT_TRUE(acks.stored(2)->lost_keywords);
  EXPECT_TRUE(acks.stored(3)->lost_flags);
  for (const auto& name : names_in(dir / "m/cur")) {
    struct stat facts {};
    ASSERT_EQ(::stat((dir / ("m/cur/" + name)).c_str(), &facts), 0);
    const bool is_old = ticket_of(name) == ticket(4).hex();
    if (ticket_of(name) == ticket(1).hex()) {
      EXPECT_EQ(facts.st_mtime, 0);
    }
    if (is_old) {
      EXPECT_EQ(acks.stored(4)->lost_date, facts.st_mtime != -86400);
    }
  }
}

TEST_F(Target, The_twenty_seventh_keyword_is_lost_and_the_others_keep_their_letters) {
  make_maildir(dir / "m");
  put(dir / "m/dovecot-keywords", "0 First\n3 bad name\n");
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  for (std::uint64_t i = 1; i <= 26; ++i) {
    MH_OK(target->submit(inbox, ticket(i), world.message("x", meta(0, {"k" + std::to_string(i)}))));
  }
  MH_OK(target->flush());
  for (std::uint64_t i = 1; i <= 24; ++i) EXPECT_FALSE(acks.stored(i)->lost_keywords) << i;
  for (std::uint64_t i = 25; i <= 26; ++i) EXPECT_TRUE(acks.stored(i)->lost_keywords) << i;
  const std::string text = get(dir / "m/dovecot-keywords");
  EXPECT_TRUE(text.starts_with("0 First\n3 bad name\n1 k1\n2 k2\n4 k3\n")) << text;
  EXPECT_FALSE(std::filesystem::exists(dir / "m/dovecot-keywords.lock"));
}

TEST_F(Target, A_letter_that_stands_in_names_without_meaning_is_not_given_to_a_keyword) {
  make_maildir(dir / "m");
  put(dir / "m/cur/foreign:2,a", "x");
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  MH_OK(target->submit(inbox, ticket(1), world.message("x", meta(0, {"Work"}, {"maildir-info:c"}))));
  MH_OK(target->submit(inbox, ticket(2), world.message("x", meta(0, {"Other"}))));
  MH_OK(target->flush());
  EXPECT_EQ(get(dir / "m/dovecot-keywords"), "1 Work\n3 Other\n");
  EXPECT_FALSE(acks.stored(1)->lost_flags);
}

TEST_F(Target, Keywords_that_another_program_adds_are_seen) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  MH_OK(target->submit(inbox, ticket(1), world.message("x", meta(0, {"One"}))));
  put(dir / "m/dovecot-keywords", "0 One\n1 Foreign\n");
  MH_OK(target->submit(inbox, ticket(2), world.message("x", meta(0, {"Two", "foreign"}))));
  MH_OK(target->flush());
  EXPECT_EQ(get(dir / "m/dovecot-keywords"), "0 One\n1 Foreign\n2 Two\n");
  for (const auto& name : names_in(dir / "m/cur")) {
    if (ticket_of(name) == ticket(2).hex()) {
      EXPECT_TRUE(name.ends_with(":2,bc")) << name;
    }
  }
}

TEST_F(Target, A_lock_of_a_dead_run_is_removed_and_a_living_one_is_respected) {
  make_maildir(dir / "m");
  put(dir / "m/dovecot-keywords.lock", "mailhaul\n");
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  MH_OK(target->submit(inbox, ticket(1), world.message("x", meta(0, {"One"}))));
  EXPECT_EQ(get(dir / "m/dovecot-keywords"), "0 One\n");
  EXPECT_FALSE(std::filesystem::exists(dir / "m/dovecot-keywords.lock"));
  put(dir / "m/dovecot-keywords.lock", "0 One\n1 Dove");
  MH_OK(target->submit(inbox, ticket(2), world.message("x", meta(0, {"Two"}))));
  MH_OK(target->flush());
  EXPECT_TRUE(acks.stored(2)->lost_keywords);
  EXPECT_EQ(get(dir / "m/dovecot-keywords.lock"), "0 One\n1 Dove");
  world.clock.shift = std::chrono::minutes(10);
  MH_OK(target->submit(inbox, ticket(3), world.message("x", meta(0, {"Three"}))));
  MH_OK(target->flush());
  EXPECT_FALSE(acks.stored(3)->lost_keywords) << "older than any program needs";
}

TEST_F(Target, Nested_trees_are_continued_as_nested) {
  make_maildir(dir / "m/INBOX");
  auto target = open();
  EXPECT_EQ(target->caps().separator, '\0');
  EXPECT_FALSE(folder(*target, "INBOX").created);
  folder(*target, "a.b/cur");
  EXPECT_TRUE(std::filesystem::exists(dir / "m/a.b/%63ur/cur"));
  EXPECT_FALSE(std::filesystem::exists(dir / "m/cur"));
  std::vector<std::string> paths;
  MH_OK(target->folders([&](store::FolderInfo info) -> Status {
    paths.push_back(info.path.text());
    return {};
  }));
  EXPECT_EQ(paths, (std::vector<std::string>{"INBOX", "a.b/cur"}));
}

TEST_F(Target, New_places_are_dotted_and_what_it_would_do_is_told_without_making_it) {
  const store::Location location{"maildir", dir / "m", "", std::nullopt, "", std::nullopt, {}, false};
  const auto caps = kMaildir.target_caps(location, world.services, nullptr);
  MH_OK(caps);
  EXPECT_EQ(caps->separator, '.');
  EXPECT_FALSE(std::filesystem::exists(dir / "m"));
  auto target = open();
  const auto refused = target->open_folder(mail::FolderPath({"a.b"}), mail::Role::none);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_EQ(refused.error().scope, Scope::folder);
}

TEST_F(Target, A_name_too_long_is_shortened_told_and_found_again) {
  const std::string longest(300, 'x');
  mail::FolderPath path({longest, "sub"});
  std::string final_name;
  for (int run = 0; run < 2; ++run) {
    auto target = open();
    const auto handle = target->open_folder(path, mail::Role::none);
    MH_OK(handle);
    EXPECT_EQ(handle->created, run == 0);
    EXPECT_NE(handle->path, path);
    EXPECT_LE(handle->path.native.size(), 255U);
    if (run == 1) {
      EXPECT_EQ(handle->path.native, final_name);
    }
    final_name = handle->path.native;
    EXPECT_EQ(target->open_folder(path, mail::Role::none)->id, handle->id);
    MH_OK(target->submit(*handle, ticket(static_cast<std::uint64_t>(run) + 1), world.message("x")));
    MH_OK(target->flush());
  }
  EXPECT_GE(world.notes.count(store::Note::Weight::warning), 1U);
  EXPECT_EQ(names_in(dir / ("m/" + final_name + "/cur")).size(), 2U);
}

TEST_F(Target, The_window_is_256_messages_or_16_MiB) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  for (std::uint64_t i = 1; i <= 255; ++i) MH_OK(target->submit(inbox, ticket(i), world.message("x")));
  EXPECT_TRUE(acks.all.empty());
  MH_OK(target->submit(inbox, ticket(256), world.message("x")));
  EXPECT_EQ(acks.all.size(), 256U);
  MH_OK(target->submit(inbox, ticket(257), world.message(std::string(16U << 20U, 'y'))));
  EXPECT_EQ(acks.all.size(), 257U);
  EXPECT_EQ(names_in(dir / "m/cur").size(), 257U);
}

TEST_F(Target, More_folders_than_handles_are_served) {
  auto target = open();
  for (std::uint64_t round = 0; round < 2; ++round) {
    for (std::uint64_t i = 1; i <= 20; ++i) {
      MH_OK(target->submit(folder(*target, "f" + std::to_string(i)), ticket(round * 20 + i), world.message("x")));
    }
  }
  MH_OK(target->flush());
  for (std::uint64_t i = 1; i <= 40; ++i) EXPECT_NE(acks.stored(i), nullptr) << i;
}

TEST_F(Target, A_failed_sync_refuses_the_batch_and_leaves_nothing) {
  for (const std::uint64_t messages : {3U, 12U}) {  // each file by itself, and all by one sync of the file system
    SCOPED_TRACE(messages);
    acks.all.clear();
    auto target = open();
    const auto inbox = folder(*target, "INBOX");
    for (std::uint64_t i = 1; i <= messages; ++i) MH_OK(target->submit(inbox, ticket(i), world.message("x")));
    fs->arm(fs->calls() + 1, files::Fault::io_error);
    MH_OK(target->flush());
    EXPECT_TRUE(fs->fired());
    for (std::uint64_t i = 1; i <= messages; ++i) {
      ASSERT_NE(acks.refused(i), nullptr);
      EXPECT_EQ(acks.refused(i)->retry, Retry::later);
      EXPECT_EQ(acks.refused(i)->scope, Scope::message);
    }
    EXPECT_TRUE(names_in(dir / "m/tmp").empty());
    EXPECT_TRUE(names_in(dir / "m/cur").empty());
    fs->disarm();
  }
}

TEST_F(Target, A_full_disk_refuses_that_message_for_the_whole_run) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  MH_OK(target->submit(inbox, ticket(1), world.message("x")));
  fs->arm(fs->calls() + 2, files::Fault::no_space);  // create, then write
  MH_OK(target->submit(inbox, ticket(2), world.message("y")));
  ASSERT_NE(acks.refused(2), nullptr);
  EXPECT_EQ(acks.refused(2)->kind, ErrorKind::no_space);
  EXPECT_EQ(acks.refused(2)->scope, Scope::run);
  EXPECT_EQ(names_in(dir / "m/tmp").size(), 1U);
  MH_OK(target->flush());
  EXPECT_NE(acks.stored(1), nullptr);
  EXPECT_EQ(names_in(dir / "m/cur").size(), 1U);
}

TEST_F(Target, An_unsynced_directory_leaves_the_batch_in_doubt) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  MH_OK(target->submit(inbox, ticket(1), world.message("x")));
  fs->arm(fs->calls() + 4, files::Fault::io_error);  // sync, close, rename, sync of cur
  EXPECT_FALSE(target->flush().ok());
  ASSERT_EQ(acks.all[ticket(1)].size(), 1U);
  EXPECT_TRUE(std::holds_alternative<store::InDoubt>(acks.all[ticket(1)].front().verdict));
}

TEST_F(Target, Changes_of_meta_rename_and_keep_what_they_do_not_know) {
  make_maildir(dir / "m");
  put(dir / "m/cur/a:2,SZ,extra", "a");
  put(dir / "m/new/b", "b");
  put(dir / "m/cur/c;2,F", "c");
  put(dir / "m/cur/e:1,x", "e");
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  store::MetaChange change;
  change.add_flags.set(mail::Flags::flagged);
  change.remove_flags.set(mail::Flags::seen);
  change.add_keywords = {"Work"};
  std::uint64_t number = 0;
  for (const char* key : {"a", "b", "c", "gone", "e"}) MH_OK(target->update(inbox, ticket(++number), key, change));
  store::MetaChange back;
  back.remove_keywords = {"work"};
  MH_OK(target->update(inbox, ticket(6), "b", back));
  EXPECT_TRUE(acks.all.empty());
  MH_OK(target->flush());
  EXPECT_EQ(names_in(dir / "m/cur"), (std::vector<std::string>{"a:2,FZa,extra", "b:2,F", "c;2,Fa", "e:1,x"}));
  EXPECT_TRUE(names_in(dir / "m/new").empty());
  for (const std::uint64_t done : {1U, 2U, 3U, 6U}) EXPECT_NE(acks.stored(done), nullptr) << done;
  EXPECT_EQ(acks.stored(2)->key, "b");
  ASSERT_NE(acks.refused(4), nullptr);
  EXPECT_EQ(acks.refused(4)->scope, Scope::message);
  ASSERT_NE(acks.refused(5), nullptr);
  EXPECT_EQ(acks.refused(5)->kind, ErrorKind::unsupported);
}

TEST_F(Target, A_twin_in_new_is_changed_without_taking_the_key_of_the_one_in_cur) {
  make_maildir(dir / "m");
  put(dir / "m/cur/x:2,", "1");
  put(dir / "m/new/x", "2");
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  store::MetaChange change;
  change.add_flags.set(mail::Flags::seen);
  MH_OK(target->update(inbox, ticket(1), "x~new", change));
  MH_OK(target->flush());
  EXPECT_EQ(names_in(dir / "m/cur"), (std::vector<std::string>{"x:2,"}));
  EXPECT_EQ(names_in(dir / "m/new"), (std::vector<std::string>{"x:2,S"}));
  EXPECT_EQ(acks.stored(1)->key, "x~new:2,S");
}

TEST_F(Target, Deliveries_are_found_again_wherever_the_user_filed_them) {
  auto target = open();
  const auto inbox = folder(*target, "INBOX");
  folder(*target, "Filed");
  std::vector<store::Wanted> wanted;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const mail::Message message = world.message("mail " + std::to_string(i) + "\n");
    wanted.push_back({ticket(i), message.content->facts().nid, message.content->facts().eid, 0});
    MH_OK(target->submit(inbox, ticket(i), message));
  }
  wanted.push_back({ticket(9), {}, {}, 0});
  MH_OK(target->flush());
  for (const auto& name : names_in(dir / "m/cur")) {
    if (ticket_of(name) == ticket(2).hex())
      std::filesystem::rename(dir / ("m/cur/" + name), dir / ("m/.Filed/cur/" + name));
    if (ticket_of(name) == ticket(3).hex()) std::filesystem::rename(dir / ("m/cur/" + name), dir / ("m/new/" + name));
  }
  const std::string leftover = "1.M1P1Q1R" + ticket(9).hex() + ".mailhaul,S=1,W=1";
  put(dir / ("m/tmp/" + leftover), "torn");
  put(dir / ("m/tmp/1.M1P1Q1R" + ticket(77).hex() + ".mailhaul,S=1,W=1"), "of another run");
  put(dir / "m/tmp/foreign", "x");
  const auto mark = target->watermark(inbox);
  MH_OK(mark);
  std::map<store::Ticket, Digest> matches;
  MH_OK(target->find_since(inbox, *mark, wanted, [&](store::Match match) -> Status {
    EXPECT_TRUE(matches.emplace(*match.ticket, match.nid).second);
    return {};
  }));
  ASSERT_EQ(matches.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(matches.at(wanted[i].ticket), wanted[i].nid);
  EXPECT_EQ(names_in(dir / "m/tmp").size(), 2U) << "only the leftover of a wanted ticket is removed";
}

TEST_F(Target, A_link_in_place_of_a_folder_is_not_written_through) {
  make_maildir(dir / "other");
  make_maildir(dir / "m");
  std::filesystem::create_directory_symlink(dir / "other", dir / "m/.Work");
  auto target = open();
  const auto handle = target->open_folder(mail::FolderPath({"Work"}), mail::Role::none);
  EXPECT_FALSE(handle.ok());
  EXPECT_TRUE(names_in(dir / "other/cur").empty());
  EXPECT_GE(world.notes.count(store::Note::Weight::doubtful), 1U);
}

TEST_F(Target, What_was_not_flushed_leaves_no_litter) {
  {
    auto target = open();
    MH_OK(target->submit(folder(*target, "INBOX"), ticket(1), world.message("x")));
    EXPECT_EQ(names_in(dir / "m/tmp").size(), 1U);
  }
  EXPECT_TRUE(names_in(dir / "m/tmp").empty());
  EXPECT_TRUE(acks.all.empty());
}

TEST_F(Target, One_place_has_one_identity_however_it_is_spelled) {
  make_maildir(dir / "m");
  std::filesystem::create_directory_symlink(dir / "m", dir / "link");
  const auto identity_of = [&](const std::string& path) {
    return kMaildir.identity(store::Location{"maildir", path, "", std::nullopt, "", std::nullopt, {}, false},
                             world.services);
  };
  const auto plain = identity_of(dir / "m"), linked = identity_of(dir / "link/"),
             inner = identity_of(dir / "link/.Sub");
  MH_OK(plain);
  MH_OK(linked);
  MH_OK(inner);
  EXPECT_EQ(*plain, *linked);
  EXPECT_TRUE(inner->starts_with(*plain + "/"));
}

}  // namespace
}  // namespace mailhaul::maildir::test
