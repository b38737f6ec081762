// A harness, its world and one open target: what most cases begin with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "conformance/shipper.hpp"
#include "conformance/suite.hpp"

#define MH_ASSERT_OK(expression)                             \
  do {                                                       \
    const auto& mh_checked = (expression);                   \
    ASSERT_TRUE(mh_checked.ok()) << mh_checked.error().what; \
  } while (false)

namespace mailhaul::conformance {

/// One place and the session that writes to it. Members die in the right order: target, world, harness.
struct Bench {
  explicit Bench(const TargetSubject& of, Ground ground = Ground::forgetful, std::uint64_t memory = 8U << 20U)
      : subject(of), harness(of.make(ground)), world(std::make_unique<World>(harness->fs(), memory)) {}
  /// The same subject on another ground: after a crash.
  Bench(const TargetSubject& of, std::unique_ptr<TargetHarness> other)
      : subject(of), harness(std::move(other)), world(std::make_unique<World>(harness->fs())) {}

  Status open() {
    target.reset();
    MH_TRY(target, harness->open(world->services(), shipper));
    return {};
  }
  Status ship(std::span<const Parcel> parcels, std::size_t batch = 64) {
    return shipper.ship(*target, subject.folder, parcels, batch);
  }

  TargetSubject subject;
  std::unique_ptr<TargetHarness> harness;
  std::unique_ptr<World> world;
  Shipper shipper;
  std::unique_ptr<store::Target> target;
};

/// What the independent reader sees, or a test failure.
inline std::vector<Kept> read_back(TargetHarness& harness) {
  auto kept = harness.read_back();
  if (kept.ok()) return std::move(kept).value();
  ADD_FAILURE() << kept.error().what;
  return {};
}

/// The kept message with the parcel's EID; fails the test when there is not exactly one.
inline Kept only_kept(const std::vector<Kept>& all, const Parcel& parcel) {
  std::vector<Kept> found;
  for (const Kept& one : all) {
    if (one.eid == parcel.message.content->facts().eid) found.push_back(one);
  }
  EXPECT_EQ(found.size(), 1U) << "message " << parcel.ticket.counter;
  return found.empty() ? Kept{} : found.front();
}

inline std::vector<Parcel> sample_parcels(std::uint64_t count, std::size_t octets = 400, std::uint64_t first = 1) {
  std::vector<Parcel> parcels;
  for (std::uint64_t i = 0; i < count; ++i) parcels.push_back(parcel(first + i, sample_message(first + i, octets)));
  return parcels;
}

}  // namespace mailhaul::conformance
