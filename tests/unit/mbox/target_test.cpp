// Writing mbox files: form, acks, failures, names; and that a reader gets back what was written.
#include "files/failing_fs.hpp"
#include "plugins/mbox/format/message_key.hpp"
#include "support.hpp"

namespace mailhaul::mbox {
namespace {

using namespace test;
using store::Stored;

const std::string kOld = "From a@example.org Fri Feb 22 17:06:23 2008\nS: old\n\nbody\n";

class MboxTarget : public testing::Test {
 protected:
  std::unique_ptr<files::FileSystem> real_ = files::make_real_file_system();
  std::unique_ptr<files::FailingFs> fs_ = files::make_failing_fs(*real_);
  World world_{*fs_};
  TempDir dir_;
  Acks acks_;

  std::unique_ptr<store::Target> open(const std::string& path, const store::OpenOptions& options = {}) {
    auto target = open_target(world_, path, acks_, options);
    EXPECT_TRUE(target.ok()) << (target.ok() ? "" : target.error().what);
    return target.ok() ? std::move(*target) : nullptr;
  }
  store::FolderHandle folder(store::Target& target, const std::string& name = "x") {
    auto handle = target.open_folder(*mail::FolderPath::from_text(name), mail::Role::none);
    EXPECT_TRUE(handle.ok()) << (handle.ok() ? "" : handle.error().what);
    return handle.ok() ? *handle : store::FolderHandle{};
  }
  Fetched read(const std::string& path) {
    auto source = open_source(world_, path);
    EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().what);
    return source.ok() ? fetch_only_folder(**source) : Fetched{};
  }
};

mail::Meta meta_with_date(std::int64_t seconds) {
  mail::Meta meta;
  meta.received = mail::ReceivedDate{Instant{std::chrono::seconds{seconds}}, std::nullopt};
  return meta;
}

TEST_F(MboxTarget, Writes_the_form_that_the_design_says) {
  write_file(dir_ / "x.mbox", kOld);
  auto target = open(dir_ / "x.mbox");
  const auto handle = folder(*target);
  mail::Meta meta = meta_with_date(0);
  meta.flags.set(mail::Flags::seen).set(mail::Flags::flagged);
  meta.keywords = {"$Forwarded"};
  MH_OK(target->submit(handle, ticket(1), world_.message("S: 1\nStatus: O\nX-UID: 3\n\nFrom here\n>From there", meta)));
  MH_OK(target->submit(handle, ticket(2), world_.message("", {})));
  EXPECT_TRUE(acks_.all.empty()) << "an ack before the sync is an ack of nothing";
  MH_OK(target->flush());
  EXPECT_EQ(read_file(dir_ / "x.mbox"),
            kOld + "\nFrom 00000000000000070000000000000001@mailhaul Thu Jan  1 00:00:00 1970\n"
                   "S: 1\nStatus: RO\nX-Status: F\nX-Keywords: $Forwarded\n\n>From here\n>>From there\n\n"
                   "From 00000000000000070000000000000002.nodate@mailhaul Thu Jan  1 00:00:00 1970\n\n");
  ASSERT_EQ(acks_.stored(), 2U);
  EXPECT_FALSE(std::get<Stored>(acks_.all[0].verdict).lost_date);
  EXPECT_TRUE(std::get<Stored>(acks_.all[1].verdict).lost_date);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "x.mbox.lock"));
}

TEST_F(MboxTarget, The_acks_keys_are_the_readers_keys_also_behind_what_was_there) {
  for (const std::string& before : {std::string(), kOld, kOld + "\n", kOld + "no end", std::string("From a\r\n\r\n\r\n")}) {
    write_file(dir_ / "x", before);
    acks_.all.clear();
    auto target = open(dir_ / "x");
    const auto handle = folder(*target);
    std::mt19937_64 random(before.size());
    for (std::uint64_t n = 1; n <= 40; ++n) MH_OK(target->submit(handle, ticket(n), world_.message(nasty_text(random), meta_with_date(5))));
    MH_OK(target->flush());
    ASSERT_EQ(acks_.stored(), 40U);
    const Fetched fetched = read(dir_ / "x");
    ASSERT_EQ(fetched.keys.size(), 40U + (before.empty() ? 0U : 1U));
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_EQ(std::get<Stored>(acks_.all[i].verdict).key, fetched.keys[i + fetched.keys.size() - 40]);
    }
  }
}

TEST_F(MboxTarget, Every_message_comes_back_with_equal_identity_flags_keywords_and_date) {
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  std::mt19937_64 random(2718);
  std::vector<mail::MessageFacts> sent;
  std::vector<mail::Meta> metas;
  for (std::uint64_t n = 0; n < 10000; ++n) {
    std::string text = nasty_text(random);
    mail::Meta meta = meta_with_date(static_cast<std::int64_t>(random() % 4000000000U) - 1000000000);
    if (n % 3 != 0) meta.flags = mail::Flags(static_cast<std::uint8_t>(random() % 32));
    if (n % 5 == 0) meta.keywords = {"$Junk", "k" + std::to_string(n)};
    mail::Message message = world_.message(text, meta);
    sent.push_back(message.content->facts());
    metas.push_back(meta);
    MH_OK(target->submit(handle, ticket(n), std::move(message)));
    if (n % 64 == 63) MH_OK(target->flush());
  }
  MH_OK(target->flush());
  ASSERT_EQ(acks_.stored(), sent.size());
  const Fetched fetched = read(dir_ / "x");
  ASSERT_EQ(fetched.facts.size(), sent.size());
  std::size_t without_fields = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(fetched.facts[i].eid, sent[i].eid) << i << testing::PrintToString(fetched.texts[i]);
    ASSERT_EQ(fetched.metas[i].received->instant, metas[i].received->instant);
    const Stored& stored = std::get<Stored>(acks_.all[i].verdict);
    if (stored.lost_flags || stored.lost_keywords) {
      ++without_fields;
      continue;
    }
    ASSERT_EQ(fetched.metas[i].flags, metas[i].flags) << i;
    ASSERT_EQ(fetched.metas[i].keywords, metas[i].keywords) << i;
  }
  EXPECT_LT(without_fields, 600U) << "only messages of nothing but line ends cannot hold a field";
  for (const store::Note& note : world_.notes.all) EXPECT_EQ(note.weight, store::Note::Weight::info) << note.text;
}

TEST_F(MboxTarget, An_independent_reader_splits_it_into_the_same_messages) {
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  std::mt19937_64 random(31415);
  std::string expected;
  for (std::uint64_t n = 0; n < 10000; ++n) {
    std::string text = "S: " + std::to_string(n) + "\n\n" + nasty_text(random);
    mail::Message message = world_.message(text, meta_with_date(7));
    expected += to_hex(message.content->facts().eid.octets()) + "\n";
    MH_OK(target->submit(handle, ticket(n), std::move(message)));
  }
  MH_OK(target->flush());
  // Python's mailbox cuts at every "From " line and takes the empty line off; one '>' less is what we add.
  write_file(dir_ / "read.py",
             "import hashlib, mailbox, re, sys\n"
             "keep = re.compile(rb'(?i)^(status|x-status|x-keywords|x-uid|x-imap|x-imapbase|content-length|x-mozilla-status2?|x-mozilla-keys)[ \\t]*:')\n"
             "box = mailbox.mbox(sys.argv[1], create=False)\n"
             "for key in box.keys():\n"
             "    text = re.sub(rb'(?m)^>(>*From )', rb'\\1', box.get_bytes(key))\n"
             "    head, empty, body = text.partition(b'\\n\\n')\n"
             "    lines = [line for line in head.split(b'\\n') if not keep.match(line)]\n"
             "    text = b'\\n'.join(lines) + b'\\n' + empty[:1] + body\n"
             "    text = re.sub(rb'\\r?\\n', b'\\r\\n', text)\n"
             "    text = re.sub(rb'(\\r\\n)+\\Z', b'', text) + b'\\r\\n'\n"
             "    print(hashlib.sha256(text).hexdigest())\n");
  const std::string command = std::string(MH_PYTHON) + " '" + (dir_ / "read.py") + "' '" + (dir_ / "x") + "' > '" + (dir_ / "out") + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read_file(dir_ / "out"), expected);
}

TEST_F(MboxTarget, A_date_beyond_four_digits_is_lost_and_said_so) {
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  const std::vector<std::int64_t> dates = {-30610224001, -30610224000, 253402300799, 253402300800};
  for (std::size_t i = 0; i < dates.size(); ++i) MH_OK(target->submit(handle, ticket(i), world_.message("S: 1\n\n", meta_with_date(dates[i]))));
  MH_OK(target->flush());
  ASSERT_EQ(acks_.stored(), 4U);
  const Fetched fetched = read(dir_ / "x");
  for (std::size_t i = 0; i < dates.size(); ++i) {
    const bool lost = i == 0 || i == 3;
    EXPECT_EQ(std::get<Stored>(acks_.all[i].verdict).lost_date, lost);
    EXPECT_EQ(fetched.metas[i].received.has_value(), !lost);
  }
}

TEST_F(MboxTarget, Mboxo_marks_only_plain_From_lines) {
  store::OpenOptions options;
  options.mbox_dialect = store::MboxDialect::mboxo;
  auto target = open(dir_ / "x", options);
  MH_OK(target->submit(folder(*target), ticket(1), world_.message("S: 1\n\nFrom a\n>From b\n", meta_with_date(0))));
  MH_OK(target->flush());
  EXPECT_NE(read_file(dir_ / "x").find("\n\n>From a\n>From b\n\n"), std::string::npos);
}

TEST_F(MboxTarget, A_file_that_is_no_mbox_is_never_written_to) {
  for (const std::string& text : {std::string("hello\n"), std::string("From a\rS: 1\r\rbody\r")}) {
    write_file(dir_ / "x", text);
    auto target = open_target(world_, dir_ / "x", acks_);
    const auto handle = target.ok() ? (*target)->open_folder({}, mail::Role::none) : Result<store::FolderHandle>(target.error());
    ASSERT_FALSE(handle.ok());
    EXPECT_EQ(handle.error().kind, ErrorKind::usage);
    EXPECT_EQ(read_file(dir_ / "x"), text);
  }
}

TEST_F(MboxTarget, A_full_disk_refuses_from_the_message_that_did_not_fit_and_leaves_no_part_of_it) {
  write_file(dir_ / "x", kOld);
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  MH_OK(target->watermark(handle));
  MH_OK(target->submit(handle, ticket(1), world_.message("S: 1\n\nsmall\n", meta_with_date(0))));
  fs_->arm(fs_->calls() + 2, files::Fault::no_space);  // the second write of the large one
  MH_OK(target->submit(handle, ticket(2), world_.message("S: 2\n\n" + std::string(3U << 20U, 'x'), meta_with_date(0))));
  MH_OK(target->submit(handle, ticket(3), world_.message("S: 3\n\nafter\n", meta_with_date(0))));
  MH_OK(target->flush());
  EXPECT_TRUE(fs_->fired());
  ASSERT_EQ(acks_.all.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<Stored>(acks_.all[0].verdict));
  for (const std::size_t i : {1U, 2U}) {
    ASSERT_TRUE(std::holds_alternative<store::Refused>(acks_.all[i].verdict));
    EXPECT_EQ(std::get<store::Refused>(acks_.all[i].verdict).error.kind, ErrorKind::no_space);
  }
  EXPECT_EQ(read(dir_ / "x").texts, (std::vector<std::string>{"S: old\n\nbody\n", "S: 1\n\nsmall\n"}));
  MH_OK(target->submit(handle, ticket(4), world_.message("S: 4\n\n", meta_with_date(0))));
  MH_OK(target->flush());
  EXPECT_EQ(acks_.stored(), 2U) << "the next batch tries again";
}

TEST_F(MboxTarget, A_buffered_message_survives_the_full_disk_that_its_neighbour_met) {
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  MH_OK(target->watermark(handle));
  fs_->arm(fs_->calls() + 1, files::Fault::no_space);  // the only write of the batch
  for (std::uint64_t n = 1; n <= 3; ++n) MH_OK(target->submit(handle, ticket(n), world_.message("S: " + std::to_string(n) + "\n\n", meta_with_date(0))));
  MH_OK(target->flush());
  EXPECT_TRUE(fs_->fired());
  EXPECT_EQ(acks_.stored(), 3U) << "one by one they fitted";
  EXPECT_EQ(read(dir_ / "x").texts.size(), 3U);
}

TEST_F(MboxTarget, A_failed_sync_refuses_the_batch_and_cuts_it_off) {
  write_file(dir_ / "x", kOld);
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  MH_OK(target->watermark(handle));
  MH_OK(target->submit(handle, ticket(1), world_.message("S: 1\n\nsmall\n", meta_with_date(0))));
  fs_->arm(fs_->calls() + 2, files::Fault::io_error);  // the write, then the sync
  MH_OK(target->flush());
  EXPECT_TRUE(fs_->fired());
  EXPECT_EQ(acks_.refused(), 1U);
  EXPECT_EQ(read_file(dir_ / "x"), kOld);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "x.lock"));
  MH_OK(target->submit(handle, ticket(2), world_.message("S: 2\n\nbody\n", meta_with_date(0))));
  MH_OK(target->flush());
  EXPECT_EQ(read(dir_ / "x").texts, (std::vector<std::string>{"S: old\n\nbody\n", "S: 2\n\nbody\n"}));
}

/// A message whose octets end before their size.
class BrokenContent final : public mail::Content {
 public:
  explicit BrokenContent(mail::ContentPtr inner, std::uint64_t good) : inner_(std::move(inner)), good_(good) {}
  const mail::MessageFacts& facts() const override { return inner_->facts(); }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    if (offset >= good_) return make_error(ErrorKind::message, Scope::message, "unreadable");
    return inner_->read(offset, into.first(std::min<std::size_t>(into.size(), static_cast<std::size_t>(good_ - offset))));
  }

 private:
  mail::ContentPtr inner_;
  std::uint64_t good_;
};

TEST_F(MboxTarget, A_message_that_cannot_be_read_fails_alone) {
  for (const std::uint64_t good : {std::uint64_t{0}, std::uint64_t{2500000}}) {
    std::filesystem::remove(dir_ / "x");
    acks_.all.clear();
    auto target = open(dir_ / "x");
    const auto handle = folder(*target);
    mail::Message broken = world_.message("S: 2\n\n" + std::string(3U << 20U, 'x'), meta_with_date(0));
    broken.content = std::make_shared<BrokenContent>(broken.content, good);
    MH_OK(target->submit(handle, ticket(1), world_.message("S: 1\n\n", meta_with_date(0))));
    MH_OK(target->submit(handle, ticket(2), std::move(broken)));
    MH_OK(target->submit(handle, ticket(3), world_.message("S: 3\n\n", meta_with_date(0))));
    MH_OK(target->flush());
    ASSERT_EQ(acks_.all.size(), 3U);
    EXPECT_EQ(acks_.stored(), 2U);
    EXPECT_TRUE(std::holds_alternative<store::Refused>(acks_.all[1].verdict));
    EXPECT_EQ(read(dir_ / "x").texts, (std::vector<std::string>{"S: 1\n\n", "S: 3\n\n"}));
  }
}

TEST_F(MboxTarget, The_empty_line_before_the_first_good_message_is_there_whatever_failed_before_it) {
  write_file(dir_ / "x", kOld);
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  for (std::uint64_t n = 1; n <= 3; ++n) {
    mail::Message broken = world_.message("S: bad\n\nbody\n", meta_with_date(0));
    broken.content = std::make_shared<BrokenContent>(broken.content, 0);
    MH_OK(target->submit(handle, ticket(n), std::move(broken)));
  }
  MH_OK(target->submit(handle, ticket(4), world_.message("hello\n", meta_with_date(0))));
  MH_OK(target->flush());
  EXPECT_EQ(acks_.stored(), 1U);
  EXPECT_EQ(acks_.refused(), 3U);
  EXPECT_EQ(read(dir_ / "x").texts, (std::vector<std::string>{"S: old\n\nbody\n", "hello\n"}));
  EXPECT_EQ(read_file(dir_ / "x").substr(kOld.size(), 6), "\nFrom ");
}

TEST_F(MboxTarget, A_cancel_in_the_middle_of_a_message_leaves_no_part_of_it) {
  write_file(dir_ / "x", kOld);
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  MH_OK(target->submit(handle, ticket(1), world_.message("S: 1\n\nbody\n", meta_with_date(0))));
  /// Asks for the stop when two MiB were read.
  class Cancelling final : public mail::Content {
   public:
    Cancelling(mail::ContentPtr inner, CancelToken& cancel) : inner_(std::move(inner)), cancel_(cancel) {}
    const mail::MessageFacts& facts() const override { return inner_->facts(); }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
      if (offset >= 2U << 20U) cancel_.request();
      return inner_->read(offset, into);
    }

   private:
    mail::ContentPtr inner_;
    CancelToken& cancel_;
  };
  mail::Message large = world_.message("S: 2\n\n" + std::string(4U << 20U, 'x'), meta_with_date(0));
  large.content = std::make_shared<Cancelling>(large.content, world_.cancel);
  const Status submitted = target->submit(handle, ticket(2), std::move(large));
  ASSERT_FALSE(submitted.ok());
  EXPECT_EQ(submitted.error().kind, ErrorKind::interrupted);
  MH_OK(target->flush());
  EXPECT_EQ(acks_.stored(), 1U);
  EXPECT_EQ(acks_.all.size(), 1U) << "a ticket that was not accepted has no ack";
  EXPECT_TRUE(read_file(dir_ / "x").ends_with("S: 1\n\nbody\n\n"));
}

TEST_F(MboxTarget, A_file_that_is_replaced_within_a_batch_takes_no_ack_with_it) {
  write_file(dir_ / "x", kOld);
  auto target = open(dir_ / "x");
  const auto handle = folder(*target);
  MH_OK(target->submit(handle, ticket(1), world_.message("S: 1\n\nbody\n", meta_with_date(0))));
  write_file(dir_ / "y", kOld);
  std::filesystem::rename(dir_ / "y", dir_ / "x");
  MH_OK(target->flush());
  EXPECT_EQ(acks_.refused(), 1U);
  EXPECT_EQ(read_file(dir_ / "x"), kOld);
}

TEST_F(MboxTarget, A_tree_makes_parents_and_takes_the_directories_that_are_there) {
  std::filesystem::create_directories(dir_ / "tree/plain");
  auto target = open(dir_ / "tree/");
  EXPECT_TRUE(target->caps().many_folders);
  EXPECT_TRUE(folder(*target, "Work/Old/Older").created);
  EXPECT_FALSE(folder(*target, "Work/Old/Older").created);
  EXPECT_EQ(folder(*target, "Work/Old/Older").id, folder(*target, "Work/Old/Older").id);
  folder(*target, "plain/2019");
  folder(*target, "INBOX");
  folder(*target, "x.sbd");
  folder(*target, "a%2Fb");
  EXPECT_TRUE(std::filesystem::is_regular_file(dir_ / "tree/Work.sbd/Old.sbd/Older"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "tree/Work"));
  EXPECT_TRUE(std::filesystem::is_regular_file(dir_ / "tree/plain/2019"));
  EXPECT_TRUE(std::filesystem::is_regular_file(dir_ / "tree/INBOX"));
  const auto taken = target->open_folder(*mail::FolderPath::from_text("plain"), mail::Role::none);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().kind, ErrorKind::usage);
  EXPECT_EQ(taken.error().scope, Scope::folder);
  std::vector<std::string> names;
  MH_OK(target->folders([&](store::FolderInfo info) -> Status {
    if (info.selectable) names.push_back(info.path.text());
    return {};
  }));
  EXPECT_EQ(names, (std::vector<std::string>{"x.sbd", "INBOX", "a%2Fb", "Work/Old/Older", "plain/2019"}));
}

TEST_F(MboxTarget, Names_that_mean_something_to_file_systems_and_mail_programs_come_back) {
  auto target = open(dir_ / "tree/");
  std::vector<std::string> names = {"Entw\xC3\xBCrfe", "A&B", "&AGE-", "%252E", "a%2Fb", ".hidden", "..", ".", "cur", "new", "tmp",
                                    "x.sbd", "x.sbd/y", "x.lock", "x.msf", "x.html", "x.ev-summary-meta", "x.mbox", "*", "new\nline",
                                    "Top", "Top/Sub", "Top/Sub/Leaf", "Top/Inbox", "INBOX", "INBOX/Sub", "Top/.", "Top/.."};
  for (const std::string& name : names) EXPECT_EQ(folder(*target, name).path.text(), name);
  std::vector<std::string> found;
  auto source = open_source(world_, dir_ / "tree");
  MH_OK(source);
  for (const store::FolderInfo& info : folders_of(**source)) found.push_back(info.path.text());
  std::sort(names.begin(), names.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, names);
  EXPECT_TRUE(world_.notes.all.empty());
}

TEST_F(MboxTarget, One_file_takes_every_folder_and_says_that_it_is_one) {
  auto target = open(dir_ / "one.mbox");
  EXPECT_FALSE(target->caps().many_folders);
  EXPECT_EQ(folder(*target, "A").id, folder(*target, "B/C").id);
  EXPECT_EQ(folder(*target, "A").path.text(), "one");
}

TEST_F(MboxTarget, An_existing_Inbox_is_the_INBOX) {
  write_file(dir_ / "tree/Inbox", kOld);
  auto target = open(dir_ / "tree/");
  EXPECT_FALSE(folder(*target, "INBOX").created);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "tree/INBOX"));
}

TEST_F(MboxTarget, Equal_places_have_equal_identities) {
  std::filesystem::create_directories(dir_ / "tree");
  std::filesystem::create_symlink(dir_ / "tree", dir_ / "link");
  const auto identity = [&](const std::string& path) { return *kMbox.identity(location(path), world_.services); };
  EXPECT_EQ(identity(dir_ / "tree"), identity(dir_ / "link/"));
  EXPECT_EQ(identity(dir_ / "tree/x"), identity(dir_ / "tree") + "/x");
}

}  // namespace
}  // namespace mailhaul::mbox
