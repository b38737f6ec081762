// Reads an account. No call asks for a change: EXAMINE, BODY.PEEK, never SELECT, STORE or EXPUNGE (durability 2.7).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/imap/ahead.hpp"
#include "plugins/imap/changes.hpp"
#include "plugins/imap/mailbox.hpp"
#include "plugins/imap/session.hpp"
#include "store/store.hpp"

namespace mailhaul::imap {

/// What IMAP promises of every account.
[[nodiscard]] store::Caps protocol_caps();
/// What a Target of this account can do, as far as it is known before a folder is opened.
[[nodiscard]] store::Caps account_caps(const Session& session);

class ImapSource final : public store::Source {
 public:
  /// `below`: only this folder and what lies below it is listed; an empty path is the whole account.
  ImapSource(std::unique_ptr<Session> session, mail::FolderPath below)
      : session_(std::move(session)), below_(std::move(below)), caps_(account_caps(*session_)), ahead_(*session_) {}

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string> since,
                              store::ItemSink& sink) override;
  Status expect_listings(std::vector<store::ListingWish> wishes) override;
  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override;
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override;
  Status pump(std::chrono::milliseconds until) override;

 private:
  /// Lets the answers of an operation that was broken off pass by.
  Status settle();
  /// EXAMINE and what follows, in one round trip, which a listing may have begun before; checks that the folder is the
  /// one that was listed. With `changes` also as far as they ask.
  enum class For { listing, other };
  Result<Mailbox> open(const store::FolderInfo& folder, std::vector<Command> commands, const UntaggedHandler& handler,
                       For use, Changes* changes = nullptr);
  /// What changed since, where it is worth asking for.
  Result<std::optional<Changes>> changes_of(const store::FolderInfo& folder, const std::optional<std::string>& since);
  [[nodiscard]] std::vector<Command> opening(const store::FolderInfo& folder, const Changes* changes,
                                             std::optional<Uid> from) const;
  Result<std::optional<store::ListEnd>> list_changes(const store::FolderInfo& folder, Changes& changes,
                                                     store::ItemSink& sink, UidSet& named);
  Result<bool> can_tell_vanished();

  void note_limit(const store::FolderInfo& folder, std::uint64_t exists);

  std::unique_ptr<Session> session_;
  const mail::FolderPath below_;
  const store::Caps caps_;
  std::optional<bool> tells_vanished_;  ///< QRESYNC is on, or is not to be had; nullopt: not asked for yet
  bool opened_any_ = false;             ///< a folder, in this session
  Ahead ahead_;
};

/// "7" for UID 7, and back; nullopt for what no listing of ours gave out.
[[nodiscard]] std::optional<Uid> uid_of(const store::Key& key);
/// Meta of a FETCH response: flags, keywords, INTERNALDATE, Gmail's labels.
[[nodiscard]] mail::Meta meta_of(const FetchResponse& fetched);
/// The Error for a folder that cannot be opened, or is not the one that was listed.
[[nodiscard]] Error not_opened(const Session& session, const store::FolderInfo& folder, const TaggedResponse& response);
[[nodiscard]] Error other_mailbox(const store::FolderInfo& folder);
/// Whether an opened mailbox is the folder that was listed. Where there is no UIDVALIDITY (bad-input 40), only in the
/// session that listed it.
[[nodiscard]] bool same_epoch(const Session& session, const store::FolderInfo& folder, const Mailbox& mailbox);

}  // namespace mailhaul::imap
