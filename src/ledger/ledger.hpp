// What was delivered where: one SQLite file a pair (source place, target place). Losing it costs time, never a
// duplicate, because what a target holds can be read again. Intents cannot: they are durable before their submit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "files/sqlite.hpp"

namespace mailhaul::ledger {

/// Row numbers of this file.
using RowId = std::int64_t;

/// A folder of the source as the ledger remembers it.
struct SourceFolder {
  RowId id = 0;
  std::string epoch;
  std::string state;        ///< "" = must be listed
  std::string target_path;  ///< the name it goes by at the target; "" = not decided
};

/// A folder of the target.
struct TargetFolder {
  RowId id = 0;
  std::string state;      ///< the state up to which its messages are known here; "" = not known
  std::string watermark;  ///< of the deliveries in doubt
};

/// How a source message was done.
enum class Done { copied = 1, adopted = 2, duplicate = 3, loose_duplicate = 4 };  ///< loose: by mail key or Message-ID

struct KnownItem {
  Done done = Done::copied;
  RowId content = 0;
};

/// One message that the target holds or held. `claims`: live source messages that stand for it.
struct Content {
  RowId id = 0;
  RowId folder = 0;
  std::string key;  ///< "" = not located
  Digest eid, nid;
  std::int64_t claims = 0;
  bool delivered = false;  ///< written by mailhaul, with these flags
  std::uint8_t flags = 0;
};

/// A delivery that was announced. After a stop every one that is still here is in doubt.
struct Intent {
  std::uint64_t instance = 0, counter = 0;  ///< the ticket
  RowId source_folder = 0;
  std::string key;
  RowId target_folder = 0;
  Digest nid, eid;
  std::optional<Digest> mail_key;
  std::uint64_t crlf_size = 0;
};

/// A message that mailhaul wrote, and the source message that it stands for.
struct Delivered {
  RowId source_folder = 0;
  std::string_view source_key;
  RowId target_folder = 0;
  std::string_view target_key;  ///< "" = not located
  Digest eid, nid;
  std::optional<Digest> mail_key;
  std::uint8_t flags = 0;
};

/// Counts of a source folder's live messages by how they were done.
struct DoneCounts {
  std::uint64_t copied = 0, adopted = 0, duplicate = 0, loose_duplicate = 0;
};

/// One thread at a time. Changes take part in the transaction that is open (begin()/commit()), which the caller
/// keeps short; nothing is durable before commit() returned.
class Ledger {
 public:
  enum class Mode {
    read_write,
    read_only,  ///< the file must exist
    scratch,    ///< a temporary copy of the file, or an empty one where there is none; nothing is kept
  };
  /// `source`, `target`: identities of the places; a file made for another pair is ErrorKind::identity. A damaged file
  /// is renamed to `*.corrupt-<time>` and answered with ErrorKind::damage, never replaced in silence. A newer schema is
  /// ErrorKind::usage and left alone.
  static Result<std::unique_ptr<Ledger>> open(files::FileSystem& fs, const std::string& path, Mode mode,
                                              std::string_view source, std::string_view target,
                                              std::uint64_t random_instance, std::int64_t wall_seconds);

  [[nodiscard]] std::uint64_t instance() const { return instance_; }
  /// The next ticket counter; used ones are remembered with the intents.
  [[nodiscard]] std::uint64_t next_counter() { return ++counter_; }

  [[nodiscard]] Status begin();   ///< joins the open one, if there is one
  [[nodiscard]] Status commit();  ///< durable when it returns
  [[nodiscard]] bool in_transaction() const { return tx_.has_value(); }

  /// Found or made. Another epoch voids all keys: its items are forgotten (their contents stay known), and its intents
  /// name no source message any more.
  [[nodiscard]] Result<SourceFolder> source_folder(std::string_view path, std::string_view epoch);
  [[nodiscard]] Result<std::optional<SourceFolder>> find_source_folder(std::string_view path);
  [[nodiscard]] Status set_source_state(RowId folder, std::string_view state);
  [[nodiscard]] Status set_target_path(RowId folder, std::string_view target_path);
  [[nodiscard]] Result<TargetFolder> target_folder(std::string_view path);
  [[nodiscard]] Result<std::string> target_folder_path(RowId folder);
  [[nodiscard]] Status set_target_state(RowId folder, std::string_view state);
  [[nodiscard]] Status set_watermark(RowId folder, std::string_view watermark);
  /// Contents with a higher id were recorded after the folder's watermark was set; nullopt when that is not known.
  [[nodiscard]] Result<std::optional<RowId>> contents_before_watermark(RowId folder);

  [[nodiscard]] Result<std::optional<KnownItem>> find_item(RowId folder, std::string_view key);
  [[nodiscard]] Result<DoneCounts> count_items(RowId folder);
  [[nodiscard]] Status for_each_item(RowId folder, const std::function<Status(std::string_view key, KnownItem)>& sink);
  /// Records how a source message was done and claims the content; a former claim of that key is given up.
  [[nodiscard]] Status record_item(RowId folder, std::string_view key, Done done, RowId content);
  /// add_content(), mark_delivered() and record_item() as copied, in one.
  [[nodiscard]] Status record_delivery(const Delivered& delivered);
  /// Listing bookkeeping: what end_listing() does not find among the keys noted is gone from the source; its claim is
  /// given up, the content stays known (delivered once is done).
  [[nodiscard]] Status begin_listing();
  [[nodiscard]] Status note_listed(std::string_view key);
  [[nodiscard]] Status end_listing(RowId folder);
  [[nodiscard]] Status forget_item(RowId folder, std::string_view key);  ///< named gone by a delta

  /// Contents with that EID; `target_folder` 0 = in any.
  [[nodiscard]] Result<std::vector<Content>> contents_by_eid(RowId target_folder, const Digest& eid);
  [[nodiscard]] Result<std::vector<Content>> contents_by_mail_key(RowId target_folder, const Digest& mail_key);
  [[nodiscard]] Result<std::optional<Content>> content_by_key(RowId target_folder, std::string_view key);
  [[nodiscard]] Result<std::optional<Content>> content(RowId id);
  [[nodiscard]] Result<bool> has_mail_key(RowId content);
  [[nodiscard]] Result<RowId> add_content(RowId target_folder, std::string_view key, const Digest& eid, const Digest& nid,
                                          const std::optional<Digest>& mail_key);
  /// The content was written by mailhaul with these flags.
  [[nodiscard]] Status mark_delivered(RowId content, std::uint8_t flags);
  /// The source message that it stands for has this NID (an adopted one may differ in housekeeping fields).
  [[nodiscard]] Status set_nid(RowId content, const Digest& nid);
  [[nodiscard]] Status set_mail_key(RowId content, const Digest& mail_key);
  [[nodiscard]] Status locate_content(RowId content, std::string_view key);
  /// Target bookkeeping, like begin_listing: contents whose key was not noted are no longer located.
  [[nodiscard]] Status unlocate_unlisted(RowId target_folder);
  [[nodiscard]] Status unlocate(RowId target_folder, std::string_view key);  ///< named gone by a delta

  [[nodiscard]] Status add_intent(const Intent& intent);
  [[nodiscard]] Status drop_intent(std::uint64_t instance, std::uint64_t counter);
  /// All from `first` to `last`.
  [[nodiscard]] Status drop_intents(std::uint64_t instance, std::uint64_t first, std::uint64_t last);
  [[nodiscard]] Result<std::vector<Intent>> intents();
  /// In doubt for one source message: it must neither be sent again nor be called copied. Looks at all intents, but in
  /// a scratch ledger, which has an index of them.
  [[nodiscard]] Result<bool> has_intent(RowId source_folder, std::string_view key);

 private:
  [[nodiscard]] Status still_in_transaction() const;
  explicit Ledger(std::unique_ptr<files::Db> db) : db_(std::move(db)) {}
  [[nodiscard]] Status set_up(std::string_view source, std::string_view target, std::uint64_t random_instance, bool writable);
  [[nodiscard]] Status copy_from(const std::string& path);
  [[nodiscard]] Status migrate(std::int64_t version);
  [[nodiscard]] Result<std::optional<std::string>> meta(std::string_view name);
  [[nodiscard]] Status set_meta(std::string_view name, std::string_view value);
  [[nodiscard]] Result<std::vector<Content>> contents(std::string_view query, RowId target_folder,
                                                      const Digest& digest);
  [[nodiscard]] Status insert_item(RowId folder, std::string_view key, Done done, RowId content);
  [[nodiscard]] Status add_claims(RowId content, std::int64_t change);

  std::unique_ptr<files::Db> db_;
  std::optional<files::Tx> tx_;
  std::uint64_t instance_ = 0, counter_ = 0, saved_counter_ = 0;
};

}  // namespace mailhaul::ledger
