// The bounded way from the reading thread to the writing one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "base/result.hpp"
#include "pipeline/reader.hpp"

namespace mailhaul::pipeline {

/// Bounded in octets and messages; one message always fits, so nothing can stick. Two threads.
class FetchQueue {
 public:
  /// `slack`: octets that may come beyond, by a source that asks has_room() and has more under way when it is told no.
  FetchQueue(std::uint64_t max_octets, std::size_t max_messages, std::uint64_t slack)
      : max_octets_(max_octets), max_messages_(max_messages), slack_(slack) {}

  [[nodiscard]] bool has_room();
  /// Blocks while full, slack and all. Error `interrupted` once close() was called.
  Status push(Fetched fetched);
  /// The reading thread's end, with how it ended.
  void finish(Status status);

  enum class State { item, idle, finished };
  /// Waits at most `patience`. `idle`: nothing yet.
  State pop(Fetched& into, std::chrono::milliseconds patience);
  /// The reader's end; valid after `finished`.
  [[nodiscard]] Status end_status();
  /// The writing thread wants no more.
  void close();

 private:
  const std::uint64_t max_octets_;
  const std::size_t max_messages_;
  const std::uint64_t slack_;
  std::mutex mutex_;
  std::condition_variable filled_, drained_;
  std::deque<Fetched> items_;
  std::uint64_t octets_ = 0;
  bool closed_ = false;
  std::optional<Status> end_;
};

}  // namespace mailhaul::pipeline
