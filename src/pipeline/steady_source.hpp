// A source that outlives its sessions: a store's Source dies with its connection, this one opens another and goes on
// where the last one ended, so that whoever reads hears each message once and never of the loss.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "pipeline/patience.hpp"
#include "store/registry.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// One thread at a time, like every Source. Whether the folders are still the same after a loss is checked by the new
/// session: every call names the epoch.
class SteadySource final : public store::Source {
 public:
  /// Opens a session, and is told what came of those before it.
  using Open = std::function<Result<std::unique_ptr<store::Source>>(const store::Past&)>;
  /// `opened` may be null: then the first call opens, and its failure is final (only a loss is worth patience).
  /// `place` is for notes, `past` what was learnt before. `open` and `services` outlive this.
  SteadySource(std::unique_ptr<store::Source> opened, Open open, std::string place, Patience patience,
               store::Services& services, const store::Past& past = {});

  /// Of the first session; nothing is claimed before it is open.
  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  /// ListEnd is that of the session in which the listing ended.
  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string> since,
                              store::ItemSink& sink) override;
  Status expect_listings(std::vector<store::ListingWish> wishes) override;
  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override;
  /// A message at which sessions die without any progress is asked for alone, and fails when it kills that one too.
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override;
  /// A session that is found dead here is opened again when it is needed.
  Status pump(std::chrono::milliseconds until) override;

 private:
  /// Runs `call` on one session after the other until it ends otherwise than by a loss, or brings nothing too often.
  Status steadily(const std::function<Status(store::Source&)>& call);
  Status reopen();
  [[nodiscard]] std::vector<store::ListingWish> wishes() const { return {wishes_.begin(), wishes_.end()}; }
  void note_loss(const Error& why);

  std::unique_ptr<store::Source> source_;
  const Open open_;
  const std::string place_;
  store::Services& services_;
  BackOff back_off_;
  store::Caps caps_;
  std::deque<store::ListingWish> wishes_;  ///< not begun yet; told to each new session
  bool opened_ = false;
  bool caller_failed_ = false;  ///< the Error comes from the sink of the present call
  bool one_at_a_time_;  ///< for all sessions to come: the server stumbled over commands that left together
  unsigned losses_ = 0;
};

}  // namespace mailhaul::pipeline
