// Pairing in four passes: equal NID, equal EID, then (for what is left) by the ledger and by a header block that is
// unique on both sides. What the first two pair is proven; the last two only tell "different" from "missing".
#include "ledger/comparison.hpp"

#include <algorithm>
#include <vector>

#include "ledger/pending.hpp"

namespace mailhaul::ledger {
namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE source(id INTEGER PRIMARY KEY, key TEXT, message_id BLOB, nid BLOB, eid BLOB, header BLOB, loose BLOB,
  flags INTEGER, keywords BLOB, received INTEGER, pair INTEGER, twin INTEGER, proven INTEGER NOT NULL DEFAULT 0);
CREATE TABLE target(id INTEGER PRIMARY KEY, key TEXT, message_id BLOB, nid BLOB, eid BLOB, header BLOB, loose BLOB,
  flags INTEGER, keywords BLOB, received INTEGER, pair INTEGER, twin INTEGER, proven INTEGER NOT NULL DEFAULT 0);
CREATE INDEX source_nid ON source(nid); CREATE INDEX target_nid ON target(nid);
CREATE INDEX source_eid ON source(eid); CREATE INDEX target_eid ON target(eid);
CREATE INDEX target_key ON target(key);
CREATE INDEX source_twin ON source(twin);
)sql";

std::string describe(std::int64_t flags, const std::string& keywords) {
  std::string text = mail::to_text(mail::Flags(static_cast<std::uint8_t>(flags)));
  for (const auto& keyword : unpack_words(keywords)) text += (text.empty() ? "" : " ") + keyword;
  return text.empty() ? "none" : text;
}

}  // namespace

Result<std::unique_ptr<Comparison>> Comparison::make(files::FileSystem& fs) {
  MH_TRY(auto db, files::Db::open(fs, "", files::Db::Mode::temporary));
  MH_CHECK(db->exec(kTables));
  return std::unique_ptr<Comparison>(new Comparison(std::move(db)));
}

Status Comparison::begin() {
  tx_.reset();
  MH_TRY(files::Tx tx, files::Tx::begin(*db_));
  tx_.emplace(std::move(tx));
  return db_->exec("DELETE FROM source; DELETE FROM target");
}

Status Comparison::add(Side side, const ComparedMessage& message) {
  MH_TRY(files::Stmt insert,
         db_->prepare(side == Side::source
                          ? "INSERT INTO source(key, message_id, nid, eid, header, loose, flags, keywords, received) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                          : "INSERT INTO target(key, message_id, nid, eid, header, loose, flags, keywords, received) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  insert.bind(1, message.key)
      .bind_blob(2, as_octets(message.message_id))
      .bind_blob(3, message.nid.octets())
      .bind_blob(4, message.eid.octets())
      .bind_blob(5, message.header_id.octets());
  if (message.loose_key)
    insert.bind_blob(6, message.loose_key->octets());
  else
    insert.bind_null(6);
  if (message.knows_meta) {
    insert.bind(7, static_cast<std::int64_t>(message.meta.flags.bits()))
        .bind_blob(8, as_octets(pack_words(message.meta.keywords)));
  } else {
    insert.bind_null(7).bind_null(8);
  }
  if (message.knows_meta && message.meta.received)
    insert.bind(9, static_cast<std::int64_t>(message.meta.received->instant.time_since_epoch().count()));
  else
    insert.bind_null(9);
  return insert.run();
}

Status Comparison::pair_equal(std::string_view digest, Meta meta) {
  // The n-th unpaired message of a digest on one side answers to the n-th on the other; in an order of flags and dates.
  const std::string what = std::string(digest) + (meta == Meta::equal ? ", flags, keywords, received" : "");
  const std::string named = std::string(digest) + " AS d" + (meta == Meta::equal ? ", flags, keywords, received" : "");
  const std::string same = meta == Meta::equal ? " AND s.flags=t.flags AND s.keywords=t.keywords AND s.received IS t.received" : "";
  const auto rank = [&](const std::string& table) {
    return "CREATE TABLE ranked_" + table + " AS SELECT id, " + named + ", row_number() OVER (PARTITION BY " + what +
           " ORDER BY flags, keywords, received, id) AS n FROM " + table + " WHERE pair IS NULL AND twin IS NULL;";
  };
  // The index is made by hand: SQLite makes none of its own for a join of two windows, and would compare all with all.
  MH_CHECK(db_->exec(rank("source") + rank("target") +
                     "CREATE INDEX ranked_target_d ON ranked_target(d" +
                     (meta == Meta::equal ? ", flags, keywords, received" : "") + ", n);"
                     "CREATE TABLE pairs AS SELECT s.id AS source, t.id AS target FROM ranked_source AS s CROSS JOIN "
                     "ranked_target AS t ON s.d=t.d AND s.n=t.n" + same +
                     "; DROP TABLE ranked_source; DROP TABLE ranked_target"));
  return db_->exec(
      "UPDATE source SET pair=p.target, proven=1 FROM pairs AS p WHERE p.source=source.id;"
      "UPDATE target SET pair=p.source, proven=1 FROM pairs AS p WHERE p.target=target.id; DROP TABLE pairs");
}

Status Comparison::pair_twins(Twins twins) {
  if (twins == Twins::multiset) return {};
  const std::string digest = twins == Twins::exact ? "nid" : "coalesce(loose, nid)";
  // Every source message but the first of its kind is a twin of the first.
  MH_CHECK(db_->exec("CREATE TABLE firsts AS SELECT min(id) AS id, " + digest + " AS d FROM source GROUP BY d;"
                     "CREATE INDEX firsts_d ON firsts(d)"));
  MH_CHECK(db_->exec("UPDATE source SET twin=(SELECT f.id FROM firsts f WHERE f.d=" + digest + ") WHERE id NOT IN (SELECT id FROM "
                     "firsts); DROP TABLE firsts"));
  return {};
}

Status Comparison::pair_by_ledger(const LedgerPairs& pairs) {
  std::vector<std::pair<std::int64_t, std::string>> left;
  MH_TRY(files::Stmt query, db_->prepare("SELECT id, key FROM source WHERE pair IS NULL AND twin IS NULL"));
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) break;
    left.emplace_back(query.column_int(0), query.column_text(1));
  }
  for (const auto& [id, key] : left) {
    MH_TRY(const auto target_key, pairs(key));
    if (!target_key) continue;
    MH_TRY(files::Stmt find, db_->prepare("SELECT id FROM target WHERE key=?1 AND pair IS NULL"));
    find.bind(1, *target_key);
    MH_TRY(const bool found, find.step());
    if (!found) continue;
    MH_TRY(files::Stmt pair_source, db_->prepare("UPDATE source SET pair=?2 WHERE id=?1"));
    MH_CHECK(pair_source.bind(1, id).bind(2, find.column_int(0)).run());
    MH_TRY(files::Stmt pair_target, db_->prepare("UPDATE target SET pair=?2 WHERE id=?1"));
    MH_CHECK(pair_target.bind(1, find.column_int(0)).bind(2, id).run());
  }
  return {};
}

Status Comparison::pair_by_header() {
  return db_->exec(R"sql(
CREATE TABLE pairs AS SELECT s.id AS source, t.id AS target FROM
  (SELECT max(id) AS id, header FROM source WHERE pair IS NULL AND twin IS NULL GROUP BY header HAVING count(*)=1) s JOIN
  (SELECT max(id) AS id, header FROM target WHERE pair IS NULL GROUP BY header HAVING count(*)=1) t ON s.header=t.header;
UPDATE source SET pair=p.target FROM pairs AS p WHERE p.source=source.id;
UPDATE target SET pair=p.source FROM pairs AS p WHERE p.target=target.id;
DROP TABLE pairs)sql");
}

Result<bool> Comparison::flags_differ(const files::Stmt& row) {
  if (row.column_is_null(6) || row.column_is_null(7)) return false;  // one of the places keeps none
  const auto own = static_cast<std::uint8_t>(row.column_int(6)), there = static_cast<std::uint8_t>(row.column_int(7));
  const std::string own_words = row.column_blob(8), words_there = row.column_blob(9);
  if (own == there && own_words == words_there) return false;
  // A message that stands for its twins may have got their flags and keywords too.
  std::uint8_t flags = own;
  std::vector<std::string> words = unpack_words(own_words);
  MH_TRY(files::Stmt twins, db_->prepare("SELECT flags, keywords FROM source WHERE twin=?1"));
  twins.bind(1, row.column_int(13));
  for (;;) {
    MH_TRY(const bool more, twins.step());
    if (!more) break;
    flags = static_cast<std::uint8_t>(flags | twins.column_int(0));
    for (auto& word : unpack_words(twins.column_blob(1))) words.push_back(std::move(word));
  }
  mail::normalize_keywords(words);
  const std::vector<std::string> present = unpack_words(words_there), wanted = unpack_words(own_words);
  const auto holds = [](const std::vector<std::string>& all, const std::vector<std::string>& some) {
    return std::all_of(some.begin(), some.end(), [&all](const auto& word) { return std::count(all.begin(), all.end(), word) != 0; });
  };
  return (there & own) != own || !holds(present, wanted) || (there & flags) != there || !holds(words, present);
}

Status Comparison::finish(Twins twins, const LedgerPairs& pairs, const std::function<Status(const Verdict&)>& sink,
                          std::uint64_t& extra) {
  MH_CHECK(pair_twins(twins));
  // Equal flags and dates first, whatever the digest, so that each of several twins finds its own: an mbox writes flags
  // into the message, and the one that happens to look like another's original is not its copy.
  MH_CHECK(pair_equal("nid", Meta::equal));
  MH_CHECK(pair_equal("eid", Meta::equal));
  MH_CHECK(pair_equal("nid", Meta::any));
  MH_CHECK(pair_equal("eid", Meta::any));
  if (twins == Twins::loose) MH_CHECK(pair_equal("loose", Meta::any));
  MH_CHECK(pair_by_ledger(pairs));
  MH_CHECK(pair_by_header());
  // A twin is as well off as the first of its kind. Its flags may have been added to that one's or not.
  MH_TRY(files::Stmt query, db_->prepare(R"sql(
SELECT s.key, s.message_id, s.nid, coalesce(f.proven, s.proven), t.key, s.nid=t.nid, s.flags, t.flags, s.keywords, t.keywords,
       s.received, t.received, s.twin IS NOT NULL, s.id
FROM source s LEFT JOIN source f ON f.id=s.twin LEFT JOIN target t ON t.id=coalesce(f.pair, s.pair) ORDER BY s.id)sql"));
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) break;
    Verdict verdict;
    verdict.source_key = query.column_text(0);
    verdict.message_id = query.column_blob(1);
    verdict.nid = query.column_digest(2).value_or(Digest{});
    const bool proven = query.column_int(3) != 0, twin = query.column_int(12) != 0;
    if (query.column_is_null(4)) {
      verdict.kind = Verdict::Kind::missing;
      verdict.detail = "not at the target";
    } else {
      verdict.target_key = query.column_text(4);
      verdict.kind = !proven                     ? Verdict::Kind::different
                     : query.column_int(5) != 0 ? Verdict::Kind::identical
                                                : Verdict::Kind::equivalent;
      if (!proven) verdict.detail = "the target's message has other content";
    }
    if (proven && !twin) {
      MH_TRY(verdict.flags_differ, flags_differ(query));
      verdict.dates_differ = !query.column_is_null(7) && !query.column_is_null(10) && (query.column_is_null(11) || query.column_int(10) != query.column_int(11));
      if (verdict.flags_differ)
        verdict.detail = "flags: source " + describe(query.column_int(6), query.column_blob(8)) + "; target " +
                         describe(query.column_int(7), query.column_blob(9));
      if (verdict.dates_differ)
        verdict.detail += std::string(verdict.detail.empty() ? "" : "; ") + "received: source " +
                          std::to_string(query.column_int(10)) + ", target " +
                          (query.column_is_null(11) ? "none" : std::to_string(query.column_int(11)));
    }
    MH_CHECK(sink(verdict));
  }
  MH_TRY(files::Stmt count, db_->prepare("SELECT count(*) FROM target WHERE pair IS NULL"));
  MH_TRY(const bool row, count.step());
  extra = row ? static_cast<std::uint64_t>(count.column_int(0)) : 0;
  return {};
}

}  // namespace mailhaul::ledger
