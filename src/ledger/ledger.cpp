// The ledger's statements. Every one is prepared once and kept by the connection.
#include "ledger/ledger.hpp"

#include <limits>

#include "base/checked.hpp"
#include "ledger/schema.hpp"

namespace mailhaul::ledger {
namespace {

Error about(Error error, const std::string& path) { return std::move(error).context("ledger " + path); }

/// Puts a damaged database aside with its companions, so that nobody takes an empty one for it (durability.md 2.3).
Status set_aside(files::FileSystem& fs, const std::string& path, std::int64_t wall_seconds) {
  MH_TRY(files::Place place, fs.open_place(path, /*create_parents=*/false));
  const std::string suffix = ".corrupt-" + std::to_string(wall_seconds);
  for (const char* companion : {"", "-wal", "-shm"}) {
    const std::string name = place.name + companion;
    if (!place.parent->stat(name).ok()) continue;
    MH_CHECK(place.parent->rename(name, *place.parent, name + suffix));
  }
  return place.parent->sync();
}

/// Name of a meta value: the last content there was when a target folder's watermark was set.
std::string before_watermark(RowId folder) { return "contents-before-watermark-" + std::to_string(folder); }

/// A row of id, folder, key, eid, nid, claims, delivered, flags.
Content content_of(const files::Stmt& row) {
  return Content{row.column_int(0),
                 row.column_int(1),
                 row.column_text(2),
                 row.column_digest(3).value_or(Digest{}),
                 row.column_digest(4).value_or(Digest{}),
                 row.column_int(5),
                 row.column_int(6) != 0,
                 static_cast<std::uint8_t>(row.column_int(7))};
}

/// The first five values of a new content.
void bind_content(files::Stmt& insert, RowId folder, std::string_view key, const Digest& eid, const Digest& nid,
                  const std::optional<Digest>& mail_key) {
  insert.bind(1, folder).bind(2, key).bind_blob(3, eid.octets());
  if (nid == eid)
    insert.bind_null(4);
  else
    insert.bind_blob(4, nid.octets());
  if (mail_key)
    insert.bind_blob(5, mail_key->octets());
  else
    insert.bind_null(5);
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(files::FileSystem& fs, const std::string& path, Mode mode,
                                             std::string_view source, std::string_view target,
                                             std::uint64_t random_instance, std::int64_t wall_seconds) {
  using DbMode = files::Db::Mode;
  const DbMode db_mode = mode == Mode::read_write  ? DbMode::read_write_create
                         : mode == Mode::read_only ? DbMode::read_only
                                                   : DbMode::temporary;
  auto db = files::Db::open(fs, path, db_mode);
  if (!db.ok()) {
    if (db.error().kind == ErrorKind::damage && mode == Mode::read_write) {
      MH_CHECK(set_aside(fs, path, wall_seconds));
      Error error = about(std::move(db).error(), path);
      error.hint = "it was renamed to " + path + ".corrupt-" + std::to_string(wall_seconds) +
                   "; run again to build a new one by comparing contents with the target";
      return error;
    }
    return about(std::move(db).error(), path);
  }
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(db).value()));
  if (mode == Mode::scratch && fs.stat(path).ok()) {
    if (auto status = ledger->copy_from(path); !status.ok()) return about(std::move(status).error(), path);
  }
  if (auto status = ledger->set_up(source, target, random_instance, mode != Mode::read_only); !status.ok())
    return about(std::move(status).error(), path);
  return ledger;
}

Status Ledger::copy_from(const std::string& path) {
  MH_CHECK(db_->attach_read_only(path, "kept"));
  std::string copy = kSchema + "PRAGMA user_version=" + std::to_string(kSchemaVersion) + ";";
  for (const char* table : {"meta", "source_folder", "target_folder", "content", "item", "intent"})
    copy += "INSERT INTO main." + std::string(table) + " SELECT * FROM kept." + table + ";";
  // A dry run asks for each listed message whether it is in doubt.
  copy += "DETACH kept; CREATE INDEX intent_item ON intent(source_folder, key);";
  return db_->exec(copy);
}

Status Ledger::set_up(std::string_view source, std::string_view target, std::uint64_t random_instance, bool writable) {
  std::int64_t version = 0;
  {
    MH_TRY(files::Stmt query, db_->prepare("PRAGMA user_version"));
    MH_TRY(const bool row, query.step());
    version = row ? query.column_int(0) : 0;
  }
  if (version > kSchemaVersion)
    return make_error(ErrorKind::usage, Scope::run, "was written by a newer mailhaul (schema " + std::to_string(version) + ")",
                      "use that version, or another file with --ledger");
  if (version == 0) {
    if (!writable) return make_error(ErrorKind::usage, Scope::run, "holds no ledger yet");
    MH_TRY(files::Tx tx, files::Tx::begin(*db_));
    MH_CHECK(db_->exec(kSchema + "PRAGMA application_id=" + std::to_string(kApplicationId) +
                       ";PRAGMA user_version=" + std::to_string(kSchemaVersion) + ";"));
    MH_CHECK(set_meta("instance", to_hex(random_instance)));
    MH_CHECK(set_meta("source", source));
    MH_CHECK(set_meta("target", target));
    MH_CHECK(set_meta("counter", "0"));
    MH_CHECK(tx.commit());
  }
  if (version > 0 && version < kSchemaVersion && writable) MH_CHECK(migrate(version));
  MH_TRY(const auto known_source, meta("source"));
  MH_TRY(const auto known_target, meta("target"));
  if (known_source != source || known_target != target)
    return make_error(ErrorKind::identity, Scope::run,
                      "was made for another pair: " + known_source.value_or("?") + " -> " + known_target.value_or("?"),
                      "leave --ledger out, or name another file");
  MH_TRY(const auto instance, meta("instance"));
  MH_TRY(const auto counter, meta("counter"));
  const auto instance_number = parse_uint(instance.value_or(""), 16);
  const auto counter_number = parse_uint(counter.value_or(""));
  if (!instance_number || !counter_number)
    return make_error(ErrorKind::damage, Scope::run, "has no instance number", "rename it and run again");
  instance_ = *instance_number;
  counter_ = saved_counter_ = *counter_number;
  return {};
}

/// All steps or none. What is only read is left as it is: queries hold for every version.
Status Ledger::migrate(std::int64_t version) {
  MH_TRY(files::Tx tx, files::Tx::begin(*db_));
  for (; version < kSchemaVersion; ++version) MH_CHECK(db_->exec(kMigrations[version - 1]));
  MH_CHECK(db_->exec("PRAGMA user_version=" + std::to_string(kSchemaVersion)));
  return tx.commit();
}

Result<std::optional<std::string>> Ledger::meta(std::string_view name) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT value FROM meta WHERE name=?1"));
  query.bind(1, name);
  MH_TRY(const bool row, query.step());
  if (!row) return std::optional<std::string>();
  return std::optional<std::string>(query.column_text(0));
}

Status Ledger::set_meta(std::string_view name, std::string_view value) {
  MH_TRY(files::Stmt insert, db_->prepare("INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)"));
  return insert.bind(1, name).bind(2, value).run();
}

/// SQLite rolls a transaction back by itself when the disk is full. What came after it would stand for itself: half of a
/// delivery is worse than none, for whose intent is still there.
Status Ledger::still_in_transaction() const {
  if (db_->in_transaction()) return {};
  return make_error(ErrorKind::no_space, Scope::run, "the ledger could not be written, and was taken back to what it was before",
                    "make room on its disk, then run the same command again", Retry::later);
}

Status Ledger::begin() {
  if (tx_) return still_in_transaction();
  MH_TRY(files::Tx tx, files::Tx::begin(*db_));
  tx_.emplace(std::move(tx));
  return {};
}

Status Ledger::commit() {
  if (!tx_) return {};
  MH_CHECK(still_in_transaction());
  if (counter_ != saved_counter_) MH_CHECK(set_meta("counter", std::to_string(counter_)));
  saved_counter_ = counter_;
  Status status = tx_->commit();
  tx_.reset();
  return status;
}

Result<SourceFolder> Ledger::source_folder(std::string_view path, std::string_view epoch) {
  MH_TRY(auto found, find_source_folder(path));
  if (!found) {
    MH_TRY(files::Stmt insert, db_->prepare("INSERT INTO source_folder(path, epoch) VALUES(?1, ?2)"));
    MH_CHECK(insert.bind(1, path).bind(2, epoch).run());
    return SourceFolder{db_->last_id(), std::string(epoch), "", ""};
  }
  if (found->epoch == epoch) return *found;
  // Keys of another epoch mean nothing: what they stood for stays known by content.
  MH_CHECK(begin_listing());
  MH_CHECK(end_listing(found->id));
  MH_TRY(files::Stmt update, db_->prepare("UPDATE source_folder SET epoch=?2, state='' WHERE id=?1"));
  MH_CHECK(update.bind(1, found->id).bind(2, epoch).run());
  MH_TRY(files::Stmt unname, db_->prepare("UPDATE intent SET key='' WHERE source_folder=?1"));
  MH_CHECK(unname.bind(1, found->id).run());
  found->epoch = std::string(epoch);
  found->state.clear();
  return *found;
}

Result<std::optional<SourceFolder>> Ledger::find_source_folder(std::string_view path) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT id, epoch, state, target_path FROM source_folder WHERE path=?1"));
  query.bind(1, path);
  MH_TRY(const bool row, query.step());
  if (!row) return std::optional<SourceFolder>();
  return std::optional(SourceFolder{query.column_int(0), query.column_text(1), query.column_text(2), query.column_text(3)});
}

Status Ledger::set_source_state(RowId folder, std::string_view state) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE source_folder SET state=?2 WHERE id=?1"));
  return update.bind(1, folder).bind(2, state).run();
}

Status Ledger::set_target_path(RowId folder, std::string_view target_path) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE source_folder SET target_path=?2 WHERE id=?1"));
  return update.bind(1, folder).bind(2, target_path).run();
}

Result<TargetFolder> Ledger::target_folder(std::string_view path) {
  {
    MH_TRY(files::Stmt query, db_->prepare("SELECT id, state, watermark FROM target_folder WHERE path=?1"));
    query.bind(1, path);
    MH_TRY(const bool row, query.step());
    if (row) return TargetFolder{query.column_int(0), query.column_text(1), query.column_blob(2)};
  }
  MH_TRY(files::Stmt insert, db_->prepare("INSERT INTO target_folder(path) VALUES(?1)"));
  MH_CHECK(insert.bind(1, path).run());
  return TargetFolder{db_->last_id(), "", ""};
}

Result<std::string> Ledger::target_folder_path(RowId folder) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT path FROM target_folder WHERE id=?1"));
  query.bind(1, folder);
  MH_TRY(const bool row, query.step());
  if (!row) return make_error(ErrorKind::damage, Scope::run, "ledger " + db_->path() + " names a folder it does not know");
  return query.column_text(0);
}

Status Ledger::set_target_state(RowId folder, std::string_view state) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE target_folder SET state=?2 WHERE id=?1"));
  return update.bind(1, folder).bind(2, state).run();
}

Status Ledger::set_watermark(RowId folder, std::string_view watermark) {
  {
    MH_TRY(files::Stmt query, db_->prepare("SELECT coalesce(max(id), 0) FROM content"));
    MH_TRY([[maybe_unused]] const bool row, query.step());
    MH_CHECK(set_meta(before_watermark(folder), std::to_string(query.column_int(0))));
  }
  MH_TRY(files::Stmt update, db_->prepare("UPDATE target_folder SET watermark=?2 WHERE id=?1"));
  return update.bind(1, folder).bind_blob(2, as_octets(watermark)).run();
}

Result<std::optional<RowId>> Ledger::contents_before_watermark(RowId folder) {
  MH_TRY(const auto text, meta(before_watermark(folder)));
  const auto number = parse_uint(text.value_or(""), 10, static_cast<std::uint64_t>(std::numeric_limits<RowId>::max()));
  return number ? std::optional(static_cast<RowId>(*number)) : std::nullopt;
}

Result<std::optional<KnownItem>> Ledger::find_item(RowId folder, std::string_view key) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT done, content FROM item WHERE folder=?1 AND key=?2"));
  query.bind(1, folder).bind(2, key);
  MH_TRY(const bool row, query.step());
  if (!row) return std::optional<KnownItem>();
  return std::optional(KnownItem{static_cast<Done>(query.column_int(0)), query.column_int(1)});
}

Result<DoneCounts> Ledger::count_items(RowId folder) {
  DoneCounts counts;
  MH_TRY(files::Stmt query, db_->prepare("SELECT done, count(*) FROM item WHERE folder=?1 GROUP BY done"));
  query.bind(1, folder);
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) return counts;
    const auto count = static_cast<std::uint64_t>(query.column_int(1));
    switch (static_cast<Done>(query.column_int(0))) {
      case Done::copied: counts.copied = count; break;
      case Done::adopted: counts.adopted = count; break;
      case Done::duplicate: counts.duplicate = count; break;
      case Done::loose_duplicate: counts.loose_duplicate = count; break;
    }
  }
}

Status Ledger::for_each_item(RowId folder, const std::function<Status(std::string_view key, KnownItem)>& sink) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT key, done, content FROM item WHERE folder=?1"));
  query.bind(1, folder);
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) return {};
    MH_CHECK(sink(query.column_text(0), KnownItem{static_cast<Done>(query.column_int(1)), query.column_int(2)}));
  }
}

Status Ledger::add_claims(RowId content, std::int64_t change) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET claims=claims+?2, ours=1 WHERE id=?1"));
  return update.bind(1, content).bind(2, change).run();
}

/// The claim is the caller's. Nearly every key is new: whether one is known is asked by the way.
Status Ledger::insert_item(RowId folder, std::string_view key, Done done, RowId content_id) {
  MH_TRY(files::Stmt insert, db_->prepare("INSERT INTO item(folder, key, done, content) VALUES(?1, ?2, ?3, ?4) "
                                          "ON CONFLICT DO NOTHING"));
  MH_CHECK(insert.bind(1, folder).bind(2, key).bind(3, static_cast<std::int64_t>(done)).bind(4, content_id).run());
  if (db_->changes() != 0) return {};
  MH_CHECK(forget_item(folder, key));
  return insert.run();
}

Status Ledger::record_item(RowId folder, std::string_view key, Done done, RowId content_id) {
  MH_CHECK(insert_item(folder, key, done, content_id));
  return add_claims(content_id, 1);
}

Status Ledger::record_delivery(const Delivered& delivered) {
  MH_TRY(files::Stmt insert,
         db_->prepare("INSERT INTO content(folder, key, eid, nid, mail_key, claims, ours, delivered, flags) "
                      "VALUES(?1, nullif(?2, ''), ?3, ?4, ?5, 1, 1, 1, ?6)"));
  bind_content(insert, delivered.target_folder, delivered.target_key, delivered.eid, delivered.nid, delivered.mail_key);
  MH_CHECK(insert.bind(6, static_cast<std::int64_t>(delivered.flags)).run());
  return insert_item(delivered.source_folder, delivered.source_key, Done::copied, db_->last_id());
}

Status Ledger::forget_item(RowId folder, std::string_view key) {
  MH_TRY(const auto known, find_item(folder, key));
  if (!known) return {};
  MH_CHECK(add_claims(known->content, -1));
  MH_TRY(files::Stmt erase, db_->prepare("DELETE FROM item WHERE folder=?1 AND key=?2"));
  return erase.bind(1, folder).bind(2, key).run();
}

Status Ledger::begin_listing() {
  return db_->exec("CREATE TEMP TABLE IF NOT EXISTS listed(key TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM temp.listed");
}

Status Ledger::note_listed(std::string_view key) {
  MH_TRY(files::Stmt insert, db_->prepare("INSERT OR IGNORE INTO temp.listed(key) VALUES(?1)"));
  return insert.bind(1, key).run();
}

Status Ledger::end_listing(RowId folder) {
  {
    MH_TRY(files::Stmt update,
           db_->prepare("UPDATE content SET claims=claims-gone.n FROM (SELECT content AS id, count(*) AS n FROM item "
                        "WHERE folder=?1 AND key NOT IN (SELECT key FROM temp.listed) GROUP BY content) AS gone "
                        "WHERE content.id=gone.id"));
    MH_CHECK(update.bind(1, folder).run());
  }
  MH_TRY(files::Stmt erase, db_->prepare("DELETE FROM item WHERE folder=?1 AND key NOT IN (SELECT key FROM temp.listed)"));
  MH_CHECK(erase.bind(1, folder).run());
  return db_->exec("DELETE FROM temp.listed");
}

Result<std::vector<Content>> Ledger::contents(std::string_view text, RowId target_folder, const Digest& digest) {
  std::vector<Content> found;
  MH_TRY(files::Stmt query, db_->prepare(text));
  query.bind_blob(1, digest.octets()).bind(2, target_folder);
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) return found;
    found.push_back(content_of(query));
  }
}

Result<std::vector<Content>> Ledger::contents_by_eid(RowId target_folder, const Digest& eid) {
  return contents(
      "SELECT id, folder, key, eid, coalesce(nid, eid), claims, delivered, flags FROM content "
      "WHERE eid=?1 AND (?2=0 OR folder=?2) ORDER BY id",
      target_folder, eid);
}

Result<std::vector<Content>> Ledger::contents_by_mail_key(RowId target_folder, const Digest& mail_key) {
  return contents(
      "SELECT id, folder, key, eid, coalesce(nid, eid), claims, delivered, flags FROM content "
      "WHERE mail_key=?1 AND (?2=0 OR folder=?2) ORDER BY id",
      target_folder, mail_key);
}

Result<std::optional<Content>> Ledger::content_by_key(RowId target_folder, std::string_view key) {
  std::int64_t id = 0;
  {
    MH_TRY(files::Stmt query, db_->prepare("SELECT id FROM content WHERE folder=?1 AND key=?2"));
    query.bind(1, target_folder).bind(2, key);
    MH_TRY(const bool row, query.step());
    if (!row) return std::optional<Content>();
    id = query.column_int(0);
  }
  return content(id);
}

Result<std::optional<Content>> Ledger::content(RowId id) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT id, folder, key, eid, coalesce(nid, eid), claims, delivered, flags FROM content "
                                         "WHERE id=?1"));
  query.bind(1, id);
  MH_TRY(const bool row, query.step());
  if (!row) return std::optional<Content>();
  return std::optional(content_of(query));
}

Result<bool> Ledger::has_mail_key(RowId content_id) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT mail_key IS NOT NULL FROM content WHERE id=?1"));
  query.bind(1, content_id);
  MH_TRY(const bool row, query.step());
  return row && query.column_int(0) != 0;
}

Result<RowId> Ledger::add_content(RowId target_folder, std::string_view key, const Digest& eid, const Digest& nid,
                                  const std::optional<Digest>& mail_key) {
  MH_TRY(files::Stmt insert,
         db_->prepare("INSERT INTO content(folder, key, eid, nid, mail_key) VALUES(?1, nullif(?2, ''), ?3, ?4, ?5)"));
  bind_content(insert, target_folder, key, eid, nid, mail_key);
  MH_CHECK(insert.run());
  return db_->last_id();
}

Status Ledger::mark_delivered(RowId content_id, std::uint8_t flags) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET delivered=1, flags=?2 WHERE id=?1"));
  return update.bind(1, content_id).bind(2, static_cast<std::int64_t>(flags)).run();
}

Status Ledger::set_nid(RowId content_id, const Digest& nid) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET nid=?2 WHERE id=?1"));
  return update.bind(1, content_id).bind_blob(2, nid.octets()).run();
}

Status Ledger::set_mail_key(RowId content_id, const Digest& mail_key) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET mail_key=?2 WHERE id=?1"));
  return update.bind(1, content_id).bind_blob(2, mail_key.octets()).run();
}

Status Ledger::locate_content(RowId content_id, std::string_view key) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET key=nullif(?2, '') WHERE id=?1"));
  return update.bind(1, content_id).bind(2, key).run();
}

Status Ledger::unlocate_unlisted(RowId target_folder) {
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET key=NULL WHERE folder=?1 AND key IS NOT NULL AND key NOT IN "
                                          "(SELECT key FROM temp.listed)"));
  MH_CHECK(update.bind(1, target_folder).run());
  // A foreign message that is gone proves nothing any more. What was once ours stays: delivered once is done.
  MH_TRY(files::Stmt erase, db_->prepare("DELETE FROM content WHERE folder=?1 AND key IS NULL AND ours=0"));
  MH_CHECK(erase.bind(1, target_folder).run());
  return db_->exec("DELETE FROM temp.listed");
}

Status Ledger::unlocate(RowId target_folder, std::string_view key) {
  // As unlocate_unlisted() has it.
  MH_TRY(files::Stmt erase, db_->prepare("DELETE FROM content WHERE folder=?1 AND key=?2 AND ours=0"));
  MH_CHECK(erase.bind(1, target_folder).bind(2, key).run());
  MH_TRY(files::Stmt update, db_->prepare("UPDATE content SET key=NULL WHERE folder=?1 AND key=?2"));
  return update.bind(1, target_folder).bind(2, key).run();
}

}  // namespace mailhaul::ledger
