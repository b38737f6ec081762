// One run of `copy`: recover, list, read, decide, deliver, account.
#pragma once

#include <deque>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger/ledger.hpp"
#include "ledger/pending.hpp"
#include "ledger/place.hpp"
#include "pipeline/account.hpp"
#include "pipeline/delivery.hpp"
#include "pipeline/doubts.hpp"
#include "pipeline/fetch_queue.hpp"
#include "pipeline/folder_map.hpp"
#include "pipeline/jobs.hpp"
#include "pipeline/lanes.hpp"
#include "pipeline/patience.hpp"
#include "pipeline/places.hpp"
#include "pipeline/target_index.hpp"

namespace mailhaul::pipeline {

/// Used once. Lives on the run's main thread; a second thread only reads the source into a queue.
class CopyRun {
 public:
  CopyRun(const Job& job, Observer& observer);
  Report run();

 private:
  /// What the run knows of one selected source folder.
  struct FolderState {
    ledger::SourceFolder known;
    bool unchanged = false;    ///< its state tells that no listing is needed
    std::string listed_state;  ///< to be remembered when everything in it is done
    TargetFolder* target = nullptr;
    std::optional<Error> broken;  ///< its messages cannot be delivered
  };

  // copy_run.cpp: the steps
  Status execute();
  Status prepare();
  Status plan_folders();
  Status plan_listings();
  [[nodiscard]] static std::optional<std::string> since_of(const FolderState& state);
  Status list_folder(std::uint32_t index);
  Status count_known(std::uint32_t index);
  void note_gone(const std::string& folder, std::uint64_t count, bool all_renamed);
  [[nodiscard]] bool reconsider(ledger::Done done) const;
  Status transfer();
  /// Reads what is in the table on a thread of its own and delivers it. `numbers` are the account's, by the table's; empty
  /// when they are the same.
  Status read_and_deliver(ledger::PendingTable& pending, const std::vector<std::uint64_t>& numbers);
  Status take_from(FetchQueue& queue);
  Status finish_deliveries();
  Status settle_leftovers();
  void finish();
  void progress(Progress::Phase phase, const std::string& folder = {});
  /// Remembers on which side an Error arose, for the exit code.
  Status on(Side side, Status status);

  // copy_target.cpp: the target's side
  void begin_opening(const std::string& ledger_path);
  Result<std::unique_ptr<store::Source>> target_as_source();
  Status open_target();
  Result<std::unique_ptr<Lanes>> begin_lanes();
  Result<std::unique_ptr<store::Target>> new_target();
  [[nodiscard]] store::OpenOptions target_options() const;
  void share_folders();
  [[nodiscard]] bool plans_ahead() const;
  Status index_whole_target();
  Status recover();
  Status recover_folder(ledger::RowId folder, const std::vector<ledger::Intent>& intents);
  Status open_folder(std::uint32_t index);
  Result<TargetFolder*> folder_of(const store::FolderHandle& handle);
  TargetFolder* opened_folder(ledger::RowId id);

  // copy_settle.cpp: lost sessions of the target, deliveries in doubt
  /// Which sessions are idle: the writing one, also the one that reads the target, or the source's too.
  enum class Alive { target, both_targets, all_but_index, all };
  void keep_alive(Alive who);
  Status reopen_target(const Error& why);
  Status bury_session(const Error& why);
  void doubt(std::vector<Delivery> deliveries);
  Status look_into(const std::set<ledger::RowId>& folders);
  Status look_into(TargetFolder& folder);
  void give_up_folder(TargetFolder& folder, const Error& error);
  Status arrived(TargetFolder& folder, Doubt doubt, const store::Key& key);
  Status did_not_arrive(TargetFolder& folder, std::list<Doubt>::iterator doubt);
  static Delivery delivery_of(const Doubt::Listed& listed);
  Status settle_doubts();
  Status deliver_late();
  Status leave_doubts();

  // copy_decide.cpp: one message
  Status handle(Fetched fetched);
  Status decide(Delivery delivery);
  Status commit_now_and_then();
  Status adopt(const Delivery& delivery, const ledger::Content& content);
  Status note_twin(const Delivery& delivery, const ledger::Content& content, bool loose);
  Status add_twin_flags(const Delivery& delivery, const ledger::Content& content);
  Status settled(Delivered delivered);
  Status work_off();
  Status settle(const Delivery& delivery, Outcome outcome, std::string reason, std::string target_key = {},
                std::string twin = {});
  Status end_superseded(const Delivery& delivery);
  [[nodiscard]] bool date_excludes(const mail::Meta& meta) const;

  static constexpr int kAttempts = 3;  ///< of one message

  const Job& job_;
  const JobOptions& options_;
  Observer& observer_;
  NoteCollector notes_;
  store::Services services_;        ///< the job's, with our notes
  CancelToken index_cancel_;        ///< ends the opening of the target's reading session alone
  store::Services index_services_;  ///< ours, with the spool that keeps facts only
  Report report_;
  Account account_;
  Side error_side_ = Side::none;
  Progress progress_;

  const store::Descriptor* source_descriptor_ = nullptr;
  const store::Descriptor* target_descriptor_ = nullptr;
  Identities identities_;
  store::Caps target_caps_;
  std::unique_ptr<ledger::PairLock> lock_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<store::Source> source_;
  std::unique_ptr<store::Source> target_source_;
  std::future<Result<std::unique_ptr<store::Source>>> opening_;  ///< of target_source_, while the source is opened
  std::unique_ptr<Lanes> early_lanes_;                           ///< of target_, likewise
  std::unique_ptr<TargetIndex> index_;
  std::unique_ptr<Deliverer> deliverer_;
  std::unique_ptr<store::Target> target_;
  Lanes* lanes_ = nullptr;                              ///< `target_`, when it has several sessions
  std::vector<std::vector<store::FolderWish>> shares_;  ///< of each session

  FolderMap map_;
  std::vector<FolderState> states_;
  std::vector<const store::FolderInfo*> source_folders_;
  std::unique_ptr<ledger::PendingTable> pending_;
  std::map<std::string, std::unique_ptr<TargetFolder>> target_folders_;  ///< by the target's own spelling
  bool reading_ = false;       ///< another thread has the source
  bool intents_left_ = false;  ///< a dry run asks nobody
  std::uint64_t uncommitted_ = 0;
  std::uint64_t handed_over_ = 0;  ///< octets to be delivered

  SteadyTime start_, pumped_{};
  BackOff target_back_off_;
  unsigned fruitless_ = 0;        ///< sessions of the target in a row that stored nothing
  bool target_progress_ = false;  ///< the present session of the target stored something
  Doubts doubts_;
  bool doubts_changed_ = false;   ///< since the twins that wait for them were looked at
  std::vector<Doubt> late_;       ///< of an earlier run, and did not arrive: to be read and delivered
  std::map<std::uint64_t, std::vector<store::Ticket>> superseded_;  ///< by number: their tickets
  std::deque<Delivery> twins_of_doubts_;
  std::vector<Delivery> taken_back_;  ///< never left before the session was lost

  std::deque<Delivery> parked_;    ///< twins of messages under way
  std::uint64_t parked_octets_ = 0;
  std::deque<Delivery> to_retry_;  ///< refused, but another try can help
  std::optional<Error> fatal_;     ///< a refusal that ends the run
};

}  // namespace mailhaul::pipeline
