// Writes to an account: APPEND, many in flight, grouped where the server has MULTIAPPEND, each one's end told once and
// only after the server's OK and a look at what it stored (durability 2.5).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "plugins/imap/mailbox.hpp"
#include "plugins/imap/session.hpp"
#include "store/store.hpp"

namespace mailhaul::imap {

class ImapTarget final : public store::Target, private Listener {
 public:
  ImapTarget(std::unique_ptr<Session> session, store::AckSink& acks);
  ~ImapTarget() override;

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role role) override;
  std::vector<Result<store::FolderHandle>> open_folders(std::span<const store::FolderWish> wishes) override;
  Status subscribe(const store::FolderHandle& folder, bool on) override;
  Result<std::string> watermark(const store::FolderHandle& folder) override;
  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) override;
  Status update(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                const store::MetaChange& change) override;
  Status find_since(const store::FolderHandle& folder, std::string_view watermark,
                    std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) override;
  Status flush() override;
  Status ease() override;
  Status pump(std::chrono::milliseconds until) override;

 private:
  struct Folder {
    std::string native;
    store::FolderHandle handle;
    Mailbox mailbox;
    UidSet ours;                ///< stored by this session
    Uid look_from = 1;          ///< UIDs below were there before, or have been looked at
    std::uint64_t missing = 0;  ///< confirmed by the server, and not there
  };
  /// One message on its way.
  struct Parcel {
    store::Ticket ticket;
    mail::Message message;
    std::string octets;  ///< its CRLF form, if it is not too large for that
    std::vector<std::string> flags;
    std::string date;  ///< as APPEND takes it, or ""
    bool lost_flags = false, lost_keywords = false, lost_date = false;
    bool without_keywords = false;  ///< tried again without (quirk 48)
  };
  /// What one APPEND carries.
  struct Group {
    std::uint32_t folder = 0;
    std::vector<Parcel> parcels;
    std::uint64_t octets = 0;
  };
  /// Stored by the server's word; to be looked at before it is told.
  struct Unseen {
    Parcel parcel;
    std::optional<Uid> uid;
    bool seen = false;      ///< it is there
    bool doubtful = false;  ///< its size is not what was sent: its content has to tell
    store::Stored verdict;
  };

  /// A change of flags, queued until flush().
  struct Update {
    std::uint32_t folder = 0;
    Uid uid = 0;
    store::Ticket ticket;
    std::vector<std::string> add, remove;
    store::Stored verdict;
  };

  /// A folder that is being made, if it is not there, and opened.
  struct Opening {
    mail::FolderPath path;
    std::string native;
    bool makes = false;
    std::size_t first_call = 0;
    std::unique_ptr<Mailbox> mailbox;  ///< its handler points to it
  };

  /// One look at what a folder holds of ours.
  struct Look {
    std::uint32_t folder = 0;
    std::size_t first_call = 0, calls = 0;
    bool selects = false, all_known = true;
    UidSet asked;
    Mailbox mailbox;
    std::map<Uid, FetchResponse> there;
  };

  /// A look at what was stored in the open folder, in flight while more is sent.
  struct EarlyLook {
    std::uint32_t folder = 0;
    std::map<Uid, Unseen> unseen;
  };

  Status on_untagged(CommandId current, Response response) override;
  Status on_body_begin(CommandId, std::uint64_t) override { return {}; }
  Status on_body(CommandId, Octets) override { return {}; }
  Status on_body_end(CommandId) override { return {}; }
  Status on_done(CommandId id, const TaggedResponse& response) override;

  // target.cpp
  Status guard(Status status);
  template <typename T>
  Result<T> guard(Result<T> result);
  void break_off();
  void give_back_unsent();
  void wind_down();
  void tell(const store::Ticket& ticket, std::variant<store::Stored, store::Refused, store::InDoubt> verdict);
  Status learn_folders();
  Result<Opening> begin_opening(const store::FolderWish& wish, std::vector<Call>& calls);
  Result<store::FolderHandle> opened(Opening& opening, std::span<const TaggedResponse> responses);
  Status select_folder(std::uint32_t folder);
  [[nodiscard]] static Error replaced(const Folder& folder);

  // append.cpp
  Result<Parcel> wrap(const Folder& folder, const store::Ticket& ticket, mail::Message message);
  void enqueue_group();
  void enqueue(Group group);
  Status start_queued();
  Status wait_for_room();
  [[nodiscard]] bool has_room() const;
  void stored(Group group, const Code& code);
  void refused(Group group, const TaggedResponse& response);

  // update.cpp
  Status send_updates();
  Status send_updates_of_one_folder();

  // read_back.cpp
  void look_early(std::uint32_t folder);
  void end_early_look(CommandId id);
  Status look_at_stored();
  void ask_about(Look& look, std::vector<Call>& calls);
  Status conclude(Look& look, std::span<const TaggedResponse> answers, std::deque<Unseen>& unseen);
  static void give_uids(Folder& folder, const std::map<Uid, FetchResponse>& there, std::deque<Unseen>& unseen);
  Status look_again(Look& look, std::deque<Unseen>& unseen);
  void note_not_shown(const Folder& folder, std::uint64_t messages, const TaggedResponse& refused);
  static void judge(Unseen& one, const FetchResponse& there);
  Status compare_content(std::uint32_t folder, std::deque<Unseen>& unseen);
  void tell(Folder& folder, Unseen one);

  std::unique_ptr<Session> session_;
  store::AckSink& acks_;
  store::Caps caps_;
  bool learnt_ = false, broken_ = false;
  unsigned limits_ = 0;                            ///< refusals with LIMIT since the last message that was taken
  std::optional<Error> full_;                      ///< the account takes nothing more
  std::map<mail::FolderPath, std::string> there_;  ///< the account's folders: path, native
  std::set<mail::FolderPath> containers_;          ///< those that cannot be selected
  std::vector<Folder> folders_;
  std::map<mail::FolderPath, std::uint32_t> opened_;
  std::optional<std::uint32_t> selected_;
  Group group_;  ///< being filled
  std::map<CommandId, Group> sent_;
  std::uint64_t sent_octets_ = 0;
  std::deque<Group> queue_;           ///< full, or parts of a refused one: to be sent when there is room
  std::map<CommandId, Group> ended_;  ///< told when the session ended; their octets may still be referred to
  std::map<std::uint32_t, std::deque<Unseen>> unseen_;  ///< by folder
  std::map<CommandId, EarlyLook> early_looks_;
  std::uint64_t verdicts_ = 0;  ///< told so far
  std::vector<Update> updates_;
};

}  // namespace mailhaul::imap
