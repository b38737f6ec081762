// See lanes.hpp. One mutex guards all that passes between the threads; nobody calls a target or a sink under it.
#include "pipeline/lanes.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace mailhaul::pipeline {
namespace {

// A session with so much under way is asked for Acks: more would only be in doubt with it. How often that is looked at.
constexpr std::size_t kOpenMessages = 640, kEaseMessages = 64;
constexpr std::uint64_t kOpenOctets = 12ULL << 20, kEaseOctets = 4ULL << 20;
// So many folders are opened together, ahead of their mail: with CREATE, SUBSCRIBE and SELECT each they are two dozen
// commands at once, which servers take.
constexpr std::size_t kOpenTogether = 8;
// How long the first folder of a further lane waits for its session.
constexpr std::chrono::seconds kOpening{2};

bool ends_all(const Error& error) { return error.scope == Scope::session || error.scope == Scope::run; }

}  // namespace

struct Lanes::Shared {
  std::mutex mutex;
  std::condition_variable told;
  std::deque<store::Ack> acks;   ///< not handed over yet
  std::optional<Error> trouble;      ///< what ended the first session that ended
  std::optional<Error> flush_error;  ///< of the last flush

  /// Under the lock.
  void note_trouble(const Error& error) {
    if (ends_all(error) && !trouble) trouble = error;
  }
};

/// Stands for a session that could not be opened.
class Nobody final : public store::Target {
 public:
  explicit Nobody(Error why) : why_(std::move(why)) {}
  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>&) override { return why_; }
  Result<store::FolderHandle> open_folder(const mail::FolderPath&, mail::Role) override { return why_; }
  Result<std::string> watermark(const store::FolderHandle&) override { return why_; }
  Status submit(const store::FolderHandle&, const store::Ticket&, mail::Message) override { return why_; }
  Status find_since(const store::FolderHandle&, std::string_view, std::span<const store::Wanted>,
                    const std::function<Status(store::Match)>&) override {
    return why_;
  }
  Status flush() override { return why_; }
  Status pump(std::chrono::milliseconds) override { return why_; }

 private:
  const Error why_;
  const store::Caps caps_;
};

/// One session and its thread. Its public part is for the main thread, but for on_ack().
class Lanes::Lane final : public store::AckSink {
 public:
  Lane(const OpenTarget& open, std::size_t number, const store::Services& services, Shared& shared)
      : open_(open),
        number_(number),
        cancel_(&services.cancel),
        services_{services.clock,  services.fs,     services.spool,  cancel_,       services.events,
                  services.random, services.dialer, services.trace},
        shared_(shared),
        thread_([this] { run(); }) {}
  ~Lane() override {
    stop();
    thread_.join();
  }
  /// What is queued is never begun, and what is being opened is given up.
  void stop() {
    {
      const std::lock_guard lock(shared_.mutex);
      stopping_ = true;
      if (!opened_) cancel_.request();
    }
    wake_.notify_all();
  }

  /// The Error is what prevented it; nullopt: not open yet after that time.
  std::optional<Status> opened(std::chrono::seconds patience) {
    std::unique_lock lock(shared_.mutex);
    if (!shared_.told.wait_for(lock, patience, [this] { return opened_; })) return std::nullopt;
    return failure_ ? Status(*failure_) : Status();
  }
  [[nodiscard]] const store::Caps& caps() const { return target_->caps(); }

  /// Asks and waits for the answer; what was queued before comes first.
  template <typename T>
  T ask(const std::function<T(store::Target&)>& call) {
    std::optional<T> answer;
    post([&](store::Target& target) {
      T got = call(target);
      const std::lock_guard lock(shared_.mutex);
      if (!got.ok()) shared_.note_trouble(got.error());
      answer.emplace(std::move(got));
    });
    std::unique_lock lock(shared_.mutex);
    shared_.told.wait(lock, [&] { return answer.has_value(); });
    return std::move(*answer);
  }

  /// Queues what has a ticket. Whatever becomes of it is told as an Ack.
  void give(const store::Ticket& ticket, std::uint64_t octets, std::function<Status(store::Target&)> call) {
    {
      const std::lock_guard lock(shared_.mutex);
      open_tickets_.emplace(ticket, octets);
      open_octets_ += octets;
    }
    post([this, ticket, call = std::move(call)](store::Target& target) {
      const Status status = call(target);
      if (status.ok()) return;
      const std::lock_guard lock(shared_.mutex);
      // One that got its verdict before the call failed had been accepted.
      if (close(ticket)) shared_.acks.push_back({ticket, store::Refused{status.error()}});
      shared_.note_trouble(status.error());
    });
    given_octets_ += octets;
    if (++given_ < kEaseMessages && given_octets_ < kEaseOctets) return;
    given_ = 0;
    given_octets_ = 0;
    if (is_full()) begin(&store::Target::ease);
  }

  /// Queues a call that brings Acks, and does not wait for it.
  void begin(Status (store::Target::*call)()) {
    {
      const std::lock_guard lock(shared_.mutex);
      ++awaited_;
    }
    post([this, call](store::Target& target) {
      const Status status = (target.*call)();
      const std::lock_guard lock(shared_.mutex);
      --awaited_;
      if (status.ok()) return;
      shared_.note_trouble(status.error());
      shared_.flush_error = status.error();
    });
  }

  /// A session that is at work needs no keeping alive.
  void pump() {
    {
      const std::lock_guard lock(shared_.mutex);
      if (!opened_ || busy_ || !tasks_.empty()) return;
    }
    post([this](store::Target& target) {
      const Status status = target.pump(std::chrono::milliseconds(0));
      const std::lock_guard lock(shared_.mutex);
      if (!status.ok()) shared_.note_trouble(status.error());
    });
  }

  /// Under the lock: tickets without an Ack; whether something is queued or at work that may bring some.
  [[nodiscard]] std::size_t open_tickets() const { return open_tickets_.size(); }
  [[nodiscard]] bool is_awaited() const { return awaited_ != 0; }
  [[nodiscard]] bool is_at_work() const { return busy_ || !tasks_.empty(); }

  /// From now on folders of the plan are opened together, ahead of their mail.
  void set_plan(std::vector<store::FolderWish> plan) {
    plan_ = std::move(plan);
    for (std::size_t i = 0; i < plan_.size(); ++i) places_[plan_[i].path] = i;
    open_ahead();
  }

  struct Ready {
    Result<store::FolderHandle> handle;
    std::optional<std::string> watermark;
  };
  Ready open_folder(const store::FolderWish& wish) {
    const auto planned = places_.find(wish.path);
    if (planned == places_.end())
      return {ask<Result<store::FolderHandle>>([&](store::Target& target) { return target.open_folder(wish.path, wish.role); }),
              std::nullopt};
    const std::size_t index = planned->second;
    if (asked_.count(wish.path) == 0) ahead_ = index;
    if (ahead_ <= index + kOpenTogether / 2) open_ahead();
    asked_.erase(wish.path);
    std::unique_lock lock(shared_.mutex);
    shared_.told.wait(lock, [&] { return ready_.count(wish.path) != 0; });
    return std::move(ready_.extract(wish.path).mapped());
  }

  void on_ack(const store::Ack& ack) override {
    {
      const std::lock_guard lock(shared_.mutex);
      close(ack.ticket);
      shared_.acks.push_back(ack);
    }
    shared_.told.notify_all();
  }

 private:
  using Task = std::function<void(store::Target&)>;

  /// Under the lock. False: it had its verdict before.
  bool close(const store::Ticket& ticket) {
    const auto open = open_tickets_.find(ticket);
    if (open == open_tickets_.end()) return false;
    open_octets_ -= open->second;
    open_tickets_.erase(open);
    return true;
  }
  [[nodiscard]] bool is_full() {
    const std::lock_guard lock(shared_.mutex);
    return open_tickets_.size() >= kOpenMessages || open_octets_ >= kOpenOctets;
  }

  void post(Task task) {
    {
      const std::lock_guard lock(shared_.mutex);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_all();
  }

  void open_ahead() {
    std::vector<store::FolderWish> wishes;
    for (; ahead_ < plan_.size() && wishes.size() < kOpenTogether; ++ahead_) {
      if (asked_.insert(plan_[ahead_].path).second) wishes.push_back(plan_[ahead_]);
    }
    if (wishes.empty()) return;
    post([this, wishes = std::move(wishes)](store::Target& target) {
      auto handles = target.open_folders(wishes);
      for (std::size_t i = 0; i < wishes.size(); ++i) {
        Ready ready{std::move(handles[i]), std::nullopt};
        if (ready.handle.ok()) {
          // An Error is told to whoever asks for it again.
          if (auto mark = target.watermark(*ready.handle); mark.ok()) ready.watermark = std::move(mark).value();
        }
        const std::lock_guard lock(shared_.mutex);
        // The loss of the session; any other Error is told to whoever asks for the folder.
        if (!ready.handle.ok() && ready.handle.error().scope == Scope::session) shared_.note_trouble(ready.handle.error());
        ready_.insert_or_assign(wishes[i].path, std::move(ready));
      }
    });
  }

  void run() {
    auto opened = open_(number_, services_, *this);
    {
      const std::lock_guard lock(shared_.mutex);
      if (!opened.ok()) failure_ = opened.error();
      target_ = opened.ok() ? std::move(opened).value() : std::make_unique<Nobody>(opened.error());
      opened_ = true;
    }
    for (;;) {
      shared_.told.notify_all();
      Task task;
      {
        std::unique_lock lock(shared_.mutex);
        busy_ = false;
        if (tasks_.empty()) shared_.told.notify_all();
        wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (stopping_) break;
        task = std::move(tasks_.front());
        tasks_.pop_front();
        busy_ = true;
      }
      task(*target_);
    }
    target_.reset();
  }

  const OpenTarget& open_;
  const std::size_t number_;
  CancelToken cancel_;  ///< ends the opening of a lane that nobody wants any more
  store::Services services_;
  Shared& shared_;
  std::condition_variable wake_;
  // the main thread's
  std::vector<store::FolderWish> plan_;
  std::map<mail::FolderPath, std::size_t> places_;  ///< in it
  std::size_t ahead_ = 0;              ///< of the plan: the first that was not asked for
  std::set<mail::FolderPath> asked_;   ///< and not taken yet
  std::size_t given_ = 0;              ///< since it was looked how much is open
  std::uint64_t given_octets_ = 0;
  // under the mutex
  std::deque<Task> tasks_;
  std::map<store::Ticket, std::uint64_t> open_tickets_;  ///< and their octets
  std::map<mail::FolderPath, Ready> ready_;
  std::uint64_t open_octets_ = 0;
  std::size_t awaited_ = 0;  ///< calls of begin()
  bool busy_ = false, opened_ = false, stopping_ = false;
  std::optional<Error> failure_;
  std::unique_ptr<store::Target> target_;  ///< the lane's own once it is open; its caps do not change
  std::thread thread_;                     ///< begins when all the others are there
};

Lanes::Lanes(OpenTarget open, const store::Services& services)
    : open_(std::move(open)), services_(services), shared_(std::make_unique<Shared>()) {
  lanes_.push_back(std::make_unique<Lane>(open_, 1, services_, *shared_));
  used_.push_back(lanes_.front().get());
}

/// All of them say goodbye at the same time.
Lanes::~Lanes() {
  for (const auto& lane : lanes_) lane->stop();
}

Status Lanes::opened(store::AckSink& acks) {
  acks_ = &acks;
  std::optional<Status> opened;
  while (!opened) opened = lanes_.front()->opened(kOpening);
  if (opened->ok()) caps_ = lanes_.front()->caps();
  return *opened;
}

void Lanes::share(std::vector<std::vector<store::FolderWish>> lanes, bool ahead) {
  opens_ahead_ = ahead;
  while (lanes_.size() < lanes.size())
    lanes_.push_back(std::make_unique<Lane>(open_, lanes_.size() + 1, services_, *shared_));
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    for (const auto& wish : lanes[i]) planned_[wish.path] = i;
    plans_.push_back(std::move(lanes[i]));
  }
}

/// The first folder of a lane decides whether there is one. To be without it costs time and nothing else.
Lanes::Lane& Lanes::lane_of(const mail::FolderPath& path) {
  const auto planned = planned_.find(path);
  if (planned == planned_.end()) return *lanes_.front();
  const std::size_t index = planned->second;
  auto& plan = plans_[index];
  if (plan.empty()) return *lanes_[index];
  Lane* lane = lanes_[index].get();
  const auto opened = lane->opened(kOpening);
  if (opened && opened->ok()) {
    if (index != 0) used_.push_back(lane);
    if (opens_ahead_) lane->set_plan(plan);
    plan.clear();
    return *lane;
  }
  lane->stop();
  if (!services_.cancel.requested())
    services_.events.note({store::Note::Weight::info, "",
                           "no further connection to the target: " +
                               (opened ? opened->error().what : std::string("it has not answered yet"))});
  for (const auto& wish : std::exchange(plan, {})) planned_[wish.path] = 0;
  return *lanes_.front();
}

/// True: there was something to hand over.
bool Lanes::hand_over() {
  std::deque<store::Ack> acks;
  {
    const std::lock_guard lock(shared_->mutex);
    acks.swap(shared_->acks);
  }
  for (const auto& ack : acks) acks_->on_ack(ack);
  return !acks.empty();
}

/// Hands over what there is. When a session has ended, the others are brought to the end of theirs first, for what they
/// have need not be in doubt.
Status Lanes::check() {
  hand_over();
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->trouble) return {};
  }
  finish_all();
  return *shared_->trouble;
}

void Lanes::finish_all() {
  for (Lane* const lane : used_) lane->begin(&store::Target::flush);
  {
    std::unique_lock lock(shared_->mutex);
    shared_->told.wait(lock, [this] {
      return std::all_of(used_.begin(), used_.end(), [](const Lane* lane) { return !lane->is_awaited(); });
    });
  }
  hand_over();
}

template <typename T>
T Lanes::through(T answer) {
  if (!answer.ok() && ends_all(answer.error())) {
    MH_CHECK(check());
  }
  return answer;
}

Status Lanes::folders(const std::function<Status(store::FolderInfo)>& sink) {
  return through(lanes_.front()->ask<Status>([&](store::Target& target) { return target.folders(sink); }));
}

Result<store::FolderHandle> Lanes::open_folder(const mail::FolderPath& path, mail::Role role) {
  MH_CHECK(check());
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    store::FolderHandle handle = folders_[known->second].handle;
    handle.id = known->second;
    handle.created = false;
    return handle;
  }
  Lane& lane = lane_of(path);
  auto ready = lane.open_folder({path, role});
  MH_TRY(store::FolderHandle handle, through(std::move(ready.handle)));
  const auto id = static_cast<std::uint32_t>(folders_.size());
  folders_.push_back({&lane, handle, std::move(ready.watermark)});
  by_path_[path] = id;
  handle.id = id;
  return handle;
}

Status Lanes::subscribe(const store::FolderHandle& folder, bool on) {
  Opened& opened = folders_[folder.id];
  return through(opened.lane->ask<Status>([&](store::Target& target) { return target.subscribe(opened.handle, on); }));
}

Result<std::string> Lanes::watermark(const store::FolderHandle& folder) {
  Opened& opened = folders_[folder.id];
  if (auto taken = std::exchange(opened.watermark, {})) return std::move(*taken);
  return through(
      opened.lane->ask<Result<std::string>>([&](store::Target& target) { return target.watermark(opened.handle); }));
}

Status Lanes::submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) {
  MH_CHECK(check());
  Opened& opened = folders_[folder.id];
  opened.watermark.reset();
  const std::uint64_t octets = message.content->size();
  opened.lane->give(ticket, octets, [handle = opened.handle, ticket, message = std::move(message)](store::Target& target) {
    return target.submit(handle, ticket, message);
  });
  return {};
}

Status Lanes::update(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                     const store::MetaChange& change) {
  MH_CHECK(check());
  const Opened& opened = folders_[folder.id];
  opened.lane->give(ticket, 0, [handle = opened.handle, ticket, key, change](store::Target& target) {
    return target.update(handle, ticket, key, change);
  });
  return {};
}

Status Lanes::find_since(const store::FolderHandle& folder, std::string_view watermark,
                         std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) {
  const Opened& opened = folders_[folder.id];
  return through(opened.lane->ask<Status>(
      [&](store::Target& target) { return target.find_since(opened.handle, watermark, wanted, sink); }));
}

Status Lanes::flush() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->flush_error.reset();  // of one before, whose messages are asked for again now
  }
  finish_all();
  MH_CHECK(check());
  const std::lock_guard lock(shared_->mutex);
  if (auto error = std::exchange(shared_->flush_error, {})) return *error;
  return {};
}

Status Lanes::ease() {
  for (;;) {
    const bool some = hand_over();
    MH_CHECK(check());
    if (some) return {};
    Lane* fullest = nullptr;
    {
      std::unique_lock lock(shared_->mutex);
      if (!shared_->acks.empty()) continue;
      if (auto error = std::exchange(shared_->flush_error, {})) return *error;
      // Who is at work brings some, or comes to an end of it.
      const auto any_at_work = [&] {
        return std::any_of(used_.begin(), used_.end(),
                           [](const Lane* lane) { return lane->open_tickets() != 0 && lane->is_at_work(); });
      };
      if (any_at_work()) {
        shared_->told.wait(lock, [&] { return !shared_->acks.empty() || shared_->trouble || !any_at_work(); });
        continue;
      }
      for (Lane* const lane : used_)
        if (lane->open_tickets() != 0 && (fullest == nullptr || lane->open_tickets() > fullest->open_tickets()))
          fullest = lane;
    }
    if (fullest == nullptr) return {};
    fullest->begin(&store::Target::ease);
  }
}

Status Lanes::pump(std::chrono::milliseconds) {
  for (Lane* const lane : used_) lane->pump();
  return check();
}

}  // namespace mailhaul::pipeline
