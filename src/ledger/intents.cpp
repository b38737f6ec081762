// The ledger's intents: deliveries that were announced and have no verdict yet (docs/design/durability.md).
#include <utility>

#include "ledger/ledger.hpp"

namespace mailhaul::ledger {

Status Ledger::add_intent(const Intent& intent) {
  MH_TRY(files::Stmt insert, db_->prepare("INSERT INTO intent(counter, instance, source_folder, key, target_folder, nid, eid, "
                                          "mail_key, crlf_size) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  insert.bind(1, static_cast<std::int64_t>(intent.counter))
      .bind(2, static_cast<std::int64_t>(intent.instance))
      .bind(3, intent.source_folder)
      .bind(4, intent.key)
      .bind(5, intent.target_folder)
      .bind_blob(6, intent.nid.octets())
      .bind_blob(7, intent.eid.octets());
  if (intent.mail_key)
    insert.bind_blob(8, intent.mail_key->octets());
  else
    insert.bind_null(8);
  return insert.bind(9, static_cast<std::int64_t>(intent.crlf_size)).run();
}

Status Ledger::drop_intent(std::uint64_t instance, std::uint64_t counter) {
  MH_TRY(files::Stmt erase, db_->prepare("DELETE FROM intent WHERE counter=?1 AND instance=?2"));
  return erase.bind(1, static_cast<std::int64_t>(counter)).bind(2, static_cast<std::int64_t>(instance)).run();
}

Status Ledger::drop_intents(std::uint64_t instance, std::uint64_t first, std::uint64_t last) {
  MH_TRY(files::Stmt erase, db_->prepare("DELETE FROM intent WHERE counter BETWEEN ?1 AND ?2 AND instance=?3"));
  return erase.bind(1, static_cast<std::int64_t>(first))
      .bind(2, static_cast<std::int64_t>(last))
      .bind(3, static_cast<std::int64_t>(instance))
      .run();
}

Result<std::vector<Intent>> Ledger::intents() {
  std::vector<Intent> found;
  MH_TRY(files::Stmt query, db_->prepare("SELECT counter, instance, source_folder, key, target_folder, nid, eid, mail_key, "
                                         "crlf_size FROM intent ORDER BY target_folder, counter"));
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) return found;
    Intent intent;
    intent.counter = static_cast<std::uint64_t>(query.column_int(0));
    intent.instance = static_cast<std::uint64_t>(query.column_int(1));
    intent.source_folder = query.column_int(2);
    intent.key = query.column_text(3);
    intent.target_folder = query.column_int(4);
    intent.nid = query.column_digest(5).value_or(Digest{});
    intent.eid = query.column_digest(6).value_or(Digest{});
    intent.mail_key = query.column_is_null(7) ? std::nullopt : query.column_digest(7);
    intent.crlf_size = static_cast<std::uint64_t>(query.column_int(8));
    found.push_back(std::move(intent));
  }
}

Result<bool> Ledger::has_intent(RowId source_folder, std::string_view key) {
  MH_TRY(files::Stmt query, db_->prepare("SELECT 1 FROM intent WHERE source_folder=?1 AND key=?2"));
  query.bind(1, source_folder).bind(2, key);
  return query.step();
}

}  // namespace mailhaul::ledger
