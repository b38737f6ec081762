// How a database is opened: what is asked of the file before SQLite may touch it, the settings of every connection, and
// the check after an unclean stop.
#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/strings.hpp"
#include "files/os_error.hpp"
#include "files/sqlite.hpp"
#include "files/sqlite_error.hpp"

namespace mailhaul::files {
namespace {

constexpr int kBusyMilliseconds = 5000;

// Written pages stay in the WAL until 4,096 of them (16 MiB) are there; a checkpoint then costs two syncs. The WAL is
// longer by one transaction at most, and goes when the database is closed.
constexpr const char* kDurable =
    "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4096; PRAGMA journal_size_limit=16777216;";
constexpr const char* kCommon =
    "PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-2048; "
    "PRAGMA temp_store=FILE;";

struct Closer {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};
using Handle = std::unique_ptr<sqlite3, Closer>;

// What lies beside a path before it is opened.
struct Found {
  bool there = false;
  std::uint64_t size = 0;
};

Result<Found> look_at(const std::string& path) {
  struct stat raw {};
  if (::stat(path.c_str(), &raw) != 0) {
    if (errno == ENOENT) return Found{};
    return os_error(errno, "look at", path);
  }
  if (!S_ISREG(raw.st_mode)) return not_a_regular_file(path);
  return Found{true, static_cast<std::uint64_t>(raw.st_size)};
}

Error damaged(const std::string& path, const std::string& how) {
  return make_error(ErrorKind::damage, Scope::run, visible(path, 1000) + ": damaged: " + how);
}

// SQLite would make a new file with the umask's mode, and its parent entry is synced by nobody. Made by the real file
// system whatever seam the Db was given: SQLite writes to no other. An open and close of an existing database would
// drop the POSIX locks that this process holds on it, so only a missing one is made.
Status make_file(const std::string& path) {
  const auto real = make_real_file_system();
  MH_TRY(const Place place, real->open_place(path, /*create_parents=*/false));
  auto file = place.parent->open_file(place.name, OpenMode::create);
  if (!file.ok()) {
    if (is_exists(file.error())) return {};
    return std::move(file).error();
  }
  MH_CHECK((*file)->close());
  return place.parent->sync();
}

// `text` as the path of a file: URI.
std::string uri_path(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '.' || c == '-' || c == '_' || c == '~';
    if (plain) {
      escaped += c;
    } else {
      escaped += '%' + to_hex(as_octets(std::string_view(&c, 1)));
    }
  }
  return escaped;
}

// Without a WAL nothing is pending and nobody writes: immutable asks for no lock and makes no file. With one, its index
// (-shm) is only read: a missing one would have to be made, which reading must not do.
Result<std::string> read_only_uri(const std::string& path, const Found& wal) {
  const std::string base = "file://" + uri_path(path);
  MH_TRY(const Found index, look_at(path + "-shm"));
  if (!wal.there || (wal.size == 0 && !index.there)) return base + "?mode=ro&immutable=1";
  if (index.there) return base + "?mode=ro&readonly_shm=1";
  return make_error(ErrorKind::unreachable, Scope::run,
                    visible(path, 1000) + ": was left open by a stopped run and cannot be read without repair",
                    "run the interrupted command again first");
}

// What SQLite counts of its memory nobody asks for, and it takes a lock for each allocation. Works only before SQLite's
// first use in the process; where something else was first, all goes on as it was.
void count_no_memory() { [[maybe_unused]] static const int kCode = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

Result<Handle> connect(const std::string& name, const std::string& path, int flags) {
  count_no_memory();
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Handle handle(raw);
  if (!handle) return make_error(ErrorKind::unreachable, Scope::run, path + ": no memory for a database connection");
  if (code != SQLITE_OK) return sqlite_error(raw, path, "open");
  if (sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr) != SQLITE_OK ||
      sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr) != SQLITE_OK ||
      sqlite3_busy_timeout(raw, kBusyMilliseconds) != SQLITE_OK)
    return sqlite_error(raw, path, "configure");
  return handle;
}

Status execute(sqlite3* handle, const std::string& path, const char* sql) {
  if (sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return sqlite_error(handle, path, "open");
  return {};
}

// The one row of a pragma that gives one text.
Result<std::string> ask(sqlite3* handle, const std::string& path, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int prepared = sqlite3_prepare_v2(handle, sql, -1, &raw, nullptr);
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> stmt(raw, sqlite3_finalize);
  if (prepared != SQLITE_OK || sqlite3_step(raw) != SQLITE_ROW) return sqlite_error(handle, path, "open");
  const unsigned char* text = sqlite3_column_text(raw, 0);
  return std::string(text != nullptr ? reinterpret_cast<const char*>(text) : "");
}

Result<Handle> open_temporary() {
  const std::string path = "(temporary database)";
  MH_TRY(Handle handle, connect("", path, SQLITE_OPEN_URI | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  MH_CHECK(execute(handle.get(), path, kCommon));
  MH_CHECK(execute(handle.get(), path, "PRAGMA synchronous=OFF;"));
  return handle;
}

Result<Handle> open_read_only(const std::string& path) {
  MH_TRY(const Found file, look_at(path));
  if (!file.there) return os_error(ENOENT, "open", path);
  MH_TRY(const Found wal, look_at(path + "-wal"));
  MH_TRY(const std::string uri, read_only_uri(path, wal));
  MH_TRY(Handle handle, connect(uri, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI));
  MH_CHECK(execute(handle.get(), path, kCommon));
  MH_CHECK(execute(handle.get(), path, "PRAGMA query_only=ON;"));
  // SQLite reads the file at the first question only; whether it is a database shall show here.
  MH_TRY(const std::string version, ask(handle.get(), path, "PRAGMA schema_version"));
  return handle;
}

Result<Handle> open_read_write(const std::string& path) {
  MH_TRY(const Found file, look_at(path));
  MH_TRY(const Found wal, look_at(path + "-wal"));
  const bool unclean = wal.size > 0;
  // SQLite writes the first page before there is a WAL: a WAL beside nothing means that the database was lost, and
  // SQLite would throw away the WAL too and start empty.
  if (unclean && file.size == 0) return damaged(path, "the file is empty or gone, but its -wal is there");
  if (!file.there) MH_CHECK(make_file(path));
  MH_TRY(Handle handle, connect(path, path, SQLITE_OPEN_READWRITE));
  MH_CHECK(execute(handle.get(), path, kCommon));
  MH_TRY(const std::string mode, ask(handle.get(), path, "PRAGMA journal_mode=WAL"));
  if (mode != "wal") {
    return make_error(ErrorKind::unsupported, Scope::run,
                      visible(path, 1000) + ": this file system cannot hold a database in WAL mode",
                      "use a directory on a local file system");
  }
  MH_CHECK(execute(handle.get(), path, kDurable));
  if (unclean) {
    MH_TRY(const std::string verdict, ask(handle.get(), path, "PRAGMA quick_check(1)"));
    if (verdict != "ok") return damaged(path, visible(verdict));
  }
  return handle;
}

Result<Handle> open_handle(const std::string& path, Db::Mode mode) {
  switch (mode) {
    case Db::Mode::read_only:
      return open_read_only(path);
    case Db::Mode::read_write_create:
      return open_read_write(path);
    case Db::Mode::temporary:
      return open_temporary();
  }
  return make_error(ErrorKind::bug, Scope::run, "no such mode of a database");
}

}  // namespace

Result<std::unique_ptr<Db>> Db::open(FileSystem& fs, const std::string& path, Mode mode) {
  std::string absolute = path;
  if (mode != Mode::temporary) {
    // Absolute: SQLite gives ":memory:" and "file:" a meaning of their own, and a URI needs it.
    const auto real = make_real_file_system();
    MH_TRY(absolute, real->canonical(path));
  }
  MH_TRY(Handle handle, open_handle(absolute, mode));
  return std::unique_ptr<Db>(new Db(fs, mode == Mode::temporary ? "(temporary database)" : path, handle.release()));
}

Status Db::attach_read_only(const std::string& path, const std::string& name) {
  MH_TRY(const Found wal, look_at(path + "-wal"));
  MH_TRY(const std::string uri, read_only_uri(path, wal));
  return exec("ATTACH '" + uri + "' AS " + name);  // the URI's escapes leave no quote in it
}

}  // namespace mailhaul::files
