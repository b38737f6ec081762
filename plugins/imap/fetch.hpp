// Fetching messages: many commands in flight over many folders, each message spooled while it arrives, each one's end
// told exactly once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "files/spool.hpp"
#include "plugins/imap/mailbox.hpp"
#include "plugins/imap/session.hpp"
#include "store/store.hpp"

namespace mailhaul::imap {

/// Used once. Listens to the session while run() lasts.
class Fetcher final : public Listener {
 public:
  Fetcher(Session& session, const store::NextBatch& next, store::FetchSink& sink)
      : session_(session), next_(next), sink_(sink) {}
  Status run();

 private:
  /// How often a message was asked for: in a set with others, alone, and then only whether it is there.
  enum class Stage { together, alone, search };
  struct Wanted {
    store::Item item;
    std::optional<Error> why;  ///< what the last try ended with
  };
  /// One command in flight.
  struct Asked {
    const store::FolderInfo* folder = nullptr;
    bool opens = false;  ///< EXAMINE
    Stage stage = Stage::together;
    std::map<Uid, Wanted> open;  ///< not yet ended
    bool searched_there = false;
    std::uint64_t octets = 0;  ///< as the listing had it: a hint
    std::size_t opening = 0;   ///< which of openings_ it belongs to
  };
  /// A command that waits for room.
  struct ToSend {
    const store::FolderInfo* folder = nullptr;
    Stage stage = Stage::together;
    std::map<Uid, Wanted> wanted;
    std::uint64_t octets = 0;
  };
  /// A folder as an EXAMINE of ours found it.
  struct Opening {
    const store::FolderInfo* folder = nullptr;
    Mailbox mailbox;
    std::optional<Error> error;
    bool told_of_marks = false;  ///< a note on messages that the fetch marked as read
    UidSet ended;
  };

  Status on_untagged(CommandId current, Response response) override;
  Status on_body_begin(CommandId current, std::uint64_t size) override;
  Status on_body(CommandId current, Octets octets) override;
  Status on_body_end(CommandId current) override;
  Status on_done(CommandId id, const TaggedResponse& response) override;

  Status fill();
  Status ask(const store::FolderInfo& folder, std::vector<store::Item> items);
  Status send(const store::FolderInfo& folder, Stage stage, std::map<Uid, Wanted> wanted, std::uint64_t octets);
  Status open_folder(const store::FolderInfo& folder);
  Asked* asked_for(std::size_t opening, Uid uid);
  Status take(std::size_t opening, const FetchResponse& fetched);
  Status end_of(Asked asked, const TaggedResponse& response);
  Status end_of_opening(Asked& asked, const TaggedResponse& response);
  Status try_again(Asked& asked, std::map<Uid, Wanted> left);
  Status give_up(const store::FolderInfo& folder, const Wanted& wanted, bool is_there);
  void keep_unread(Opening& opening, const store::Item& item, mail::Meta& meta);
  [[nodiscard]] bool has_room();

  Session& session_;
  const store::NextBatch& next_;
  store::FetchSink& sink_;
  bool exhausted_ = false;
  bool target_is_slow_ = false;
  std::map<CommandId, Asked> asked_;
  std::deque<Opening> openings_;  ///< one each time a folder is opened; none is dropped before the end
  std::deque<ToSend> to_send_, again_;
  std::uint64_t octets_ahead_ = 0;

  std::unique_ptr<files::ContentWriter> writer_;
  mail::ContentPtr body_;
};

}  // namespace mailhaul::imap
