// Delivering in batches so that a crash at any moment loses and doubles nothing: watermark and intents are synced, then
// the messages are submitted, and only durable acks become deliveries (docs/design/durability.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "ledger/ledger.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// An opened folder of the target.
struct TargetFolder {
  store::FolderHandle handle;
  ledger::RowId id = 0;
  std::string watermark;        ///< as the ledger has it; what is in doubt lies above it
  std::uint64_t in_doubt = 0;   ///< deliveries without a verdict: as long as there are any, the watermark stays
  bool watermark_stays = false; ///< one in doubt was sent again: what may still arrive of the first try lies above it
  std::uint64_t session = 0;    ///< the one that `handle` belongs to
  bool alters = false;          ///< it was seen to hold other octets than were sent: an EID that is missing proves nothing
  bool adopted = false;         ///< what it held before is known
  std::optional<Error> broken;  ///< it is not the folder that it was
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
  unsigned deaths = 0;    ///< sessions that ended at it without any progress
  bool in_doubt = false;  ///< the verdict was InDoubt; a later one may come as long as the session lives
  /// Earlier tries that were waited for in vain. Their intents go when the next try is announced, or the message ends.
  std::vector<store::Ticket> superseded;
};

/// Which contents are on their way, by NID and loose key, in one folder and in any (0).
class DigestMarks {
 public:
  void mark(ledger::RowId folder, const Digest& nid, const std::optional<Digest>& loose, int change);
  [[nodiscard]] bool has(ledger::RowId folder, const Digest& digest) const {
    return counts_.count({folder, digest}) != 0;
  }

 private:
  std::map<std::pair<ledger::RowId, Digest>, int> counts_;
};

/// How a delivery ended, after the ledger knows it durably.
struct Delivered {
  Delivery delivery;
  store::Ack ack;  ///< Stored or Refused
};

/// One thread. After an Error the run must end; what has no ack stays an intent in the ledger. `settled` must not call
/// the deliverer. A target whose session is lost is replaced by `reconnect` in the midst of a call, which then goes on:
/// callers never hear of it.
class Deliverer final : public store::AckSink {
 public:
  using Settled = std::function<Status(Delivered)>;
  using UpdateDone = std::function<void(const store::Ack&)>;
  /// Puts another session in the place of the one that ended with this Error; takes what is in doubt, and calls record().
  using Reconnect = std::function<Status(const Error& why)>;

  Deliverer(ledger::Ledger& ledger, const Clock& clock, Settled settled)
      : ledger_(ledger), clock_(clock), settled_(std::move(settled)) {}
  void set_target(store::Target* target);
  /// How many sessions at work at the same time the target has: each may have its share under way. Unsaid: it works
  /// on this thread.
  void set_sessions(std::size_t sessions) { sessions_ = sessions; }
  void set_reconnect(Reconnect reconnect) { reconnect_ = std::move(reconnect); }
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
  Status update(TargetFolder& folder, const store::Key& key, const store::MetaChange& change);
  /// Before what the ledger knows of twins is made durable, their flags are.
  Status settle_updates();
  /// Updates that nobody will make any more.
  [[nodiscard]] std::size_t open_updates() const { return updates_.size(); }
  /// Asks a new session for the updates that the last one did not answer: to do one twice does no harm. `counts`: the
  /// session ended otherwise than by a pause that the server asked for.
  Status repeat_updates(bool counts);

  /// Makes a call of the target until no loss of a session gets in its way.
  Status steadily(const std::function<Status(store::Target&)>& call);
  /// Gives the folder a handle of the present session. Error: identity, when it is not the folder that it was.
  Status refresh(TargetFolder& folder);
  /// The same with a handle that was got just now.
  Status take_handle(TargetFolder& folder, store::FolderHandle handle);
  [[nodiscard]] std::uint64_t session() const { return session_; }

  /// Whether a message with this digest (NID or loose key) is under way to the folder (0: to any).
  [[nodiscard]] bool under_way(ledger::RowId target_folder, const Digest& digest) const {
    return under_way_.has(target_folder, digest);
  }
  /// Messages and updates whose verdict is still to come; those in doubt are not among them.
  [[nodiscard]] std::size_t unanswered() const {
    return open_deliveries() + batch_.size() + updates_.size();
  }
  enum class Which { in_doubt, all };
  /// What is in doubt, or (when the session is over) all that has no verdict. Nothing more will be heard of it here.
  [[nodiscard]] std::vector<Delivery> take_unanswered(Which which);

  void on_ack(const store::Ack& ack) override;

 private:
  [[nodiscard]] std::size_t open_deliveries() const { return unanswered_.size() - in_doubt_; }
  [[nodiscard]] bool is_complete() const;
  [[nodiscard]] bool is_full() const;
  Result<bool> announce();
  Status submit_batch();
  Status record_answers(const std::vector<Delivered>& answers);
  Status tell(std::vector<Delivered> answers);
  Status record_stored(const Delivery& delivery, const store::Stored& stored);
  Status drop_intents_of(const std::vector<Delivered>& answers);
  void mark_under_way(const Delivery& delivery, int change);

  struct Update {
    TargetFolder* folder = nullptr;
    store::Key key;
    store::MetaChange change;
    int attempts = 1;
    bool repeated = false;
  };

  ledger::Ledger& ledger_;
  const Clock& clock_;
  Settled settled_;
  UpdateDone update_done_;
  Reconnect reconnect_;
  std::uint64_t session_ = 0;
  std::size_t sessions_ = 0;
  store::Target* target_ = nullptr;
  bool is_local_ = false;  ///< the target has no server
  std::vector<Delivery> batch_;
  std::chrono::steady_clock::time_point batch_begun_;
  std::uint64_t batch_octets_ = 0, unanswered_octets_ = 0;
  std::map<store::Ticket, Delivery> unanswered_;
  std::vector<Delivered> answered_;  ///< acks not yet in the ledger
  std::size_t in_doubt_ = 0;         ///< of the unanswered
  std::map<store::Ticket, Update> updates_;
  DigestMarks under_way_;
};

}  // namespace mailhaul::pipeline
