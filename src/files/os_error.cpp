// From errno to Error, and the rules for names and paths that all file systems of this room share.
#include "files/os_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "base/strings.hpp"

namespace mailhaul::files {
namespace {

// How one errno steers the run.
struct Verdict {
  ErrorKind kind;
  Scope scope;
  Retry retry = Retry::never;
  const char* hint = "";
};

Verdict judge(int number) {
  switch (number) {
    case ENOENT:
      return {ErrorKind::unreachable, Scope::folder};
    case EEXIST:
      return {ErrorKind::message, Scope::message};
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {ErrorKind::no_space, Scope::run, Retry::later, "free some space and run the same command again"};
    case EIO:
      return {ErrorKind::damage, Scope::run, Retry::never, "the storage failed; look at the system log"};
    case EACCES:
    case EPERM:
      return {ErrorKind::unreachable, Scope::folder, Retry::never, "check owner and permissions"};
    case EROFS:
      return {ErrorKind::unreachable, Scope::folder, Retry::never, "the file system is read-only"};
    case EMFILE:
    case ENFILE:
      return {ErrorKind::unreachable, Scope::run, Retry::later, "raise ulimit -n"};
    case ENOMEM:
      return {ErrorKind::unreachable, Scope::run, Retry::later, "the system has no memory left"};
    // Asked not to follow links, the system says ELOOP (openat2, O_NOFOLLOW).
    case ELOOP:
      return {ErrorKind::security, Scope::message, Retry::never, "symbolic links are not followed here"};
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
      return {ErrorKind::usage, Scope::folder};
    // EAGAIN: another program holds a lease (Samba's oplocks), and O_NONBLOCK does not wait for it.
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
      return {ErrorKind::locked, Scope::folder, Retry::later, "another program holds it"};
    // EINVAL: FAT and CIFS refuse names and calls with it.
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EXDEV:
    case EMLINK:
    case ENOLCK:
      return {ErrorKind::unsupported, Scope::folder, Retry::never, "this file system cannot do that"};
    case EBADF:
      return {ErrorKind::bug, Scope::run};
    default:
      return {ErrorKind::unreachable, Scope::session, Retry::later};
  }
}

std::string describe(int number) {
  if (number == ELOOP) return "a symbolic link";
  const char* text = strerrordesc_np(number);
  return text != nullptr ? text : "error " + std::to_string(number);
}

}  // namespace

Error os_error(int number, std::string_view doing, std::string_view path) {
  const Verdict verdict = judge(number);
  std::string what = visible(path, 1000);
  // The promise of Dir::rename: "… exists".
  if (number == EEXIST) {
    what += " exists";
  } else {
    what += ": cannot " + std::string(doing) + ": " + describe(number);
  }
  Error error = make_error(verdict.kind, verdict.scope, std::move(what), verdict.hint, verdict.retry);
  error.system = number;
  return error;
}

Error not_a_regular_file(std::string_view path) {
  return make_error(ErrorKind::usage, Scope::folder, visible(path, 1000) + ": not a regular file");
}

bool is_not_found(const Error& error) { return error.system == ENOENT; }
bool is_exists(const Error& error) { return error.system == EEXIST; }

Status check_name(std::string_view name) {
  if (!name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
      name.find('\0') == std::string_view::npos)
    return {};
  return make_error(ErrorKind::security, Scope::folder, "refused as a file name: \"" + visible(name) + "\"");
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

std::pair<std::string, std::string> split_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {".", std::string(path)};
  std::string_view parent = path.substr(0, slash);
  while (parent.ends_with('/')) parent.remove_suffix(1);
  return {parent.empty() ? "/" : std::string(parent), std::string(path.substr(slash + 1))};
}

// A run that died between making a directory and syncing its parent left the deepest one that is there unsafe. Where
// the parent cannot be opened, it was not we who made the directory; where it cannot be synced (CIFS), the directories
// made below will say so, and one that was there before needs nothing.
static Status sync_entry(FileSystem& fs, const std::string& path) {
  const auto [above, last] = split_path(path);
  if (last.empty() || last == "." || last == "..") return {};
  auto parent = fs.open_root(above);
  if (!parent.ok()) return {};
  auto synced = (*parent)->sync();
  if (!synced.ok() && synced.error().kind == ErrorKind::unsupported) return {};
  return synced;
}

Result<std::unique_ptr<Dir>> create_root_by_steps(FileSystem& fs, const std::string& path) {
  std::vector<std::string> missing;
  std::string there = path;
  for (;;) {
    auto found = fs.stat(there);
    if (found.ok()) break;
    if (!is_not_found(found.error())) return std::move(found).error();
    auto [parent, name] = split_path(there);
    if (name.empty() || parent == there) return std::move(found).error();
    missing.push_back(std::move(name));
    there = std::move(parent);
  }
  MH_CHECK(sync_entry(fs, there));
  MH_TRY(std::unique_ptr<Dir> dir, fs.open_root(there));
  for (; !missing.empty(); missing.pop_back()) {
    // Another run may make it at the same moment.
    if (auto made = dir->make_dir(missing.back()); !made.ok() && !is_exists(made.error()))
      return std::move(made).error();
    MH_CHECK(dir->sync());
    MH_TRY(dir, dir->open_dir(missing.back()));
  }
  return dir;
}

std::int64_t to_nanoseconds(std::int64_t seconds, std::int64_t nanoseconds) {
  std::int64_t total = 0;
  if (__builtin_mul_overflow(seconds, std::int64_t{1'000'000'000}, &total) ||
      __builtin_add_overflow(total, nanoseconds, &total))
    return seconds < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  return total;
}

Result<std::string> read_small(Dir& dir, std::string_view name, std::size_t limit) {
  MH_TRY(auto file, dir.open_file(name, OpenMode::read));
  // One octet more than allowed: the file may grow after a stat, so the reading itself decides.
  std::string text;
  std::size_t have = 0;
  for (;;) {
    const std::size_t want = std::min<std::size_t>(limit - have + 1, 64 * 1024);
    text.resize(have + want);
    MH_TRY(const std::size_t got, file->read_at(have, std::as_writable_bytes(std::span(text).subspan(have))));
    have += got;
    if (have > limit)
      return make_error(ErrorKind::usage, Scope::folder,
                        visible(name) + ": larger than " + human_octets(limit) + ", not read");
    if (got < want) break;
  }
  text.resize(have);
  return text;
}

}  // namespace mailhaul::files
