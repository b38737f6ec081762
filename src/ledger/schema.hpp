// The ledger's tables. A change of them is a new version with its migration in ledger.cpp, never an edit.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>

namespace mailhaul::ledger {

inline constexpr std::int64_t kSchemaVersion = 2;
inline constexpr std::int64_t kApplicationId = 0x4d484c31;  // "MHL1"

/// nid NULL = equal to eid; claims = live items that stand for the content; ours = was ever claimed;
/// delivered = mailhaul wrote it, with `flags`.
/// A deleted item gives its claim back but never takes `ours` away.
inline const std::string kSchema = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source_folder(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT '', target_path TEXT NOT NULL DEFAULT '');
CREATE TABLE target_folder(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL DEFAULT '', watermark BLOB NOT NULL DEFAULT x'');
CREATE TABLE content(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL REFERENCES target_folder(id), key TEXT,
  eid BLOB NOT NULL, nid BLOB, mail_key BLOB, claims INTEGER NOT NULL DEFAULT 0,
  ours INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0, flags INTEGER NOT NULL DEFAULT 0);
CREATE INDEX content_eid ON content(eid);
CREATE INDEX content_key ON content(folder, key) WHERE key IS NOT NULL;
CREATE INDEX content_mail_key ON content(mail_key) WHERE mail_key IS NOT NULL;
CREATE TABLE item(folder INTEGER NOT NULL, key TEXT NOT NULL, done INTEGER NOT NULL, content INTEGER NOT NULL,
  PRIMARY KEY(folder, key)) WITHOUT ROWID;
CREATE TABLE intent(counter INTEGER NOT NULL, instance INTEGER NOT NULL, source_folder INTEGER NOT NULL,
  key TEXT NOT NULL, target_folder INTEGER NOT NULL, nid BLOB NOT NULL, eid BLOB NOT NULL, mail_key BLOB,
  crlf_size INTEGER NOT NULL, PRIMARY KEY(counter, instance)) WITHOUT ROWID;
)sql";

/// What makes the next version of each: from 1 to 2, and so on. An index of intents by source message cost two writes a
/// delivery; only a dry run asks that way, on a copy.
inline constexpr const char* kMigrations[] = {"DROP INDEX intent_item"};
static_assert(std::size(kMigrations) == kSchemaVersion - 1);

}  // namespace mailhaul::ledger
