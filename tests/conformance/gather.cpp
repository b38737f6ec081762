// See gather.hpp.
#include "conformance/gather.hpp"

#include <algorithm>
#include <memory>

namespace mailhaul::conformance {

namespace {

Error enough() { return make_error(ErrorKind::interrupted, Scope::run, kStopped); }

}  // namespace

Status Listing::step() {
  ++calls;
  if (stop_at_ && calls >= *stop_at_) return enough();
  return {};
}

Status Listing::on_item(store::Item item) {
  items.push_back(std::move(item));
  return step();
}

Status Listing::on_gone(const store::Key& key) {
  gone.push_back(key);
  return step();
}

Status Listing::on_bad(const store::Key& key, Error error) {
  bad.emplace_back(key, std::move(error));
  return step();
}

Status Fetched::step() {
  ++calls;
  if (stop_at_ && calls >= *stop_at_) return enough();
  return {};
}

Status Fetched::on_message(const store::FolderInfo&, const store::Item& item, mail::Message message) {
  One& one = by_key[item.key];
  ++one.ends;
  // Not the facts that the source computed: what the octets say when they are read again.
  mail::MessageScanner scanner({.cid = true});
  const Status read = mail::for_each_piece(*message.content, [&](Octets piece) -> Status {
    scanner.update(piece);
    return {};
  });
  if (read.ok()) one.facts = scanner.finish();
  if (!read.ok()) one.error = read.error();
  if (one.facts && one.facts->cid != message.content->facts().cid) {
    one.error = make_error(ErrorKind::bug, Scope::message, "the facts are not of these octets");
  }
  one.meta = std::move(message.meta);
  return step();
}

Status Fetched::on_failed(const store::FolderInfo&, const store::Item& item, Error error) {
  One& one = by_key[item.key];
  ++one.ends;
  one.error = std::move(error);
  return step();
}

Status Fetched::on_vanished(const store::FolderInfo&, const store::Item& item) {
  One& one = by_key[item.key];
  ++one.ends;
  one.vanished = true;
  return step();
}

store::NextBatch batches_of(const store::FolderInfo& folder, std::vector<store::Item> items, std::size_t batch) {
  auto rest = std::make_shared<std::vector<store::Item>>(std::move(items));
  auto at = std::make_shared<std::size_t>(0);
  return [&folder, rest, at, batch]() -> Result<store::FetchBatch> {
    store::FetchBatch next;
    next.folder = &folder;
    const std::size_t end = std::min(rest->size(), *at + batch);
    for (; *at < end; ++*at) next.items.push_back(std::move((*rest)[*at]));
    return next;
  };
}

Result<std::vector<store::FolderInfo>> all_folders(store::Source& source) {
  std::vector<store::FolderInfo> folders;
  MH_CHECK(source.folders([&](store::FolderInfo info) -> Status {
    if (info.selectable) folders.push_back(std::move(info));
    return {};
  }));
  return folders;
}

Result<store::FolderInfo> folder_of(store::Source& source, const mail::FolderPath& path) {
  MH_TRY(std::vector<store::FolderInfo> folders, all_folders(source));
  std::erase_if(folders, [&](const store::FolderInfo& info) { return !(info.path == path); });
  if (folders.size() == 1) return std::move(folders.front());
  return make_error(ErrorKind::bug, Scope::run,
                    path.text() + " is listed " + std::to_string(folders.size()) + " times");
}

}  // namespace mailhaul::conformance
