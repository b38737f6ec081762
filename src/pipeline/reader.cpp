// Reading in batches of at most kBatch messages, whatever the source pulls ahead.
#include "pipeline/reader.hpp"

namespace mailhaul::pipeline {
namespace {

constexpr std::size_t kBatch = 256;  // a listing row is some hundred octets: a batch stays far below the budget

std::string asked_key(std::uint32_t folder, const std::string& key) { return std::to_string(folder) + '\n' + key; }

class PendingSink final : public store::ItemSink {
 public:
  PendingSink(ledger::PendingTable& pending, std::uint32_t folder, const ListSinks& sinks)
      : pending_(pending), folder_(folder), sinks_(sinks) {}

  Status on_item(store::Item item) override {
    MH_TRY(const bool wanted, sinks_.accept(item));
    if (!wanted) return {};
    return pending_.add(row_of(std::move(item), folder_));
  }
  Status on_gone(const store::Key& key) override { return sinks_.gone(key); }
  Status on_bad(const store::Key& key, Error error) override { return sinks_.bad(key, std::move(error)); }

 private:
  ledger::PendingTable& pending_;
  const std::uint32_t folder_;
  const ListSinks& sinks_;
};

}  // namespace

ledger::PendingItem row_of(store::Item item, std::uint32_t folder_index) {
  ledger::PendingItem row;
  row.folder = folder_index;
  row.key = std::move(item.key);
  row.locator = std::move(item.locator);
  row.object_id = std::move(item.object_id);
  row.size = item.size ? static_cast<std::int64_t>(*item.size) : -1;
  row.arrived = item.arrived;
  row.meta = std::move(item.meta);
  row.meta_complete = item.meta_complete;
  return row;
}

Result<store::ListEnd> list_into(store::Source& source, const store::FolderInfo& folder, std::optional<std::string> since,
                                 ledger::PendingTable& pending, std::uint32_t folder_index, const ListSinks& sinks) {
  PendingSink sink(pending, folder_index, sinks);
  MH_CHECK(pending.begin());
  auto end = source.list(folder, std::move(since), sink);
  MH_CHECK(pending.end());
  return end;
}

Reader::Reader(store::Source& source, ledger::PendingTable& pending, const std::vector<const store::FolderInfo*>& folders,
               FetchedSink sink, WantsMore wants_more)
    : source_(source), pending_(pending), folders_(folders), sink_(std::move(sink)), wants_more_(std::move(wants_more)) {
  for (std::uint32_t i = 0; i < folders.size(); ++i) folder_index_.emplace(folders[i], i);
}

Status Reader::run() {
  MH_CHECK(source_.fetch([this] { return next_batch(); }, *this));
  if (asked_.empty()) return {};
  return make_error(ErrorKind::bug, Scope::run,
                    "the source left " + std::to_string(asked_.size()) + " messages without an answer", "please report this");
}

Result<store::FetchBatch> Reader::next_batch() {
  MH_TRY(auto rows, pending_.next(kBatch));
  store::FetchBatch batch;
  if (rows.empty()) return batch;
  batch.folder = folders_[rows.front().folder];
  batch.items.reserve(rows.size());
  for (auto& row : rows) {
    asked_.emplace(asked_key(row.folder, row.key), Asked{row.number, row.folder});
    store::Item item;
    item.key = std::move(row.key);
    item.locator = std::move(row.locator);
    item.object_id = std::move(row.object_id);
    if (row.size >= 0) item.size = static_cast<std::uint64_t>(row.size);
    item.meta = std::move(row.meta);
    item.meta_complete = row.meta_complete;
    batch.items.push_back(std::move(item));
  }
  return batch;
}

Status Reader::pass_on(const store::FolderInfo& folder, const store::Item& item,
                       std::variant<mail::Message, Error, Vanished> result) {
  const auto index = folder_index_.find(&folder);
  const auto asked = index == folder_index_.end() ? asked_.end() : asked_.find(asked_key(index->second, item.key));
  if (asked == asked_.end())
    return make_error(ErrorKind::bug, Scope::run,
                      "the source delivered " + item.key + " of " + folder.path.text() + ", which was not asked for",
                      "please report this");
  Fetched fetched{asked->second.number, asked->second.folder, item.key, std::move(result)};
  asked_.erase(asked);
  return sink_(std::move(fetched));
}

}  // namespace mailhaul::pipeline
