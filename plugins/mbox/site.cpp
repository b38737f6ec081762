#include "plugins/mbox/site.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>

#include "base/strings.hpp"
#include "mail/file_name.hpp"
#include "plugins/mbox/format/first_octets.hpp"
#include "plugins/mbox/mbox_file.hpp"

namespace mailhaul::mbox {
namespace {

constexpr std::string_view kChildren = ".sbd";
// Deeper trees are somebody's loop of mounts; the deepest real ones have ten levels.
constexpr std::size_t kDeepest = 64;
// Files that mail programs keep beside their mboxes: Thunderbird, Eudora, Pegasus, Evolution.
constexpr std::array<std::string_view, 9> kForeignEndings = {".msf",  ".lock",   ".dat", ".html", ".json",
                                                             ".sqlite", ".toc", ".cmeta", ".ev-summary"};

bool ends_with_ignoring_case(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && equals_ignoring_case(text.substr(text.size() - ending.size()), ending);
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool names_a_tree(const std::string& path) { return path.size() > 1 && path.back() == '/'; }

Error usage(std::string what, std::string hint = {}) {
  return make_error(ErrorKind::usage, Scope::run, std::move(what), std::move(hint));
}

Error not_a_regular_file(const std::string& path) {
  return usage(visible(path) + " is not a regular file", "name an mbox file or a directory of mbox files");
}

enum class Standing { missing, file, directory };

Result<Standing> look_at(const std::string& path, files::FileSystem& fs) {
  const std::string plain = without_trailing_slashes(path);
  const auto stat = fs.stat(plain);
  if (stat.ok()) {
    if (stat->kind == files::FileKind::directory) return Standing::directory;
    if (stat->kind != files::FileKind::regular) return not_a_regular_file(plain);
    if (names_a_tree(path)) return usage(visible(plain) + " is a file, not a directory", "leave out the '/' at the end");
    return Standing::file;
  }
  if (!files::is_not_found(stat.error())) return stat.error();
  // A link that leads nowhere is not a place that is missing: making it would write somewhere else. The file system
  // refuses it.
  const auto place = fs.open_place(plain, /*create_parents=*/false);
  if (!place.ok() && place.error().kind == ErrorKind::usage) return place.error();
  return Standing::missing;
}

bool leads_to_tree(Standing standing, const std::string& path) {
  return standing == Standing::directory || (standing == Standing::missing && names_a_tree(path));
}

FolderFile lone_folder(const std::string& name) {
  std::string folder = name;
  if (ends_with_ignoring_case(folder, ".mbox") && folder.size() > 5) folder.resize(folder.size() - 5);
  FolderFile lone;
  lone.path = mail::FolderPath({mail::from_file_name(folder)}, name);
  lone.name = name;
  return lone;
}

Result<Site> open_lone(const std::string& canonical, files::FileSystem& fs, bool create_parents) {
  MH_TRY(files::Place place, fs.open_place(canonical, create_parents));
  Site site;
  site.lone = lone_folder(place.name);
  site.root = std::move(place.parent);
  site.path = canonical;
  return site;
}

Status refuse_maildir(const files::Dir& root, const std::string& path) {
  for (const std::string_view name : {"cur", "new"}) {
    const auto stat = root.stat(name);
    if (!stat.ok() || stat->kind != files::FileKind::directory) return {};
  }
  return usage(visible(path) + " is a Maildir, not a tree of mbox files", "write maildir:" + visible(path));
}

Result<Site> open_tree(const std::string& canonical, Result<std::unique_ptr<files::Dir>> root) {
  MH_TRY(auto dir, std::move(root));
  MH_CHECK(refuse_maildir(*dir, canonical));
  Site site;
  site.root = std::move(dir);
  site.path = canonical;
  return site;
}

/// Walks a tree of mbox files.
class Walk {
 public:
  Walk(const Site& site, store::Events& events) : site_(site), events_(events) {}

  Status run(files::Dir& dir, const std::vector<std::string>& parents, const std::vector<std::string>& directories);
  std::vector<FolderFile> take() { return std::move(folders_); }

 private:
  struct Entry {
    std::string name;
    files::FileKind kind;
  };
  Result<std::vector<Entry>> entries_of(files::Dir& dir) const;
  Status file(files::Dir& dir, const std::string& name, const std::vector<std::string>& parents,
              const std::vector<std::string>& directories);
  Status directory(files::Dir& dir, const std::string& name, std::vector<std::string> parents,
                   std::vector<std::string> directories);
  void add(FolderFile folder);
  void note(store::Note::Weight weight, const std::vector<std::string>& directories, const std::string& name,
            const std::string& text);

  const Site& site_;
  store::Events& events_;
  std::vector<FolderFile> folders_;
  std::set<std::vector<std::string>> seen_;
};

std::string below(const std::vector<std::string>& directories, const std::string& name) {
  std::string text;
  for (const std::string& directory : directories) text += directory + "/";
  return text + name;
}

void Walk::note(store::Note::Weight weight, const std::vector<std::string>& directories, const std::string& name,
                const std::string& text) {
  events_.note({weight, "", site_.path + "/" + below(directories, name) + ": " + text});
}

Result<std::vector<Walk::Entry>> Walk::entries_of(files::Dir& dir) const {
  std::vector<Entry> entries;
  MH_CHECK(dir.list([&](std::string_view name, files::FileKind kind) -> Status {
    if (!name.starts_with('.')) entries.push_back({std::string(name), kind});
    return {};
  }));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  for (Entry& entry : entries) {
    if (entry.kind != files::FileKind::other) continue;
    if (const auto stat = dir.stat(entry.name); stat.ok()) entry.kind = stat->kind;
  }
  return entries;
}

/// Two names that are one folder (INBOX and Inbox): the first stays, the others get a number.
void Walk::add(FolderFile folder) {
  const std::string last = folder.path.components.back();
  for (int n = 2; !seen_.insert(folder.path.components).second; ++n) {
    folder.path.components.back() = last + "~" + std::to_string(n);
  }
  folders_.push_back(std::move(folder));
}

Status Walk::file(files::Dir& dir, const std::string& name, const std::vector<std::string>& parents,
                  const std::vector<std::string>& directories) {
  // A reserved name that is an escape of another one is a folder (mail::to_file_name wrote it).
  const std::string component = mail::from_file_name(name, is_reserved_name);
  if (is_reserved_name(name) && component == name) return {};
  const auto opened = dir.open_file(name, files::OpenMode::read);
  if (opened.ok()) {
    const auto head = read_head(**opened);
    if (head.ok() && !looks_like_mbox(*head)) {
      events_.note({store::Note::Weight::doubtful, "",
                    describe_other_file(site_.path + "/" + below(directories, name), *head).what + "; left out"});
      return {};
    }
  } else if (files::is_not_found(opened.error())) {
    return {};  // gone since the directory was read
  }
  // What cannot be opened is listed all the same: then its listing fails, and nobody takes it for empty.
  std::vector<std::string> components = parents;
  components.push_back(component);
  add({mail::FolderPath(std::move(components), below(directories, name)), directories, name});
  return {};
}

Status Walk::directory(files::Dir& dir, const std::string& name, std::vector<std::string> parents,
                       std::vector<std::string> directories) {
  if (directories.size() >= kDeepest) {
    note(store::Note::Weight::doubtful, directories, name, "is nested too deeply; left out");
    return {};
  }
  const bool of_children = ends_with_ignoring_case(name, kChildren) && name.size() > kChildren.size();
  const std::string folder = of_children ? name.substr(0, name.size() - kChildren.size()) : name;
  parents.push_back(mail::from_file_name(folder, is_reserved_name));
  auto child = dir.open_dir(name);
  if (!child.ok()) {
    if (files::is_not_found(child.error())) return {};
    note(store::Note::Weight::doubtful, directories, name, "cannot be read: " + child.error().what);
    return {};
  }
  mail::FolderPath path(parents, below(directories, folder));
  const std::size_t before = folders_.size();
  directories.push_back(name);
  MH_CHECK(run(**child, path.components, directories));
  // A parent that is no folder itself is named only when there is something below it.
  if (folders_.size() > before && seen_.insert(path.components).second) {
    directories.pop_back();
    folders_.insert(folders_.begin() + static_cast<std::ptrdiff_t>(before), FolderFile{std::move(path), directories, ""});
  }
  return {};
}

Status Walk::run(files::Dir& dir, const std::vector<std::string>& parents, const std::vector<std::string>& directories) {
  MH_TRY(const std::vector<Entry> entries, entries_of(dir));
  // Files first: a folder's own file stands before its children.
  for (const Entry& entry : entries) {
    if (entry.kind == files::FileKind::regular) MH_CHECK(file(dir, entry.name, parents, directories));
    if (entry.kind == files::FileKind::symlink)
      note(store::Note::Weight::doubtful, directories, entry.name, "is a symbolic link; not followed");
    if (entry.kind == files::FileKind::other)
      note(store::Note::Weight::warning, directories, entry.name, "is not a regular file; left out");
  }
  for (const Entry& entry : entries) {
    if (entry.kind == files::FileKind::directory) MH_CHECK(directory(dir, entry.name, parents, directories));
  }
  return {};
}

}  // namespace

bool is_reserved_name(std::string_view name) {
  if (ends_with_ignoring_case(name, kChildren) || name.find(".ev-summary") != std::string_view::npos) return true;
  return std::any_of(kForeignEndings.begin(), kForeignEndings.end(),
                     [&](std::string_view ending) { return ends_with_ignoring_case(name, ending); });
}

Result<OpenDirectory> Site::open_directory(const std::vector<std::string>& directories) const {
  OpenDirectory found;
  found.dir = root.get();
  for (const std::string& name : directories) {
    MH_TRY(auto next, found.dir->open_dir(name));
    found.owned = std::move(next);
    found.dir = found.owned.get();
  }
  return found;
}

std::string Site::text_of(const FolderFile& folder) const {
  return lone ? path : path + "/" + below(folder.directories, folder.name);
}

Result<std::string> site_identity(const store::Location& location, files::FileSystem& fs) {
  return fs.canonical(without_trailing_slashes(location.path));
}

Result<Site> open_existing_site(const store::Location& location, files::FileSystem& fs) {
  MH_TRY(const Standing standing, look_at(location.path, fs));
  MH_TRY(const std::string canonical, site_identity(location, fs));
  switch (standing) {
    case Standing::file:
      return open_lone(canonical, fs, /*create_parents=*/false);
    case Standing::directory:
      return open_tree(canonical, fs.open_root(canonical));
    case Standing::missing:
      break;
  }
  return make_error(ErrorKind::unreachable, Scope::run, visible(location.path) + " does not exist");
}

Result<Site> open_or_make_site(const store::Location& location, files::FileSystem& fs) {
  MH_TRY(const Standing standing, look_at(location.path, fs));
  MH_TRY(const std::string canonical, site_identity(location, fs));
  if (!leads_to_tree(standing, location.path)) return open_lone(canonical, fs, /*create_parents=*/true);
  return open_tree(canonical, fs.create_root(canonical));
}

Result<bool> is_tree(const store::Location& location, files::FileSystem& fs) {
  MH_TRY(const Standing standing, look_at(location.path, fs));
  return leads_to_tree(standing, location.path);
}

Status check_lone_file(const Site& site) {
  const auto file = site.root->open_file(site.lone->name, files::OpenMode::read);
  if (!file.ok()) return file.error();
  MH_TRY(const std::string head, read_head(**file));
  if (looks_like_mbox(head)) return {};
  NotAnMbox other = describe_other_file(site.path, head);
  return make_error(ErrorKind::usage, Scope::run, std::move(other.what), std::move(other.hint));
}

Result<std::vector<FolderFile>> list_folders(const Site& site, store::Events& events) {
  if (site.lone) return std::vector<FolderFile>{*site.lone};
  Walk walk(site, events);
  MH_CHECK(walk.run(*site.root, {}, {}));
  return walk.take();
}

store::FolderInfo describe_folder(const FolderFile& folder) {
  store::FolderInfo info;
  info.path = folder.path;
  info.role = mail::role_by_name(folder.path);
  info.epoch = kEpoch;
  info.selectable = folder.selectable();
  info.covers = {true, true, true};
  return info;
}

store::Caps mbox_caps() {
  using mail::Flags;
  using namespace std::chrono;
  store::Caps caps;
  caps.watermark_per_batch = true;
  caps.exact_octets = false;
  caps.keywords = store::Caps::Keywords::any;
  caps.flags = Flags(Flags::seen | Flags::answered | Flags::flagged | Flags::deleted | Flags::draft);
  caps.dates_from = sys_days(year{1000} / January / 1);
  caps.dates_to = sys_days(year{9999} / December / 31) + hours{24} - seconds{1};
  return caps;
}

}  // namespace mailhaul::mbox
