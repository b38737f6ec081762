// Delivers as the pipeline does: watermark, batch, flush; after a failure find_since() and only what is missing.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "conformance/suite.hpp"

namespace mailhaul::conformance {

/// One message on its way, under one ticket for all attempts.
struct Parcel {
  store::Ticket ticket;
  mail::Message message;
};

[[nodiscard]] Parcel parcel(std::uint64_t counter, std::string octets, mail::Meta meta = {});
[[nodiscard]] store::Wanted wanted_of(const Parcel& parcel);

/// Remembers what a ledger would: acks, watermark, refusals. Survives the target that dies.
class Shipper final : public store::AckSink {
 public:
  void on_ack(const store::Ack& ack) override;

  /// Sends all in batches. A submit refused for its message alone is remembered and passed over; any other Error ends
  /// it and is returned.
  Status ship(store::Target& target, const mail::FolderPath& folder, std::span<const Parcel> parcels,
              std::size_t batch = 64);
  /// The same into another folder than before: a watermark belongs to one folder.
  Status ship_alone(store::Target& target, const mail::FolderPath& folder, std::span<const Parcel> parcels) {
    have_watermark_ = false;
    return ship(target, folder, parcels);
  }
  /// After a crash or an Error: looks for what has no Ack, then sends what was not found.
  Status resume(store::Target& target, const mail::FolderPath& folder, std::span<const Parcel> parcels,
                std::size_t batch = 64);

  [[nodiscard]] bool stored(const store::Ticket& ticket) const;   ///< acked, or found by resume()
  [[nodiscard]] bool refused(const store::Ticket& ticket) const;  ///< by an Ack or by submit()
  [[nodiscard]] std::size_t acks_of(const store::Ticket& ticket) const;
  [[nodiscard]] const store::Stored* stored_of(const store::Ticket& ticket) const;
  [[nodiscard]] std::size_t stored_count() const;
  [[nodiscard]] const std::vector<store::Match>& matches() const { return matches_; }
  [[nodiscard]] const std::vector<Error>& message_errors() const { return message_errors_; }

 private:
  std::map<store::Ticket, std::vector<store::Ack>> acks_;
  std::map<store::Ticket, bool> turned_away_;
  std::map<store::Ticket, bool> adopted_;
  std::vector<store::Match> matches_;
  std::vector<Error> message_errors_;
  std::string watermark_;
  bool have_watermark_ = false;
};

/// Multisets of EIDs as texts.
[[nodiscard]] std::multiset<std::string> eids_of(const std::vector<Kept>& kept);
[[nodiscard]] std::multiset<std::string> eids_of(std::span<const Parcel> parcels);

}  // namespace mailhaul::conformance
