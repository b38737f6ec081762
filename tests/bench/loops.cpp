#include "bench/loops.hpp"

#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/cancel.hpp"
#include "files/file_system.hpp"
#include "ledger/ledger.hpp"
#include "mail/dates.hpp"
#include "mail/folder_path.hpp"
#include "mail/message_scan.hpp"
#include "mail/mutf7.hpp"
#include "mail/sha256.hpp"
#include "plugins/imap/protocol/client.hpp"
#include "plugins/maildir/folder.hpp"
#include "plugins/mbox/format/splitter.hpp"

namespace mailhaul::bench {
namespace {

constexpr std::size_t kMessages = 400;
constexpr std::size_t kMessageOctets = 2048;

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

template <typename Outcome>
void demand_ok(const Outcome& outcome) {
  if (!outcome.ok()) demand(false, outcome.error().what.c_str());
}

/// splitmix64, so that the octets do not depend on a library.
class Numbers {
 public:
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_ = 7;
};

/// A message as servers hand it out: nine fields, one folded, and lines of 40 to 72 letters. `end`: of its lines.
std::string make_message(Numbers& numbers, std::size_t number, std::string_view end) {
  const std::string id = std::to_string(number);
  std::string text;
  for (const std::string& line :
       {std::string("Return-Path: <a@example.org>"),
        "Received: from mx.example.net by in.example.org with ESMTPS id " + id + "X;",
        std::string("\tMon, 2 Jan 2006 15:04:05 +0000"), "From: Anna <a" + id + "@example.org>",
        std::string("To: Bert <b@example.org>"), "Subject: number " + id,
        std::string("Date: Mon, 2 Jan 2006 15:04:05 +0000"), "Message-ID: <" + id + "@example.org>",
        std::string("MIME-Version: 1.0"), std::string("Content-Type: text/plain; charset=utf-8"), std::string()})
    text.append(line).append(end);
  while (text.size() < kMessageOctets) {
    for (std::size_t left = 40 + numbers.next() % 33; left > 0; --left)
      text += "abcdefghijklmnopqrstuvwxyz      "[numbers.next() % 32];
    text.append(end);
  }
  return text;
}

std::vector<std::string> make_messages(std::string_view end, std::size_t count = kMessages) {
  Numbers numbers;
  std::vector<std::string> messages;
  for (std::size_t number = 0; number < count; ++number) messages.push_back(make_message(numbers, number, end));
  return messages;
}

/// Hands `text` out in pieces of that size.
template <typename Sink>
void in_pieces(std::string_view text, std::size_t piece, const Sink& sink) {
  for (std::size_t at = 0; at < text.size(); at += piece) sink(as_octets(text.substr(at, piece)));
}

// IMAP: the answer to one UID FETCH ---------------------------------------------------------------------------------

class CountingSink final : public imap::ClientSink {
 public:
  Status on_greeting(const imap::StatusResponse&) override { return {}; }
  Status on_untagged(imap::CommandId, imap::Response response) override {
    fetched += std::holds_alternative<imap::FetchResponse>(response) ? 1 : 0;
    return {};
  }
  Status on_body_begin(imap::CommandId, std::uint64_t) override { return {}; }
  Status on_body(imap::CommandId, Octets octets) override {
    body += octets.size();
    return {};
  }
  Status on_body_end(imap::CommandId) override { return {}; }
  Status on_challenge(imap::CommandId, std::string_view) override { return {}; }
  Status on_done(imap::CommandId, const imap::TaggedResponse&) override {
    ++done;
    return {};
  }
  std::size_t fetched = 0, done = 0;
  std::uint64_t body = 0;
};

class ImapFetch final : public Loop {
 public:
  ImapFetch() {
    std::size_t number = 0;
    for (const std::string& message : make_messages("\r\n")) {
      const std::string uid = std::to_string(1000 + ++number);
      stream_ += "* " + std::to_string(number) + " FETCH (UID " + uid + " FLAGS (\\Seen $Forwarded) MODSEQ (" + uid +
                 ") INTERNALDATE \" 2-Jan-2006 15:04:05 +0000\" RFC822.SIZE " + std::to_string(message.size()) +
                 " BODY[] {" + std::to_string(message.size()) + "}\r\n" + message + ")\r\n";
      body_ += message.size();
    }
  }
  void run() override {
    imap::Client client({}, 42);
    CountingSink sink;
    client.set_plaintext_rules(false);
    demand_ok(client.receive(as_octets("* PREAUTH in\r\n"), sink));
    demand_ok(client.start(imap::Command("UID FETCH").raw("1:* (FLAGS MODSEQ INTERNALDATE RFC822.SIZE BODY.PEEK[])")));
    const auto sent = client.output();
    demand_ok(sent);
    const std::string tag(as_text(*sent).substr(0, as_text(*sent).find(' ')));
    client.sent(sent->size());
    in_pieces(stream_, kPiece, [&](Octets octets) { demand_ok(client.receive(octets, sink)); });
    demand_ok(client.receive(as_octets(tag + " OK done\r\n"), sink));
    demand(sink.fetched == kMessages && sink.body == body_ && sink.done == 1, "messages of the FETCH are missing");
  }
  [[nodiscard]] std::uint64_t units() const override { return stream_.size(); }

 private:
  static constexpr std::size_t kPiece = 16'384;  // a TLS record, and what a socket often has
  std::string stream_;
  std::uint64_t body_ = 0;
};

// mbox: where each message begins and ends --------------------------------------------------------------------------

class MboxScan final : public Loop {
 public:
  MboxScan() {
    for (const std::string& message : make_messages("\n"))
      text_ += "From a@example.org Mon Jan  2 15:04:05 2006\n" + message + "\n";
  }
  void run() override {
    std::size_t found = 0;
    mbox::Splitter splitter(
        0, text_.size(),
        [&](std::uint64_t offset, std::size_t want) -> Result<std::string_view> {
          return std::string_view(text_).substr(static_cast<std::size_t>(offset), want);
        },
        [&](const mbox::MessageSpan&) -> Status {
          ++found;
          return {};
        });
    in_pieces(text_, 1U << 20U, [&](Octets octets) { demand_ok(splitter.feed(octets)); });
    demand_ok(splitter.finish());
    demand(found == kMessages, "messages of the mbox are missing");
  }
  [[nodiscard]] std::uint64_t units() const override { return text_.size(); }

 private:
  std::string text_;
};

// A message while it arrives: header facts and digests --------------------------------------------------------------

class MessageScan final : public Loop {
 public:
  explicit MessageScan(std::string_view end) : messages_(make_messages(end)) {
    for (const std::string& message : messages_) octets_ += message.size();
  }
  void run() override {
    for (const std::string& message : messages_) {
      const mail::MessageFacts facts = mail::scan_message(as_octets(message));
      demand(facts.size == message.size() && facts.received, "a message is not what it was");
    }
  }
  [[nodiscard]] std::uint64_t units() const override { return octets_; }

 private:
  std::vector<std::string> messages_;
  std::uint64_t octets_ = 0;
};

// What needs files --------------------------------------------------------------------------------------------------

/// A folder of its own, gone with all it holds at the end.
class Scratch {
 public:
  Scratch() : path_((std::filesystem::temp_directory_path() / "mailhaul-bench-XXXXXX").string()) {
    demand(::mkdtemp(path_.data()) != nullptr, "no temporary folder");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A new ledger: every message listed, announced, delivered and noted in batches, as a copy does it, and then found
/// again, as the next run does it.
class LedgerCopy final : public Loop {
 public:
  LedgerCopy() {
    for (std::size_t number = 0; number < kMessages; ++number) {
      const std::string id = std::to_string(number);
      keys_.push_back({id, "1136214245.M" + id + "P1Q1.host", mail::sha256(as_octets(id))});
    }
  }
  void run() override {
    const std::string path = scratch_.path() + "/" + std::to_string(++runs_) + ".ledger";
    auto opened = ledger::Ledger::open(*fs_, path, ledger::Ledger::Mode::read_write, "from", "to", 42, 1000);
    demand_ok(opened);
    ledger::Ledger& ledger = **opened;
    demand_ok(ledger.begin());
    const auto source = ledger.source_folder("INBOX", "1");
    demand_ok(source);
    const auto target = ledger.target_folder("INBOX");
    demand_ok(target);
    demand_ok(ledger.commit());
    for (std::size_t at = 0; at < keys_.size(); at += kBatch)
      batch(ledger, source->id, target->id, {keys_.data() + at, std::min(kBatch, keys_.size() - at)});
    demand_ok(ledger.begin());
    demand_ok(ledger.begin_listing());
    for (const Keys& keys : keys_) {
      const auto known = ledger.find_item(source->id, keys.source);
      demand_ok(known);
      demand(known->has_value(), "the ledger forgot a message");
      demand_ok(ledger.note_listed(keys.source));
    }
    demand_ok(ledger.end_listing(source->id));
    demand_ok(ledger.commit());
  }
  [[nodiscard]] std::uint64_t units() const override { return kMessages; }

 private:
  struct Keys {
    std::string source, target;
    Digest digest;
  };

  void batch(ledger::Ledger& ledger, ledger::RowId source, ledger::RowId target, std::span<const Keys> batch) {
    std::vector<std::uint64_t> tickets;
    demand_ok(ledger.begin());
    for (const Keys& keys : batch) {
      const auto twins = ledger.contents_by_eid(target, keys.digest);
      demand_ok(twins);
      demand(twins->empty(), "the ledger knows a message that is new");
      tickets.push_back(ledger.next_counter());
      demand_ok(ledger.add_intent({ledger.instance(), tickets.back(), source, keys.source, target, keys.digest,
                                   keys.digest, std::nullopt, kMessageOctets}));
    }
    demand_ok(ledger.commit());
    demand_ok(ledger.begin());
    for (const Keys& keys : batch)
      demand_ok(ledger.record_delivery(
          {source, keys.source, target, keys.target, keys.digest, keys.digest, std::nullopt, 1}));
    demand_ok(ledger.drop_intents(ledger.instance(), tickets.front(), tickets.back()));
    demand_ok(ledger.commit());
  }

  static constexpr std::size_t kBatch = 64;
  Scratch scratch_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  std::vector<Keys> keys_;
  std::size_t runs_ = 0;
};

/// The names of one Maildir folder with their keys, as a listing takes them. No message is opened.
class MaildirList final : public Loop {
 public:
  MaildirList() {
    for (const char* const sub : {"cur", "new", "tmp"}) std::filesystem::create_directory(scratch_.path() + "/" + sub);
    for (std::size_t number = 0; number < kNames; ++number) {
      const std::string id = std::to_string(number);
      std::ofstream(scratch_.path() + "/cur/1136214245.M" + id + "P1Q" + id + ".host,S=2048,W=2090:2,RS");
    }
    auto root = fs_->open_root(scratch_.path());
    demand_ok(root);
    root_ = std::move(root).value();
  }
  void run() override {
    auto folder = maildir::Folder::open(*root_, {mail::FolderPath({"INBOX"}, "."), {}});
    demand_ok(folder);
    const auto census = folder->census(1, cancel_);
    demand_ok(census);
    std::size_t found = 0;
    demand_ok(folder->for_each(*census, cancel_, [&](const maildir::Entry& entry) -> Status {
      found += entry.key.empty() ? 0 : 1;
      return {};
    }));
    demand(found == kNames, "messages of the Maildir are missing");
  }
  [[nodiscard]] std::uint64_t units() const override { return kNames; }

 private:
  static constexpr std::size_t kNames = 5000;
  Scratch scratch_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  std::unique_ptr<files::Dir> root_;
  CancelToken cancel_;
};

// Small parsers -----------------------------------------------------------------------------------------------------

class FolderNames final : public Loop {
 public:
  void run() override {
    for (const std::string_view name : kNames) {
      const auto spelled = mail::to_mutf7(name);
      demand(spelled && mail::from_mutf7(*spelled) == name, "a folder's name is not what it was");
    }
  }
  [[nodiscard]] std::uint64_t units() const override { return std::size(kNames); }

 private:
  static constexpr std::string_view kNames[] = {"INBOX",  "Archive 2015", "Größe",
                                                "Личное", "日本語",       "Receipts & Bills"};
};

class Dates final : public Loop {
 public:
  void run() override {
    for (const std::string_view date : kDates) demand(mail::parse_rfc5322_date(date).has_value(), "a date is none");
  }
  [[nodiscard]] std::uint64_t units() const override { return std::size(kDates); }

 private:
  static constexpr std::string_view kDates[] = {"Mon, 2 Jan 2006 15:04:05 +0000", "2 Jan 06 15:04 EST",
                                                "Mon, 2 Jan 2006 15:04:05 -0700 (MST)", "Mon Jan  2 15:04:05 2006"};
};

template <typename Kind, typename... Arguments>
std::function<std::unique_ptr<Loop>()> made(Arguments... arguments) {
  return [=] { return std::make_unique<Kind>(arguments...); };
}

}  // namespace

const std::vector<LoopKind>& loop_kinds() {
  static const std::vector<LoopKind> kinds = {
      {"imap", "octet", made<ImapFetch>()},
      {"mbox", "octet", made<MboxScan>()},
      {"scan-lf", "octet", made<MessageScan>(std::string_view("\n"))},
      {"scan-crlf", "octet", made<MessageScan>(std::string_view("\r\n"))},
      {"ledger", "message", made<LedgerCopy>()},
      {"maildir", "name", made<MaildirList>()},
      {"mutf7", "name", made<FolderNames>()},
      {"date", "date", made<Dates>()},
  };
  return kinds;
}

}  // namespace mailhaul::bench
