#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "ledger/comparison.hpp"
#include "ledger/ledger.hpp"
#include "ledger/place.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::ledger {
namespace {

Digest digest(const std::string& text) { return mail::sha256(as_octets(text)); }

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "mailhaul-ledger-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/a.ledger";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Ledger> open(Ledger::Mode mode = Ledger::Mode::read_write) {
    auto ledger = Ledger::open(*fs_, path_, mode, "from", "to", 42, 1000);
    EXPECT_TRUE(ledger.ok()) << (ledger.ok() ? "" : ledger.error().what);
    return ledger.ok() ? std::move(ledger).value() : nullptr;
  }

  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  std::string directory_, path_;
};

TEST_F(LedgerTest, Remembers_a_delivery_over_reopening) {
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->begin().ok());
    const auto source = ledger->source_folder("INBOX", "1").value();
    const auto target = ledger->target_folder("INBOX").value();
    const auto content = ledger->add_content(target.id, "t1", digest("e"), digest("n"), std::nullopt).value();
    ASSERT_TRUE(ledger->mark_delivered(content, 3).ok());
    ASSERT_TRUE(ledger->record_item(source.id, "k1", Done::copied, content).ok());
    ASSERT_TRUE(ledger->commit().ok());
  }
  auto ledger = open();
  const auto source = ledger->find_source_folder("INBOX").value();
  ASSERT_TRUE(source.has_value());
  const auto item = ledger->find_item(source->id, "k1").value();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->done, Done::copied);
  const auto content = ledger->content(item->content).value();
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(content->key, "t1");
  EXPECT_EQ(content->claims, 1);
  EXPECT_TRUE(content->delivered);
  EXPECT_EQ(content->flags, 3);
  EXPECT_EQ(content->nid, digest("n"));
}

TEST_F(LedgerTest, A_delivery_recorded_at_once_is_as_one_recorded_in_steps) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto source = ledger->source_folder("INBOX", "1").value();
  const auto target = ledger->target_folder("INBOX").value();
  ASSERT_TRUE(ledger->record_delivery({source.id, "k", target.id, "t", digest("e"), digest("n"), digest("m"), 3}).ok());
  const auto item = ledger->find_item(source.id, "k").value();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->done, Done::copied);
  const auto content = ledger->content(item->content).value();
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(content->folder, target.id);
  EXPECT_EQ(content->key, "t");
  EXPECT_EQ(content->eid, digest("e"));
  EXPECT_EQ(content->nid, digest("n"));
  EXPECT_EQ(content->claims, 1);
  EXPECT_TRUE(content->delivered);
  EXPECT_EQ(content->flags, 3);
  EXPECT_TRUE(ledger->has_mail_key(content->id).value());
  // It is ours: gone from the target it is remembered.
  ASSERT_TRUE(ledger->begin_listing().ok());
  ASSERT_TRUE(ledger->unlocate_unlisted(target.id).ok());
  EXPECT_EQ(ledger->contents_by_eid(target.id, digest("e")).value().size(), 1U);
}

TEST_F(LedgerTest, A_key_that_is_recorded_again_gives_its_former_claim_up) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto source = ledger->source_folder("INBOX", "1").value();
  const auto target = ledger->target_folder("INBOX").value();
  const auto first = ledger->add_content(target.id, "t1", digest("1"), digest("1"), std::nullopt).value();
  ASSERT_TRUE(ledger->record_item(source.id, "k", Done::adopted, first).ok());
  const auto second = ledger->add_content(target.id, "t2", digest("2"), digest("2"), std::nullopt).value();
  ASSERT_TRUE(ledger->record_item(source.id, "k", Done::duplicate, second).ok());
  EXPECT_EQ(ledger->content(first).value()->claims, 0);
  EXPECT_EQ(ledger->content(second).value()->claims, 1);
  ASSERT_TRUE(ledger->record_delivery({source.id, "k", target.id, "", digest("3"), digest("3"), std::nullopt, 0}).ok());
  EXPECT_EQ(ledger->content(second).value()->claims, 0);
  const auto item = ledger->find_item(source.id, "k").value();
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->done, Done::copied);
  EXPECT_EQ(ledger->content(item->content).value()->claims, 1);
  EXPECT_EQ(ledger->content(item->content).value()->key, "");
  ASSERT_TRUE(ledger->record_item(source.id, "k", Done::copied, item->content).ok());
  EXPECT_EQ(ledger->content(item->content).value()->claims, 1) << "the same once more";
}

TEST_F(LedgerTest, A_range_of_intents_goes_and_no_other) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto announce = [&](std::uint64_t instance, std::uint64_t counter) {
    return ledger->add_intent({instance, counter, 1, "k", 1, digest("n"), digest("e"), std::nullopt, 5}).ok();
  };
  for (std::uint64_t counter = 1; counter <= 5; ++counter) ASSERT_TRUE(announce(42, counter));
  ASSERT_TRUE(announce(7, 3));
  ASSERT_TRUE(ledger->drop_intents(42, 2, 4).ok());
  std::vector<std::pair<std::uint64_t, std::uint64_t>> left;
  const auto intents = ledger->intents();
  for (const auto& intent : *intents) left.emplace_back(intent.instance, intent.counter);
  EXPECT_EQ(left, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{42, 1}, {7, 3}, {42, 5}}));
}

TEST_F(LedgerTest, What_was_not_committed_is_not_there) {
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->begin().ok());
    ASSERT_TRUE(ledger->source_folder("INBOX", "1").ok());
  }
  EXPECT_FALSE(open()->find_source_folder("INBOX").value().has_value());
}

TEST_F(LedgerTest, Ticket_counters_of_committed_intents_are_never_given_again) {
  std::uint64_t last = 0;
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->begin().ok());
    last = ledger->next_counter();
    ASSERT_TRUE(ledger->add_intent({ledger->instance(), last, 1, "k", 1, digest("n"), digest("e"), std::nullopt, 5}).ok());
    ASSERT_TRUE(ledger->commit().ok());
  }
  auto ledger = open();
  EXPECT_GT(ledger->next_counter(), last);
  const auto intents = ledger->intents().value();
  ASSERT_EQ(intents.size(), 1U);
  EXPECT_EQ(intents[0].counter, last);
  EXPECT_EQ(intents[0].instance, 42U);
  EXPECT_EQ(intents[0].eid, digest("e"));
  EXPECT_TRUE(ledger->has_intent(1, "k").value());
}

TEST_F(LedgerTest, A_message_gone_from_the_source_gives_its_claim_back_but_its_content_stays_known) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto source = ledger->source_folder("INBOX", "1").value();
  const auto target = ledger->target_folder("INBOX").value();
  const auto content = ledger->add_content(target.id, "t1", digest("e"), digest("e"), std::nullopt).value();
  ASSERT_TRUE(ledger->record_item(source.id, "gone", Done::copied, content).ok());
  ASSERT_TRUE(ledger->record_item(source.id, "stays", Done::duplicate, content).ok());
  EXPECT_EQ(ledger->content(content).value()->claims, 2);
  ASSERT_TRUE(ledger->begin_listing().ok());
  ASSERT_TRUE(ledger->note_listed("stays").ok());
  ASSERT_TRUE(ledger->end_listing(source.id).ok());
  EXPECT_FALSE(ledger->find_item(source.id, "gone").value().has_value());
  EXPECT_EQ(ledger->content(content).value()->claims, 1);
}

TEST_F(LedgerTest, Another_epoch_voids_the_keys_and_keeps_the_contents) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto source = ledger->source_folder("INBOX", "1").value();
  const auto target = ledger->target_folder("INBOX").value();
  const auto content = ledger->add_content(target.id, "t1", digest("e"), digest("e"), std::nullopt).value();
  ASSERT_TRUE(ledger->record_item(source.id, "k", Done::copied, content).ok());
  ASSERT_TRUE(ledger->set_source_state(source.id, "s").ok());
  const auto renewed = ledger->source_folder("INBOX", "2").value();
  EXPECT_EQ(renewed.id, source.id);
  EXPECT_TRUE(renewed.state.empty());
  EXPECT_FALSE(ledger->find_item(source.id, "k").value().has_value());
  EXPECT_EQ(ledger->contents_by_eid(target.id, digest("e")).value().size(), 1U);
}

TEST_F(LedgerTest, A_foreign_message_that_vanished_can_no_longer_be_adopted_but_ours_is_remembered) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto source = ledger->source_folder("INBOX", "1").value();
  const auto target = ledger->target_folder("INBOX").value();
  ASSERT_TRUE(ledger->add_content(target.id, "foreign", digest("f"), digest("f"), std::nullopt).ok());
  const auto ours = ledger->add_content(target.id, "ours", digest("o"), digest("o"), std::nullopt).value();
  ASSERT_TRUE(ledger->record_item(source.id, "k", Done::copied, ours).ok());
  ASSERT_TRUE(ledger->begin_listing().ok());
  ASSERT_TRUE(ledger->unlocate_unlisted(target.id).ok());
  EXPECT_TRUE(ledger->contents_by_eid(target.id, digest("f")).value().empty());
  const auto kept = ledger->contents_by_eid(target.id, digest("o")).value();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_TRUE(kept[0].key.empty());
}

TEST_F(LedgerTest, What_a_delta_names_gone_at_the_target_is_treated_alike) {
  auto ledger = open();
  ASSERT_TRUE(ledger->begin().ok());
  const auto source = ledger->source_folder("INBOX", "1").value();
  const auto target = ledger->target_folder("INBOX").value();
  const auto other = ledger->target_folder("Other").value();
  ASSERT_TRUE(ledger->add_content(target.id, "7", digest("f"), digest("f"), std::nullopt).ok());
  ASSERT_TRUE(ledger->add_content(other.id, "7", digest("x"), digest("x"), std::nullopt).ok());
  const auto ours = ledger->add_content(target.id, "8", digest("o"), digest("o"), std::nullopt).value();
  ASSERT_TRUE(ledger->record_item(source.id, "k", Done::copied, ours).ok());
  for (const char* key : {"7", "8", "9"}) ASSERT_TRUE(ledger->unlocate(target.id, key).ok());
  EXPECT_TRUE(ledger->contents_by_eid(target.id, digest("f")).value().empty());
  const auto kept = ledger->contents_by_eid(target.id, digest("o")).value();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_TRUE(kept[0].key.empty());
  EXPECT_EQ(ledger->contents_by_eid(other.id, digest("x")).value().at(0).key, "7");
}

TEST_F(LedgerTest, A_ledger_of_another_pair_is_refused) {
  open().reset();
  const auto other = Ledger::open(*fs_, path_, Ledger::Mode::read_write, "from", "elsewhere", 1, 1000);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::identity);
}

TEST_F(LedgerTest, A_damaged_file_is_put_aside_and_never_replaced_in_silence) {
  std::ofstream(path_) << std::string(8192, 'x');
  const auto damaged = Ledger::open(*fs_, path_, Ledger::Mode::read_write, "from", "to", 1, 1000);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().kind, ErrorKind::damage);
  EXPECT_TRUE(std::filesystem::exists(path_ + ".corrupt-1000"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(LedgerTest, A_newer_schema_is_left_alone) {
  open().reset();
  {
    auto db = files::Db::open(*fs_, path_, files::Db::Mode::read_write_create).value();
    ASSERT_TRUE(db->exec("PRAGMA user_version=99").ok());
  }
  const auto newer = Ledger::open(*fs_, path_, Ledger::Mode::read_write, "from", "to", 1, 1000);
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().kind, ErrorKind::usage);
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(LedgerTest, A_ledger_of_version_1_loses_its_index_of_intents_and_nothing_else) {
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->begin().ok());
    const auto source = ledger->source_folder("INBOX", "1").value();
    const auto target = ledger->target_folder("INBOX").value();
    ASSERT_TRUE(
        ledger->record_delivery({source.id, "k", target.id, "t", digest("e"), digest("e"), std::nullopt, 3}).ok());
    ASSERT_TRUE(ledger
                    ->add_intent({42, ledger->next_counter(), source.id, "doubt", target.id, digest("n"), digest("e"),
                                  std::nullopt, 5})
                    .ok());
    ASSERT_TRUE(ledger->commit().ok());
  }
  const auto sqlite = [&](const std::string& query) {
    auto db = files::Db::open(*fs_, path_, files::Db::Mode::read_write_create).value();
    auto asked = db->prepare(query).value();
    return asked.step().value() ? asked.column_int(0) : -1;
  };
  const std::string indices = "SELECT count(*) FROM sqlite_schema WHERE name='intent_item'";
  {
    auto db = files::Db::open(*fs_, path_, files::Db::Mode::read_write_create).value();
    ASSERT_TRUE(db->exec("CREATE INDEX intent_item ON intent(source_folder, key); PRAGMA user_version=1").ok());
  }
  const auto holds_all = [](Ledger& ledger) {
    const auto source = ledger.find_source_folder("INBOX").value();
    return source && ledger.find_item(source->id, "k").value() && ledger.has_intent(source->id, "doubt").value() &&
           !ledger.has_intent(source->id, "k").value() && ledger.intents().value().size() == 1;
  };
  EXPECT_TRUE(holds_all(*open(Ledger::Mode::read_only)));
  EXPECT_TRUE(holds_all(*open(Ledger::Mode::scratch)));
  EXPECT_EQ(sqlite("PRAGMA user_version"), 1) << "reading changes nothing";
  EXPECT_EQ(sqlite(indices), 1);
  EXPECT_TRUE(holds_all(*open()));
  EXPECT_EQ(sqlite("PRAGMA user_version"), 2);
  EXPECT_EQ(sqlite(indices), 0);
  EXPECT_TRUE(holds_all(*open()));
}

TEST_F(LedgerTest, A_scratch_copy_knows_what_the_file_knows_and_leaves_it_alone) {
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->begin().ok());
    ASSERT_TRUE(ledger->source_folder("INBOX", "1").ok());
    ASSERT_TRUE(ledger->commit().ok());
  }
  {
    auto scratch = open(Ledger::Mode::scratch);
    ASSERT_TRUE(scratch->begin().ok());
    EXPECT_TRUE(scratch->find_source_folder("INBOX").value().has_value());
    ASSERT_TRUE(scratch->source_folder("Other", "1").ok());
    ASSERT_TRUE(scratch->commit().ok());
  }
  EXPECT_FALSE(open()->find_source_folder("Other").value().has_value());
}

TEST_F(LedgerTest, A_second_run_of_a_pair_is_told_who_holds_it) {
  SystemClock clock;
  const auto first = PairLock::acquire(*fs_, directory_, path_, "to", clock);
  ASSERT_TRUE(first.ok()) << first.error().what;
  const auto second = PairLock::acquire(*fs_, directory_, path_, "to", clock);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::locked);
  EXPECT_NE(second.error().what.find(std::to_string(::getpid())), std::string::npos) << second.error().what;
}

/// Two sides of a comparison, and what came out.
class ComparisonTest : public LedgerTest {
 protected:
  ComparedMessage row(const std::string& key, const std::string& text, std::uint8_t flags = 0) {
    ComparedMessage message;
    message.key = key;
    message.nid = message.eid = digest(text);
    message.header_id = digest("header " + key.substr(1));
    message.meta.flags = mail::Flags(flags);
    message.meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(100)), std::nullopt};
    return message;
  }
  std::map<std::string, Verdict> finish(Comparison::Twins twins) {
    std::map<std::string, Verdict> verdicts;
    const auto none = [](const std::string&) -> Result<std::optional<std::string>> { return std::optional<std::string>(); };
    EXPECT_TRUE(comparison_->finish(twins, none, [&](const Verdict& verdict) {
      verdicts[verdict.source_key] = verdict;
      return Status();
    }, extra_).ok());
    return verdicts;
  }
  void SetUp() override {
    LedgerTest::SetUp();
    comparison_ = Comparison::make(*fs_).value();
    ASSERT_TRUE(comparison_->begin().ok());
  }
  void source(const ComparedMessage& message) { ASSERT_TRUE(comparison_->add(Comparison::Side::source, message).ok()); }
  void target(const ComparedMessage& message) { ASSERT_TRUE(comparison_->add(Comparison::Side::target, message).ok()); }

  std::unique_ptr<Comparison> comparison_;
  std::uint64_t extra_ = 0;
};

TEST_F(ComparisonTest, Tells_identical_equivalent_missing_different_and_extra_apart) {
  source(row("s1", "one"));
  target(row("t1", "one"));
  source(row("s2", "two"));
  auto equivalent = row("t2", "two");
  equivalent.nid = digest("two with Status");
  target(equivalent);
  source(row("s3", "three"));
  source(row("s4", "four"));
  target(row("t4", "four, altered"));
  target(row("t9", "nobody's"));
  const auto verdicts = finish(Comparison::Twins::exact);
  EXPECT_EQ(verdicts.at("s1").kind, Verdict::Kind::identical);
  EXPECT_EQ(verdicts.at("s2").kind, Verdict::Kind::equivalent);
  EXPECT_EQ(verdicts.at("s3").kind, Verdict::Kind::missing);
  EXPECT_EQ(verdicts.at("s4").kind, Verdict::Kind::different);
  EXPECT_EQ(extra_, 1U);
}

TEST_F(ComparisonTest, Twins_need_one_copy_by_content_and_as_many_as_there_are_as_multisets) {
  for (const auto twins : {Comparison::Twins::exact, Comparison::Twins::multiset}) {
    ASSERT_TRUE(comparison_->begin().ok());
    source(row("s1", "same"));
    source(row("s2", "same"));
    target(row("t1", "same"));
    const auto verdicts = finish(twins);
    EXPECT_EQ(verdicts.at("s1").kind, Verdict::Kind::identical);
    EXPECT_EQ(verdicts.at("s2").kind, twins == Comparison::Twins::exact ? Verdict::Kind::identical : Verdict::Kind::missing);
  }
}

TEST_F(ComparisonTest, Flags_of_twins_may_lie_on_the_one_that_stands_for_them_and_no_others) {
  source(row("s1", "same", mail::Flags::seen));
  source(row("s2", "same", mail::Flags::flagged));
  target(row("t1", "same", static_cast<std::uint8_t>(mail::Flags::seen | mail::Flags::flagged)));
  EXPECT_FALSE(finish(Comparison::Twins::exact).at("s1").flags_differ);
  ASSERT_TRUE(comparison_->begin().ok());
  source(row("s1", "same", mail::Flags::seen));
  source(row("s2", "same", mail::Flags::flagged));
  target(row("t1", "same", static_cast<std::uint8_t>(mail::Flags::seen | mail::Flags::answered)));
  EXPECT_TRUE(finish(Comparison::Twins::exact).at("s1").flags_differ);
}

// An mbox writes flags into the message: the copy of one twin then has the octets of the other one.
TEST_F(ComparisonTest, Twins_with_their_own_flags_do_not_take_each_others_copies_by_nid) {
  source(row("s1", "same with Status: RO", 0));
  source(row("s2", "same with Status: RO", mail::Flags::seen));
  auto unseen = row("t1", "same"), seen = row("t2", "same with Status: RO", mail::Flags::seen);
  for (auto* twin : {&unseen, &seen}) twin->eid = digest("same with Status: RO");
  target(unseen);
  target(seen);
  const auto verdicts = finish(Comparison::Twins::multiset);
  for (const auto* key : {"s1", "s2"}) EXPECT_FALSE(verdicts.at(key).flags_differ) << verdicts.at(key).detail;
  EXPECT_EQ(verdicts.at("s1").kind, Verdict::Kind::equivalent);
  EXPECT_EQ(verdicts.at("s2").kind, Verdict::Kind::identical);
}

TEST_F(ComparisonTest, A_changed_flag_and_a_changed_date_are_told_by_name) {
  source(row("s1", "one", mail::Flags::seen));
  auto there = row("t1", "one", 0);
  there.meta.received->instant += std::chrono::seconds(1);
  target(there);
  const auto verdict = finish(Comparison::Twins::exact).at("s1");
  EXPECT_TRUE(verdict.flags_differ);
  EXPECT_TRUE(verdict.dates_differ);
  EXPECT_NE(verdict.detail.find("\\Seen"), std::string::npos) << verdict.detail;
}

}  // namespace
}  // namespace mailhaul::ledger
