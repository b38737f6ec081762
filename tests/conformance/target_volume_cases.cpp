// Targets: many small messages, and few huge ones, in bounded memory.
#include <algorithm>

#include "conformance/bench.hpp"
#include "sanitizers.hpp"

namespace mailhaul::conformance {

namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
// The promise of a whole run is 64 MiB and 24 MiB (durability.md 2.11); a target alone must do with the first.
constexpr std::uint64_t kCeiling = 64 * kMiB;

/// Growth of the process's peak over a piece of work; nullopt where it cannot be measured.
class PeakGrowth {
 public:
  PeakGrowth() : able_(!kSanitized && reset_peak_memory()), before_(peak_memory().value_or(0)) {}
  [[nodiscard]] std::optional<std::uint64_t> octets() const {
    const auto now = peak_memory();
    if (!able_ || !now) return std::nullopt;
    return *now - std::min(*now, before_);
  }

 private:
  bool able_;
  std::uint64_t before_;
};

void ten_thousand_small(const TargetSubject& subject) {
  constexpr std::uint64_t kCount = 10'000;
  Bench bench(subject, Ground::disk);
  MH_ASSERT_OK(bench.open());
  const PeakGrowth growth;
  std::multiset<std::string> expected;
  for (std::uint64_t first = 1; first <= kCount; first += 500) {
    std::vector<Parcel> parcels;
    for (std::uint64_t i = first; i < first + 500; ++i) {
      auto content = spooled_message(bench.world->spool(), i, 500);
      MH_ASSERT_OK(content);
      parcels.push_back({ticket_of(i), {*content, {}}});
    }
    expected.merge(eids_of(parcels));
    MH_ASSERT_OK(bench.ship(parcels));
  }
  EXPECT_LE(bench.world->budget().peak(), 8 * kMiB);
  EXPECT_EQ(bench.world->budget().used(), 0U) << "contents are kept after their Ack";
  const auto grown = growth.octets();
  if (grown && !subject.holds_mail_in_memory) {
    EXPECT_LE(*grown, kCeiling);
  }
  EXPECT_EQ(bench.shipper.stored_count(), kCount);
  bench.target.reset();
  EXPECT_EQ(eids_of(read_back(*bench.harness)), expected);
}

void five_huge(const TargetSubject& subject) {
  constexpr std::uint64_t kSize = 64 * kMiB;
  Bench bench(subject, Ground::disk);
  MH_ASSERT_OK(bench.open());
  const PeakGrowth growth;
  std::vector<Parcel> parcels;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    auto content = spooled_message(bench.world->spool(), i, kSize);
    MH_ASSERT_OK(content);
    parcels.push_back({ticket_of(i), {*content, {}}});
  }
  EXPECT_EQ(bench.world->spool().spilled(), 5U);
  MH_ASSERT_OK(bench.ship(parcels, 2));
  EXPECT_LE(bench.world->budget().peak(), 8 * kMiB);
  if (const auto grown = growth.octets()) {
    EXPECT_LE(*grown, kCeiling) << "a huge message was held whole";
  }
  for (const Parcel& one : parcels) EXPECT_TRUE(bench.shipper.stored(one.ticket));
  bench.target.reset();
  EXPECT_EQ(eids_of(read_back(*bench.harness)), eids_of(parcels));
}

Reason keeps_mail_in_memory(const TargetSubject& subject) {
  if (subject.holds_mail_in_memory) return "the place itself is memory";
  return std::nullopt;
}

}  // namespace

TargetCases target_volume_cases() {
  return {{"Ten_thousand_small_messages_need_bounded_memory", {}, ten_thousand_small},
          {"Five_huge_messages_need_bounded_memory", keeps_mail_in_memory, five_huge}};
}

}  // namespace mailhaul::conformance
