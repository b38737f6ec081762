// Targets: power loss and disk faults at every changing call. What was acked is there; what was not is whole or absent,
// and find_since() tells which, so that a resumed run ends with every message exactly once.
#include <algorithm>
#include <chrono>
#include <thread>

#include "conformance/bench.hpp"
#include "sanitizers.hpp"

namespace mailhaul::conformance {

namespace {

constexpr std::uint64_t kSeeds = 31;  // 0 drops all that was not synced, 1 keeps all, others mix
constexpr std::size_t kBatch = 3;

/// Two batches: twins, a message full of "From ", one of several blocks of 512 octets, one without final newline.
std::vector<Parcel> crash_parcels() {
  const std::string twin = sample_message(1, 700);
  mail::Meta meta;
  meta.flags.set(mail::Flags::seen);
  meta.keywords = {"Work"};
  meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(1'000'000'000)), std::nullopt};
  return {parcel(1, twin, meta), parcel(2, "Subject: from\n\nFrom a\n>From b\n\nFrom c\nno newline at the end", meta),
          parcel(3, sample_message(3, 2500)), parcel(4, twin, meta), parcel(5, sample_message(5, 300))};
}

/// How many changing calls the whole scenario makes.
std::uint64_t count_calls(const TargetSubject& subject, const std::vector<Parcel>& parcels) {
  Bench bench(subject);
  EXPECT_TRUE(bench.open().ok());
  const Status shipped = bench.ship(parcels, kBatch);
  EXPECT_TRUE(shipped.ok()) << shipped.error().what;
  bench.target.reset();
  EXPECT_EQ(eids_of(read_back(*bench.harness)), eids_of(parcels));
  return bench.harness->calls();
}

/// Runs the scenario until the fault ends it. The bench then holds the place and what a ledger would know.
Status run_into(Bench& bench, const std::vector<Parcel>& parcels, std::uint64_t call, files::Fault fault) {
  bench.harness->arm(call, fault);
  Status status = bench.open();
  if (status.ok()) status = bench.ship(parcels, kBatch);
  bench.target.reset();
  bench.harness->disarm();
  return status;
}

/// Every message that a reader sees is one of ours, whole, and none is there more often than it was sent.
void expect_no_part(const std::vector<Kept>& kept, const std::vector<Parcel>& parcels) {
  const auto sent = eids_of(parcels), found = eids_of(kept);
  for (const std::string& eid : found) EXPECT_LE(found.count(eid), sent.count(eid)) << "a part, or twice";
}

void expect_resume_completes(const TargetSubject& subject, std::unique_ptr<TargetHarness> place, Shipper shipper,
                             const std::vector<Parcel>& parcels) {
  ASSERT_NE(place, nullptr);
  Bench after(subject, std::move(place));
  if (!subject.torn_until_recovery) expect_no_part(read_back(*after.harness), parcels);
  after.shipper = std::move(shipper);
  MH_ASSERT_OK(after.open());
  MH_ASSERT_OK(after.shipper.resume(*after.target, subject.folder, parcels, kBatch));
  after.target.reset();
  for (const Parcel& one : parcels) EXPECT_TRUE(after.shipper.stored(one.ticket)) << one.ticket.counter;
  EXPECT_EQ(eids_of(read_back(*after.harness)), eids_of(parcels));
}

void crash_at_every_call(const TargetSubject& subject, files::Fault fault, const std::vector<std::uint64_t>& seeds) {
  const auto parcels = crash_parcels();
  const std::uint64_t calls = count_calls(subject, parcels);
  ASSERT_GE(calls, subject.fewest_crash_points) << "too few points to stop at";
  std::size_t adopted = 0, fired = 0;
  for (std::uint64_t call = 1; call <= calls; ++call) {
    Bench bench(subject);
    (void)run_into(bench, parcels, call, fault);  // how it ends is not asked of a dead process
    fired += bench.harness->fired() ? 1U : 0U;
    for (const std::uint64_t seed : seeds) {
      SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls) + ", seed " + std::to_string(seed));
      expect_resume_completes(subject, bench.harness->crash(seed), bench.shipper, parcels);
      if (testing::Test::HasFailure()) return;  // the first failing point is enough to look at
    }
    if (bench.shipper.stored_count() > 0) ++adopted;
  }
  EXPECT_GE(fired, calls * 3 / 4) << "the faults hardly ever struck";
  EXPECT_GE(adopted, 2U) << "no crash came after an Ack";
}

std::vector<std::uint64_t> all_seeds() {
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < enough_seeds(kSeeds); ++seed) seeds.push_back(seed);
  return seeds;
}

void crash_before(const TargetSubject& subject) { crash_at_every_call(subject, files::Fault::crash, all_seeds()); }
void crash_after(const TargetSubject& subject) {
  crash_at_every_call(subject, files::Fault::crash_after, {0, 1, 5, 9});
}
void torn_write(const TargetSubject& subject) { crash_at_every_call(subject, files::Fault::torn_write, {0, 1, 5, 9}); }

void crash_after_the_last_ack(const TargetSubject& subject) {
  const auto parcels = sample_parcels(20);
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  MH_ASSERT_OK(bench.ship(parcels, 6));
  for (std::uint64_t seed = 0; seed < enough_seeds(kSeeds); ++seed) {
    const auto after = bench.harness->crash(seed);
    ASSERT_NE(after, nullptr);
    EXPECT_EQ(eids_of(read_back(*after)), eids_of(parcels)) << "seed " << seed;
  }
}

/// A crash while recovering from a crash.
void crash_in_recovery(const TargetSubject& subject) {
  const auto parcels = crash_parcels();
  const std::uint64_t calls = count_calls(subject, parcels);
  std::size_t second_crashes = 0;
  for (std::uint64_t call = calls / 3; call <= calls; call += 2) {
    Bench first(subject);
    (void)run_into(first, parcels, call, files::Fault::crash);
    for (std::uint64_t again = 1; again <= calls; again += 1 + calls / 12) {
      SCOPED_TRACE("crash at " + std::to_string(call) + ", then at " + std::to_string(again));
      Bench second(subject, first.harness->crash(call));
      second.shipper = first.shipper;
      second.harness->arm(again, files::Fault::torn_write);
      Status status = second.open();
      if (status.ok()) status = second.shipper.resume(*second.target, subject.folder, parcels, kBatch);
      second.target.reset();
      second.harness->disarm();
      second_crashes += second.harness->fired() ? 1U : 0U;
      expect_resume_completes(subject, second.harness->crash(again), second.shipper, parcels);
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GE(second_crashes, subject.fewest_crash_points / 2);
}

/// One failing call that does not take the power: the error has its kind, and nothing acked is lost. At the end the
/// power goes too, to see that what was found again is durable.
void fault_at_every_call(const TargetSubject& subject, files::Fault fault, ErrorKind kind) {
  const auto parcels = crash_parcels();
  const std::uint64_t calls = count_calls(subject, parcels);
  std::size_t told = 0;
  for (std::uint64_t call = 1; call <= calls; ++call) {
    SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls));
    Bench bench(subject);
    const Status status = run_into(bench, parcels, call, fault);
    if (!status.ok()) {
      EXPECT_EQ(status.error().kind, kind) << status.error().what;
      ++told;
    }
    for (const Error& error : bench.shipper.message_errors()) {
      EXPECT_EQ(error.kind, kind) << error.what;
      ++told;
    }
    MH_ASSERT_OK(bench.open());
    MH_ASSERT_OK(bench.shipper.resume(*bench.target, subject.folder, parcels, kBatch));
    bench.target.reset();
    EXPECT_EQ(eids_of(read_back(*bench.harness)), eids_of(parcels));
    const auto after = bench.harness->crash(0);
    ASSERT_NE(after, nullptr);
    EXPECT_EQ(eids_of(read_back(*after)), eids_of(parcels)) << "found again, but not durable";
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GE(told, calls / 2) << "most faults went unnoticed";
}

void disk_full(const TargetSubject& subject) {
  fault_at_every_call(subject, files::Fault::no_space, ErrorKind::no_space);
}
void disk_broken(const TargetSubject& subject) {
  fault_at_every_call(subject, files::Fault::io_error, ErrorKind::damage);
}

void folder_vanishes(const TargetSubject& subject) {
  Bench bench(subject, Ground::disk);
  MH_ASSERT_OK(bench.open());
  const auto before = sample_parcels(3);
  MH_ASSERT_OK(bench.ship(before));
  bench.harness->vanish(subject.folder);
  ASSERT_EQ(read_back(*bench.harness).size(), 0U) << "the test could not take the folder away";
  const auto later = sample_parcels(3, 400, 100);
  const Status status = bench.shipper.ship_alone(*bench.target, subject.folder, later);
  bench.target.reset();
  const auto there = eids_of(read_back(*bench.harness));
  std::multiset<std::string> acked;
  for (const Parcel& one : later) {
    if (bench.shipper.stored(one.ticket)) acked.insert(*eids_of(std::span(&one, 1)).begin());
  }
  EXPECT_TRUE(std::includes(there.begin(), there.end(), acked.begin(), acked.end()))
      << "acked into a folder that is gone";
  if (status.ok()) {
    for (const Parcel& one : later) {
      EXPECT_TRUE(bench.shipper.stored(one.ticket) || bench.shipper.refused(one.ticket)) << "no verdict";
    }
  } else {
    EXPECT_NE(status.error().kind, ErrorKind::bug) << status.error().what;
    EXPECT_NE(status.error().what, "");
  }
}

/// The folder goes between watermark and flush, with messages queued.
void folder_vanishes_in_a_batch(const TargetSubject& subject) {
  Bench bench(subject, Ground::disk);
  MH_ASSERT_OK(bench.open());
  MH_ASSERT_OK(bench.ship(sample_parcels(1)));
  auto folder = bench.target->open_folder(subject.folder, mail::Role::none);
  MH_ASSERT_OK(folder);
  MH_ASSERT_OK(bench.target->watermark(*folder));
  const auto later = sample_parcels(2, 400, 100);
  Status status = bench.target->submit(*folder, later[0].ticket, later[0].message);
  bench.harness->vanish(subject.folder);
  if (status.ok()) status = bench.target->submit(*folder, later[1].ticket, later[1].message);
  if (status.ok()) status = bench.target->flush();
  bench.target.reset();
  const auto there = eids_of(read_back(*bench.harness));
  for (const Parcel& one : later) {
    if (!bench.shipper.stored(one.ticket)) continue;
    EXPECT_TRUE(there.contains(*eids_of(std::span(&one, 1)).begin())) << "acked into a folder that is gone";
  }
}

void two_targets(const TargetSubject& subject) {
  const auto harness = subject.make(Ground::disk);
  constexpr std::uint64_t kEach = 60;
  struct Side {
    std::unique_ptr<World> world;
    Shipper shipper;
    std::vector<Parcel> parcels;
    Status status;
  };
  std::vector<Side> sides(2);
  for (std::size_t i = 0; i < 2; ++i) {
    sides[i].world = std::make_unique<World>(harness->fs(), 8U << 20U, i + 1);
    sides[i].parcels = sample_parcels(kEach, 600, 1 + i * 1000);
  }
  std::vector<std::thread> threads;
  for (Side& side : sides) {
    threads.emplace_back([&side, &harness, &subject] {
      auto target = harness->open(side.world->services(), side.shipper);
      side.status = target.ok() ? side.shipper.ship(**target, subject.folder, side.parcels, 10) : target.error();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto there = eids_of(read_back(*harness));
  std::size_t finished = 0;
  for (const Side& side : sides) {
    if (side.status.ok()) ++finished;
    if (!side.status.ok()) {
      EXPECT_EQ(side.status.error().kind, ErrorKind::locked) << side.status.error().what;
    }
    for (const Parcel& one : side.parcels) {
      EXPECT_EQ(there.count(*eids_of(std::span(&one, 1)).begin()), side.shipper.stored(one.ticket) ? 1U : 0U);
    }
  }
  EXPECT_GE(finished, 1U);
}

void cancel_in_a_large_message(const TargetSubject& subject) {
  using namespace std::chrono_literals;
  Bench bench(subject, Ground::disk);
  MH_ASSERT_OK(bench.open());
  auto parcels = sample_parcels(5);
  auto content = spooled_message(bench.world->spool(), 7, 64U << 20U);
  MH_ASSERT_OK(content);
  std::chrono::steady_clock::time_point asked;
  std::uint64_t furthest = 0;
  parcels[3].message.content = std::make_shared<WatchedContent>(*content, [&](std::uint64_t offset) -> Status {
    furthest = std::max(furthest, offset);
    if (offset < 1U << 20U || bench.world->cancel().requested()) return {};
    asked = std::chrono::steady_clock::now();
    bench.world->cancel().request();
    return {};
  });
  const Status status = bench.ship(parcels);
  const auto waited = std::chrono::steady_clock::now() - asked;
  ASSERT_TRUE(bench.world->cancel().requested()) << "the large message was never read";
  EXPECT_LT(furthest, 4U << 20U) << "went on reading after the cancel";
  EXPECT_LT(waited, 1s);
  ASSERT_FALSE(status.ok()) << "went on after the cancel";
  EXPECT_EQ(status.error().kind, ErrorKind::interrupted) << status.error().what;
  bench.target.reset();
  Bench next(subject, std::move(bench.harness));  // a later run: the token is its own
  next.shipper = bench.shipper;
  parcels[3].message.content = *content;
  MH_ASSERT_OK(next.open());
  MH_ASSERT_OK(next.shipper.resume(*next.target, subject.folder, parcels));
  next.target.reset();
  EXPECT_EQ(eids_of(read_back(*next.harness)), eids_of(parcels));
}

Reason keeps_power(const TargetSubject& subject) {
  if (subject.keeps_power.empty()) return std::nullopt;
  return subject.keeps_power;
}

}  // namespace

TargetCases target_fault_cases() {
  return {{"A_crash_before_any_call_loses_nothing_and_doubles_nothing", keeps_power, crash_before},
          {"A_crash_after_any_call_loses_nothing_and_doubles_nothing", keeps_power, crash_after},
          {"A_torn_write_loses_nothing_and_doubles_nothing", keeps_power, torn_write},
          {"A_crash_in_recovery_loses_nothing_and_doubles_nothing", keeps_power, crash_in_recovery},
          {"Power_loss_after_the_last_ack_loses_nothing", keeps_power, crash_after_the_last_ack},
          {"A_full_disk_at_any_call_is_told_and_loses_nothing", keeps_power, disk_full},
          {"A_disk_error_at_any_call_is_told_and_loses_nothing", keeps_power, disk_broken},
          {"A_folder_that_vanishes_takes_no_ack_with_it", {}, folder_vanishes},
          {"A_folder_that_vanishes_in_a_batch_takes_no_ack_with_it", {}, folder_vanishes_in_a_batch},
          {"Two_targets_on_one_place_lose_nothing", {}, two_targets},
          {"Cancel_stops_within_a_second_and_leaves_no_part", {}, cancel_in_a_large_message}};
}

}  // namespace mailhaul::conformance
