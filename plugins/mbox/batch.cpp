#include "plugins/mbox/batch.hpp"

#include <algorithm>
#include <utility>

#include "base/strings.hpp"
#include "plugins/mbox/format/first_octets.hpp"
#include "plugins/mbox/mbox_file.hpp"

namespace mailhaul::mbox {
namespace {

// A file that others replace all the time is busy, not ours to fight for.
constexpr int kTries = 5;
// What is acknowledged at once at most, so that memory does not grow with a caller that never flushes.
constexpr std::size_t kMostPending = 1024;

Result<std::unique_ptr<files::File>> open_or_make(files::Dir& dir, const std::string& name) {
  auto there = dir.open_file(name, files::OpenMode::read_write);
  if (there.ok() || !files::is_not_found(there.error())) return there;
  auto made = dir.open_file(name, files::OpenMode::create);
  if (!made.ok()) {
    if (files::is_exists(made.error())) return dir.open_file(name, files::OpenMode::read_write);
    return made;
  }
  MH_CHECK((*made)->sync());
  MH_CHECK(dir.sync());
  return made;
}

enum class Torn { allowed, refused };

/// A torn file may be looked at, for what a crash left is recovered there, but nothing is added to it.
Status refuse_other_files(const files::File& file, const std::string& file_text, Torn torn) {
  MH_TRY(const std::string head, read_head(file));
  if (!looks_like_mbox(head) && (torn == Torn::refused || !looks_like_torn_mbox(head))) {
    NotAnMbox other = describe_other_file(file_text, head);
    return make_error(ErrorKind::usage, Scope::folder, std::move(other.what), std::move(other.hint));
  }
  // A From_ line of ours behind lines that end with CR alone would swallow them.
  if (head.find('\n') == std::string::npos && head.find('\r') != std::string::npos) {
    return make_error(ErrorKind::usage, Scope::folder, visible(file_text) + " ends its lines with CR alone",
                      "convert it first: tr '\\r' '\\n'");
  }
  return {};
}

}  // namespace

Status check_before_writing(files::Dir& dir, const std::string& name, const std::string& file_text) {
  const auto file = dir.open_file(name, files::OpenMode::read);
  if (!file.ok()) return files::is_not_found(file.error()) ? Status{} : Status(file.error());
  return refuse_other_files(**file, file_text, Torn::allowed);
}

Result<std::unique_ptr<files::File>> open_for_writing(files::Dir& dir, const std::string& name,
                                                      const std::string& file_text) {
  MH_TRY(auto file, open_or_make(dir, name));
  MH_CHECK(refuse_other_files(*file, file_text, Torn::allowed));
  return file;
}

Result<LockedFile> open_locked(files::Dir& dir, const std::string& name, const std::string& file_text,
                               store::Services& services) {
  for (int attempt = 1;; ++attempt) {
    LockedFile locked;
    MH_TRY(locked.file, open_or_make(dir, name));
    auto lock = files::MboxLock::acquire(dir, name, *locked.file, services.clock, services.cancel);
    if (!lock.ok()) {
      // Replaced while its lock was waited for: the new file is the one to lock.
      if (lock.error().retry == Retry::now && attempt < kTries) continue;
      return std::move(lock).error();
    }
    locked.lock = std::move(lock).value();
    MH_TRY(const files::FileStat opened, locked.file->stat());
    const auto named = dir.stat(name);
    if (!named.ok() || named->inode != opened.inode || named->device != opened.device) {
      if (attempt < kTries) continue;
      return being_changed(file_text);
    }
    MH_CHECK(refuse_other_files(*locked.file, file_text, Torn::allowed));
    return locked;
  }
}

Result<std::unique_ptr<Batch>> Batch::open(files::Dir& dir, const std::string& name, const std::string& file_text,
                                           store::Services& services) {
  MH_TRY(LockedFile locked, open_locked(dir, name, file_text, services));
  MH_CHECK(refuse_other_files(*locked.file, file_text, Torn::refused));
  MH_TRY(Watermark watermark, take_watermark(*locked.file));
  return std::unique_ptr<Batch>(new Batch(dir, name, file_text, std::move(locked), std::move(watermark)));
}

Status Batch::add(const store::Ticket& ticket, const mail::Message& message, Quoting quoting, const CancelToken& cancel,
                  store::AckSink& acks) {
  if (failed_) {
    pending_.push_back({ticket, {}, failed_});
    return {};
  }
  const std::uint64_t begin = appender_.end();
  Status ready = ready_ ? Status{} : appender_.end_last_message();
  auto written = ready.ok() ? appender_.add(ticket, message, quoting, cancel) : Result<Written>(ready.error());
  if (!written.ok() && written.error().kind == ErrorKind::interrupted) {
    if (Status undone = appender_.take_back(begin); !undone.ok()) return give_up(std::move(undone).error(), acks);
    return std::move(written).error();
  }
  if (!written.ok()) {
    if (Status undone = on_failed_add(ticket, begin, std::move(written).error()); !undone.ok()) {
      return give_up(std::move(undone).error(), acks);
    }
  } else {
    ready_ = true;
    pending_.push_back({ticket, std::move(written).value(), std::nullopt});
  }
  return pending_.size() < kMostPending ? Status{} : settle(acks);
}

/// Takes the message at `begin` back. Its own fault (the content could not be read) refuses it alone; a file that takes
/// no more octets refuses it and every later one.
Status Batch::on_failed_add(const store::Ticket& ticket, std::uint64_t begin, Error error) {
  if (!appender_.failed()) {
    MH_CHECK(appender_.take_back(begin));
    pending_.push_back({ticket, {}, std::move(error)});
    return {};
  }
  Pending last;
  last.ticket = ticket;
  last.written.begin = begin;
  last.written.end = appender_.end() + 1;  // behind everything that is in the file
  pending_.push_back(std::move(last));
  return salvage(error);
}

/// After a failed write: whole messages that wait in the buffer are tried one by one, the first that finds no room and
/// all behind it are refused.
Status Batch::salvage(const Error& error) {
  failed_ = error;
  std::size_t first = 0;
  while (first < pending_.size() && (pending_[first].refused || pending_[first].written.end <= appender_.in_file())) ++first;
  std::vector<std::string> waiting;
  const std::uint64_t good = appender_.in_file();
  for (std::size_t i = first; i < pending_.size(); ++i) {
    const Written& written = pending_[i].written;
    const bool whole = !pending_[i].refused && written.begin >= good && written.end <= appender_.end();
    if (!whole) break;
    // The first one of a file takes the line ends before it along.
    const std::uint64_t from = i == first ? good : written.begin;
    waiting.push_back(appender_.buffered(from, written.end));
  }
  const std::uint64_t cut = first < pending_.size() ? std::min(good, pending_[first].written.begin) : good;
  MH_CHECK(appender_.take_back(cut));
  appender_.clear_failure();
  for (const std::string& octets : waiting) {
    const std::uint64_t before = appender_.end();
    if (!appender_.write_now(octets).ok()) return refuse_from(first, before, error);
    ++first;
  }
  return refuse_from(first, appender_.end(), error);
}

Status Batch::refuse_from(std::size_t first, std::uint64_t offset, const Error& error) {
  for (std::size_t i = first; i < pending_.size(); ++i) {
    if (!pending_[i].refused) pending_[i].refused = error;
  }
  MH_CHECK(appender_.take_back(offset));
  appender_.clear_failure();
  return {};
}

void Batch::acknowledge(store::AckSink& acks) {
  // The sink must not call the target, but it may look at what it owns: nothing is held twice.
  for (Pending& pending : std::exchange(pending_, {})) {
    if (pending.refused) {
      acks.on_ack({pending.ticket, store::Refused{std::move(*pending.refused)}});
    } else {
      acks.on_ack({pending.ticket, std::move(pending.written.stored)});
    }
  }
}

/// The outcome of what is pending cannot be known: the next run finds it.
Status Batch::give_up(Error error, store::AckSink& acks) {
  for (const Pending& pending : std::exchange(pending_, {})) acks.on_ack({pending.ticket, store::InDoubt{}});
  failed_ = error;
  return std::move(error).context("append to " + visible(file_text_));
}

Status Batch::settle(store::AckSink& acks) {
  if (pending_.empty()) return {};
  if (Status written = appender_.write_out(); !written.ok()) {
    if (Status saved = salvage(written.error()); !saved.ok()) return give_up(std::move(saved).error(), acks);
  }
  if (Status there = check_place(); !there.ok()) {
    // Nobody will find the octets; the file that has them is gone with its last handle.
    failed_ = there.error();
    for (Pending& pending : pending_) pending.refused = pending.refused.value_or(there.error());
  } else if (Status synced = sync(); !synced.ok()) {
    const Error error = std::move(synced).error();
    if (Status undone = undo_unsynced(); !undone.ok()) return give_up(std::move(undone).error(), acks);
    failed_ = error;
    for (Pending& pending : pending_) pending.refused = pending.refused.value_or(error);
  }
  acknowledge(acks);
  return {};
}

/// The file that was written to must still be the one that has the name.
Status Batch::check_place() const {
  const auto named = dir_.stat(name_);
  if (named.ok() && named->inode == watermark_.inode && named->device == watermark_.device) return {};
  if (!named.ok() && !files::is_not_found(named.error())) return named.error();
  return make_error(ErrorKind::unreachable, Scope::folder,
                    visible(file_text_) + " was removed or replaced by another program while mail was written to it", "",
                    Retry::later);
}

Status Batch::sync() {
  MH_CHECK(locked_.file->sync());
  synced_ = appender_.end();
  return {};
}

/// After a failed sync nobody knows which octets are on the disk: the batch is cut off through another handle, since the
/// failed one may count lost pages as written.
Status Batch::undo_unsynced() {
  MH_TRY(reopened_, dir_.open_file(name_, files::OpenMode::read_write));
  MH_TRY(const files::FileStat now, reopened_->stat());
  if (now.inode != watermark_.inode || now.device != watermark_.device) return being_changed(file_text_);
  MH_CHECK(reopened_->truncate(synced_));
  return reopened_->sync();
}

Status Batch::close() {
  // A lock file that cannot be removed would keep every mail program out, so it is an error even when all is delivered.
  Status released = locked_.lock ? locked_.lock->release() : Status{};
  locked_.lock.reset();
  locked_.file.reset();  // everything that counts is synced
  if (released.ok()) return {};
  return std::move(released).error().context("unlock " + visible(file_text_));
}

}  // namespace mailhaul::mbox
