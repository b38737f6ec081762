// Finds deliveries again after a crash: the ticket stands in the file name.
#include <algorithm>

#include "mail/message_scan.hpp"
#include "plugins/maildir/target.hpp"

namespace mailhaul::maildir {
namespace {

constexpr std::size_t kReadSize = 256 * 1024;

}  // namespace

/// Tickets that are looked for.
struct MaildirTarget::Wanting {
  std::vector<store::Ticket> tickets;  // sorted
  std::vector<bool> found;

  explicit Wanting(std::span<const store::Wanted> wanted) {
    for (const store::Wanted& one : wanted) tickets.push_back(one.ticket);
    std::sort(tickets.begin(), tickets.end());
    tickets.erase(std::unique(tickets.begin(), tickets.end()), tickets.end());
    found.resize(tickets.size());
  }
  /// The place in `tickets` of the one that a file name carries.
  [[nodiscard]] std::optional<std::size_t> at(std::string_view file_name) const {
    const std::string_view hex = ticket_of(file_name);
    const auto ticket = hex.empty() ? std::nullopt : store::Ticket::from_hex(hex);
    if (!ticket) return std::nullopt;
    const auto place = std::lower_bound(tickets.begin(), tickets.end(), *ticket);
    if (place == tickets.end() || *place != *ticket) return std::nullopt;
    return static_cast<std::size_t>(place - tickets.begin());
  }
  [[nodiscard]] bool all_found() const { return std::find(found.begin(), found.end(), false) == found.end(); }
};

Status MaildirTarget::find_since(const store::FolderHandle& folder, std::string_view,
                                 std::span<const store::Wanted> wanted,
                                 const std::function<Status(store::Match)>& sink) {
  MH_CHECK(settle());
  MH_TRY(OpenFolder* const open, folder_of(folder));
  Wanting wanting(wanted);
  if (wanting.tickets.empty()) return {};
  MH_CHECK(find_in(open->place, wanting, /*own=*/true, sink));
  if (wanting.all_found()) return {};
  // The user may have filed it elsewhere meanwhile.
  MH_CHECK(scan());
  Wanting rest = wanting;
  std::vector<store::Ticket> missing;
  for (std::size_t i = 0; i < wanting.tickets.size(); ++i) {
    if (!wanting.found[i]) missing.push_back(wanting.tickets[i]);
  }
  rest.tickets = std::move(missing);
  rest.found.assign(rest.tickets.size(), false);
  const Tree tree = tree_;
  for (const FolderPlace& place : tree.folders) {
    if (place.directory == open->place.directory) continue;
    MH_CHECK(find_in(place, rest, /*own=*/false, sink));
  }
  return {};
}

Status MaildirTarget::find_in(const FolderPlace& place, Wanting& wanting, bool own,
                              const std::function<Status(store::Match)>& sink) {
  MH_TRY(Folder opened, Folder::open(*root_, place));
  if (own) MH_CHECK(remove_leftovers(place, wanting));
  struct Hit {
    Subdir subdir;
    std::string name;
    store::Key key;
    std::size_t ticket;
  };
  std::vector<Hit> hits;
  MH_TRY(const Census census, opened.census(services_.random.next(), services_.cancel));
  MH_CHECK(opened.for_each(census, services_.cancel, [&](const Entry& entry) -> Status {
    const auto at = entry.kind == files::FileKind::regular ? wanting.at(entry.name) : std::nullopt;
    if (at) hits.push_back({entry.subdir, std::string(entry.name), entry.key, *at});
    return {};
  }));
  if (hits.empty()) return {};
  // The run that published it may have died before this: what is reported must be durable.
  for (const Subdir subdir : {Subdir::cur, Subdir::fresh}) {
    if (opened.dir(subdir) != nullptr) MH_CHECK(opened.dir(subdir)->sync());
  }
  for (const Hit& hit : hits) {
    MH_TRY(const bool there, report(*opened.dir(hit.subdir), hit.name, hit.key, wanting.tickets[hit.ticket], sink));
    if (there) wanting.found[hit.ticket] = true;
  }
  return {};
}

/// What a wanted ticket left in tmp is ours and unfinished.
Status MaildirTarget::remove_leftovers(const FolderPlace& place, const Wanting& wanting) {
  std::vector<std::string> directory = place.directory;
  directory.emplace_back("tmp");
  auto tmp = open_below(*root_, directory);
  if (!tmp.ok()) return files::is_not_found(tmp.error()) ? Status{} : Status{tmp.error()};
  std::vector<std::string> leftovers;
  MH_CHECK((*tmp)->list([&](std::string_view name, files::FileKind) -> Status {
    if (wanting.at(name)) leftovers.emplace_back(name);
    return {};
  }));
  for (const std::string& name : leftovers) {
    const Status removed = (*tmp)->unlink(name);
    if (!removed.ok() && !files::is_not_found(removed.error())) return removed.error();
  }
  return {};
}

/// false: it was taken away meanwhile.
Result<bool> MaildirTarget::report(files::Dir& dir, const std::string& name, const store::Key& key,
                                   const store::Ticket& ticket, const std::function<Status(store::Match)>& sink) {
  const auto file = dir.open_file(name, files::OpenMode::read);
  if (!file.ok()) {
    if (files::is_not_found(file.error())) return false;
    return file.error();
  }
  mail::MessageScanner scanner;
  std::vector<std::byte> buffer(kReadSize);
  for (std::uint64_t offset = 0;;) {
    if (services_.cancel.requested()) return make_error(ErrorKind::interrupted, Scope::run, "interrupted");
    MH_TRY(const std::size_t got, (*file)->read_at(offset, buffer));
    scanner.update(Octets(buffer).first(got));
    offset += got;
    if (got < buffer.size()) break;
  }
  const mail::MessageFacts facts = scanner.finish();
  MH_CHECK(sink({key, ticket, facts.nid, facts.eid}));
  return true;
}

}  // namespace mailhaul::maildir
