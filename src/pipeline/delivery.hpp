// Delivering in batches so that a crash at any moment loses and doubles nothing: watermark and intents are synced, then
// the messages are submitted, and only durable acks become deliveries (docs/design/durability.md).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ledger/ledger.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// An opened folder of the target.
struct TargetFolder {
  store::FolderHandle handle;
  ledger::RowId id = 0;
  std::string watermark;       ///< as the ledger has it
  std::uint64_t in_doubt = 0;  ///< deliveries of this run that never got an ack
};

/// One message on its way.
struct Delivery {
  std::uint64_t number = 0;
  std::uint32_t folder = 0;  ///< index in the account
  ledger::RowId source_folder = 0;
  std::string key;
  mail::Message message;
  std::optional<Digest> loose_key;
  TargetFolder* target = nullptr;
  store::Ticket ticket;
  int attempts = 0;
};

/// How a delivery ended, after the ledger knows it durably.
struct Delivered {
  Delivery delivery;
  store::Ack ack;  ///< Stored or Refused
};

/// One thread. After an Error the run must end; what has no ack stays an intent in the ledger. `settled` must not call
/// the deliverer.
class Deliverer final : public store::AckSink {
 public:
  using Settled = std::function<Status(Delivered)>;
  using UpdateDone = std::function<void(const store::Ack&)>;

  Deliverer(ledger::Ledger& ledger, Settled settled) : ledger_(ledger), settled_(std::move(settled)) {}
  void set_target(store::Target* target) { target_ = target; }
  void set_update_done(UpdateDone done) { update_done_ = std::move(done); }

  /// Takes a delivery into the present batch; sends the batch when it is full or belongs to another folder.
  Status add(Delivery delivery);
  /// Sends the present batch, however small (the reader has nothing just now).
  Status send();
  /// Sends, flushes and records until nothing is under way.
  Status drain();
  /// Records in the ledger what acks there are, in one transaction.
  Status record();
  /// Adds flags and keywords of a twin to the message that stands for it.
  Status update(const TargetFolder& folder, const store::Key& key, const store::MetaChange& change);

  /// Whether a message with this digest (NID or loose key) is under way to the folder (0: to any).
  [[nodiscard]] bool under_way(ledger::RowId target_folder, const Digest& digest) const;
  [[nodiscard]] std::size_t unanswered() const { return unanswered_.size() + batch_.size(); }
  /// What never got an ack; call when the run ends.
  [[nodiscard]] std::vector<Delivery> take_unanswered();

  void on_ack(const store::Ack& ack) override;

 private:
  Result<bool> announce();
  Status submit_batch();
  Status record_answers(const std::vector<Delivered>& answers);
  Status tell(std::vector<Delivered> answers);
  Status record_stored(const Delivery& delivery, const store::Stored& stored);
  void mark_under_way(const Delivery& delivery, int change);

  ledger::Ledger& ledger_;
  Settled settled_;
  UpdateDone update_done_;
  store::Target* target_ = nullptr;
  std::vector<Delivery> batch_;
  std::uint64_t batch_octets_ = 0, unanswered_octets_ = 0;
  std::map<store::Ticket, Delivery> unanswered_;
  std::vector<Delivered> answered_;  ///< acks not yet in the ledger
  std::map<store::Ticket, bool> updates_;
  std::map<std::pair<ledger::RowId, Digest>, int> digests_under_way_;
};

}  // namespace mailhaul::pipeline
