// Targets: acks, abilities, flags, keywords, dates, the watermark without a crash.
#include <algorithm>
#include <chrono>

#include "conformance/bench.hpp"

namespace mailhaul::conformance {

namespace {

using store::Caps;

void expect_claimed(const Caps& caps, const Caps& claims) {
  EXPECT_EQ(caps.keys_stable, claims.keys_stable);
  EXPECT_EQ(caps.commits, claims.commits);
  EXPECT_EQ(caps.watermark_per_batch, claims.watermark_per_batch);
  EXPECT_EQ(caps.exact_octets, claims.exact_octets);
  EXPECT_EQ(caps.keywords, claims.keywords);
  EXPECT_EQ(caps.keywords_limit, claims.keywords_limit);
  EXPECT_EQ(caps.flags, claims.flags);
  EXPECT_EQ(caps.dates_from, claims.dates_from);
  EXPECT_EQ(caps.dates_to, claims.dates_to);
  EXPECT_EQ(caps.max_octets, claims.max_octets);
  EXPECT_EQ(caps.nul, claims.nul);
  EXPECT_EQ(caps.zero_octets, claims.zero_octets);
  EXPECT_EQ(caps.copy, claims.copy);
  EXPECT_EQ(caps.update, claims.update);
  EXPECT_EQ(caps.remove, claims.remove);
  EXPECT_EQ(caps.rename, claims.rename);
  EXPECT_EQ(caps.many_folders, claims.many_folders);
  EXPECT_EQ(caps.separator, claims.separator);
  EXPECT_GE(caps.sessions, 1U);
  EXPECT_GE(caps.writers_per_folder, 1U);
}

void caps_are_as_claimed(const TargetSubject& subject) {
  Bench bench(subject);
  const Caps claims = bench.harness->claims();
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round == 0 ? "nothing is there yet" : "the place is there");
    const std::uint64_t calls = bench.harness->calls();
    const auto foretold = bench.harness->foretell(bench.world->services());
    MH_ASSERT_OK(foretold);
    expect_claimed(*foretold, claims);
    EXPECT_EQ(bench.harness->calls(), calls) << "asking what a place could do changed it";
    MH_ASSERT_OK(bench.open());
    expect_claimed(bench.target->caps(), claims);
    MH_ASSERT_OK(bench.ship(sample_parcels(1)));
    bench.target.reset();
    bench.shipper = Shipper();
  }
}

void ack_once_per_ticket(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  const auto parcels = sample_parcels(100);
  MH_ASSERT_OK(bench.ship(parcels, 7));
  MH_ASSERT_OK(bench.target->flush());
  MH_ASSERT_OK(bench.target->pump(std::chrono::milliseconds(0)));
  bench.target.reset();
  for (const Parcel& one : parcels) {
    EXPECT_EQ(bench.shipper.acks_of(one.ticket), 1U) << one.ticket.counter;
    EXPECT_TRUE(bench.shipper.stored(one.ticket)) << one.ticket.counter;
  }
  EXPECT_EQ(eids_of(read_back(*bench.harness)), eids_of(parcels));
}

void bad_message_fails_alone(const TargetSubject& subject) {
  for (const std::uint64_t breaks_at : {std::uint64_t{0}, std::uint64_t{300U << 10U}}) {
    Bench bench(subject);
    MH_ASSERT_OK(bench.open());
    auto parcels = sample_parcels(9, 700U << 10U);
    parcels[4].message.content =
        std::make_shared<WatchedContent>(parcels[4].message.content, [breaks_at](std::uint64_t offset) -> Status {
          if (offset < breaks_at) return {};
          return make_error(ErrorKind::message, Scope::message, "the spool could not be read");
        });
    MH_ASSERT_OK(bench.ship(parcels));
    auto good = parcels;
    good.erase(good.begin() + 4);
    for (const Parcel& one : good) EXPECT_TRUE(bench.shipper.stored(one.ticket)) << one.ticket.counter;
    EXPECT_TRUE(bench.shipper.refused(parcels[4].ticket)) << "broken at " << breaks_at;
    EXPECT_LE(bench.shipper.acks_of(parcels[4].ticket), 1U);
    ASSERT_EQ(bench.shipper.message_errors().size(), 1U);
    EXPECT_EQ(bench.shipper.message_errors().front().scope, Scope::message);
    bench.target.reset();
    EXPECT_EQ(eids_of(read_back(*bench.harness)), eids_of(good)) << "broken at " << breaks_at;
  }
}

void unclaimed_is_refused(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  const auto parcels = sample_parcels(1);
  MH_ASSERT_OK(bench.ship(parcels));
  auto folder = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(folder);
  const store::Stored* stored = bench.shipper.stored_of(parcels[0].ticket);
  ASSERT_NE(stored, nullptr);
  const store::Key key = stored->key.value_or("1");
  const Caps& caps = bench.target->caps();
  const auto refused = [](const Status& status, const char* what) {
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.error().kind, ErrorKind::unsupported) << what << ": " << status.error().what;
  };
  const auto& nid = parcels[0].message.content->facts().nid;
  store::MetaChange change;
  change.add_flags.set(mail::Flags::seen);
  if (!caps.copy) refused(bench.target->copy(*folder, ticket_of(90), *folder, key, {}), "copy");
  if (!caps.update) refused(bench.target->update(*folder, ticket_of(91), key, change), "update");
  if (!caps.remove) refused(bench.target->remove(*folder, ticket_of(92), key, nid), "remove");
  if (!caps.rename) refused(bench.target->rename_folder(*folder, mail::FolderPath({"Elsewhere"})), "rename");
  if (!caps.commits) refused(bench.target->commit(), "commit");
  MH_ASSERT_OK(bench.target->flush());
  for (const std::uint64_t ticket : {90U, 91U, 92U}) EXPECT_EQ(bench.shipper.acks_of(ticket_of(ticket)), 0U);
  EXPECT_EQ(eids_of(read_back(*bench.harness)), eids_of(parcels));
}

/// Three messages in the subject's folder and their keys.
struct Delivered {
  explicit Delivered(const TargetSubject& subject) : bench(subject), parcels(sample_parcels(3)) {}
  Status deliver() {
    MH_CHECK(bench.open());
    MH_CHECK(bench.ship(parcels));
    MH_TRY(folder, bench.target->open_folder(bench.subject.folder, mail::Role::none));
    for (const Parcel& one : parcels) {
      const store::Stored* stored = bench.shipper.stored_of(one.ticket);
      if (stored == nullptr || !stored->key) return make_error(ErrorKind::bug, Scope::run, "an ack without key");
      keys.push_back(*stored->key);
    }
    return {};
  }
  Bench bench;
  std::vector<Parcel> parcels;
  store::FolderHandle folder;
  std::vector<store::Key> keys;
};

void update_adds_and_removes(const TargetSubject& subject) {
  Delivered three(subject);
  MH_ASSERT_OK(three.deliver());
  store::Target& target = *three.bench.target;
  store::MetaChange add, remove;
  add.add_flags.set(mail::Flags::flagged).set(mail::Flags::seen);
  add.add_keywords = {"Work"};
  remove.remove_flags.set(mail::Flags::seen);
  MH_ASSERT_OK(target.update(three.folder, ticket_of(50), three.keys[0], add));
  MH_ASSERT_OK(target.update(three.folder, ticket_of(51), three.keys[1], add));
  MH_ASSERT_OK(target.flush());
  MH_ASSERT_OK(target.update(three.folder, ticket_of(52), three.keys[1], remove));
  MH_ASSERT_OK(target.update(three.folder, ticket_of(53), "no-such-key", add));
  MH_ASSERT_OK(target.flush());
  for (const std::uint64_t done : {50U, 51U, 52U}) EXPECT_TRUE(three.bench.shipper.stored(ticket_of(done))) << done;
  EXPECT_TRUE(three.bench.shipper.refused(ticket_of(53)));
  EXPECT_EQ(three.bench.shipper.acks_of(ticket_of(53)), 1U);
  three.bench.target.reset();
  const auto kept = read_back(*three.bench.harness);
  EXPECT_EQ(eids_of(kept), eids_of(three.parcels));
  EXPECT_EQ(only_kept(kept, three.parcels[0]).flags, add.add_flags);
  EXPECT_EQ(only_kept(kept, three.parcels[0]).keywords, std::vector<std::string>{"Work"});
  EXPECT_EQ(only_kept(kept, three.parcels[1]).flags, mail::Flags(mail::Flags::flagged));
  EXPECT_EQ(only_kept(kept, three.parcels[2]).flags, mail::Flags());
  if (!subject.keeps_power.empty()) return;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto after = read_back(*three.bench.harness->crash(seed));
    EXPECT_EQ(only_kept(after, three.parcels[1]).flags, mail::Flags(mail::Flags::flagged)) << "acked, but not durable";
  }
}

void remove_takes_only_the_expected(const TargetSubject& subject) {
  Delivered three(subject);
  MH_ASSERT_OK(three.deliver());
  store::Target& target = *three.bench.target;
  const auto nid = [&](std::size_t i) { return three.parcels[i].message.content->facts().nid; };
  MH_ASSERT_OK(target.remove(three.folder, ticket_of(51), three.keys[1], nid(0)));
  MH_ASSERT_OK(target.remove(three.folder, ticket_of(52), three.keys[2], nid(2)));
  MH_ASSERT_OK(target.flush());
  EXPECT_TRUE(three.bench.shipper.refused(ticket_of(51))) << "a message that is not the expected one was removed";
  EXPECT_TRUE(three.bench.shipper.stored(ticket_of(52)));
  three.bench.target.reset();
  EXPECT_EQ(eids_of(read_back(*three.bench.harness)), eids_of(std::span(three.parcels).first(2)));
}

void copy_makes_another(const TargetSubject& subject) {
  Delivered three(subject);
  MH_ASSERT_OK(three.deliver());
  store::Target& target = *three.bench.target;
  MH_ASSERT_OK(target.copy(three.folder, ticket_of(53), three.folder, three.keys[1], {}));
  MH_ASSERT_OK(target.copy(three.folder, ticket_of(54), three.folder, "no-such-key", {}));
  MH_ASSERT_OK(target.flush());
  EXPECT_TRUE(three.bench.shipper.stored(ticket_of(53)));
  EXPECT_TRUE(three.bench.shipper.refused(ticket_of(54)));
  three.bench.target.reset();
  std::vector<Parcel> expected = three.parcels;
  expected.push_back(three.parcels[1]);
  EXPECT_EQ(eids_of(read_back(*three.bench.harness)), eids_of(expected));
}

void rename_keeps_the_mail(const TargetSubject& subject) {
  Delivered three(subject);
  MH_ASSERT_OK(three.deliver());
  const mail::FolderPath renamed({"Renamed"});
  MH_ASSERT_OK(three.bench.target->rename_folder(three.folder, renamed));
  three.bench.target.reset();
  const auto kept = read_back(*three.bench.harness);
  EXPECT_EQ(eids_of(kept), eids_of(three.parcels));
  for (const Kept& one : kept) EXPECT_EQ(one.folder, renamed.components);
}

void every_flag_is_kept_or_counted(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  auto parcels = sample_parcels(32);
  for (std::size_t bits = 0; bits < 32; ++bits)
    parcels[bits].message.meta.flags = mail::Flags(static_cast<std::uint8_t>(bits));
  MH_ASSERT_OK(bench.ship(parcels));
  bench.target.reset();
  const auto kept = read_back(*bench.harness);
  const unsigned able = bench.harness->claims().flags.bits();
  for (std::size_t bits = 0; bits < 32; ++bits) {
    EXPECT_EQ(only_kept(kept, parcels[bits]).flags.bits(), bits & able) << bits;
    const store::Stored* stored = bench.shipper.stored_of(parcels[bits].ticket);
    ASSERT_NE(stored, nullptr);
    EXPECT_EQ(stored->lost_flags, (bits & ~able) != 0) << bits;
  }
}

void every_keyword_is_kept_or_counted(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  auto parcels = sample_parcels(40);
  for (std::size_t i = 0; i < parcels.size(); ++i) {
    auto& words = parcels[i].message.meta.keywords;
    words = {"word" + std::to_string(i)};
    if (i % 4 == 0) words.emplace_back("$Forwarded");
    mail::normalize_keywords(words);
  }
  MH_ASSERT_OK(bench.ship(parcels));
  bench.target.reset();
  const auto kept = read_back(*bench.harness);
  std::size_t whole = 0;
  for (const Parcel& one : parcels) {
    const auto& asked = one.message.meta.keywords;
    const auto found = only_kept(kept, one).keywords;
    EXPECT_TRUE(std::includes(asked.begin(), asked.end(), found.begin(), found.end())) << one.ticket.counter;
    const store::Stored* stored = bench.shipper.stored_of(one.ticket);
    ASSERT_NE(stored, nullptr);
    EXPECT_EQ(stored->lost_keywords, found != asked) << one.ticket.counter;
    whole += found == asked ? 1U : 0U;
  }
  const Caps claims = bench.harness->claims();
  switch (claims.keywords) {
    case Caps::Keywords::any:
      EXPECT_EQ(whole, parcels.size());
      break;
    // `$Forwarded` may cost one of a limited number, or have a letter of its own.
    case Caps::Keywords::limited:
      EXPECT_GE(whole + 1, claims.keywords_limit);
      break;
    case Caps::Keywords::none:
      EXPECT_EQ(whole, 0U);
      break;
  }
}

void dates_are_kept_or_counted(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  constexpr std::int64_t k1969 = -86'400, k2000 = 951'827'696, k2038 = 2'147'483'648, k2040 = 2'209'032'000;
  const std::vector<std::pair<std::int64_t, std::optional<std::chrono::minutes>>> dates{
      {k1969, std::nullopt},
      {-1, std::chrono::minutes(0)},
      {0, std::nullopt},
      {1, std::chrono::minutes(60)},
      {k2000, std::chrono::minutes(345)},
      {k2000 + 1, std::chrono::minutes(-720)},
      {k2038 - 1, std::nullopt},
      {k2038, std::chrono::minutes(840)},
      {k2040, std::nullopt},
      {4'107'542'399, std::chrono::minutes(-1)}};
  auto parcels = sample_parcels(dates.size());
  for (std::size_t i = 0; i < dates.size(); ++i) {
    parcels[i].message.meta.received =
        mail::ReceivedDate{Instant(std::chrono::seconds(dates[i].first)), dates[i].second};
  }
  MH_ASSERT_OK(bench.ship(parcels));
  bench.target.reset();
  const auto kept = read_back(*bench.harness);
  const Caps claims = bench.harness->claims();
  for (std::size_t i = 0; i < dates.size(); ++i) {
    const Instant asked{std::chrono::seconds(dates[i].first)};
    const bool able =
        (!claims.dates_from || asked >= *claims.dates_from) && (!claims.dates_to || asked <= *claims.dates_to) &&
        !(subject.spoils_date && subject.spoils_date(asked));
    const store::Stored* stored = bench.shipper.stored_of(parcels[i].ticket);
    ASSERT_NE(stored, nullptr);
    EXPECT_EQ(stored->lost_date, !able) << dates[i].first;
    if (!able) continue;
    EXPECT_EQ(only_kept(kept, parcels[i]).received, std::optional<std::int64_t>(dates[i].first));
  }
}

void opening_twice_gives_the_same_folder(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  const auto first = bench.target->open_folder(subject.folder, mail::Role::none);
  const auto second = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(first);
  MH_ASSERT_OK(second);
  EXPECT_FALSE(second->created);
  EXPECT_EQ(first->epoch, second->epoch);
  EXPECT_EQ(first->path, second->path);
  std::size_t listed = 0;
  MH_ASSERT_OK(bench.target->folders([&](const store::FolderInfo& info) -> Status {
    if (info.path == first->path) {
      ++listed;
      EXPECT_EQ(info.epoch, first->epoch);
    }
    return {};
  }));
  EXPECT_EQ(listed, 1U);
  MH_ASSERT_OK(bench.open());
  const auto again = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(again);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->epoch, first->epoch) << "keys of the first session must stay valid";
}

void find_since_sees_only_what_came_later(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  const auto parcels = sample_parcels(3);
  const std::string twin = octets_of(*parcels[0].message.content);
  MH_ASSERT_OK(bench.ship(parcels));
  auto folder = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(folder);
  auto mark = bench.target->watermark(*folder);
  MH_ASSERT_OK(mark);
  const std::vector<Parcel> later{parcel(11, twin), parcel(12, twin), parcel(13, sample_message(13))};
  for (const Parcel& one : later) MH_ASSERT_OK(bench.target->submit(*folder, one.ticket, one.message));
  MH_ASSERT_OK(bench.target->flush());
  MH_ASSERT_OK(bench.open());
  folder = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(folder);
  std::vector<store::Wanted> wanted;
  for (const Parcel& one : later) wanted.push_back(wanted_of(one));
  wanted.push_back(wanted_of(parcel(14, sample_message(14))));  // never sent
  std::multiset<std::string> found, expected;
  MH_ASSERT_OK(bench.target->find_since(*folder, *mark, wanted, [&](const store::Match& match) -> Status {
    found.insert(to_hex(match.eid.octets()) + (match.ticket ? match.ticket->hex() : ""));
    EXPECT_FALSE(match.key.empty());
    return {};
  }));
  for (const Parcel& one : later) {
    const bool tickets = !found.empty() && found.begin()->size() > 64;
    expected.insert(to_hex(one.message.content->facts().eid.octets()) + (tickets ? one.ticket.hex() : ""));
  }
  EXPECT_EQ(found, expected);
  MH_ASSERT_OK(bench.target->flush());
}

void find_since_refuses_a_foreign_watermark(const TargetSubject& subject) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  MH_ASSERT_OK(bench.ship(sample_parcels(2)));
  auto folder = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(folder);
  const std::vector<store::Wanted> wanted{wanted_of(parcel(9, sample_message(9)))};
  std::size_t matches = 0;
  const Status status =
      bench.target->find_since(*folder, "not a watermark", wanted, [&](const store::Match&) -> Status {
        ++matches;
        return {};
      });
  EXPECT_EQ(matches, 0U);
  EXPECT_TRUE(status.ok() || !status.error().what.empty());
  bench.target.reset();
  EXPECT_EQ(read_back(*bench.harness).size(), 2U) << "a watermark that cannot be read must not cost mail";
}

Reason has_all_abilities(const TargetSubject& subject) {
  const Caps claims = subject.make(Ground::forgetful)->claims();
  if (claims.copy && claims.update && claims.remove && claims.rename && claims.commits) return "claims every ability";
  return std::nullopt;
}

std::function<Reason(const TargetSubject&)> unless(bool Caps::*ability, std::string name) {
  return [ability, name = std::move(name)](const TargetSubject& subject) -> Reason {
    if (subject.make(Ground::forgetful)->claims().*ability) return std::nullopt;
    return "does not claim " + name + "; Unclaimed_abilities_are_refused holds instead";
  };
}

}  // namespace

TargetCases target_basic_cases() {
  return {{"Caps_are_what_the_harness_claims", {}, caps_are_as_claimed},
          {"Ack_comes_once_per_ticket", {}, ack_once_per_ticket},
          {"A_bad_message_in_a_batch_fails_alone", {}, bad_message_fails_alone},
          {"Unclaimed_abilities_are_refused", has_all_abilities, unclaimed_is_refused},
          {"Update_adds_and_removes_flags_and_keywords", unless(&Caps::update, "update"), update_adds_and_removes},
          {"Remove_takes_only_the_expected_message", unless(&Caps::remove, "remove"), remove_takes_only_the_expected},
          {"Copy_makes_another_message", unless(&Caps::copy, "copy"), copy_makes_another},
          {"Rename_keeps_the_mail", unless(&Caps::rename, "rename"), rename_keeps_the_mail},
          {"Every_flag_is_kept_or_counted_lost", {}, every_flag_is_kept_or_counted},
          {"Every_keyword_is_kept_or_counted_lost", {}, every_keyword_is_kept_or_counted},
          {"Every_date_is_kept_or_counted_lost", {}, dates_are_kept_or_counted},
          {"Opening_twice_gives_the_same_folder", {}, opening_twice_gives_the_same_folder},
          {"Find_since_sees_all_that_came_later_and_nothing_else", {}, find_since_sees_only_what_came_later},
          {"Find_since_with_a_foreign_watermark_costs_no_mail", {}, find_since_refuses_a_foreign_watermark}};
}

}  // namespace mailhaul::conformance
