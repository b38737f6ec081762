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
#include "plugins/imap/parts.hpp"
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
  /// How often a message was asked for: in a set with others, or a large one in parts; alone; and then only whether it
  /// is there.
  enum class Stage { together, part, alone, search };
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
    std::uint64_t offset = 0;  ///< Stage::part
  };
  /// The large message that is fetched in parts; one at a time, and its folder stays open meanwhile.
  struct Large {
    Large(const store::FolderInfo& its_folder, std::size_t its_opening, Wanted its_wanted, Parts its_parts)
        : folder(&its_folder), opening(its_opening), wanted(std::move(its_wanted)), parts(std::move(its_parts)) {}
    const store::FolderInfo* folder;
    std::size_t opening;
    Wanted wanted;
    Parts parts;
    bool arrives = false;  ///< the body at hand is a part of it
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
  Status deliver(std::size_t opening, const store::Item& item, const mail::ContentPtr& body,
                 const FetchResponse& fetched);
  Status begin_large(const store::FolderInfo& folder, Uid uid, Wanted wanted);
  Status go_on_with_large();
  Status end_large();
  [[nodiscard]] bool goes_in_parts(const store::Item& item) const;
  [[nodiscard]] bool must_wait(const ToSend& next) const;
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

  std::optional<Large> large_;
  std::unique_ptr<files::ContentWriter> writer_;
  mail::ContentPtr body_;
};

}  // namespace mailhaul::imap
