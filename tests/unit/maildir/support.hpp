// What the Maildir tests share: a temporary folder, services over any file system, recorded listings, fetches and acks.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "files/file_system.hpp"
#include "files/spool.hpp"
#include "mail/content.hpp"
#include "plugins/maildir/plugin.hpp"
#include "plugins/maildir/source.hpp"
#include "plugins/maildir/target.hpp"
#include "store/store.hpp"

#define MH_OK(expression)                                                           \
  do {                                                                              \
    const auto& mh_outcome = (expression);                                          \
    ASSERT_TRUE(mh_outcome.ok()) << #expression << ": " << mh_outcome.error().what; \
  } while (false)

namespace mailhaul::maildir::test {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "maildir-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// The system's time and a shift, so that no test waits for a directory to get old.
class ShiftedClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::now() + shift;
  }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::now();
  }
  std::chrono::seconds shift{0};
};

class Notes final : public store::Events {
 public:
  void note(const store::Note& note) override { all.push_back(note); }
  [[nodiscard]] std::size_t count(store::Note::Weight weight) const {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const store::Note& note) { return note.weight == weight; }));
  }
  std::vector<store::Note> all;
};

class Counter final : public store::Random {
 public:
  std::uint64_t next() override { return state_ += 0x9e3779b97f4a7c15U; }

 private:
  std::uint64_t state_ = 1;
};

/// Everything a store is given.
class World {
 public:
  explicit World(files::FileSystem& fs)
      : spool(spool_directory(), budget_, mail::ScanOptions{}), services{clock, fs, spool, cancel, notes, random_} {}

  mail::Message message(std::string_view text, mail::Meta meta = {}) {
    auto writer = spool.begin();
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE((*writer)->append(as_octets(text)).ok());
    auto content = (*writer)->finish();
    EXPECT_TRUE(content.ok());
    return {std::move(*content), std::move(meta)};
  }

 private:
  /// One for all worlds: a crash test makes thousands of them, and a directory each is what it then waits for.
  static const std::string& spool_directory() {
    static const TempDir directory;
    return directory.path();
  }

  files::MemoryBudget budget_{8U << 20U};
  Counter random_;

 public:
  ShiftedClock clock;
  CancelToken cancel;
  Notes notes;
  files::Spool spool;
  store::Services services;
};

struct Items final : store::ItemSink {
  Status on_item(store::Item item) override {
    items.push_back(std::move(item));
    return {};
  }
  Status on_gone(const store::Key& key) override {
    gone.push_back(key);
    return {};
  }
  Status on_bad(const store::Key& key, Error error) override {
    bad.emplace_back(key, error.what);
    return {};
  }
  [[nodiscard]] const store::Item* find(const store::Key& key) const {
    const auto at = std::find_if(items.begin(), items.end(), [&](const store::Item& item) { return item.key == key; });
    return at == items.end() ? nullptr : &*at;
  }
  std::vector<store::Item> items;
  std::vector<store::Key> gone;
  std::vector<std::pair<store::Key, std::string>> bad;
};

inline std::string text_of(const mail::Content& content) {
  std::string text;
  EXPECT_TRUE(mail::for_each_piece(content, [&](Octets piece) -> Status {
                text.append(as_text(piece));
                return {};
              }).ok());
  return text;
}

struct Fetched final : store::FetchSink {
  Status on_message(const store::FolderInfo&, const store::Item& item, mail::Message message) override {
    texts[item.key] = text_of(*message.content);
    metas[item.key] = message.meta;
    return {};
  }
  Status on_failed(const store::FolderInfo&, const store::Item& item, Error error) override {
    failed[item.key] = error.what;
    return {};
  }
  Status on_vanished(const store::FolderInfo&, const store::Item& item) override {
    vanished.push_back(item.key);
    return {};
  }
  std::map<store::Key, std::string> texts;
  std::map<store::Key, mail::Meta> metas;
  std::map<store::Key, std::string> failed;
  std::vector<store::Key> vanished;
};

inline std::vector<store::FolderInfo> folders_of(store::Source& source) {
  std::vector<store::FolderInfo> all;
  EXPECT_TRUE(source
                  .folders([&](store::FolderInfo info) -> Status {
                    all.push_back(std::move(info));
                    return {};
                  })
                  .ok());
  return all;
}

inline store::NextBatch once(const store::FolderInfo& folder, std::vector<store::Item> items) {
  auto rest = std::make_shared<std::vector<store::Item>>(std::move(items));
  return [rest, &folder]() -> Result<store::FetchBatch> {
    store::FetchBatch batch{&folder, std::move(*rest)};
    rest->clear();
    return batch;
  };
}

/// All messages of all folders by folder text and key.
inline std::map<std::string, Fetched> fetch_all(store::Source& source) {
  std::map<std::string, Fetched> all;
  for (const store::FolderInfo& folder : folders_of(source)) {
    Items items;
    EXPECT_TRUE(source.list(folder, std::nullopt, items).ok());
    EXPECT_TRUE(source.fetch(once(folder, items.items), all[folder.path.text()]).ok());
  }
  return all;
}

struct Acks final : store::AckSink {
  void on_ack(const store::Ack& ack) override { all[ack.ticket].push_back(ack); }
  [[nodiscard]] const store::Stored* stored(std::uint64_t counter) const {
    const auto at = all.find(store::Ticket{7, counter});
    return at == all.end() || at->second.size() != 1 ? nullptr
                                                     : std::get_if<store::Stored>(&at->second.front().verdict);
  }
  [[nodiscard]] const Error* refused(std::uint64_t counter) const {
    const auto at = all.find(store::Ticket{7, counter});
    if (at == all.end() || at->second.size() != 1) return nullptr;
    const auto* refusal = std::get_if<store::Refused>(&at->second.front().verdict);
    return refusal == nullptr ? nullptr : &refusal->error;
  }
  std::map<store::Ticket, std::vector<store::Ack>> all;
};

inline store::Ticket ticket(std::uint64_t counter) { return {7, counter}; }

inline void put(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string get(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(path, none))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline void make_maildir(const std::string& path) {
  for (const char* name : {"/cur", "/new", "/tmp"}) std::filesystem::create_directories(path + name);
}

}  // namespace mailhaul::maildir::test
