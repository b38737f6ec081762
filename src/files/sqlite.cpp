// SQLite's statements and transactions. Opening and its checks are in sqlite_open.cpp.
#include "files/sqlite.hpp"

#include <sqlite3.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "base/strings.hpp"
#include "files/sqlite_error.hpp"

namespace mailhaul::files {
namespace {

// Set apart: SQLite's macro casts -1 to a function pointer.
const auto kCopied = SQLITE_TRANSIENT;

struct Verdict {
  ErrorKind kind;
  Retry retry = Retry::never;
  const char* hint = "";
};

bool is_disk_full(int system) { return system == ENOSPC || system == EDQUOT || system == EFBIG; }

Verdict judge(int code, int system) {
  const Verdict no_space{ErrorKind::no_space, Retry::later, "free some space and run the same command again"};
  switch (code & 0xff) {
    case SQLITE_FULL:
      return no_space;
    case SQLITE_IOERR:
      if (is_disk_full(system)) return no_space;
      return {ErrorKind::damage, Retry::never, "the storage failed; look at the system log"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorKind::damage};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::locked, Retry::later, "another program holds the database"};
    case SQLITE_CANTOPEN:
      if (is_disk_full(system)) return no_space;
      return {ErrorKind::unreachable};
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return {ErrorKind::unreachable, Retry::never, "check owner and permissions"};
    case SQLITE_NOMEM:
      return {ErrorKind::unreachable, Retry::later, "the system has no memory left"};
    case SQLITE_INTERRUPT:
      return {ErrorKind::interrupted, Retry::later};
    // Constraints, misuse, bad SQL: ours.
    default:
      return {ErrorKind::bug};
  }
}

}  // namespace

Error sqlite_error(sqlite3* handle, std::string_view path, std::string_view doing) {
  const int code = sqlite3_extended_errcode(handle);
  const int primary = code & 0xff;
  const bool of_system = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL;
  const int system = of_system ? sqlite3_system_errno(handle) : 0;
  const Verdict verdict = judge(code, system);
  std::string what = visible(path, 1000) + ": cannot " + std::string(doing) + ": " + visible(sqlite3_errmsg(handle)) +
                     " (SQLite " + std::to_string(code) + ")";
  Error error = make_error(verdict.kind, Scope::run, std::move(what), verdict.hint, verdict.retry);
  error.system = system;
  return error;
}

Error Db::failure(std::string_view doing) const { return sqlite_error(handle_, path_, doing); }

Stmt::Stmt(Stmt&& other) noexcept
    : db_(other.db_),
      handle_(std::exchange(other.handle_, nullptr)),
      in_use_(std::exchange(other.in_use_, nullptr)),
      bad_bind_(other.bad_bind_),
      stepped_(other.stepped_),
      bound_(other.bound_) {}

Stmt::~Stmt() {
  if (handle_ == nullptr) return;
  if (in_use_ == nullptr) {
    sqlite3_finalize(handle_);
    return;
  }
  // sqlite3_reset repeats the error of the last step, which step() has already told.
  if (stepped_) (void)sqlite3_reset(handle_);
  if (bound_) sqlite3_clear_bindings(handle_);
  *in_use_ = false;
}

Stmt& Stmt::bind(int index, std::int64_t value) {
  bound_ = true;
  if (const int code = sqlite3_bind_int64(handle_, index, value); bad_bind_ == SQLITE_OK) bad_bind_ = code;
  return *this;
}

Stmt& Stmt::bind(int index, std::string_view text) {
  bound_ = true;
  // A null pointer would bind NULL; an empty text is a text.
  const char* data = text.data() != nullptr ? text.data() : "";
  const int code = sqlite3_bind_text64(handle_, index, data, text.size(), kCopied, SQLITE_UTF8);
  if (bad_bind_ == SQLITE_OK) bad_bind_ = code;
  return *this;
}

Stmt& Stmt::bind_blob(int index, Octets octets) {
  bound_ = true;
  const void* data = octets.data() != nullptr ? static_cast<const void*>(octets.data()) : "";
  const int code = sqlite3_bind_blob64(handle_, index, data, octets.size(), kCopied);
  if (bad_bind_ == SQLITE_OK) bad_bind_ = code;
  return *this;
}

Stmt& Stmt::bind_null(int index) {
  if (const int code = sqlite3_bind_null(handle_, index); bad_bind_ == SQLITE_OK) bad_bind_ = code;
  return *this;
}

Result<bool> Stmt::step() {
  if (bad_bind_ != SQLITE_OK) {
    return make_error(ErrorKind::bug, Scope::run,
                      visible(db_->path(), 1000) + ": a value could not be bound: " + sqlite3_errstr(bad_bind_));
  }
  stepped_ = true;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const bool reads = sqlite3_stmt_readonly(handle_) != 0;
  return db_->failure(reads ? "read" : "write");
}

Status Stmt::run() {
  MH_TRY(const bool row, step());
  // So that the next values can be bound.
  MH_CHECK(reset());
  if (row) return make_error(ErrorKind::bug, Scope::run, "a statement that was run gave a row");
  return {};
}

Status Stmt::reset() {
  bad_bind_ = SQLITE_OK;
  stepped_ = false;
  if (sqlite3_reset(handle_) != SQLITE_OK) return db_->failure("reset a statement");
  return {};
}

std::int64_t Stmt::column_int(int index) const { return sqlite3_column_int64(handle_, index); }

std::string Stmt::column_text(int index) const {
  const unsigned char* text = sqlite3_column_text(handle_, index);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(handle_, index))};
}

std::string Stmt::column_blob(int index) const {
  const void* blob = sqlite3_column_blob(handle_, index);
  if (blob == nullptr) return {};
  return {static_cast<const char*>(blob), static_cast<std::size_t>(sqlite3_column_bytes(handle_, index))};
}

std::optional<Digest> Stmt::column_digest(int index) const {
  const void* blob = sqlite3_column_blob(handle_, index);
  if (blob == nullptr) return std::nullopt;
  return digest_from(
      {static_cast<const std::byte*>(blob), static_cast<std::size_t>(sqlite3_column_bytes(handle_, index))});
}

bool Stmt::column_is_null(int index) const { return sqlite3_column_type(handle_, index) == SQLITE_NULL; }

Db::~Db() {
  for (const auto& [text, kept] : kept_) {
    assert(!kept.in_use && "a Stmt outlives its Db");
    sqlite3_finalize(kept.handle);
  }
  // close_v2: a statement that is still out there keeps the connection, not a dangling pointer.
  sqlite3_close_v2(handle_);
}

Result<Stmt> Db::prepare(std::string_view sql) {
  const auto compile = [&](unsigned flags, sqlite3_stmt*& handle) -> Status {
    const char* rest = nullptr;
    if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), flags, &handle, &rest) != SQLITE_OK)
      return failure("prepare a statement");
    const auto used = static_cast<std::size_t>(rest - sql.data());
    if (handle != nullptr && trim(sql.substr(used)).empty()) return {};
    sqlite3_finalize(std::exchange(handle, nullptr));
    return make_error(ErrorKind::bug, Scope::run, "not exactly one statement: " + std::string(sql));
  };
  auto entry = kept_.find(sql);
  if (entry == kept_.end()) entry = kept_.try_emplace(std::string(sql)).first;
  Kept& kept = entry->second;
  if (kept.in_use) {
    sqlite3_stmt* own = nullptr;
    MH_CHECK(compile(0, own));
    return Stmt(this, own, nullptr);
  }
  if (kept.handle == nullptr) MH_CHECK(compile(SQLITE_PREPARE_PERSISTENT, kept.handle));
  kept.in_use = true;
  return Stmt(this, kept.handle, &kept.in_use);
}

Status Db::exec(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return failure("execute");
  return {};
}

bool Db::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
std::int64_t Db::changes() const { return sqlite3_changes64(handle_); }
std::int64_t Db::last_id() const { return sqlite3_last_insert_rowid(handle_); }

Result<Tx> Tx::begin(Db& db) {
  MH_TRY(Stmt stmt, db.prepare("BEGIN IMMEDIATE"));
  MH_CHECK(stmt.run());
  return Tx(&db);
}

Tx::~Tx() {
  // Some errors (disk full, I/O) have rolled back already.
  if (db_ == nullptr || sqlite3_get_autocommit(db_->handle_) != 0) return;
  // If even this fails, the transaction dies with the connection or the process: nothing of it was committed.
  (void)sqlite3_exec(db_->handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Status Tx::commit() {
  assert(db_ != nullptr && "committed twice");
  MH_CHECK(db_->fs_.before_commit());
  MH_TRY(Stmt stmt, db_->prepare("COMMIT"));
  MH_CHECK(stmt.run());
  db_ = nullptr;
  return {};
}

}  // namespace mailhaul::files
