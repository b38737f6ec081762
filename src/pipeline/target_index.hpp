// What the target already holds: adoption. Its messages that the ledger does not know are read once and remembered by key,
// so that a lost ledger costs time and never makes a twin (ADR 0009).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ledger/ledger.hpp"
#include "pipeline/options.hpp"
#include "pipeline/reader.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

class TargetIndex {
 public:
  /// `source` reads the target; `folders` are those that were there when it was opened. `tick` is called after each
  /// message that is read, for this may take long.
  TargetIndex(ledger::Ledger& ledger, store::Source& source, std::vector<store::FolderInfo> folders, Dedup dedup,
              files::FileSystem& fs, store::Events& events, std::function<void()> tick)
      : ledger_(ledger),
        source_(source),
        folders_(std::move(folders)),
        dedup_(dedup),
        fs_(fs),
        events_(events),
        tick_(std::move(tick)) {}

  [[nodiscard]] const std::vector<store::FolderInfo>& folders() const { return folders_; }
  /// Whether it was there, and could hold mail, when the target was opened.
  [[nodiscard]] bool lists(const mail::FolderPath& path) const;
  /// Brings the ledger's knowledge of one target folder up to what is there now. A folder that is not there is done
  /// at once. Messages that cannot be read stand for nothing: they are told of, and tried again next time.
  Status refresh(const mail::FolderPath& path);
  /// The folder was made since: of an earlier one of that name nothing is there any more.
  Status forget(const mail::FolderPath& path, const std::string& epoch);

 private:
  [[nodiscard]] const store::FolderInfo* find(const mail::FolderPath& path) const;
  Status note_read(Fetched fetched, ledger::RowId folder);

  ledger::Ledger& ledger_;
  store::Source& source_;
  const std::vector<store::FolderInfo> folders_;
  const Dedup dedup_;
  files::FileSystem& fs_;
  store::Events& events_;
  const std::function<void()> tick_;
  std::uint64_t unread_ = 0;  ///< of the folder at hand
  std::uint64_t uncommitted_ = 0;
};

}  // namespace mailhaul::pipeline
