// What a run makes of single losses: doubts that arrive, arrive late or never, and folders that are others afterwards.
#include "unit/pipeline/move.hpp"

namespace mailhaul::pipeline {
namespace {

TEST(LostSessions, A_settle_time_that_is_too_short_doubles_and_these_tests_see_it) {
  std::size_t doubled = 0;
  for (std::uint64_t step = 1; step < 40; ++step) {
    Move move;
    move.fill();
    move.options.settle = 3s;
    move.target.deaths = {step};
    move.target.fate = [](std::uint64_t) { return Fate(30s); };
    (void)move.copy();
    move.bench.clock().advance(1h);
    auto expected = move.source.all_texts();
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    doubled += move.target.all_texts().size() > expected.size() ? 1 : 0;
  }
  EXPECT_GT(doubled, 5U);
}

TEST(LostSessions, A_delivery_in_doubt_is_waited_for_and_the_wait_is_told) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  const auto start = move.bench.clock().steady();
  Watcher watcher;
  const auto report = move.copy(watcher);
  const auto took = move.bench.clock().steady() - start;
  EXPECT_GE(took, 120s);
  EXPECT_LT(took, 130s);
  EXPECT_GT(watcher.settling, 100);
  EXPECT_GT(watcher.longest_wait, 100s);
  EXPECT_LE(watcher.longest_wait, 120s);
  EXPECT_LE(move.target.looks(), 10U);
  move.expect_done(report, "never arrived");
}

TEST(LostSessions, What_arrives_in_time_is_taken_as_soon_as_it_is_seen) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(5s); };
  const auto start = move.bench.clock().steady();
  const auto report = move.copy();
  EXPECT_LT(move.bench.clock().steady() - start, 10s);
  EXPECT_EQ(move.target.submitted(), 8U) << "nothing was sent twice";
  move.expect_done(report, "arrived after 5 s");
}

TEST(LostSessions, Three_tries_in_doubt_are_unknown_and_the_next_run_goes_on) {
  Move move;
  move.fill();
  move.target.kills_answer = [](const std::string& text) { return text == letter(11); };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  move.target.window = 1;
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.unknown, 1U);
  EXPECT_EQ(report.counts.copied, 7U);
  EXPECT_EQ(report.counts.duplicate, 2U);
  EXPECT_TRUE(report.counts.balanced());
  move.target.kills_answer = nullptr;
  Watcher watcher;
  const auto second = move.copy(watcher);
  EXPECT_GT(watcher.settling, 0) << "the intent was kept, and a restart counts as a lost connection";
  move.expect_done(second, "after three tries");
}

TEST(LostSessions, A_twin_of_a_message_whose_outcome_stays_unknown_is_not_sent_in_its_place) {
  Move move;
  move.source.put("INBOX", letter(1));
  move.source.put("INBOX", letter(1));
  move.target.kills_answer = [](const std::string&) { return true; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8);
  EXPECT_EQ(report.counts.unknown, 1U);
  EXPECT_EQ(report.counts.pending, 1U);
  EXPECT_EQ(move.target.submitted(), 3U);
}

TEST(LostSessions, A_message_at_which_every_session_ends_fails_alone) {
  Move move;
  move.fill();
  move.target.kills = [](const std::string& text) { return text == letter(2); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 3) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.failed, 1U);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].detail, "the target ends the connection at this message");
  EXPECT_EQ(report.counts.copied, 7U);
}

TEST(LostSessions, A_server_that_stays_away_ends_the_run_and_nothing_is_called_copied_that_is_not) {
  Move move;
  move.fill();
  move.target.deaths = {12};
  move.target.on_death = [&] { move.target.refuse_sessions = 1'000; };
  const auto report = move.copy();
  EXPECT_TRUE(report.exit == 5 || report.exit == 8) << report.exit;
  EXPECT_TRUE(report.counts.balanced());
  EXPECT_EQ(report.counts.listed, 10U);
  move.target.on_death = nullptr;
  move.target.refuse_sessions = 0;
  move.expect_done(move.copy(), "back again");
}

TEST(LostSessions, A_folder_that_is_another_one_after_the_loss_ends_with_11_and_the_others_go_on) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  move.target.on_death = [&] { move.target.change_epoch("INBOX"); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 11) << (report.error ? report.error->what : "");
  EXPECT_TRUE(report.counts.balanced());
  EXPECT_GT(report.counts.unknown + report.counts.failed, 0U);
  EXPECT_EQ(move.target.texts("Work").size(), 3U);
  move.target.on_death = nullptr;
  const auto second = move.copy();
  move.expect_done(second, "the next run begins there anew");
}

TEST(LostSessions, A_source_folder_that_is_another_one_fails_its_messages_and_ends_with_11) {
  Move move;
  move.fill();
  move.source.deaths = {24};
  move.source.on_death = [&] { move.source.change_epoch("Work"); };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 11) << move.source.points() << (report.error ? report.error->what : "");
  EXPECT_TRUE(report.counts.balanced());
  move.source.on_death = nullptr;
  move.expect_done(move.copy(), "the next run");
}

TEST(LostSessions, Cancel_ends_the_wait_and_keeps_the_doubt_for_the_next_run) {
  Move move;
  move.fill();
  move.target.kills_answer = [n = 0](const std::string& text) mutable { return text == letter(2) && n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(60s); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  const auto report = move.copy(watcher, &cancel);
  EXPECT_EQ(report.exit, 12);
  EXPECT_GT(report.counts.unknown, 0U);
  EXPECT_TRUE(report.counts.balanced());
  const auto sent = move.target.submitted();
  const auto second = move.copy();
  EXPECT_EQ(move.target.submitted(), sent) << "it arrived while the next run waited";
  move.expect_done(second, "after a cancel");
}

TEST(LostSessions, A_dry_run_reports_what_is_in_doubt_and_waits_for_nothing) {
  Move move;
  move.fill();
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  move.options.dry_run = true;
  const auto start = move.bench.clock().steady();
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8);
  EXPECT_GT(report.counts.unknown, 0U);
  EXPECT_EQ(move.bench.clock().steady(), start);
}

TEST(LostSessions, A_doubt_whose_source_message_is_gone_is_waited_for_and_dropped) {
  Move move;
  move.fill();
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  move.source.with([](auto& folders) { folders["INBOX"].messages.erase(2); });
  move.target.kills_answer = nullptr;
  Watcher second;
  const auto report = move.copy(second);
  EXPECT_EQ(report.exit, 0);
  EXPECT_GT(second.settling, 0);
  EXPECT_EQ(report.counts.listed, 9U);
  move.expect_complete("gone");
  Watcher third;
  EXPECT_EQ(move.copy(third).exit, 0);
  EXPECT_EQ(third.settling, 0);
}

TEST(LostSessions, A_source_folder_with_new_keys_is_not_told_that_the_old_ones_arrived) {
  Move move;
  move.source.put("INBOX", letter(1));
  move.source.put("INBOX", letter(2));
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(90s); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  // The keys go round: 2 names another message now.
  move.source.with([](auto& folders) {
    auto& folder = folders["INBOX"];
    ++folder.epoch;
    folder.messages.clear();
    folder.next = 1;
  });
  for (int number : {2, 3, 1}) move.source.put("INBOX", letter(number));
  move.target.kills_answer = nullptr;
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 0);
  EXPECT_EQ(report.counts.listed, 3U);
  move.expect_complete("new keys");
}

TEST(LostSessions, A_doubt_whose_message_has_another_name_now_is_taken_for_its_twin_by_no_one) {
  // POP3 without lasting names: the same folder, another key. With --dedup none every source message counts.
  Move move(Dedup::none);
  move.source.put("INBOX", letter(1));
  move.source.put("INBOX", letter(2));
  move.target.kills_answer = [](const std::string& text) { return text == letter(2); };
  move.target.fate = [](std::uint64_t) { return Fate(90s); };
  CancelToken cancel;
  Watcher watcher;
  watcher.on_settling = [&] { cancel.request(); };
  (void)move.copy(watcher, &cancel);
  move.source.with([](auto& folders) {
    auto& messages = folders["INBOX"].messages;
    messages[9] = messages[2];
    messages.erase(2);
  });
  move.target.kills_answer = nullptr;
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 0);
  EXPECT_EQ(report.counts.listed, 2U);
  move.expect_complete("another name");
  move.expect_idle("another name");
}

TEST(LostSessions, A_target_folder_with_new_keys_is_read_anew_before_anything_goes_there) {
  Move move;
  move.source.put("INBOX", letter(1));
  move.target.put("INBOX", letter(50));
  ASSERT_EQ(move.copy().exit, 0);
  move.target.with([](auto& folders) {
    auto& folder = folders["INBOX"];
    ++folder.epoch;
    folder.messages.clear();
    folder.next = 1;
  });
  // Keys 1 and 2 were 50 and 1.
  for (int number : {60, 1}) move.target.put("INBOX", letter(number));
  move.source.put("INBOX", letter(60));
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 0);
  EXPECT_EQ(report.counts.present, 2U);
  EXPECT_EQ(report.counts.copied, 0U);
  move.expect_complete("new keys");
}

TEST(LostSessions, Altered_messages_are_copied_and_listed_and_end_with_3) {
  Move move;
  move.fill();
  move.target.verdict = [](const store::Ticket&, const std::string& text) -> std::optional<store::Ack> {
    store::Stored stored;
    stored.altered = text == letter(5);
    return text == letter(5) ? std::optional(store::Ack{{}, stored}) : std::nullopt;
  };
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 3);
  EXPECT_EQ(report.counts.altered, 1U);
  EXPECT_EQ(report.counts.failed, 0U);
  EXPECT_EQ(report.counts.copied, 8U);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].reason, "altered");
  EXPECT_EQ(report.failures[0].detail, "the target changed the message's octets");
  EXPECT_EQ(report.failures[0].key, "6");
}

TEST(LostSessions, What_is_in_doubt_in_a_folder_that_alters_mail_is_never_sent_again) {
  Move move;
  move.fill();
  move.target.verdict = [](const store::Ticket&, const std::string& text) -> std::optional<store::Ack> {
    store::Stored stored;
    stored.altered = true;
    if (text == letter(1)) return store::Ack{{}, stored};
    return text == letter(5) ? std::optional(store::Ack{{}, store::InDoubt{}}) : std::nullopt;
  };
  move.target.fate = [](std::uint64_t) { return Fate(); };  // or it arrived as another: nobody can tell
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 8);
  EXPECT_EQ(report.counts.unknown, 1U);
  EXPECT_EQ(move.target.submitted(), 8U);
}

TEST(LostSessions, Flags_of_a_twin_are_added_though_the_session_dies_on_the_way) {
  std::uint64_t cuts = 0;
  for (std::uint64_t step = 1;; ++step) {
    Move move;
    mail::Meta seen, flagged;
    seen.flags.set(mail::Flags::seen);
    flagged.flags.set(mail::Flags::flagged);
    move.source.put("INBOX", letter(1), seen);
    move.source.put("INBOX", letter(2));
    move.source.put("INBOX", letter(1), flagged);
    move.target.deaths = {step};
    move.target.fate = [](std::uint64_t) { return Fate(0s); };
    move.target.updates = true;
    const auto report = move.copy();
    EXPECT_EQ(report.exit, 0) << step;
    EXPECT_EQ(report.counts.updated, 1U) << step;
    EXPECT_EQ(report.counts.lost_flags, 0U) << step;
    move.target.with([&](auto& folders) {
      for (const auto& [uid, message] : folders["INBOX"].messages)
        EXPECT_EQ(message.meta.flags.bits(), message.octets == letter(1) ? 5 : 0) << step;
    });
    if (move.target.points() < step || HasFailure()) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 5U);
}

TEST(LostSessions, Verdicts_of_every_kind_in_one_batch_are_each_taken_for_what_they_say) {
  Move move;
  move.fill();
  move.target.verdict = [refusals = 0](const store::Ticket&,
                                       const std::string& text) mutable -> std::optional<store::Ack> {
    if (text == letter(1)) return store::Ack{{}, store::InDoubt{}};
    if (text == letter(2))
      return store::Ack{{}, store::Refused{make_error(ErrorKind::message, Scope::message, "too large")}};
    if (text == letter(5) && refusals++ == 0)
      return store::Ack{{}, store::Refused{make_error(ErrorKind::message, Scope::message, "busy", "", Retry::later)}};
    return std::nullopt;
  };
  move.target.fate = [](std::uint64_t) { return Fate(20s); };
  move.target.deaths = {17};
  const auto report = move.copy();
  EXPECT_EQ(report.exit, 3) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.counts.failed, 1U);
  EXPECT_EQ(report.counts.copied, 7U);
  EXPECT_EQ(report.counts.duplicate, 2U);
  move.bench.clock().advance(1h);
  EXPECT_EQ(move.target.all_texts().size(), 7U);
}

TEST(LostSessions, Every_message_has_one_line_of_outcome) {
  Move move;
  move.fill();
  move.target.deaths = {9, 15, 31};
  move.target.fate = [](std::uint64_t n) { return n % 2 == 0 ? Fate(20s) : Fate(); };
  Watcher watcher;
  EXPECT_EQ(move.copy(watcher).exit, 0);
  EXPECT_EQ(watcher.outcomes.size(), 10U);
  for (const auto& [key, lines] : watcher.outcomes) EXPECT_EQ(lines, 1) << key;
}

TEST(LostSessions, Idle_sessions_are_kept_alive_now_and_then) {
  Move move;
  for (int number = 0; number < 40; ++number) move.source.put("INBOX", letter(number));
  Watcher watcher;
  watcher.on_outcome_called = [&] { move.bench.clock().advance(1s); };
  EXPECT_EQ(move.copy(watcher).exit, 0);
  EXPECT_LE(move.target.pumps, 10) << "at most every five seconds";
  move.source.put("INBOX", letter(99));
  move.target.kills_answer = [n = 0](const std::string&) mutable { return n++ == 0; };
  move.target.fate = [](std::uint64_t) { return Fate(); };
  const int before = move.target.pumps;
  EXPECT_EQ(move.copy().exit, 0);
  EXPECT_GE(move.target.pumps - before, 20) << "two minutes of waiting";
}

TEST(LostSessions, Ls_goes_on_over_lost_sessions) {
  Move move;
  move.fill();
  for (std::uint64_t i = 2; i < 100; i += 9) move.source.deaths.insert(i);
  std::uint64_t messages = 0;
  const auto report = move.ls([&](const FolderSummary& folder) { messages += folder.messages; });
  EXPECT_EQ(report.exit, 0) << (report.error ? report.error->what : "");
  EXPECT_EQ(messages, 10U);
  EXPECT_GT(move.source.sessions(), 1U);
}

TEST(LostSessions, Verify_goes_on_over_lost_sessions_of_both_sides) {
  Move move;
  move.fill();
  ASSERT_EQ(move.copy().exit, 0);
  const auto source = move.source.points(), target = move.target.points();
  for (std::uint64_t i = 3; i < 100; i += 13) {
    move.source.deaths.insert(source + i);
    move.target.deaths.insert(target + i);
  }
  const auto report = move.verify();
  EXPECT_EQ(report.exit, 0) << (report.error ? report.error->what : "");
  EXPECT_EQ(report.verify.identical, 10U);
}

}  // namespace
}  // namespace mailhaul::pipeline
