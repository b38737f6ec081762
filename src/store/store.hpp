// The contract with every place where mail can live. Built in or loaded, a store is a Source, a Target, or both.
// Both are used by one thread only (the one that pumps them) and die with their session; only the pipeline opens
// another. Tests: tests/conformance holds every clause.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "mail/content.hpp"
#include "mail/folder_path.hpp"
#include "mail/meta.hpp"
#include "store/location.hpp"
#include "store/services.hpp"

namespace mailhaul::store {

/// Names one message of a folder, as long as folder name and epoch are the same. Opaque, printable ASCII without
/// blanks, at most 1,000 octets.
using Key = std::string;

/// Which changes an equal `state` rules out.
struct Covers {
  bool new_mail = false;
  bool gone = false;
  bool meta = false;
};

/// One folder of a source or target.
struct FolderInfo {
  mail::FolderPath path;
  std::string id;      ///< a name that survives renames (MAILBOXID), or ""
  mail::Role role = mail::Role::none;
  std::string epoch;   ///< UIDVALIDITY or like: another epoch voids all keys
  bool subscribed = true;
  bool selectable = true;  ///< false: a mere container, never listed
  std::string state;   ///< opaque; "" = not known. Equal state = nothing of `covers` changed
  Covers covers;
  std::optional<std::uint64_t> messages;
  bool only = false;  ///< the place knows no folders (POP3): its name is a convention and tells nothing
};

/// One message as a listing tells it.
struct Item {
  Key key;
  std::string locator;    ///< helps fetch() beside the key; opaque, valid for this session. "" after it: the key must do
  std::string object_id;  ///< EMAILID, X-GM-MSGID, or ""
  std::optional<std::uint64_t> size;  ///< a hint
  std::optional<std::int64_t> arrived;  ///< for the order of reading alone, where the listing has none: microseconds since 1970
  mail::Meta meta;        ///< what the listing knows cheaply
  bool meta_complete = false;  ///< false: flags, keywords or date are known only after fetch()
  bool at_once = false;        ///< fetch(): whole and in one piece, for sessions were lost at it
  bool flags_known = false;    ///< the flags in `meta` are right even if the rest is not known yet
};

/// Takes a listing. An Error returned by the sink stops the listing and is returned from it.
class ItemSink {
 public:
  virtual ~ItemSink() = default;
  virtual Status on_item(Item item) = 0;
  virtual Status on_gone(const Key& key) = 0;  ///< only in a delta
  /// A message that is there but cannot be offered (a link, no permission): it counts as listed and failed.
  virtual Status on_bad(const Key& key, Error error) = 0;
};

/// How a listing ended.
struct ListEnd {
  bool complete = true;  ///< false: a delta against `since`; what it does not name is as it was
  std::string state;     ///< the state to remember; "" when it must not be remembered (changed meanwhile, too young)
};

/// What is to be fetched next; no items = nothing more. `folder` stays valid until fetch() returns.
struct FetchBatch {
  const FolderInfo* folder = nullptr;
  std::vector<Item> items;
};
/// Called when the window has room; may be called ahead of results. An Error ends fetch() with it.
using NextBatch = std::function<Result<FetchBatch>()>;

/// Each item pulled ends in exactly one of these calls, on the thread that called fetch(). An Error returned by
/// the sink stops fetch() (the rest is not reported) and is returned from it.
class FetchSink {
 public:
  virtual ~FetchSink() = default;
  /// `message.meta` is complete: flags, keywords, received date by house.md (Meta).
  virtual Status on_message(const FolderInfo& folder, const Item& item, mail::Message message) = 0;
  virtual Status on_failed(const FolderInfo& folder, const Item& item, Error error) = 0;
  virtual Status on_vanished(const FolderInfo& folder, const Item& item) = 0;
  /// False: what was delivered still waits for a slow target. A source with a session asks its server for nothing more
  /// then, and keeps the session alive until this is true again; one without just delivers, and is made to wait.
  [[nodiscard]] virtual bool wants_more() { return true; }
};

/// What a place can do. Plain data: a claimed ability is tested by the conformance suite, an unclaimed one must
/// be refused with ErrorKind::unsupported.
struct Caps {
  enum class Keywords { none, limited, any };
  unsigned sessions = 1;            ///< connections that may be open at once
  unsigned writers_per_folder = 1;
  bool keys_stable = true;          ///< false: keys die with the session
  bool commits = false;             ///< acks are provisional until commit()
  bool watermark_per_batch = false; ///< watermark() is taken (and the folder locked) before every batch
  bool late_commits = false;        ///< a delivery in doubt may still arrive after find_since() did not see it: wait
  bool exact_octets = true;         ///< false: the format adds or drops housekeeping fields, line ends or NUL
  Keywords keywords = Keywords::none;
  unsigned keywords_limit = 0;      ///< with `limited`: how many different ones a folder holds
  mail::Flags flags;                ///< the flags it can keep
  bool keeps_meta = true;           ///< false: neither flags nor keywords nor received dates (POP3); a message's own
                                    ///< fields tell when it came
  std::optional<Instant> dates_from, dates_to;  ///< received dates it can keep; nullopt = any
  std::optional<std::uint64_t> max_octets;
  bool nul = true;                  ///< keeps NUL
  bool zero_octets = true;          ///< keeps a message of 0 octets
  bool copy = false, update = false, remove = false, rename = false;
  bool many_folders = true;         ///< false: one folder only (an mbox file)
  char separator = 0;               ///< cannot stand in a folder's component; 0 = none
};

/// A listing that is to be asked for.
struct ListingWish {
  const FolderInfo* folder = nullptr;
  std::optional<std::string> since;
};

/// Reads a place. No call of it changes anything there: no \Seen, no mtime, no dotlock, no DELE.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual const Caps& caps() const = 0;
  /// Every folder once, in a stable order. Blocks.
  virtual Status folders(const std::function<Status(FolderInfo)>& sink) = 0;
  /// Every message of the folder once, in the store's order. With `since` (a state from an earlier ListEnd of the
  /// same folder name and epoch) the store may answer with a delta. Bounded memory for any count. Blocks.
  virtual Result<ListEnd> list(const FolderInfo& folder, std::optional<std::string> since, ItemSink& sink) = 0;
  /// Tells that list() will be called with just these, in this order: a place with round trips asks for the next ones
  /// while one is read. The folders stay valid until then, or until the next call of this. May be ignored.
  virtual Status expect_listings(std::vector<ListingWish> wishes);
  /// The present meta of the given keys; a key that is gone is on_gone, every other on_item exactly once.
  virtual Status describe(const FolderInfo& folder, std::span<const Key> keys, ItemSink& sink) = 0;
  /// Pulls batches and delivers messages until `next` gives none and all are delivered. A bad message fails alone. A
  /// folder that cannot be read, or is another one than the epoch says, fails each of its messages with its own Error
  /// (scope folder). When the session is lost, what was pulled and has no end yet is asked for again by the next one.
  virtual Status fetch(const NextBatch& next, FetchSink& sink) = 0;
  /// Keeps an idle session alive for at most the given time. Local stores return at once.
  virtual Status pump(std::chrono::milliseconds until) = 0;
};

/// The intent id of one delivery: a ledger's random instance and its counter; never used twice.
struct Ticket {
  std::uint64_t instance = 0;
  std::uint64_t counter = 0;
  auto operator<=>(const Ticket&) const = default;
  [[nodiscard]] std::string hex() const;  ///< 32 digits
  [[nodiscard]] static std::optional<Ticket> from_hex(std::string_view text);
};

/// An opened target folder. Valid until the target dies.
struct FolderHandle {
  std::uint32_t id = 0;
  mail::FolderPath path;  ///< as the target spells it
  std::string epoch;
  bool created = false;   ///< this call made it
};

struct Stored {
  std::optional<Key> key;
  bool lost_keywords = false;  ///< keywords that the place could not keep were left out
  bool lost_date = false;
  bool lost_flags = false;
  bool altered = false;  ///< the place answers, but holds other octets than were sent (beyond exact_octets)
};
struct Refused {
  Error error;
};
struct InDoubt {};
/// The verdict on one accepted ticket. `Stored` means durable (after power loss too), unless Caps::commits.
struct Ack {
  Ticket ticket;
  std::variant<Stored, Refused, InDoubt> verdict;
};
/// When the session is lost (Scope::session, retry not `never`), each ticket without a verdict gets one from inside the
/// call that says so, before it returns its Error: Stored; Refused with an Error of scope session and retry `now`, if its
/// last octet never left, so that it is certainly not stored; else InDoubt. All later calls return such an Error too.
/// Hears every accepted ticket's verdict once, and after InDoubt at most one later one, from inside submit(),
/// flush(), pump() or commit() on the target's thread. Must not call the target.
class AckSink {
 public:
  virtual ~AckSink() = default;
  virtual void on_ack(const Ack& ack) = 0;
};

/// A delivery whose outcome is to be found again after a crash or a cut.
struct Wanted {
  Ticket ticket;
  Digest nid, eid;
  std::uint64_t crlf_size = 0;
};
/// One message that the target holds and that answers to a Wanted.
struct Match {
  Key key;
  std::optional<Ticket> ticket;  ///< the place itself tells whose delivery it is
  Digest nid, eid;
};

/// Changes of meta asked of update().
struct MetaChange {
  mail::Flags add_flags, remove_flags;
  std::vector<std::string> add_keywords, remove_keywords;
};

/// A folder that is to be opened at a target.
struct FolderWish {
  mail::FolderPath path;
  mail::Role role = mail::Role::none;
};

/// Writes to a place.
class Target {
 public:
  virtual ~Target() = default;
  [[nodiscard]] virtual const Caps& caps() const = 0;
  virtual Status folders(const std::function<Status(FolderInfo)>& sink) = 0;
  /// Opens a folder, making it (and its parents) durably if it is not there. A name the place cannot hold is
  /// ErrorKind::usage, scope folder. Any number may be open; opening twice gives the same folder.
  virtual Result<FolderHandle> open_folder(const mail::FolderPath& path, mail::Role role) = 0;
  /// The same for several, in their order; a place with round trips does it in one. One by one where it is not overridden.
  virtual std::vector<Result<FolderHandle>> open_folders(std::span<const FolderWish> wishes);
  virtual Status rename_folder(const FolderHandle& folder, const mail::FolderPath& to);
  virtual Status subscribe(const FolderHandle& folder, bool on);
  /// Where the folder ends now: a blob for find_since() after a crash. Taken before the first submit (with
  /// Caps::watermark_per_batch before the first submit after each flush; the folder then stays locked until flush()).
  virtual Result<std::string> watermark(const FolderHandle& folder) = 0;
  /// Queues one message, blocking while the window is full. An Error means that the ticket was not accepted and
  /// will get no Ack. The message's content is kept alive by the target until its Ack.
  virtual Status submit(const FolderHandle& folder, const Ticket& ticket, mail::Message message) = 0;
  virtual Status copy(const FolderHandle& folder, const Ticket& ticket, const FolderHandle& from, const Key& key,
                      const mail::Meta& meta);
  /// Changes flags and keywords of a message; acknowledged like a submit.
  virtual Status update(const FolderHandle& folder, const Ticket& ticket, const Key& key, const MetaChange& change);
  virtual Status remove(const FolderHandle& folder, const Ticket& ticket, const Key& key, const Digest& expected);
  /// All messages after the watermark that answer to `wanted`: those that carry a wanted ticket, and (where the
  /// place cannot tell) those with a wanted EID. Torn leftovers of wanted tickets are cleaned up first; foreign
  /// octets behind a torn one are ErrorKind::damage and nothing is touched.
  virtual Status find_since(const FolderHandle& folder, std::string_view watermark, std::span<const Wanted> wanted,
                            const std::function<Status(Match)>& sink) = 0;
  /// Returns when every accepted ticket has its Ack. An Error: those without one never get it (in doubt).
  virtual Status flush() = 0;
  /// For a caller that has too many tickets under way: returns when at least one more has its Ack, if any is without. All
  /// of them have theirs where it is not overridden.
  virtual Status ease();
  virtual Status pump(std::chrono::milliseconds until) = 0;
  virtual Status commit();  ///< only with Caps::commits
};

}  // namespace mailhaul::store
