// What a disk keeps when the power goes. Modelled on ext4 with every liberty that a file system has before a sync, and
// some that ext4 does not take: each entry and each write decides for itself.
#include "files/simulated_disk.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace mailhaul::files {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::int64_t kYear2001 = 978'307'200'000'000'000;
constexpr std::int64_t kTick = 1'000'000;

// splitmix64: the same numbers everywhere, which the distributions of <random> do not promise.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t limit) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return (mixed ^ (mixed >> 31)) % limit;
  }
  bool coin() { return below(2) == 0; }

 private:
  std::uint64_t state_;
};

void put(std::vector<std::byte>& octets, std::uint64_t offset, Octets added) {
  const auto at = static_cast<std::size_t>(offset);
  if (octets.size() < at + added.size()) octets.resize(at + added.size());
  std::copy(added.begin(), added.end(), octets.begin() + static_cast<std::ptrdiff_t>(at));
}

void apply(std::vector<std::byte>& octets, const PendingChange& change) {
  if (change.octets.empty()) {
    octets.resize(static_cast<std::size_t>(change.offset));
  } else {
    put(octets, change.offset, change.octets);
  }
}

// A write that was under way: whole sectors of it are there, in order or not; the size may have grown to the end of it
// with zeros where nothing came.
void apply_torn(std::vector<std::byte>& octets, const PendingChange& change, Dice& dice) {
  const std::uint64_t end = change.offset + change.octets.size();
  const bool in_order = dice.coin();
  const bool grown = dice.coin();
  for (std::uint64_t at = change.offset; at < end;) {
    const std::uint64_t next = std::min(end, (at / kSector + 1) * kSector);
    if (dice.coin()) {
      put(octets, at,
          Octets(change.octets)
              .subspan(static_cast<std::size_t>(at - change.offset), static_cast<std::size_t>(next - at)));
    } else if (in_order) {
      break;
    }
    at = next;
  }
  if (grown && octets.size() < end) octets.resize(static_cast<std::size_t>(end));
}

void lose_octets(Inode& file, Dice& dice) {
  // One mood for the file, so that "all of it" and "nothing" come often, however many writes there were.
  const std::uint64_t mood = dice.below(4);
  for (const PendingChange& change : file.pending) {
    const std::uint64_t fate = mood < 3 ? mood : dice.below(3);
    if (fate == 0) apply(file.synced_octets, change);
    if (fate == 1 && !change.octets.empty()) apply_torn(file.synced_octets, change, dice);
  }
  if (!dice.coin()) file.synced_mtime_ns = file.mtime_ns;
}

using Names = std::vector<std::pair<Inode*, std::string>>;

// Which entries of which directories lead to an inode.
std::map<const Inode*, Names> names_in(const std::map<std::uint64_t, InodePtr>& inodes, Entries Inode::*which) {
  std::map<const Inode*, Names> names;
  for (const auto& [number, dir] : inodes) {
    for (const auto& [name, target] : (*dir).*which) names[target.get()].emplace_back(dir.get(), name);
  }
  return names;
}

// A directory's outcome: every changed name shows one of the states it had since the last sync.
Entries lose_entries(const Inode& dir, Dice& dice) {
  Entries outcome = dir.synced_entries;
  for (const auto& [name, past] : dir.past) {
    const auto present = dir.entries.find(name);
    const std::uint64_t choice = dice.below(past.size() + 1);
    InodePtr target;
    if (choice < past.size()) {
      target = past[static_cast<std::size_t>(choice)];
    } else if (present != dir.entries.end()) {
      target = present->second;
    }
    if (target) {
      outcome[name] = std::move(target);
    } else {
      outcome.erase(name);
    }
  }
  return outcome;
}

// Puts back what a journal keeps: something that had a synced name and was renamed, not removed, has one of its names.
// `outcomes` are the directories as they came out.
void keep_renamed(const std::map<std::uint64_t, InodePtr>& inodes, std::map<Inode*, Entries>& outcomes) {
  const auto synced = names_in(inodes, &Inode::synced_entries);
  const auto seen = names_in(inodes, &Inode::entries);
  std::set<const Inode*> there;
  for (const auto& [dir, entries] : outcomes) {
    for (const auto& [name, target] : entries) there.insert(target.get());
  }
  for (const auto& [number, inode] : inodes) {
    const auto old_names = synced.find(inode.get());
    const auto new_names = seen.find(inode.get());
    if (old_names == synced.end() || new_names == seen.end() || there.contains(inode.get())) continue;
    const auto& [old_dir, old_name] = old_names->second.front();
    const auto& [new_dir, new_name] = new_names->second.front();
    if (!outcomes[old_dir].contains(old_name)) {
      outcomes[old_dir][old_name] = inode;
    } else {
      outcomes[new_dir][new_name] = inode;
    }
  }
}

// A rename within one directory is one step on every file system with a journal: what had a synced name in it and was
// only renamed in it has exactly one of its names there, whatever other directory still shows an older one.
void keep_renamed_within(std::map<Inode*, Entries>& outcomes) {
  for (auto& [dir, outcome] : outcomes) {
    for (const auto& [old_name, inode] : dir->synced_entries) {
      const auto leads_here = [&inode = inode](const auto& entry) { return entry.second == inode; };
      const auto renamed = std::find_if(dir->entries.begin(), dir->entries.end(), leads_here);
      if (renamed == dir->entries.end() || renamed->first == old_name || dir->entries.contains(old_name)) continue;
      const auto names = std::count_if(outcome.begin(), outcome.end(), leads_here);
      if (names == 0) outcome.emplace(outcome.contains(old_name) ? renamed->first : old_name, inode);
      if (names > 1) outcome.erase(old_name);
    }
  }
}

// A directory cannot have two names: the journal has one of the two states.
void keep_one_name(std::map<Inode*, Entries>& outcomes, const std::vector<Inode*>& order) {
  std::set<const Inode*> named;
  for (Inode* dir : order) {
    std::erase_if(outcomes[dir], [&](const auto& entry) {
      return entry.second->kind == FileKind::directory && !named.insert(entry.second.get()).second;
    });
  }
}

void count_links(const InodePtr& root) {
  std::set<const Inode*> visited;
  std::vector<Inode*> open{root.get()};
  root->links = 2;
  while (!open.empty()) {
    Inode* dir = open.back();
    open.pop_back();
    if (!visited.insert(dir).second) continue;
    for (const auto& [name, target] : dir->entries) target->links = target->kind == FileKind::directory ? 2 : 0;
    for (const auto& [name, target] : dir->entries) {
      if (target->kind == FileKind::directory) open.push_back(target.get());
    }
  }
  for (const Inode* dir : visited) {
    for (const auto& [name, target] : dir->entries) {
      if (target->kind == FileKind::regular) ++target->links;
    }
  }
}

}  // namespace

SimulatedDisk::SimulatedDisk() : root_(std::make_shared<Inode>()), now_ns_(kYear2001) {
  root_->number = 1;
  root_->kind = FileKind::directory;
  root_->links = 2;
  root_->mtime_ns = root_->ctime_ns = root_->synced_mtime_ns = now_ns_;
}

// Names of the past may lead in a circle: every directory is emptied.
SimulatedDisk::~SimulatedDisk() { drop_everything(); }

void SimulatedDisk::drop_everything() {
  for (const auto& [number, inode] : all_inodes()) {
    inode->entries.clear();
    inode->synced_entries.clear();
    inode->past.clear();
  }
}

std::int64_t SimulatedDisk::tick() { return now_ns_ += kTick; }

InodePtr SimulatedDisk::make_inode(FileKind kind) {
  auto inode = std::make_shared<Inode>();
  inode->number = next_number_++;
  inode->kind = kind;
  inode->links = kind == FileKind::directory ? 2 : 0;
  inode->mtime_ns = inode->ctime_ns = inode->synced_mtime_ns = tick();
  return inode;
}

void SimulatedDisk::set_entry(Inode& dir, std::string_view name, InodePtr target) {
  const std::string key(name);
  const std::int64_t now = tick();
  const auto found = dir.entries.find(key);
  InodePtr before = found != dir.entries.end() ? found->second : nullptr;
  if (before) {
    if (before->kind == FileKind::regular) --before->links;
    before->ctime_ns = now;
  }
  if (target) {
    if (target->kind == FileKind::regular) ++target->links;
    target->ctime_ns = now;
    dir.entries[key] = std::move(target);
  } else {
    dir.entries.erase(key);
  }
  dir.past[key].push_back(std::move(before));
  dir.mtime_ns = dir.ctime_ns = now;
}

void SimulatedDisk::write(Inode& file, std::uint64_t offset, Octets octets) {
  if (octets.empty()) return;
  put(file.octets, offset, octets);
  file.pending.push_back({offset, {octets.begin(), octets.end()}});
  file.mtime_ns = file.ctime_ns = tick();
}

void SimulatedDisk::resize(Inode& file, std::uint64_t size) {
  file.octets.resize(static_cast<std::size_t>(size));
  file.pending.push_back({size, {}});
  file.mtime_ns = file.ctime_ns = tick();
}

void SimulatedDisk::set_mtime(Inode& file, std::int64_t nanoseconds) {
  file.mtime_ns = nanoseconds;
  file.ctime_ns = tick();
}

void SimulatedDisk::sync(Inode& inode) {
  for (const PendingChange& change : inode.pending) apply(inode.synced_octets, change);
  inode.pending.clear();
  inode.synced_mtime_ns = inode.mtime_ns;
  for (const auto& [name, past] : inode.past) {
    const auto present = inode.entries.find(name);
    if (present != inode.entries.end()) {
      inode.synced_entries[name] = present->second;
    } else {
      inode.synced_entries.erase(name);
    }
  }
  inode.past.clear();
}

void SimulatedDisk::sync_all() {
  for (const auto& [number, inode] : all_inodes()) sync(*inode);
}

std::map<std::uint64_t, InodePtr> SimulatedDisk::all_inodes() const {
  std::map<std::uint64_t, InodePtr> found;
  std::vector<InodePtr> open{root_};
  while (!open.empty()) {
    const InodePtr inode = std::move(open.back());
    open.pop_back();
    if (!inode || !found.emplace(inode->number, inode).second) continue;
    for (const auto& [name, target] : inode->entries) open.push_back(target);
    for (const auto& [name, target] : inode->synced_entries) open.push_back(target);
    for (const auto& [name, past] : inode->past) open.insert(open.end(), past.begin(), past.end());
  }
  return found;
}

void SimulatedDisk::lose_power(std::uint64_t seed) {
  ++generation_;
  if (seed == 1) sync_all();
  const std::map<std::uint64_t, InodePtr> inodes = all_inodes();
  std::map<Inode*, Entries> outcomes;
  std::vector<Inode*> order;
  Dice dice(seed);
  for (const auto& [number, inode] : inodes) {
    if (seed > 1) lose_octets(*inode, dice);
    if (inode->kind == FileKind::directory) {
      order.push_back(inode.get());
      outcomes[inode.get()] = seed > 1 ? lose_entries(*inode, dice) : inode->synced_entries;
    }
  }
  keep_renamed_within(outcomes);
  keep_renamed(inodes, outcomes);
  if (dice.coin()) std::reverse(order.begin(), order.end());
  keep_one_name(outcomes, order);
  for (const auto& [number, inode] : inodes) {
    inode->octets = inode->synced_octets;
    inode->pending.clear();
    inode->mtime_ns = inode->synced_mtime_ns;
    inode->readers_lock = 0;
    inode->writer_lock = nullptr;
    inode->past.clear();
    if (inode->kind != FileKind::directory) continue;
    inode->entries = std::move(outcomes[inode.get()]);
    inode->synced_entries = inode->entries;
  }
  count_links(root_);
  // What nothing leads to any more is empty, so that two lost directories cannot hold each other.
  const std::map<std::uint64_t, InodePtr> kept = all_inodes();
  for (const auto& [number, inode] : inodes) {
    if (kept.contains(number)) continue;
    inode->entries.clear();
    inode->synced_entries.clear();
  }
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::clone() const {
  auto copy = std::make_unique<SimulatedDisk>();
  const std::map<std::uint64_t, InodePtr> inodes = all_inodes();
  std::map<std::uint64_t, InodePtr> copies;
  for (const auto& [number, inode] : inodes) copies[number] = std::make_shared<Inode>(*inode);
  const auto moved = [&](InodePtr& target) {
    if (target) target = copies.at(target->number);
  };
  for (const auto& [number, inode] : copies) {
    inode->readers_lock = 0;
    inode->writer_lock = nullptr;
    for (auto& [name, target] : inode->entries) moved(target);
    for (auto& [name, target] : inode->synced_entries) moved(target);
    for (auto& [name, past] : inode->past) std::for_each(past.begin(), past.end(), moved);
  }
  copy->root_ = copies.at(root_->number);
  copy->next_number_ = next_number_;
  copy->now_ns_ = now_ns_;
  return copy;
}

}  // namespace mailhaul::files
