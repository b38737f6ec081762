// The client's side of a dialogue: does with a store what a file's `do:` lines say, and tells what came of it in lines
// of text, which the file's `expect:` lines are held against.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conformance/world.hpp"
#include "dialogue/player.hpp"
#include "dialogue/script.hpp"
#include "files/file_system.hpp"
#include "store/registry.hpp"
#include "store/store.hpp"

namespace mailhaul::dialogue {

/// Writes down everything that happens, one line each, in order.
class Record final : public store::Events,
                     public store::Trace,
                     public store::AckSink,
                     public store::ItemSink,
                     public store::FetchSink {
 public:
  Record(const Script& script, const Clock& clock) : script_(script), clock_(clock) {}

  void note(const store::Note& note) override;
  void line(std::string_view session, Way way, std::string_view text) override;
  void on_ack(const store::Ack& ack) override;
  Status on_item(store::Item item) override;
  Status on_gone(const store::Key& key) override;
  Status on_bad(const store::Key& key, Error error) override;
  Status on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message message) override;
  Status on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) override;
  Status on_vanished(const store::FolderInfo& folder, const store::Item& item) override;
  bool wants_more() override;

  /// The target is slow: after so many more messages nothing more is wanted for that time.
  void tire(std::uint64_t messages, std::chrono::milliseconds rest) {
    until_tired_ = messages;
    rest_ = rest;
  }
  /// The target is full: the message after so many more is not taken, once.
  void fill(std::uint64_t messages) { until_full_ = messages; }
  void put(std::string line) { lines_.push_back(std::move(line)); }
  void put_error(const std::string& before, const Error& error);
  [[nodiscard]] std::vector<std::string> take() { return std::exchange(lines_, {}); }
  [[nodiscard]] std::vector<store::Item>& items() { return items_; }
  /// What must never happen anywhere; "" = nothing did.
  [[nodiscard]] const std::string& breach() const { return breach_; }
  /// The name a ticket goes by in the file.
  void name(const store::Ticket& ticket, const std::string& message) { names_[ticket] = message; }

 private:
  void guard(std::string_view text, const char* where);
  void check_key(const store::Key& key);
  [[nodiscard]] std::string content_text(const mail::Content& content) const;

  const Script& script_;
  const Clock& clock_;
  std::vector<std::string> lines_;
  std::vector<store::Item> items_;
  std::map<store::Ticket, std::string> names_;
  std::string breach_;
  std::optional<std::uint64_t> until_tired_, until_full_;
  std::chrono::milliseconds rest_{0};
  std::chrono::steady_clock::time_point rests_until_;
};

class Performer {
 public:
  Performer(const Script& script, Player& player, ScriptedClock& clock);
  ~Performer();

  /// The outcome, a line each. Error: usage, when the operation is none.
  [[nodiscard]] Result<std::vector<std::string>> perform(const std::string& operation);
  [[nodiscard]] const Record& record() const { return record_; }

 private:
  using Words = std::vector<std::string>;
  Status act(const Words& words);
  Status open_location();
  Result<store::Source*> source();
  Result<store::Target*> target();
  Result<store::FolderHandle> handle(const std::string& folder, mail::Role role = mail::Role::none);
  const store::FolderInfo& folder(const std::string& path);
  Status list_folders(bool of_target);
  Status list(const Words& words);
  Status expect_listings(const Words& words);
  Status describe(const Words& words);
  Status fetch(const Words& words);
  Status open_folder(const Words& words);
  Status open_folders(const Words& words);
  Status append(const Words& words);
  Status tire(const Words& words);
  Status update(const Words& words);
  Status find(const Words& words);
  Status probe();
  Status close();

  const Script& script_;
  ScriptedClock& clock_;
  Record record_;
  conformance::TempDir spool_dir_;
  files::MemoryBudget budget_{64U << 20U};
  files::Spool spool_;
  CancelToken cancel_;
  conformance::SeededRandom random_{41};
  std::unique_ptr<files::FileSystem> fs_;
  store::Services services_;
  store::OpenOptions options_;
  std::optional<store::Location> location_;
  const store::Descriptor* descriptor_ = nullptr;
  std::unique_ptr<store::Source> source_;
  std::unique_ptr<store::Target> target_;
  std::map<std::string, store::FolderInfo> folders_;
  std::uint64_t tickets_ = 0;
};

}  // namespace mailhaul::dialogue
