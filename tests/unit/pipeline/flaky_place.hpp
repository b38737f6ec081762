// A small server for tests of lost sessions: sessions die where the script says, deliveries may arrive late, and time
// is a number that sleeping moves on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pipeline/patience.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000)) + now_.load();
  }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(now_.load());
  }
  void advance(std::chrono::milliseconds by) { now_ = now_.load() + by; }

 private:
  std::atomic<std::chrono::milliseconds> now_{std::chrono::milliseconds(1'000)};
};

/// Sleeping moves the clock on and takes no time.
[[nodiscard]] Patience patience_of(FakeClock& clock);

struct FlakyMessage {
  std::string octets;
  mail::Meta meta;
};

struct FlakyFolder {
  mail::FolderPath path;
  std::uint64_t epoch = 1, next = 1;
  std::map<std::uint64_t, FlakyMessage> messages;
};

/// What all sessions share. Thread-safe.
class FlakyPlace {
 public:
  explicit FlakyPlace(FakeClock& clock) : clock_(clock) {}

  // the script: set before the run
  std::set<std::uint64_t> deaths;                      ///< the numbers of points (from 1) at which the session dies
  std::function<bool(const std::string& text)> kills;  ///< a message that ends every session, read or written
  std::function<bool(const std::string& text)> kills_answer;  ///< one whose last octet leaves, and no answer comes
  /// After a cut: when the n-th delivery in doubt (from 0) arrives all the same; nullopt = never.
  std::function<std::optional<std::chrono::milliseconds>(std::uint64_t)> fate;
  std::function<std::optional<store::Ack>(const store::Ticket&, const std::string& text)>
      verdict;  ///< instead of Stored
  bool uidplus = true;
  bool late_commits = true;
  bool updates = false;
  unsigned sessions_at_once = 1;      ///< a run may open so many to write
  std::uint64_t refuse_sessions = 0;  ///< so many are refused
  std::size_t window = 4;             ///< deliveries without an answer
  std::function<void()> on_death;
  std::optional<std::chrono::milliseconds> asks_for;  ///< a pause, with each end of a session
  std::atomic<int> pumps{0};  ///< of targets

  void put(const std::string& folder, const std::string& octets, mail::Meta meta = {});
  [[nodiscard]] std::vector<std::string> texts(const std::string& folder);
  [[nodiscard]] std::vector<std::string> all_texts();
  void change_epoch(const std::string& folder);
  [[nodiscard]] std::uint64_t points();
  [[nodiscard]] std::uint64_t sessions();
  [[nodiscard]] std::uint64_t looks();
  [[nodiscard]] std::uint64_t submitted();

  // for the sessions
  [[nodiscard]] bool is_killed(const std::string& text);
  [[nodiscard]] bool is_answer_killed(const std::string& text);
  [[nodiscard]] Status admit();
  /// Counts; an Error when the session dies here.
  [[nodiscard]] Status point();
  [[nodiscard]] Error lost();
  /// A delivery whose session died after its last octet left.
  void arrive_by_fate(const std::string& folder, FlakyMessage message);
  void with(const std::function<void(std::map<std::string, FlakyFolder>&)>& use);
  void count_look();
  void count_submit();
  std::uint64_t add(const std::string& folder, FlakyMessage message);

 private:
  struct Late {
    std::string folder;
    FlakyMessage message;
    std::chrono::steady_clock::time_point at;
  };
  void let_arrive();

  FakeClock& clock_;
  std::recursive_mutex mutex_;
  std::map<std::string, FlakyFolder> folders_;
  std::vector<Late> late_;
  std::uint64_t points_ = 0, sessions_ = 0, looks_ = 0, doubts_ = 0, submitted_ = 0;
};

[[nodiscard]] Result<std::unique_ptr<store::Source>> open_flaky_source(FlakyPlace& place);
[[nodiscard]] Result<std::unique_ptr<store::Target>> open_flaky_target(FlakyPlace& place, store::AckSink& acks);
[[nodiscard]] store::Caps flaky_caps(const FlakyPlace& place);
/// `Subject: N` with a body: number 7 is always the same text.
[[nodiscard]] std::string letter(int number);

}  // namespace mailhaul::pipeline
