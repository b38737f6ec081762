// Sources: what is listed and fetched, what fails alone, and that nothing at the place is touched.
#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "conformance/bench.hpp"
#include "conformance/gather.hpp"

namespace mailhaul::conformance {

namespace {

/// A planted place and the session that reads it.
struct Reading {
  explicit Reading(const SourceSubject& of) : subject(of), harness(of.make()), world(harness->fs()) {}
  Status open() {
    source.reset();
    MH_TRY(source, harness->open(world.services()));
    MH_TRY(folder, folder_of(*source, subject.folder));
    return {};
  }

  SourceSubject subject;
  std::unique_ptr<SourceHarness> harness;
  World world;
  std::unique_ptr<store::Source> source;
  store::FolderInfo folder;
};

std::vector<Planted> planted_mail(const mail::FolderPath& folder, std::uint64_t count) {
  std::vector<Planted> mail;
  for (std::uint64_t i = 1; i <= count; ++i) {
    Planted one;
    one.folder = folder;
    one.octets = sample_message(i, 250 + i % 700);
    if (i % 4 == 0) one.octets += "\nFrom the body\n>From it\n";
    if (i % 3 == 0) one.meta.flags = mail::Flags(static_cast<std::uint8_t>(i % 32));
    if (i % 5 == 0) one.meta.keywords = {"Work"};
    one.meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(1'000'000'000 + i)), std::nullopt};
    mail.push_back(std::move(one));
  }
  return mail;
}

std::string eid_text(const std::string& octets) { return to_hex(mail::scan_message(as_octets(octets)).eid.octets()); }

std::multiset<std::string> eids_of(const std::vector<Planted>& mail) {
  std::multiset<std::string> eids;
  for (const Planted& one : mail) eids.insert(eid_text(one.octets));
  return eids;
}

std::multiset<std::string> eids_of(const Fetched& fetched) {
  std::multiset<std::string> eids;
  for (const auto& [key, one] : fetched.by_key) {
    if (one.facts) eids.insert(to_hex(one.facts->eid.octets()));
  }
  return eids;
}

void each_item_once(const SourceSubject& subject) {
  Reading reading(subject);
  const auto mail = planted_mail(subject.folder, 120);
  reading.harness->plant(mail);
  MH_ASSERT_OK(reading.open());
  Listing listing;
  const auto end = reading.source->list(reading.folder, std::nullopt, listing);
  MH_ASSERT_OK(end);
  EXPECT_TRUE(end->complete);
  EXPECT_TRUE(listing.gone.empty());
  EXPECT_TRUE(listing.bad.empty());
  std::set<store::Key> keys;
  for (const store::Item& item : listing.items) {
    keys.insert(item.key);
    EXPECT_FALSE(item.key.empty());
    EXPECT_LE(item.key.size(), 1000U);
    EXPECT_TRUE(std::all_of(item.key.begin(), item.key.end(), [](char c) { return c > ' ' && c <= '~'; })) << item.key;
  }
  EXPECT_EQ(keys.size(), mail.size());
  EXPECT_EQ(listing.items.size(), mail.size());
  if (reading.folder.messages) {
    EXPECT_EQ(*reading.folder.messages, mail.size());
  }
  Fetched fetched;
  MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, listing.items, 7), fetched));
  EXPECT_EQ(fetched.by_key.size(), mail.size());
  for (const auto& [key, one] : fetched.by_key) {
    EXPECT_EQ(one.ends, 1U) << key;
    EXPECT_FALSE(one.error) << key << ": " << one.error->what;
  }
  EXPECT_EQ(eids_of(fetched), eids_of(mail));
}

void octets_and_meta_are_what_was_planted(const SourceSubject& subject) {
  Reading reading(subject);
  const auto mail = planted_mail(subject.folder, 64);
  reading.harness->plant(mail);
  MH_ASSERT_OK(reading.open());
  Listing listing;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
  Fetched fetched;
  MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, listing.items), fetched));
  std::map<std::string, const Fetched::One*> by_eid;
  for (const auto& [key, one] : fetched.by_key) {
    if (one.facts) by_eid[to_hex(one.facts->eid.octets())] = &one;
  }
  for (const Planted& want : mail) {
    const Fetched::One* one = by_eid[eid_text(want.octets)];
    ASSERT_NE(one, nullptr) << "a message did not come";
    mail::Meta meta = want.meta;
    if (!reading.source->caps().keeps_meta)
      meta = {{}, {}, mail::received_or_fallback(mail::scan_message(as_octets(want.octets))), {}};
    EXPECT_EQ(one->meta.flags, meta.flags) << mail::to_text(one->meta.flags);
    EXPECT_EQ(one->meta.keywords, meta.keywords);
    ASSERT_TRUE(one->meta.received);
    EXPECT_EQ(one->meta.received->instant, meta.received->instant);
    if (want.meta.flags.empty() && want.meta.keywords.empty()) {  // no housekeeping field was planted with it
      const mail::MessageFacts facts = mail::scan_message(as_octets(want.octets), {.cid = true});
      EXPECT_EQ(one->facts->nid, facts.nid);
      if (reading.harness->claims().exact_octets) {
        EXPECT_EQ(one->facts->cid, facts.cid);
      }
    }
  }
}

void unknown_key_fails_alone(const SourceSubject& subject) {
  Reading reading(subject);
  reading.harness->plant(planted_mail(subject.folder, 5));
  MH_ASSERT_OK(reading.open());
  Listing listing;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
  ASSERT_EQ(listing.items.size(), 5U);
  const std::vector<store::Key> keys{listing.items[0].key, "no-such-key", listing.items[4].key};
  Listing described;
  MH_ASSERT_OK(reading.source->describe(reading.folder, keys, described));
  EXPECT_EQ(described.gone, std::vector<store::Key>{"no-such-key"});
  ASSERT_EQ(described.items.size(), 2U);
  EXPECT_EQ(described.items[0].key, keys[0]);
  EXPECT_EQ(described.items[1].key, keys[2]);
  auto items = listing.items;
  store::Item unknown;
  unknown.key = "no-such-key";
  items.insert(items.begin() + 2, unknown);
  Fetched fetched;
  MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, items), fetched));
  EXPECT_EQ(fetched.by_key.size(), 6U);
  for (const auto& [key, one] : fetched.by_key) {
    EXPECT_EQ(one.ends, 1U) << key;
    EXPECT_EQ(one.facts.has_value(), key != "no-such-key") << key;
  }
}

void vanished_message_fails_alone(const SourceSubject& subject) {
  Reading reading(subject);
  const auto mail = planted_mail(subject.folder, 20);
  reading.harness->plant(mail);
  MH_ASSERT_OK(reading.open());
  Listing listing;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
  reading.harness->take_last(subject.folder);
  Fetched fetched;
  const Status status = reading.source->fetch(batches_of(reading.folder, listing.items), fetched);
  auto expected = eids_of(mail);
  expected.erase(eid_text(mail.back().octets));
  const auto came = eids_of(fetched);
  EXPECT_TRUE(std::includes(expected.begin(), expected.end(), came.begin(), came.end())) << "an altered message came";
  if (status.ok()) {
    EXPECT_EQ(fetched.by_key.size(), mail.size());
    for (const auto& [key, one] : fetched.by_key) EXPECT_EQ(one.ends, 1U) << key;
    EXPECT_EQ(came, expected);
  } else {  // one file for all (bad-input 9): it may be given up as a whole, and then says so
    EXPECT_EQ(status.error().kind, ErrorKind::locked) << status.error().what;
    EXPECT_EQ(status.error().scope, Scope::folder);
  }
}

void sink_error_stops(const SourceSubject& subject) {
  Reading reading(subject);
  reading.harness->plant(planted_mail(subject.folder, 30));
  MH_ASSERT_OK(reading.open());
  Listing all;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, all));
  const auto expect_stop = [](const Status& status, std::size_t calls, std::size_t at, const char* what) {
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_NE(status.error().what.find(kStopped), std::string::npos) << what << ": " << status.error().what;
    EXPECT_EQ(status.error().kind, ErrorKind::interrupted) << what;
    EXPECT_EQ(calls, at) << what << " went on after the sink's error";
  };
  for (const std::size_t at : {1U, 15U, 30U}) {
    Listing listing(at);
    const auto listed = reading.source->list(reading.folder, std::nullopt, listing);
    expect_stop(listed.ok() ? Status{} : Status{listed.error()}, listing.calls, at, "list");
    Fetched fetched(at);
    const Status stopped = reading.source->fetch(batches_of(reading.folder, all.items), fetched);
    expect_stop(stopped, fetched.calls, at, "fetch");
  }
  Listing described(2);
  const std::vector<store::Key> keys{all.items[0].key, all.items[1].key, all.items[2].key};
  const Status describe_stopped = reading.source->describe(reading.folder, keys, described);
  expect_stop(describe_stopped, described.calls, 2, "describe");
  std::size_t folders = 0;
  const Status folder_status = reading.source->folders([&](const store::FolderInfo&) -> Status {
    ++folders;
    return make_error(ErrorKind::interrupted, Scope::run, kStopped);
  });
  expect_stop(folder_status, folders, 1, "folders");
  Fetched none;
  const Status next_failed = reading.source->fetch(
      []() -> Result<store::FetchBatch> { return make_error(ErrorKind::interrupted, Scope::run, kStopped); }, none);
  expect_stop(next_failed, none.calls, 0, "next");
  Fetched again;  // after all that the session still works
  MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, all.items), again));
  EXPECT_EQ(again.by_key.size(), 30U);
}

void nothing_is_touched(const SourceSubject& subject) {
  Reading reading(subject);
  auto mail = planted_mail(subject.folder, 25);
  reading.harness->plant(mail);
  (void)reading.harness->spoil(subject.folder);
  reading.harness->age();
  const std::string before = reading.harness->fingerprint();
  ASSERT_FALSE(before.empty());
  MH_ASSERT_OK(reading.open());
  for (int round = 0; round < 2; ++round) {
    Listing listing;
    const auto end = reading.source->list(reading.folder, std::nullopt, listing);
    MH_ASSERT_OK(end);
    std::vector<store::Key> keys;
    for (const store::Item& item : listing.items) keys.push_back(item.key);
    Listing described;
    MH_ASSERT_OK(reading.source->describe(reading.folder, keys, described));
    Fetched fetched;
    MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, listing.items), fetched));
    MH_ASSERT_OK(reading.source->pump(std::chrono::milliseconds(0)));
    MH_ASSERT_OK(reading.open());
  }
  reading.source.reset();
  EXPECT_EQ(reading.harness->fingerprint(), before);
}

void keys_are_stable(const SourceSubject& subject) {
  Reading reading(subject);
  reading.harness->plant(planted_mail(subject.folder, 40));
  std::vector<std::pair<store::Key, std::string>> first;
  std::string epoch;
  for (int round = 0; round < 3; ++round) {
    MH_ASSERT_OK(reading.open());
    if (round == 0) epoch = reading.folder.epoch;
    EXPECT_EQ(reading.folder.epoch, epoch);
    Listing listing;
    MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
    Fetched fetched;
    MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, listing.items), fetched));
    std::vector<std::pair<store::Key, std::string>> keys;
    for (const store::Item& item : listing.items) {
      const auto& facts = fetched.by_key[item.key].facts;
      keys.emplace_back(item.key, facts ? to_hex(facts->nid.octets()) : "failed");
    }
    if (round == 0) first = keys;
    EXPECT_EQ(keys, first) << "order and keys must be the same in every session";
  }
}

void spoilt_mail_is_told(const SourceSubject& subject) {
  Reading reading(subject);
  reading.harness->plant(planted_mail(subject.folder, 10));
  const auto spoilt = reading.harness->spoil(subject.folder);
  ASSERT_TRUE(spoilt);
  MH_ASSERT_OK(reading.open());
  Listing listing;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
  Fetched fetched;
  MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, listing.items), fetched));
  std::size_t good = 0, failed = 0;
  for (const auto& [key, one] : fetched.by_key) {
    EXPECT_EQ(one.ends, 1U) << key;
    ++(one.facts ? good : failed);
  }
  EXPECT_EQ(good, spoilt->good);
  const std::size_t complaints = listing.bad.size() + failed + reading.world.events().notes().size();
  EXPECT_GE(complaints, spoilt->complaints);
  for (const auto& [key, error] : listing.bad) EXPECT_NE(error.what, "") << key;
}

Reason cannot_be_spoilt(const SourceSubject& subject) {
  const auto harness = subject.make();
  harness->plant(planted_mail(subject.folder, 1));
  if (harness->spoil(subject.folder)) return std::nullopt;
  return "this place cannot hold torn mail";
}

void twenty_thousand(const SourceSubject& subject) {
  constexpr std::uint64_t kCount = 20'000, kMiB = 1U << 20U;
  Reading reading(subject);
  for (std::uint64_t first = 0; first < kCount; first += 1000) {
    std::vector<Planted> mail;
    for (std::uint64_t i = first; i < first + 1000; ++i) {
      Planted one;
      one.folder = subject.folder;
      one.octets = sample_message(i, 900);
      mail.push_back(std::move(one));
    }
    reading.harness->plant(mail);
  }
  MH_ASSERT_OK(reading.open());
  const bool measured = reset_peak_memory();
  const std::uint64_t before = peak_memory().value_or(0);
  Listing listing;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
  EXPECT_EQ(listing.items.size(), kCount);
  class Counting final : public store::FetchSink {
   public:
    Status on_message(const store::FolderInfo&, const store::Item&, mail::Message) override { return ++good, Status{}; }
    Status on_failed(const store::FolderInfo&, const store::Item&, Error) override { return ++other, Status{}; }
    Status on_vanished(const store::FolderInfo&, const store::Item&) override { return ++other, Status{}; }
    std::uint64_t good = 0, other = 0;
  } counting;
  MH_ASSERT_OK(reading.source->fetch(batches_of(reading.folder, std::move(listing.items)), counting));
  EXPECT_EQ(counting.good, kCount);
  EXPECT_EQ(counting.other, 0U);
  EXPECT_LE(reading.world.budget().peak(), 8 * kMiB);
  EXPECT_EQ(reading.world.budget().used(), 0U);
  const auto after = peak_memory();
  // 18 MB of mail: to hold it whole would show. The listing that this test itself keeps is about 6 MiB.
  if (measured && after && !subject.holds_mail_in_memory) {
    EXPECT_LE(*after - std::min(*after, before), 32 * kMiB);
  }
}

void cancel_stops_a_fetch(const SourceSubject& subject) {
  Reading reading(subject);
  reading.harness->plant(planted_mail(subject.folder, 500));
  MH_ASSERT_OK(reading.open());
  Listing listing;
  MH_ASSERT_OK(reading.source->list(reading.folder, std::nullopt, listing));
  class Canceller final : public store::FetchSink {
   public:
    explicit Canceller(CancelToken& token) : token_(token) {}
    Status on_message(const store::FolderInfo&, const store::Item&, mail::Message) override {
      if (++calls == 3) token_.request();
      return {};
    }
    Status on_failed(const store::FolderInfo&, const store::Item&, Error) override { return ++calls, Status{}; }
    Status on_vanished(const store::FolderInfo&, const store::Item&) override { return ++calls, Status{}; }
    std::size_t calls = 0;

   private:
    CancelToken& token_;
  } canceller(reading.world.cancel());
  const Status status = reading.source->fetch(batches_of(reading.folder, listing.items, 100), canceller);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::interrupted) << status.error().what;
  EXPECT_LT(canceller.calls, 100U);
}

}  // namespace

SourceCases source_cases() {
  return {{"Each_item_comes_once", {}, each_item_once},
          {"Octets_and_meta_are_what_the_place_holds", {}, octets_and_meta_are_what_was_planted},
          {"An_unknown_key_fails_alone", {}, unknown_key_fails_alone},
          {"A_vanished_message_fails_alone", {}, vanished_message_fails_alone},
          {"An_error_of_the_sink_stops_at_once", {}, sink_error_stops},
          {"Reading_leaves_the_place_as_it_was", {}, nothing_is_touched},
          {"Keys_and_order_are_stable_over_sessions", {}, keys_are_stable},
          {"What_cannot_be_read_is_told_and_the_rest_comes", cannot_be_spoilt, spoilt_mail_is_told},
          {"Twenty_thousand_messages_need_bounded_memory", {}, twenty_thousand},
          {"Cancel_stops_a_fetch", {}, cancel_stops_a_fetch}};
}

}  // namespace mailhaul::conformance
