// The temporary table of messages to read.
#include "ledger/pending.hpp"

#include "base/strings.hpp"

namespace mailhaul::ledger {
namespace {

constexpr std::int64_t kNoZone = 100'000;  // beyond any zone in minutes
// What a message costs a server beside its octets: 0.4 ms where 64 KiB take 0.8 (Dovecot, Maildir).
constexpr std::uint64_t kItemOctets = 32'768, kUnknownSize = 50'000;

}  // namespace

std::string pack_words(const std::vector<std::string>& words) { return join(words, "\n"); }

std::vector<std::string> unpack_words(const std::string& text) {
  return text.empty() ? std::vector<std::string>() : split(text, '\n');
}

Result<std::unique_ptr<PendingTable>> PendingTable::make(files::FileSystem& fs) {
  MH_TRY(auto db, files::Db::open(fs, "", files::Db::Mode::temporary));
  MH_CHECK(db->exec("CREATE TABLE pending(number INTEGER PRIMARY KEY, folder INTEGER, key TEXT, locator TEXT, object_id TEXT, "
                    "size INTEGER, flags INTEGER, keywords TEXT, labels TEXT, received INTEGER, zone INTEGER, "
                    "complete INTEGER, arrived INTEGER)"));
  return std::unique_ptr<PendingTable>(new PendingTable(std::move(db)));
}

Status PendingTable::begin() {
  MH_TRY(files::Tx tx, files::Tx::begin(*db_));
  tx_.emplace(std::move(tx));
  return {};
}

Status PendingTable::end() {
  Status status = tx_->commit();
  tx_.reset();
  return status;
}

Status PendingTable::add(const PendingItem& item) {
  MH_TRY(files::Stmt insert,
         db_->prepare("INSERT INTO pending VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"));
  insert.bind(1, static_cast<std::int64_t>(count_))
      .bind(2, static_cast<std::int64_t>(item.folder))
      .bind(3, item.key)
      .bind_blob(4, as_octets(item.locator))
      .bind_blob(5, as_octets(item.object_id))
      .bind(6, item.size)
      .bind(7, static_cast<std::int64_t>(item.meta.flags.bits()))
      .bind_blob(8, as_octets(pack_words(item.meta.keywords)))
      .bind_blob(9, as_octets(pack_words(item.meta.labels)));
  if (item.meta.received) {
    const auto& zone = item.meta.received->zone;
    insert.bind(10, static_cast<std::int64_t>(item.meta.received->instant.time_since_epoch().count()))
        .bind(11, zone ? static_cast<std::int64_t>(zone->count()) : kNoZone);
  } else {
    insert.bind_null(10).bind_null(11);
  }
  insert.bind(12, item.meta_complete ? 1 : 0);
  if (item.arrived)
    insert.bind(13, *item.arrived);
  else
    insert.bind_null(13);
  any_arrived_ = any_arrived_ || item.arrived.has_value();
  MH_CHECK(insert.run());
  const auto number = static_cast<std::int64_t>(count_++);
  if (runs_.empty() || runs_.back().folder != item.folder) runs_.push_back({item.folder, number, number, 0});
  runs_.back().end = number + 1;
  runs_.back().octets += kItemOctets + (item.size >= 0 ? static_cast<std::uint64_t>(item.size) : kUnknownSize);
  return {};
}

std::vector<std::pair<std::uint32_t, std::uint64_t>> PendingTable::loads() const {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> loads;
  for (const auto& run : runs_) loads.emplace_back(run.folder, run.octets);
  return loads;
}

Status PendingTable::sort() {
  sorted_ = true;
  const std::string by = order_ == Order::arrival
                             ? "arrived, number"
                             : "coalesce(received*1000000, arrived) IS NULL, coalesce(received*1000000, arrived) DESC, number DESC";
  MH_CHECK(db_->exec("CREATE TABLE reading(place INTEGER PRIMARY KEY, number INTEGER);"
                     "INSERT INTO reading(number) SELECT number FROM pending ORDER BY folder, " + by));
  runs_.clear();
  MH_TRY(files::Stmt query, db_->prepare("SELECT folder, min(place), max(place) FROM reading CROSS JOIN pending "
                                         "ON pending.number=reading.number GROUP BY folder ORDER BY folder"));
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) return {};
    runs_.push_back({static_cast<std::uint32_t>(query.column_int(0)), query.column_int(1), query.column_int(2) + 1, 0});
  }
}

Status PendingTable::begin_reading() {
  begun_ = true;
  if (order_ != Order::arrival || any_arrived_) MH_CHECK(sort());
  for (const auto& run : std::exchange(runs_, {})) {
    const auto lane = lane_of_folder_.find(run.folder);
    const std::size_t index = lane == lane_of_folder_.end() ? 0 : lane->second;
    if (lanes_.size() <= index) lanes_.resize(index + 1);
    lanes_[index].push_back(run);
  }
  return {};
}

/// Of the lane whose turn it is, or of the next that has one; nullptr at the end.
PendingTable::Run* PendingTable::next_run() {
  for (std::size_t tried = 0; tried < lanes_.size(); ++tried) {
    auto& lane = lanes_[lane_];
    lane_ = (lane_ + 1) % lanes_.size();
    while (!lane.empty() && lane.front().at >= lane.front().end) lane.pop_front();
    if (!lane.empty()) return &lane.front();
  }
  return nullptr;
}

Result<std::vector<PendingItem>> PendingTable::next(std::size_t limit) {
  if (!begun_) MH_CHECK(begin_reading());
  while (Run* const run = next_run()) {
    MH_TRY(auto items, read(*run, limit));
    if (!items.empty()) return items;
  }
  return std::vector<PendingItem>();
}

Result<std::vector<PendingItem>> PendingTable::read(Run& run, std::size_t limit) {
  std::vector<PendingItem> items;
  MH_TRY(files::Stmt query,
         db_->prepare(!sorted_
                          ? "SELECT *, number FROM pending WHERE number>=?1 AND number<?2 ORDER BY number LIMIT ?3"
                          : "SELECT pending.*, place FROM reading CROSS JOIN pending ON pending.number=reading.number "
                            "WHERE place>=?1 AND place<?2 ORDER BY place LIMIT ?3"));
  query.bind(1, run.at).bind(2, run.end).bind(3, static_cast<std::int64_t>(limit));
  const std::int64_t before = run.at;
  for (;;) {
    MH_TRY(const bool row, query.step());
    if (!row) break;
    PendingItem item;
    item.number = static_cast<std::uint64_t>(query.column_int(0));
    item.folder = static_cast<std::uint32_t>(query.column_int(1));
    item.key = query.column_text(2);
    item.locator = query.column_blob(3);
    item.object_id = query.column_blob(4);
    item.size = query.column_int(5);
    item.meta.flags = mail::Flags(static_cast<std::uint8_t>(query.column_int(6)));
    item.meta.keywords = unpack_words(query.column_blob(7));
    item.meta.labels = unpack_words(query.column_blob(8));
    if (!query.column_is_null(9)) {
      mail::ReceivedDate date{Instant(std::chrono::seconds(query.column_int(9))), std::nullopt};
      if (query.column_int(10) != kNoZone) date.zone = std::chrono::minutes(query.column_int(10));
      item.meta.received = date;
    }
    item.meta_complete = query.column_int(11) != 0;
    run.at = query.column_int(13) + 1;
    items.push_back(std::move(item));
  }
  if (run.at == before) run.at = run.end;  // numbers that were given away without an item
  return items;
}

}  // namespace mailhaul::ledger
