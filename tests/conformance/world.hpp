// What a store is given in these tests, and mail to give it: real clock, spool in a temporary folder, recorded notes,
// seeded random numbers. No store is named here.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "files/file_system.hpp"
#include "files/spool.hpp"
#include "mail/content.hpp"
#include "net/connection.hpp"
#include "store/services.hpp"
#include "store/store.hpp"

namespace mailhaul::conformance {

/// A folder of its own, gone with all it holds at the end.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Keeps every note. Thread-safe.
class RecordedEvents final : public store::Events {
 public:
  void note(const store::Note& note) override;
  [[nodiscard]] std::vector<store::Note> notes() const;

 private:
  mutable std::mutex mutex_;
  std::vector<store::Note> notes_;
};

/// The system's clock, ahead by a fixed time: a store then sees files as that much older than they are.
class LaterClock final : public Clock {
 public:
  explicit LaterClock(std::chrono::seconds ahead) : ahead_(ahead) {}
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return clock_.wall() + ahead_; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return clock_.steady() + ahead_; }

 private:
  SystemClock clock_;
  std::chrono::seconds ahead_;
};

/// splitmix64 from a seed. Thread-safe.
class SeededRandom final : public store::Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

/// Everything a store gets, over one file system. Outlives the stores opened with it.
class World {
 public:
  explicit World(files::FileSystem& fs, std::uint64_t memory = 8U << 20U, std::uint64_t seed = 1,
                 std::chrono::seconds ahead = std::chrono::seconds(0));
  [[nodiscard]] store::Services& services() { return services_; }
  [[nodiscard]] RecordedEvents& events() { return events_; }
  [[nodiscard]] CancelToken& cancel() { return cancel_; }
  [[nodiscard]] files::MemoryBudget& budget() { return budget_; }
  [[nodiscard]] files::Spool& spool() { return spool_; }

 private:
  TempDir spool_dir_;
  LaterClock clock_;
  CancelToken cancel_;
  RecordedEvents events_;
  SeededRandom random_;
  files::MemoryBudget budget_;
  files::Spool spool_;
  std::unique_ptr<net::Dialer> dialer_;
  store::Services services_;
};

/// Octets in a string.
class TextContent final : public mail::Content {
 public:
  explicit TextContent(std::string octets);
  TextContent(std::string octets, mail::MessageFacts facts) : octets_(std::move(octets)), facts_(std::move(facts)) {}
  [[nodiscard]] const mail::MessageFacts& facts() const override { return facts_; }
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override;

 private:
  std::string octets_;
  mail::MessageFacts facts_;
};

/// A content whose read() asks `before(offset)` first: to fail in the middle, or to do something there.
class WatchedContent final : public mail::Content {
 public:
  WatchedContent(mail::ContentPtr inner, std::function<Status(std::uint64_t)> before)
      : inner_(std::move(inner)), before_(std::move(before)) {}
  [[nodiscard]] const mail::MessageFacts& facts() const override { return inner_->facts(); }
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override;

 private:
  mail::ContentPtr inner_;
  std::function<Status(std::uint64_t)> before_;
};

[[nodiscard]] mail::ContentPtr content_of(std::string octets);
[[nodiscard]] std::string octets_of(const mail::Content& content);
/// A message with a header, a body of lines, and a size of exactly `octets` (at least 200).
[[nodiscard]] std::string sample_message(std::uint64_t number, std::size_t octets = 400);
/// A message of `octets` made in the spool piece by piece, never whole in memory.
[[nodiscard]] Result<mail::ContentPtr> spooled_message(files::Spool& spool, std::uint64_t number, std::uint64_t octets);
[[nodiscard]] store::Ticket ticket_of(std::uint64_t counter);

/// Octets of memory this process has held at once since reset_peak_memory(); nullopt where the system cannot tell.
[[nodiscard]] bool reset_peak_memory();
[[nodiscard]] std::optional<std::uint64_t> peak_memory();

}  // namespace mailhaul::conformance
