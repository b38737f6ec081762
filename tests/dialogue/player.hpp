// The server's side of a dialogue: a Dialer whose connections say and expect what the script says, in memory, in one
// thread. Time passes only where the script waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "dialogue/script.hpp"
#include "net/connection.hpp"

namespace mailhaul::dialogue {

/// Stands still unless it is moved.
class ScriptedClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return start_ + passed_; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::hours(1)) + passed_;
  }
  void pass(std::chrono::milliseconds time) { passed_ += time; }

 private:
  // 2024-01-01: any day does, as long as it is always the same.
  std::chrono::system_clock::time_point start_ = std::chrono::sys_days(std::chrono::year(2024) / 1 / 1);
  std::chrono::milliseconds passed_{0};
};

/// How the octets are divided between turns; no division may make a difference.
enum class Pieces {
  whole,   ///< as much as there is: answers come together, as in one TCP segment
  octets,  ///< one by one, both ways
};

class Player final : public net::Dialer {
 public:
  Player(const Script& script, Pieces pieces, ScriptedClock& clock) : script_(script), pieces_(pieces), clock_(clock) {}

  Result<std::unique_ptr<net::Connection>> dial(const net::Destination& destination) override;

  /// The events up to `end` may be played from now on.
  void allow(std::size_t end) { allowed_ = end; }
  /// What went wrong so far, or is left to be played of what was allowed; "" = nothing.
  [[nodiscard]] std::string complaint() const;
  [[nodiscard]] bool said_password() const { return said_password_; }

 private:
  friend class ScriptedConnection;
  enum class End { open, hung_up, reset };

  Result<net::Step> step(Octets out, std::chrono::milliseconds wait);
  Status start_tls();
  void play(Octets out, std::size_t& taken);
  bool take_from_client(const Event& event, Octets out, std::size_t& taken);
  bool take_any_order(Octets out, std::size_t& taken);
  bool take_goodbye(Octets out, std::size_t& taken);
  bool match(const Event& event, char octet);
  bool expect_text(const std::string& text, char octet);
  void finish_client_event(const Event& event);
  void say(const Event& event);
  void idle(Octets out, std::chrono::milliseconds wait);
  void listen(std::string_view octets);
  void fail(const Event* event, const std::string& what, Octets out = {});
  void judge_line(std::string_view line);
  [[nodiscard]] const Event* current() const;
  [[nodiscard]] std::string expected_text(const Event& event) const;
  [[nodiscard]] Error dead() const;
  [[nodiscard]] bool is_open() const { return end_ == End::open; }

  const Script& script_;
  const Pieces pieces_;
  ScriptedClock& clock_;
  std::size_t at_ = 0, allowed_ = 0;
  std::size_t offered_ = 0;  ///< how many octets the client has for this turn
  // The event at hand, if it is a client's.
  std::size_t part_ = 0, part_done_ = 0, line_end_done_ = 0;
  std::string heard_;         ///< of the client, for the event at hand
  std::string any_order_;     ///< a line that is not complete yet
  std::vector<bool> ticked_;  ///< of a run of C*, which have come
  std::chrono::milliseconds waited_{0};
  std::string to_client_;  ///< said, not yet read
  std::string lent_;
  std::map<std::string, std::string> tags_;
  End end_ = End::open;
  bool is_private_ = false;  ///< TLS, or a tunnel
  bool has_tls_ = false, is_tunnel_ = false;
  std::string line_said_;  ///< the client's line so far: where a password could stand
  bool said_password_ = false;
  std::string place_;  ///< "pop.example.org:995": where the client dialled
  std::string complaint_;
  std::vector<std::string> log_;
};

}  // namespace mailhaul::dialogue
