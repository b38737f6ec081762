#include "plugins/maildir/tree.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace mailhaul::maildir {
namespace {

/// A directory that is still to be looked at.
struct Visit {
  std::vector<std::string> directory;
  std::vector<std::string> components;
};

std::string native_of(const std::vector<std::string>& directory) {
  return directory.empty() ? "." : join(directory, "/");
}

class Walk {
 public:
  Walk(store::Services& services, const std::string& root_path, files::Dir& root, const NoteSink& note)
      : services_(services), root_path_(root_path), root_(root), note_(note) {}

  Result<Tree> run() {
    todo_.push_back({});
    while (!todo_.empty()) {
      if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
      const Visit visit = std::move(todo_.back());
      todo_.pop_back();
      const Status status = look(visit);
      if (status.ok()) continue;
      if (visit.directory.empty()) return status.error();
      doubt(visit.directory, "this directory could not be read: " + status.error().what);
    }
    order();
    return std::move(tree_);
  }

 private:
  Status look(const Visit& visit) {
    MH_TRY(const std::unique_ptr<files::Dir> below, open_below(root_, visit.directory));
    files::Dir& dir = below ? *below : root_;
    bool holds_mail = false;
    MH_CHECK(dir.list([&](std::string_view name, files::FileKind kind) -> Status {
      if (kind == files::FileKind::other) kind = real_kind(dir, name);
      if (kind == files::FileKind::symlink) return link(visit, name);
      if (kind != files::FileKind::directory) return {};
      if (!is_own_directory(name)) return descend(visit, name);
      if (name != "tmp") holds_mail = true;  // Courier: a folder is what has cur or new; tmp is the writers' own
      return {};
    }));
    if (!holds_mail) return {};
    FolderPlace place;
    place.path = mail::FolderPath(visit.components.empty() ? std::vector<std::string>{"INBOX"} : visit.components,
                                  native_of(visit.directory));
    place.directory = visit.directory;
    if (!visit.directory.empty())
      (visit.directory.back().starts_with('.') ? tree_.has_dotted : tree_.has_nested) = true;
    tree_.folders.push_back(std::move(place));
    return {};
  }

  static files::FileKind real_kind(const files::Dir& dir, std::string_view name) {
    const auto stat = dir.stat(name);
    return stat.ok() ? stat->kind : files::FileKind::other;
  }

  Status link(const Visit& visit, std::string_view name) {
    std::vector<std::string> directory = visit.directory;
    directory.emplace_back(name);
    const auto target = services_.fs.stat(root_path_ + "/" + join(directory, "/"));
    const bool leads_to_directory = target.ok() && target->kind == files::FileKind::directory;
    if (leads_to_directory || is_own_directory(name))
      doubt(directory, "link ignored for safety; mail in it is not read");
    return {};
  }

  Status descend(const Visit& visit, std::string_view name) {
    Visit child = visit;
    child.directory.emplace_back(name);
    if (child.directory.size() > kDeepest) {
      doubt(child.directory, "deeper than " + std::to_string(kDeepest) + " directories; not read");
      return {};
    }
    const std::vector<std::string> components = components_of(name);
    child.components.insert(child.components.end(), components.begin(), components.end());
    todo_.push_back(std::move(child));
    return {};
  }

  void doubt(const std::vector<std::string>& directory, const std::string& text) {
    note_({store::Note::Weight::doubtful, "", root_path_ + "/" + join(directory, "/") + ": " + text});
  }

  /// Two directories can decode to one name (`A/B` and `.A.B`, a directory INBOX below a root that is INBOX).
  void order() {
    auto& folders = tree_.folders;
    const auto by_path = [](const FolderPlace& a, const FolderPlace& b) {
      const auto order = a.path <=> b.path;
      return order != 0 ? order < 0 : a.path.native < b.path.native;
    };
    std::sort(folders.begin(), folders.end(), by_path);
    for (std::size_t i = 1; i < folders.size(); ++i) {
      if (folders[i].path != folders[i - 1].path) continue;
      std::vector<std::string> components = folders[i].path.components;
      const std::string plain = components.back();
      for (unsigned n = 2; tree_.find(mail::FolderPath(components)) != nullptr; ++n) {
        components.back() = plain + "~" + std::to_string(n);
      }
      folders[i].path = mail::FolderPath(components, folders[i].path.native);
      note_({store::Note::Weight::warning, folders[i].path.text(),
             root_path_ + "/" + folders[i].path.native + ": another directory has this folder's name; it is called " +
                 folders[i].path.text()});
      std::sort(folders.begin(), folders.end(), by_path);
      i = 0;
    }
  }

  store::Services& services_;
  const std::string& root_path_;
  files::Dir& root_;
  const NoteSink& note_;
  std::vector<Visit> todo_;
  Tree tree_;
};

}  // namespace

const FolderPlace* Tree::find(const mail::FolderPath& path) const {
  const auto at =
      std::lower_bound(folders.begin(), folders.end(), path,
                       [](const FolderPlace& place, const mail::FolderPath& p) { return (place.path <=> p) < 0; });
  return at != folders.end() && at->path == path ? &*at : nullptr;
}

Result<Tree> scan_tree(store::Services& services, const std::string& root_path, files::Dir& root,
                       const NoteSink& note) {
  return Walk(services, root_path, root, note).run();
}

Result<std::unique_ptr<files::Dir>> open_below(files::Dir& root, const std::vector<std::string>& names) {
  std::unique_ptr<files::Dir> dir;
  for (const std::string& name : names) {
    MH_TRY(std::unique_ptr<files::Dir> next, (dir ? *dir : root).open_dir(name));
    dir = std::move(next);
  }
  return dir;
}

}  // namespace mailhaul::maildir
