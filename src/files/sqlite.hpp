// SQLite by its C API: connections, kept statements, immediate transactions. Knows nothing of mail.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace mailhaul::files {

/// One prepared statement, reset when it goes out of scope. Indices of bind from 1, of columns from 0. bind_text and
/// bind_blob copy. Bound to the thread of its Db. A failed bind shows at step().
class Stmt {
 public:
  Stmt(Stmt&& other) noexcept;
  Stmt& operator=(Stmt&&) = delete;
  ~Stmt();
  Stmt& bind(int index, std::int64_t value);
  Stmt& bind(int index, std::string_view text);
  Stmt& bind_blob(int index, Octets octets);
  Stmt& bind_null(int index);
  /// true: a row is there. false: done.
  Result<bool> step();
  /// step() that must give no row.
  Status run();
  Status reset();
  [[nodiscard]] std::int64_t column_int(int index) const;
  [[nodiscard]] std::string column_text(int index) const;
  [[nodiscard]] std::string column_blob(int index) const;
  [[nodiscard]] std::optional<Digest> column_digest(int index) const;  ///< nullopt for NULL or another length
  [[nodiscard]] bool column_is_null(int index) const;

 private:
  friend class Db;
  Stmt(class Db* db, sqlite3_stmt* handle, bool* in_use) : db_(db), handle_(handle), in_use_(in_use) {}
  class Db* db_;
  sqlite3_stmt* handle_;
  bool* in_use_;  ///< the mark of the kept statement; null: this one is nobody else's and dies here
  int bad_bind_ = 0;  ///< the first bind that failed
  bool stepped_ = false;  ///< since the last reset
  bool bound_ = false;    ///< something is bound
};

/// One connection, one thread at a time. WAL, synchronous=FULL, foreign keys, cell_size_check, trusted_schema off,
/// mmap off, DEFENSIVE; cache 2 MiB; temporary tables in files.
class Db {
 public:
  enum class Mode { read_only, read_write_create, temporary };  ///< temporary: a private unlinked database, no durability
  /// Errors: locked (busy longer than 5 s), damage (not a database, quick_check failed after an unclean stop), no_space,
  /// unreachable (no such file).
  static Result<std::unique_ptr<Db>> open(FileSystem& fs, const std::string& path, Mode mode);
  ~Db();
  /// Kept by its text: the second call gives the same compiled statement. One use of a text at a time (a nested use
  /// gets a statement of its own).
  Result<Stmt> prepare(std::string_view sql);
  Status exec(const std::string& sql);  ///< one or more statements without rows
  /// Makes the tables of another file readable as `name`.TABLE; the file is neither changed nor locked. Temporary
  /// databases only.
  Status attach_read_only(const std::string& path, const std::string& name);
  [[nodiscard]] bool in_transaction() const;  ///< false also when SQLite had to roll one back by itself
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_id() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  friend class Stmt;
  friend class Tx;
  Db(FileSystem& fs, std::string path, sqlite3* handle) : fs_(fs), path_(std::move(path)), handle_(handle) {}
  [[nodiscard]] Error failure(std::string_view doing) const;
  struct Kept {
    sqlite3_stmt* handle = nullptr;
    bool in_use = false;
  };
  FileSystem& fs_;
  std::string path_;
  sqlite3* handle_;
  /// Found by a view of the text: a statement's is long, and every use of it asks.
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Kept, TextHash, std::equal_to<>> kept_;
};

/// BEGIN IMMEDIATE; rolled back unless commit() succeeded.
class Tx {
 public:
  static Result<Tx> begin(Db& db);
  Tx(Tx&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  Tx& operator=(Tx&&) = delete;
  ~Tx();
  Status commit();  ///< durable when it returns (asks FileSystem::before_commit first)

 private:
  explicit Tx(Db* db) : db_(db) {}
  Db* db_;
};

}  // namespace mailhaul::files
