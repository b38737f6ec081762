// What makes deliveries and changes durable, in this order: contents, rename, directories, acknowledgements.
#include <algorithm>
#include <utility>

#include "plugins/maildir/target.hpp"

namespace mailhaul::maildir {
namespace {

template <typename Pending>
store::Ack ack_of(const Pending& pending) {
  if (pending.refused) return {pending.ticket, store::Refused{*pending.refused}};
  if (pending.in_doubt) return {pending.ticket, store::InDoubt{}};
  return {pending.ticket, pending.stored};
}

/// A sync that failed: the octets are lost for good, a new file may be written at once (never the same one synced
/// again).
Error after_failed_sync(const Error& error) {
  Error refused = error;
  refused.what = "storage error, the message is not stored: " + error.what;
  if (error.kind == ErrorKind::no_space) return refused;
  refused.scope = Scope::message;
  refused.retry = Retry::later;
  return refused;
}

}  // namespace

Status MaildirTarget::flush() {
  auto status = settle();
  if (!status.ok()) return status;
  if (!deferred_) return {};
  Error error = std::move(*deferred_);
  deferred_.reset();
  return error;
}

/// Every accepted ticket gets its Ack. An Error: some are in doubt, and their acks said so.
Status MaildirTarget::settle() {
  std::vector<Delivery> batch = std::move(deliveries_);
  std::vector<Change> changes = std::move(changes_);
  deliveries_.clear();
  changes_.clear();
  Status outcome;
  if (!batch.empty()) {
    outcome = deliver(batch);
    for (Delivery& delivery : batch) {
      delivery.in_doubt = !outcome.ok();
      delivery.folder->dirty = false;
    }
  }
  pending_octets_ = 0;
  open_files_ = 0;
  for (const Change& change : changes) {
    if (change.found || change.refused) continue;  // with an earlier one of the same folder
    const Status applied = apply_changes_of(*change.folder, changes);
    if (!applied.ok()) outcome = applied;
  }
  for (const Delivery& delivery : batch) acks_.on_ack(ack_of(delivery));
  for (const Change& change : changes) acks_.on_ack(ack_of(change));
  return outcome;
}

/// An Error: what is not refused is in doubt.
Status MaildirTarget::deliver(std::vector<Delivery>& batch) {
  const Status synced = sync_contents(batch);
  if (!synced.ok()) return refuse_all(batch, synced.error());
  MH_CHECK(publish(batch));
  return sync_folders(batch);
}

Status MaildirTarget::refuse_all(std::vector<Delivery>& batch, const Error& error) {
  if (error.kind == ErrorKind::interrupted) return error;  // says nothing about the messages
  for (Delivery& delivery : batch) {
    if (delivery.refused) continue;
    delivery.refused = after_failed_sync(error);
    discard(delivery.folder->dirs.get(), delivery);
  }
  return {};
}

/// One failure refuses the whole batch: which file's octets were dropped, the system does not tell.
Status MaildirTarget::sync_contents(std::vector<Delivery>& batch) {
  Status status;
  if (open_files_ > kOpenFiles) {
    std::vector<std::uint64_t> devices;  // a folder may be a mount of its own
    const OpenFolder* last = nullptr;
    for (const Delivery& delivery : batch) {
      if (std::exchange(last, delivery.folder) == delivery.folder) continue;
      const auto stat = delivery.folder->dirs->tmp->stat();
      if (status.ok() && !stat.ok()) status = stat.error();
      if (!status.ok()) break;
      if (std::find(devices.begin(), devices.end(), stat->device) != devices.end()) continue;
      devices.push_back(stat->device);
      status = delivery.folder->dirs->tmp->sync_filesystem();
    }
  } else {
    for (Delivery& delivery : batch) {
      if (!delivery.file) continue;
      if (status.ok()) status = delivery.file->sync();
      if (status.ok()) status = delivery.file->close();
    }
  }
  for (Delivery& delivery : batch) delivery.file.reset();
  return status;
}

Status MaildirTarget::publish(std::vector<Delivery>& batch) {
  for (Delivery& delivery : batch) {
    if (delivery.refused) continue;
    FolderDirs& dirs = *delivery.folder->dirs;
    auto renamed = dirs.tmp->rename(delivery.base, *dirs.cur, delivery.name);
    if (renamed.ok()) continue;
    if (renamed.error().kind == ErrorKind::interrupted) return renamed;
    delivery.refused = std::move(renamed.error()).context("publish in " + delivery.folder->handle.path.text());
    discard(&dirs, delivery);
  }
  return {};
}

Status MaildirTarget::sync_folders(const std::vector<Delivery>& batch) {
  std::vector<const OpenFolder*> synced;
  for (const Delivery& delivery : batch) {
    if (delivery.refused || std::find(synced.begin(), synced.end(), delivery.folder) != synced.end()) continue;
    synced.push_back(delivery.folder);
    auto status = delivery.folder->dirs->cur->sync();
    if (!status.ok()) return std::move(status.error()).context("sync " + delivery.folder->handle.path.text());
  }
  return {};
}

}  // namespace mailhaul::maildir
