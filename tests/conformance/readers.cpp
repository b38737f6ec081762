// The process that reads places, and the way from a simulated disk to the real one.
#include "conformance/readers.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/checked.hpp"
#include "base/strings.hpp"

extern char** environ;

namespace mailhaul::conformance {

namespace {

Error reader_error(const std::string& what) {
  return make_error(ErrorKind::bug, Scope::run, "independent reader: " + what);
}

/// `mailreaders.py serve`, kept running: starting Python for each of thousands of readings would take minutes.
class ReaderProcess {
 public:
  ReaderProcess() {
    std::array<int, 2> in{}, out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string python = MH_PYTHON, quiet = "-B", script = std::string(MH_SOURCE_DIR) + "/tests/readers/mailreaders.py",
                verb = "serve";
    std::array<char*, 5> arguments{python.data(), quiet.data(), script.data(), verb.data(), nullptr};
    if (::posix_spawn(&pid_, MH_PYTHON, &actions, nullptr, arguments.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  ReaderProcess(const ReaderProcess&) = delete;
  ReaderProcess& operator=(const ReaderProcess&) = delete;
  ~ReaderProcess() {
    if (to_ != nullptr) std::fclose(to_);
    if (from_ != nullptr) std::fclose(from_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    std::free(line_);
  }

  Result<std::vector<std::string>> ask(const std::string& place) {
    if (pid_ <= 0 || to_ == nullptr || from_ == nullptr) return reader_error("could not be started");
    std::fprintf(to_, "%s\n", place.c_str());
    std::fflush(to_);
    std::vector<std::string> lines;
    while (true) {
      const ssize_t length = ::getline(&line_, &room_, from_);
      if (length <= 0) return reader_error("stopped while reading " + place);
      std::string line(line_, static_cast<std::size_t>(length) - 1);
      if (line == ".") return lines;
      if (line.front() == '!') return reader_error(line.substr(1));
      lines.push_back(std::move(line));
    }
  }

 private:
  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  char* line_ = nullptr;
  std::size_t room_ = 0;
};

Result<std::string> text_of(const std::string& hex) {
  auto octets = from_hex(hex);
  if (!octets) return reader_error("bad hexadecimal");
  return std::move(*octets);
}

Result<Digest> digest_of(const std::string& hex) {
  MH_TRY(const std::string octets, text_of(hex));
  const auto digest = digest_from(as_octets(octets));
  if (!digest) return reader_error("bad digest");
  return *digest;
}

Result<Kept> parse_kept(const std::string& line) {
  const std::vector<std::string> fields = split(line, '\t');
  if (fields.size() != 9) return reader_error("bad line " + line);
  Kept kept;
  for (const std::string& part : split(fields[0], '/')) {
    MH_TRY(std::string name, text_of(part));
    kept.folder.push_back(std::move(name));
  }
  MH_TRY(kept.cid, digest_of(fields[1]));
  MH_TRY(kept.nid, digest_of(fields[2]));
  MH_TRY(kept.eid, digest_of(fields[3]));
  kept.size = parse_uint(fields[4]).value_or(0);
  for (const std::string& flag : split(fields[5], ',')) {
    if (flag == "seen") kept.flags.set(mail::Flags::seen);
    if (flag == "answered") kept.flags.set(mail::Flags::answered);
    if (flag == "flagged") kept.flags.set(mail::Flags::flagged);
    if (flag == "deleted") kept.flags.set(mail::Flags::deleted);
    if (flag == "draft") kept.flags.set(mail::Flags::draft);
  }
  for (const std::string& word : split(fields[6], ',')) {
    if (word.empty()) continue;
    MH_TRY(std::string name, text_of(word));
    kept.keywords.push_back(std::move(name));
  }
  mail::normalize_keywords(kept.keywords);
  if (!fields[7].empty()) kept.received = std::strtoll(fields[7].c_str(), nullptr, 10);
  kept.ticket = fields[8];
  return kept;
}

Status export_file(files::File& file, const std::string& target) {
  MH_TRY(const files::FileStat stat, file.stat());
  std::ofstream out(target, std::ios::binary);
  std::vector<std::byte> piece(256U << 10U);
  for (std::uint64_t at = 0; at < stat.size;) {
    MH_TRY(const std::size_t count, file.read_at(at, piece));
    if (count == 0) break;
    out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(count));
    at += count;
  }
  out.close();
  constexpr std::int64_t kSecond = 1'000'000'000;
  timespec when{};
  when.tv_sec = stat.mtime_ns / kSecond - (stat.mtime_ns % kSecond < 0 ? 1 : 0);
  when.tv_nsec = (stat.mtime_ns % kSecond + kSecond) % kSecond;
  const std::array<timespec, 2> times{when, when};
  if (!out || ::utimensat(AT_FDCWD, target.c_str(), times.data(), 0) != 0)
    return reader_error("cannot write " + target);
  return {};
}

Status export_dir(files::Dir& dir, const std::string& target) {
  std::error_code failed;
  std::filesystem::create_directories(target, failed);
  std::vector<std::string> names;
  MH_CHECK(dir.list([&](std::string_view name, files::FileKind) -> Status {
    names.emplace_back(name);
    return {};
  }));
  for (const std::string& name : names) {
    MH_TRY(const files::FileStat stat, dir.stat(name));
    if (stat.kind == files::FileKind::directory) {
      MH_TRY(const auto inner, dir.open_dir(name));
      MH_CHECK(export_dir(*inner, target + "/" + name));
    } else {
      MH_TRY(const auto file, dir.open_file(name, files::OpenMode::read));
      MH_CHECK(export_file(*file, target + "/" + name));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Kept>> read_independently(const std::string& place) {
  static ReaderProcess process;  // one for the whole test program
  MH_TRY(const std::vector<std::string> lines, process.ask(place));
  std::vector<Kept> all;
  for (const std::string& line : lines) {
    MH_TRY(Kept kept, parse_kept(line));
    all.push_back(std::move(kept));
  }
  return all;
}

Status export_tree(files::FileSystem& fs, const std::string& path, const std::string& target) {
  MH_TRY(const files::FileStat stat, fs.stat(path));
  if (stat.kind == files::FileKind::directory) {
    MH_TRY(const auto dir, fs.open_root(path));
    return export_dir(*dir, target);
  }
  MH_TRY(const files::Place place, fs.open_place(path, /*create_parents=*/false));
  MH_TRY(const auto file, place.parent->open_file(place.name, files::OpenMode::read));
  return export_file(*file, target);
}

}  // namespace mailhaul::conformance
