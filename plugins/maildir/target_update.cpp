// Changes of flags and keywords: a new info behind the same base name.
#include <algorithm>

#include "plugins/maildir/target.hpp"

namespace mailhaul::maildir {
namespace {

std::string without(std::string letters, std::string_view removed) {
  std::erase_if(letters, [&](char letter) { return removed.find(letter) != std::string_view::npos; });
  return letters;
}

}  // namespace

/// All changes of one folder in one pass over its names. Each ends found or refused; an Error: in doubt.
Status MaildirTarget::apply_changes_of(OpenFolder& folder, std::vector<Change>& changes) {
  std::unordered_map<std::string, std::vector<Change*>> asked;
  for (Change& change : changes) {
    if (change.folder == &folder && !change.found && !change.refused) asked[change.key].push_back(&change);
  }
  auto status = find_and_apply(folder, asked);
  const Error gone =
      make_error(ErrorKind::message, Scope::message, "the message is no longer in " + folder.handle.path.text());
  bool synced = status.ok();
  if (synced) {
    // Even where nothing was renamed: a run that died may have renamed and not synced.
    status = folder.dirs->fresh->sync();
    if (status.ok()) status = folder.dirs->cur->sync();
    synced = status.ok();
    if (synced) status = Status();
  }
  for (auto& [key, changes_of_key] : asked) {
    for (Change* change : changes_of_key) {
      if (change->refused) continue;
      if (change->found) {
        change->in_doubt = !synced;
      } else {
        change->refused = synced ? gone : status.error();
      }
    }
  }
  return status;
}

Status MaildirTarget::find_and_apply(OpenFolder& folder, std::unordered_map<std::string, std::vector<Change*>>& asked) {
  MH_TRY(FolderDirs* const dirs, dirs_of(folder));
  (void)dirs;  // opened here, used by apply() and by the sync that follows
  MH_TRY(Folder opened, Folder::open(*root_, folder.place));
  MH_TRY(const Census census, opened.census(services_.random.next(), services_.cancel));
  std::vector<Standing> found;  // collected first: a name that is renamed during a pass may be met twice
  MH_CHECK(opened.for_each(census, services_.cancel, [&](const Entry& entry) -> Status {
    const auto at = asked.find(entry.key);
    if (at == asked.end() || entry.kind != files::FileKind::regular) return {};
    found.push_back({std::string(entry.name), entry.subdir, &at->second});
    return {};
  }));
  for (Standing& standing : found) {
    for (Change* change : *standing.asked) {
      if (change->found || change->refused) continue;
      auto applied = apply(folder, census, standing, *change);
      if (applied.ok()) {
        change->found = true;
      } else {
        change->refused = std::move(applied.error());
      }
    }
  }
  return {};
}

Status MaildirTarget::apply(OpenFolder& folder, const Census& census, Standing& standing, Change& change) {
  FolderDirs& dirs = *folder.dirs;
  const MessageName name = parse_message_name(standing.name);
  if (name.experimental) {
    return make_error(ErrorKind::unsupported, Scope::message, standing.name + ": its info \"1,\" has no flags");
  }
  MH_TRY(const KeywordStore::Letters added, folder.keywords.letters_for(dirs, change.meta.add_keywords, services_));
  MH_TRY(const std::string removed, folder.keywords.known_letters(dirs, change.meta.remove_keywords));
  change.stored.lost_keywords = added.lost;
  std::string letters = without(std::string(name.flags), letters_of(change.meta.remove_flags) + removed);
  letters = sorted_letters(letters + letters_of(change.meta.add_flags) + added.letters);

  const bool shadowed =
      standing.subdir == Subdir::fresh && key_of(name, Subdir::fresh, census) != percent_encode(name.base);
  const bool stays = shadowed || (letters.empty() && name.flags.empty());
  const Subdir subdir = stays ? standing.subdir : Subdir::cur;  // in cur its twin would lose its key
  std::string renamed = standing.name;
  if (letters != name.flags) {  // otherwise its spelling stays: another program chose it
    renamed = std::string(name.base) + (name.separator == 0 ? ':' : name.separator) + "2," + letters;
    renamed.append(name.fields);
  }
  change.stored.key = key_of(parse_message_name(renamed), subdir, census);
  if (renamed == standing.name && subdir == standing.subdir) return {};
  files::Dir& from = standing.subdir == Subdir::cur ? *dirs.cur : *dirs.fresh;
  MH_CHECK(from.rename(standing.name, subdir == Subdir::cur ? *dirs.cur : *dirs.fresh, renamed));
  standing.name = renamed;
  standing.subdir = subdir;
  return {};
}

}  // namespace mailhaul::maildir
