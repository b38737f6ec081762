#include "store/store.hpp"

#include "base/checked.hpp"

namespace mailhaul::store {

namespace {

Error unsupported(Scope scope, std::string_view what) {
  return make_error(ErrorKind::unsupported, scope, "this place cannot " + std::string(what));
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string Ticket::hex() const { return to_hex(instance) + to_hex(counter); }

std::optional<Ticket> Ticket::from_hex(std::string_view text) {
  // Only what hex() writes: a second spelling would be a second name of one delivery.
  if (text.size() != 32 || !is_lower_hex(text)) return std::nullopt;
  const auto instance = parse_uint(text.substr(0, 16), 16);
  const auto counter = parse_uint(text.substr(16), 16);
  if (!instance || !counter) return std::nullopt;
  return Ticket{*instance, *counter};
}

Status Source::expect_listings(std::vector<ListingWish>) { return {}; }

std::vector<Result<FolderHandle>> Target::open_folders(std::span<const FolderWish> wishes) {
  std::vector<Result<FolderHandle>> handles;
  handles.reserve(wishes.size());
  for (const auto& wish : wishes) handles.push_back(open_folder(wish.path, wish.role));
  return handles;
}

Status Target::ease() { return flush(); }

Status Target::rename_folder(const FolderHandle&, const mail::FolderPath&) {
  return unsupported(Scope::folder, "rename folders");
}

Status Target::subscribe(const FolderHandle&, bool) { return unsupported(Scope::folder, "subscribe folders"); }

Status Target::copy(const FolderHandle&, const Ticket&, const FolderHandle&, const Key&, const mail::Meta&) {
  return unsupported(Scope::message, "copy messages by itself");
}

Status Target::update(const FolderHandle&, const Ticket&, const Key&, const MetaChange&) {
  return unsupported(Scope::message, "change flags or keywords");
}

Status Target::remove(const FolderHandle&, const Ticket&, const Key&, const Digest&) {
  return unsupported(Scope::message, "remove messages");
}

Status Target::commit() { return unsupported(Scope::run, "commit"); }

}  // namespace mailhaul::store
