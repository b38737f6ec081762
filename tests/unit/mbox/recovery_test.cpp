// After a crash at any call, and after any loss of power: find_since and redo leave every message once and whole.
#include "plugins/mbox/recovery.hpp"

#include <map>
#include <set>

#include "files/failing_fs.hpp"
#include "files/forgetting_fs.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "sanitizers.hpp"
#include "support.hpp"

namespace mailhaul::mbox {
namespace {

using namespace test;

const std::string kPath = "/mail/x.mbox";
const std::string kOld = "From a@example.org Fri Feb 22 17:06:23 2008\nS: old\n\nbody\n";

std::string content_on(files::FileSystem& fs) {
  auto place = fs.open_place(kPath, /*create_parents=*/false);
  if (!place.ok()) return "(no directory)";
  auto text = files::read_small(*place->parent, place->name, 64U << 20U);
  return text.ok() ? *text : "(missing)";
}

void put_on(files::FileSystem& fs, const std::string& text) {
  auto place = fs.open_place(kPath, /*create_parents=*/true);
  MH_OK(place);
  auto file = place->parent->open_file(place->name, files::OpenMode::open_or_create);
  MH_OK(file);
  MH_OK((*file)->truncate(0));
  MH_OK((*file)->write_at(0, as_octets(text)));
  MH_OK((*file)->sync());
  MH_OK(place->parent->sync());
}

/// What a dead process leaves; that its lock is stale is tested with the locks.
void remove_dotlock(files::FileSystem& fs) {
  auto place = fs.open_place(kPath, /*create_parents=*/false);
  if (!place.ok()) return;
  std::vector<std::string> locks;
  MH_OK(place->parent->list([&](std::string_view name, files::FileKind) -> Status {
    if (name.find(".lock") != std::string_view::npos) locks.emplace_back(name);
    return {};
  }));
  for (const std::string& name : locks) MH_OK(place->parent->unlink(name));
}

/// The mail of a run: three batches, among them one message larger than the write buffer.
std::vector<std::string> make_mail() {
  std::vector<std::string> mail;
  for (int i = 0; i < 9; ++i) mail.push_back("S: " + std::to_string(i) + "\n\nFrom here\n" + std::string(300, static_cast<char>('a' + i)) + "\n");
  mail[4] = "S: 4\n\n" + std::string(1100000, 'L') + "\n";
  mail[6] = "";
  mail[7] = mail[3];  // a twin of another delivery
  return mail;
}
const std::vector<std::string>& the_mail() {
  static const std::vector<std::string> mail = make_mail();
  return mail;
}

/// The ledger's part of a run: what is acknowledged, what is in doubt, and since when.
struct Ledger {
  std::map<std::uint64_t, bool> done;
  std::set<std::uint64_t> doubtful;
  std::string watermark;
};

class Deliveries final : public store::AckSink {
 public:
  explicit Deliveries(Ledger& ledger) : ledger_(ledger) {}
  void on_ack(const store::Ack& ack) override {
    if (!std::holds_alternative<store::Stored>(ack.verdict)) return;
    EXPECT_FALSE(ledger_.done[ack.ticket.counter]) << "acknowledged twice";
    ledger_.done[ack.ticket.counter] = true;
    ledger_.doubtful.erase(ack.ticket.counter);
  }

 private:
  Ledger& ledger_;
};

/// One run as the pipeline does it: doubts first, then batches of three behind a watermark each.
Status run(files::FileSystem& fs, Ledger& ledger) {
  World world(fs);
  Deliveries acks(ledger);
  const std::vector<std::string>& mail = the_mail();
  MH_TRY(auto target, kMbox.open_target(location(kPath), world.services, acks, {}));
  MH_TRY(const auto folder, target->open_folder(mail::FolderPath({"x"}), mail::Role::none));
  if (!ledger.doubtful.empty()) {
    std::vector<store::Wanted> wanted;
    for (const std::uint64_t n : ledger.doubtful) {
      const auto facts = mail::scan_message(as_octets(mail[n]));
      wanted.push_back({ticket(n), facts.nid, facts.eid, facts.crlf_size});
    }
    MH_CHECK(target->find_since(folder, ledger.watermark, wanted, [&](store::Match match) -> Status {
      if (match.ticket) ledger.done[match.ticket->counter] = true;
      return {};
    }));
    ledger.doubtful.clear();
  }
  for (std::uint64_t first = 0; first < mail.size(); first += 3) {
    std::vector<std::uint64_t> batch;
    for (std::uint64_t n = first; n < first + 3; ++n) if (!ledger.done[n]) batch.push_back(n);
    if (batch.empty()) continue;
    MH_TRY(ledger.watermark, target->watermark(folder));
    ledger.doubtful.insert(batch.begin(), batch.end());
    for (const std::uint64_t n : batch) {
      mail::Meta meta;
      meta.received = mail::ReceivedDate{Instant{std::chrono::seconds{1000 + n}}, std::nullopt};
      MH_CHECK(target->submit(folder, ticket(n), world.message(mail[n], meta)));
    }
    MH_CHECK(target->flush());
  }
  return {};
}

/// Every message of the run once and whole, behind what was there before.
void expect_complete(files::FileSystem& fs, const std::string& old, const std::string& where) {
  const std::string text = content_on(fs);
  ASSERT_TRUE(text.starts_with(old)) << where;
  std::map<std::string, int> tickets;
  const Split split = split_text(text);
  const std::vector<std::string>& mail = the_mail();
  for (const MessageSpan& span : split.spans) {
    const std::string hex = parse_from_line(span.from_line).ticket;
    if (hex.empty()) continue;
    ++tickets[hex];
    std::string content = content_of(text, span);
    const std::uint64_t n = store::Ticket::from_hex(hex)->counter;
    std::string quoted = mail[n];
    for (std::size_t at = quoted.find("\nFrom "); at != std::string::npos; at = quoted.find("\nFrom ", at + 2)) quoted.insert(at + 1, ">");
    EXPECT_EQ(content, quoted) << where << " message " << n;
  }
  EXPECT_EQ(tickets.size(), mail.size()) << where;
  for (const auto& [hex, count] : tickets) EXPECT_EQ(count, 1) << where << " " << hex;
  EXPECT_EQ(split.spans.size(), mail.size() + (old.empty() ? 0U : 1U)) << where;
}

std::uint64_t calls_of_a_whole_run(const std::string& old) {
  const auto disk = files::make_forgetting_fs();
  if (!old.empty()) put_on(*disk, old);
  const auto failing = files::make_failing_fs(*disk);
  Ledger ledger;
  EXPECT_TRUE(run(*failing, ledger).ok());
  expect_complete(*disk, old, "undisturbed");
  return failing->calls();
}

TEST(MboxRecovery, A_process_that_dies_at_any_call_loses_nothing_and_doubles_nothing) {
  for (const std::string& old : {std::string(), kOld}) {
    const std::uint64_t calls = calls_of_a_whole_run(old);
    ASSERT_GT(calls, 20U) << "too few places to die at prove nothing";
    for (const files::Fault fault : {files::Fault::crash, files::Fault::crash_after, files::Fault::torn_write}) {
      for (std::uint64_t call = 1; call <= calls; ++call) {
        const auto disk = files::make_forgetting_fs();
        if (!old.empty()) put_on(*disk, old);
        const auto failing = files::make_failing_fs(*disk);
        failing->arm(call, fault);
        Ledger ledger;
        (void)run(*failing, ledger);  // dies, or not when nothing depends on the call
        const std::string where = "call " + std::to_string(call) + " fault " + std::to_string(static_cast<int>(fault));
        ASSERT_TRUE(failing->fired()) << where;
        remove_dotlock(*disk);
        const Status resumed = run(*disk, ledger);
        ASSERT_TRUE(resumed.ok()) << where << ": " << resumed.error().what;
        expect_complete(*disk, old, where);
        const std::string before = content_on(*disk);
        ASSERT_TRUE(run(*disk, ledger).ok());
        EXPECT_EQ(content_on(*disk), before) << "a run with nothing to do changed something; " << where;
      }
    }
  }
}

TEST(MboxRecovery, Power_that_goes_at_any_call_loses_nothing_and_doubles_nothing) {
  for (const std::string& old : {std::string(), kOld}) {
    const std::uint64_t calls = calls_of_a_whole_run(old);
    std::size_t states = 0;
    for (std::uint64_t call = 1; call <= calls; ++call) {
      const auto disk = files::make_forgetting_fs();
      if (!old.empty()) put_on(*disk, old);
      const auto failing = files::make_failing_fs(*disk);
      failing->arm(call, call % 2 == 0 ? files::Fault::torn_write : files::Fault::crash_after);
      Ledger ledger;
      (void)run(*failing, ledger);
      for (std::uint64_t seed = 0; seed < enough_seeds(24); ++seed) {
        const auto after = disk->clone();
        after->lose_power(seed);
        remove_dotlock(*after);
        Ledger resumed_ledger = ledger;
        const std::string where = "call " + std::to_string(call) + " seed " + std::to_string(seed);
        const Status resumed = run(*after, resumed_ledger);
        ASSERT_TRUE(resumed.ok()) << where << ": " << resumed.error().what;
        expect_complete(*after, old, where);
        ++states;
      }
    }
    EXPECT_GT(states, 21 * enough_seeds(24));
  }
}

TEST(MboxRecovery, What_was_acknowledged_survives_the_loss_of_power_at_once) {
  const auto disk = files::make_forgetting_fs();
  Ledger ledger;
  MH_OK(run(*disk, ledger));
  disk->lose_power(0);  // drops everything that was not synced
  expect_complete(*disk, "", "after the run");
}

// ---- Single states of a file, made by hand.

class MboxFindSince : public testing::Test {
 protected:
  std::unique_ptr<files::ForgettingFs> disk_ = files::make_forgetting_fs();
  World world_{*disk_};
  Acks acks_;
  const std::string mail_ = "S: 1\n\nbody\n";
  std::string watermark_;
  std::string whole_;  ///< the delivery as it lies in the file

  void SetUp() override {
    put_on(*disk_, kOld + "\n");
    auto target = open_target(world_, kPath, acks_);
    MH_OK(target);
    const auto folder = (*target)->open_folder({}, mail::Role::none);
    MH_OK(folder);
    const auto watermark = (*target)->watermark(*folder);
    MH_OK(watermark);
    watermark_ = *watermark;
    MH_OK((*target)->submit(*folder, ticket(1), world_.message(mail_)));
    MH_OK((*target)->flush());
    whole_ = content_on(*disk_).substr(kOld.size() + 1);
  }

  Result<std::vector<store::Match>> find(std::uint64_t counter = 1, const store::OpenOptions& options = {},
                                         const std::string& text = "S: 1\n\nbody\n") {
    MH_TRY(auto target, open_target(world_, kPath, acks_, options));
    MH_TRY(const auto folder, target->open_folder({}, mail::Role::none));
    const auto facts = mail::scan_message(as_octets(text));
    const std::vector<store::Wanted> wanted = {{ticket(counter), facts.nid, facts.eid, facts.crlf_size}};
    std::vector<store::Match> matches;
    MH_CHECK(target->find_since(folder, watermark_, wanted, [&](store::Match match) -> Status {
      matches.push_back(std::move(match));
      return {};
    }));
    return matches;
  }
};

TEST_F(MboxFindSince, Finds_a_delivery_by_its_ticket) {
  const auto matches = find();
  MH_OK(matches);
  ASSERT_EQ(matches->size(), 1U);
  EXPECT_EQ((*matches)[0].ticket, ticket(1));
  EXPECT_EQ((*matches)[0].key, std::get<store::Stored>(acks_.all[0].verdict).key);
}

TEST_F(MboxFindSince, A_delivery_cut_at_any_octet_is_whole_or_taken_away) {
  std::size_t kept = 0;
  for (std::size_t cut = 0; cut <= whole_.size(); ++cut) {
    put_on(*disk_, kOld + "\n" + whole_.substr(0, cut));
    const auto matches = find();
    MH_OK(matches);
    const std::string left = content_on(*disk_);
    if (matches->empty()) {
      EXPECT_EQ(left, kOld + "\n") << cut;
    } else {
      ++kept;
      EXPECT_EQ(left, kOld + "\n" + whole_.substr(0, cut)) << cut;
      EXPECT_GE(cut, whole_.size() - 1) << "only the empty line behind it may be missing";
    }
  }
  EXPECT_EQ(kept, 2U);
}

TEST_F(MboxFindSince, A_torn_delivery_with_foreign_octets_behind_it_is_damage_and_nothing_is_touched) {
  const std::string text = kOld + "\n" + whole_.substr(0, whole_.size() - 5) + "\n\n" + kOld;
  put_on(*disk_, text);
  const auto matches = find();
  ASSERT_FALSE(matches.ok());
  EXPECT_EQ(matches.error().kind, ErrorKind::damage);
  EXPECT_NE(matches.error().what.find("at offset " + std::to_string(kOld.size() + 1)), std::string::npos) << matches.error().what;
  EXPECT_EQ(content_on(*disk_), text);
}

TEST_F(MboxFindSince, Octets_that_another_program_put_behind_the_old_end_stay) {
  for (const std::string& foreign : {std::string("more text of the last message\n"), std::string("PK\0\0", 4), kOld}) {
    put_on(*disk_, kOld + "\n" + foreign);
    const auto matches = find();
    MH_OK(matches);
    EXPECT_TRUE(matches->empty());
    EXPECT_EQ(content_on(*disk_), kOld + "\n" + foreign);
  }
}

TEST_F(MboxFindSince, Zeros_where_the_blocks_of_a_delivery_should_be_are_taken_away) {
  put_on(*disk_, kOld + "\n" + std::string(600, '\0') + whole_.substr(whole_.size() / 2));
  const auto matches = find();
  MH_OK(matches);
  EXPECT_TRUE(matches->empty());
  EXPECT_EQ(content_on(*disk_), kOld + "\n");
}

TEST_F(MboxFindSince, A_replaced_file_is_searched_from_its_start_and_never_cut_for_what_it_is) {
  put_on(*disk_, kOld.substr(0, 20) + "\nS: 0\n\n\n" + whole_);
  auto matches = find();
  MH_OK(matches);
  EXPECT_EQ(matches->size(), 1U);
  put_on(*disk_, "From a\n\n" + std::string(50, '\0'));
  matches = find();
  MH_OK(matches);
  EXPECT_TRUE(matches->empty());
  EXPECT_EQ(content_on(*disk_), "From a\n\n" + std::string(50, '\0'));
}

TEST_F(MboxFindSince, The_same_message_delivered_by_others_is_found_without_a_ticket) {
  put_on(*disk_, kOld + "\nFrom b@example.org Fri Feb 22 17:06:23 2008\n" + mail_ + "\n");
  const auto matches = find();
  MH_OK(matches);
  ASSERT_EQ(matches->size(), 1U);
  EXPECT_FALSE((*matches)[0].ticket);
}

TEST_F(MboxFindSince, Mail_from_before_the_watermark_is_no_match) {
  const std::string old = "From b@example.org Fri Feb 22 17:06:23 2008\n" + mail_ + "\n";
  put_on(*disk_, old);
  auto target = open_target(world_, kPath, acks_);
  MH_OK(target);
  const auto folder = (*target)->open_folder({}, mail::Role::none);
  MH_OK(folder);
  watermark_ = *(*target)->watermark(*folder);
  MH_OK((*target)->flush());
  const auto matches = find();
  MH_OK(matches);
  EXPECT_TRUE(matches->empty());
}

TEST_F(MboxFindSince, What_mboxo_cannot_unquote_is_still_known_for_whole) {
  store::OpenOptions options;
  options.mbox_dialect = store::MboxDialect::mboxo;
  auto target = open_target(world_, kPath, acks_, options);
  MH_OK(target);
  const auto folder = (*target)->open_folder({}, mail::Role::none);
  MH_OK(folder);
  const std::string text = "S: 1\n\n>From the start\n";
  MH_OK((*target)->submit(*folder, ticket(9), world_.message(text)));
  MH_OK((*target)->flush());
  const auto matches = find(9, options, text);
  MH_OK(matches);
  EXPECT_EQ(matches->size(), 1U);
}

TEST_F(MboxFindSince, A_match_is_durable_when_it_is_told) {
  const auto after = disk_->clone();
  auto place = after->open_place(kPath, false);
  MH_OK(place);
  auto file = place->parent->open_file(place->name, files::OpenMode::read_write);
  MH_OK(file);
  // The delivery, as a process wrote it that died before its sync.
  MH_OK((*file)->truncate(kOld.size() + 1));
  MH_OK((*file)->sync());
  MH_OK((*file)->write_at(kOld.size() + 1, as_octets(whole_)));
  disk_ = after->clone();
  World world(*disk_);
  auto target = open_target(world, kPath, acks_);
  MH_OK(target);
  const auto folder = (*target)->open_folder({}, mail::Role::none);
  MH_OK(folder);
  const auto facts = mail::scan_message(as_octets(mail_));
  const std::vector<store::Wanted> wanted = {{ticket(1), facts.nid, facts.eid, facts.crlf_size}};
  std::size_t told = 0;
  MH_OK((*target)->find_since(*folder, watermark_, wanted, [&](store::Match) -> Status {
    ++told;
    return {};
  }));
  EXPECT_EQ(told, 1U);
  disk_->lose_power(0);
  EXPECT_EQ(content_on(*disk_), kOld + "\n" + whole_);
}

}  // namespace
}  // namespace mailhaul::mbox
