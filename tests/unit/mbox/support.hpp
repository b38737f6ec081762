// What the mbox tests share: splitting a text, a temporary folder, services over any file system, recorded listings,
// fetches and acks.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "files/file_system.hpp"
#include "files/spool.hpp"
#include "mail/content.hpp"
#include "plugins/mbox/format/splitter.hpp"
#include "plugins/mbox/plugin.hpp"
#include "store/store.hpp"

#define MH_OK(expression)                                                           \
  do {                                                                              \
    const auto& mh_outcome = (expression);                                          \
    ASSERT_TRUE(mh_outcome.ok()) << #expression << ": " << mh_outcome.error().what; \
  } while (false)

namespace mailhaul::mbox::test {

struct Split {
  std::vector<MessageSpan> spans;
  Doubts doubts;
  bool operator==(const Split&) const = default;
};

/// Splits a whole text, fed in pieces of `piece` octets.
inline Split split_text(std::string_view text, std::size_t piece = std::string_view::npos) {
  Split result;
  const std::size_t begin = find_first_from(text);
  if (begin == std::string_view::npos) return result;
  const Look look = [&](std::uint64_t offset, std::size_t want) -> Result<std::string_view> {
    return text.substr(static_cast<std::size_t>(offset), want);
  };
  Splitter splitter(begin, text.size(), look, [&](const MessageSpan& span) -> Status {
    result.spans.push_back(span);
    return {};
  });
  for (std::size_t at = begin; at < text.size(); at += std::min(piece, text.size() - at)) {
    EXPECT_TRUE(splitter.feed(as_octets(text.substr(at, piece))).ok());
  }
  EXPECT_TRUE(splitter.finish().ok());
  result.doubts = splitter.doubts();
  return result;
}

inline std::string content_of(std::string_view text, const MessageSpan& span) {
  return std::string(text.substr(static_cast<std::size_t>(span.content_begin), static_cast<std::size_t>(span.content_size())));
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mbox-test-XXXXXX").string();
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

class Notes final : public store::Events {
 public:
  void note(const store::Note& note) override { all.push_back(note); }
  /// How many notes of that weight hold the text.
  [[nodiscard]] std::size_t count(store::Note::Weight weight, const std::string& text = {}) const {
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const store::Note& note) {
      return note.weight == weight && note.text.find(text) != std::string::npos;
    }));
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
      : spool(spool_dir_.path(), budget_, mail::ScanOptions{}), services{clock, fs, spool, cancel, notes, random_} {}

  mail::Message message(std::string_view text, mail::Meta meta = {}) {
    auto writer = spool.begin();
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE((*writer)->append(as_octets(text)).ok());
    auto content = (*writer)->finish();
    EXPECT_TRUE(content.ok());
    return {std::move(*content), std::move(meta)};
  }

 private:
  TempDir spool_dir_;
  files::MemoryBudget budget_{32U << 20U};
  Counter random_;

 public:
  SystemClock clock;
  CancelToken cancel;
  Notes notes;
  files::Spool spool;
  store::Services services;
};

struct Items final : store::ItemSink {
  Status on_item(store::Item item) override {
    if (hook) hook();
    items.push_back(std::move(item));
    return {};
  }
  Status on_gone(const store::Key& key) override {
    gone.push_back(key);
    return {};
  }
  Status on_bad(const store::Key& key, Error) override {
    bad.push_back(key);
    return {};
  }
  std::function<void()> hook;
  std::vector<store::Item> items;
  std::vector<store::Key> gone, bad;
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
    keys.push_back(item.key);
    texts.push_back(text_of(*message.content));
    metas.push_back(message.meta);
    facts.push_back(message.content->facts());
    return {};
  }
  Status on_failed(const store::FolderInfo&, const store::Item&, Error error) override {
    failed.push_back(error.what);
    return {};
  }
  Status on_vanished(const store::FolderInfo&, const store::Item& item) override {
    vanished.push_back(item.key);
    return {};
  }
  std::vector<store::Key> keys;
  std::vector<std::string> texts;
  std::vector<mail::Meta> metas;
  std::vector<mail::MessageFacts> facts;
  std::vector<std::string> failed;
  std::vector<store::Key> vanished;
};

inline std::vector<store::FolderInfo> folders_of(store::Source& source) {
  std::vector<store::FolderInfo> all;
  EXPECT_TRUE(source.folders([&](store::FolderInfo info) -> Status {
                      all.push_back(std::move(info));
                      return {};
                    }).ok());
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

/// Lists and fetches every message of a source with one folder.
inline Fetched fetch_only_folder(store::Source& source) {
  Fetched fetched;
  const auto folders = folders_of(source);
  EXPECT_EQ(folders.size(), 1U);
  for (const store::FolderInfo& folder : folders) {
    Items items;
    const auto listed = source.list(folder, std::nullopt, items);
    EXPECT_TRUE(listed.ok()) << (listed.ok() ? "" : listed.error().what);
    EXPECT_TRUE(source.fetch(once(folder, items.items), fetched).ok());
  }
  return fetched;
}

struct Acks final : store::AckSink {
  void on_ack(const store::Ack& ack) override { all.push_back(ack); }
  [[nodiscard]] std::size_t stored() const { return count<store::Stored>(); }
  [[nodiscard]] std::size_t refused() const { return count<store::Refused>(); }
  template <typename Verdict>
  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const store::Ack& ack) { return std::holds_alternative<Verdict>(ack.verdict); }));
  }
  std::vector<store::Ack> all;
};

inline store::Ticket ticket(std::uint64_t counter) { return {7, counter}; }

inline store::Location location(const std::string& path) {
  store::Location place;
  place.scheme = "mbox";
  place.path = path;
  return place;
}

inline Result<std::unique_ptr<store::Source>> open_source(World& world, const std::string& path,
                                                          const store::OpenOptions& options = {}) {
  return kMbox.open_source(location(path), world.services, options);
}
inline Result<std::unique_ptr<store::Target>> open_target(World& world, const std::string& path, store::AckSink& acks,
                                                          const store::OpenOptions& options = {}) {
  return kMbox.open_target(location(path), world.services, acks, options);
}

/// A text made to hurt an mbox: From_ lines quoted and not, housekeeping fields, odd line ends, nothing at all.
inline std::string nasty_text(std::mt19937_64& random) {
  static const std::vector<std::string> kPieces = {
      "\n", "\r\n", "\r", "From ", ">From ", ">>From ", "From", ">", "F", "From a@b Thu Jan  1 00:00:00 1970\n",
      "Subject: x\n", "Status: RO\n", "X-Status : AF\r\n", " folded\n", "\tfolded\n", "X-Keywords: a b\n", "Content-Length: 5\n",
      "Content-Length: 0\n", "X-UID:7\n", "status", ":", " ", "a", "body text\n", std::string("\0", 1), "\xFF\xFE",
      "\n\n", "\n\nFrom ", "X-IMAP: 1 2\n", "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n", "-- \n",
      "From - Thu Jan  1 00:00:00 1970\n", "\nFrom -\nA: b\n", "X-Mozilla-Status: 0001\n"};
  std::string text;
  const std::size_t count = random() % 14;
  for (std::size_t i = 0; i < count; ++i) text += kPieces[random() % kPieces.size()];
  return text;
}

}  // namespace mailhaul::mbox::test
