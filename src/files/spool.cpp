// Where messages travel: small pieces of memory taken from one budget, or an unlinked file. The one place of this room
// that bypasses the file system seam: nothing here has to survive anything.
#include "files/spool.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/checked.hpp"
#include "files/os_error.hpp"

namespace mailhaul::files {

bool MemoryBudget::try_take(std::uint64_t octets) {
  std::uint64_t before = used_.load(std::memory_order_relaxed);
  std::uint64_t after = 0;
  do {
    const auto sum = checked_add(before, octets);
    if (!sum || *sum > limit_) return false;
    after = *sum;
  } while (!used_.compare_exchange_weak(before, after, std::memory_order_relaxed));
  std::uint64_t highest = peak_.load(std::memory_order_relaxed);
  while (highest < after && !peak_.compare_exchange_weak(highest, after, std::memory_order_relaxed)) {
  }
  return true;
}

void MemoryBudget::give_back(std::uint64_t octets) {
  [[maybe_unused]] const std::uint64_t before = used_.fetch_sub(octets, std::memory_order_relaxed);
  assert(before >= octets);
}

namespace {

// Most mail is a few KiB: the head grows by doubling and is cut to its size at the end, so that 20,000 tiny messages
// cost little more than their octets. What follows lies in mappings of its own: they go back to the system whole,
// whatever the allocator's arenas look like by then.
constexpr std::size_t kFirstHead = 4 * 1024;
constexpr std::size_t kLargestHead = 16 * 1024;
constexpr std::size_t kChunk = 64 * 1024;
// A message above this does not pay its place in memory.
constexpr std::uint64_t kLargestInMemory = 4 * 1024 * 1024;

// The octets of one message in memory. Gives all it took back to the budget when it dies.
class HeldOctets {
 public:
  explicit HeldOctets(MemoryBudget& budget) : budget_(budget) {}
  HeldOctets(const HeldOctets&) = delete;
  HeldOctets& operator=(const HeldOctets&) = delete;
  ~HeldOctets() { clear(); }

  // Takes octets from the front of `octets` until the budget, the system or the limit refuses; answers how many.
  std::size_t append(Octets octets) {
    std::size_t taken = 0;
    while (taken < octets.size()) {
      const std::span<std::byte> room = next_room();
      if (room.empty()) break;
      const std::size_t step = std::min(room.size(), octets.size() - taken);
      std::memcpy(room.data(), octets.data() + taken, step);
      taken += step;
      size_ += step;
    }
    return taken;
  }

  // Gives back what the last piece has too much. Called once, when the message is complete.
  void trim() {
    if (chunks_.empty()) {
      resize_head(static_cast<std::size_t>(size_));
      return;
    }
    Chunk& last = chunks_.back();
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t used = static_cast<std::size_t>(size_) - kLargestHead - (chunks_.size() - 1) * kChunk;
    const std::size_t kept = (used + page - 1) / page * page;
    if (kept < last.capacity && ::munmap(last.data + kept, last.capacity - kept) == 0) {
      budget_.give_back(last.capacity - kept);
      last.capacity = kept;
    }
  }

  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const {
    std::size_t have = 0;
    while (have < into.size() && offset < size_) {
      const Octets piece = piece_at(offset);
      const std::size_t step = std::min(piece.size(), into.size() - have);
      std::memcpy(into.data() + have, piece.data(), step);
      have += step;
      offset += step;
    }
    return have;
  }

  [[nodiscard]] std::uint64_t size() const { return size_; }

  // All of them, or nothing when they lie in several pieces.
  [[nodiscard]] Octets in_one_piece() const {
    return size_ <= kLargestHead ? Octets(head_, static_cast<std::size_t>(size_)) : Octets();
  }

  // From `offset` (below size()) to the end of the piece it lies in.
  [[nodiscard]] Octets piece_at(std::uint64_t offset) const {
    const std::uint64_t left = size_ - offset;
    if (offset < kLargestHead) {
      const auto end = static_cast<std::size_t>(std::min<std::uint64_t>(kLargestHead, size_));
      return Octets(head_ + offset, end - static_cast<std::size_t>(offset));
    }
    const std::uint64_t beyond = offset - kLargestHead;
    const auto within = static_cast<std::size_t>(beyond % kChunk);
    const std::byte* data = chunks_[static_cast<std::size_t>(beyond / kChunk)].data;
    return Octets(data + within, static_cast<std::size_t>(std::min<std::uint64_t>(kChunk - within, left)));
  }

  void clear() {
    for (const Chunk& chunk : chunks_) {
      ::munmap(chunk.data, chunk.capacity);
      budget_.give_back(chunk.capacity);
    }
    chunks_.clear();
    std::free(std::exchange(head_, nullptr));
    budget_.give_back(std::exchange(head_capacity_, 0));
    size_ = 0;
  }

 private:
  struct Chunk {
    std::byte* data;
    std::size_t capacity;
  };

  // Where the next octets go; empty when there is no room to be had.
  std::span<std::byte> next_room() {
    if (size_ >= kLargestInMemory) return {};
    if (size_ < kLargestHead) {
      const auto used = static_cast<std::size_t>(size_);
      if (used == head_capacity_ && !resize_head(std::max(kFirstHead, head_capacity_ * 2))) return {};
      return {head_ + used, head_capacity_ - used};
    }
    const auto within = static_cast<std::size_t>((size_ - kLargestHead) % kChunk);
    if (within == 0 && !add_chunk()) return {};
    // The last chunk reaches beyond the limit.
    const auto left = static_cast<std::size_t>(kLargestInMemory - size_);
    return {chunks_.back().data + within, std::min(kChunk - within, left)};
  }

  bool resize_head(std::size_t capacity) {
    if (capacity == head_capacity_) return true;
    const bool grows = capacity > head_capacity_;
    if (grows && !budget_.try_take(capacity - head_capacity_)) return false;
    // malloc and not new: when the system refuses, the message goes to the file.
    auto* moved = static_cast<std::byte*>(std::realloc(head_, std::max<std::size_t>(capacity, 1)));
    if (moved == nullptr) {
      if (grows) budget_.give_back(capacity - head_capacity_);
      return false;
    }
    if (!grows) budget_.give_back(head_capacity_ - capacity);
    head_ = moved;
    head_capacity_ = capacity;
    return true;
  }

  bool add_chunk() {
    if (!budget_.try_take(kChunk)) return false;
    void* data = ::mmap(nullptr, kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
      budget_.give_back(kChunk);
      return false;
    }
    chunks_.push_back({static_cast<std::byte*>(data), kChunk});
    return true;
  }

  MemoryBudget& budget_;
  std::byte* head_ = nullptr;
  std::size_t head_capacity_ = 0;
  std::vector<Chunk> chunks_;
  std::uint64_t size_ = 0;
};

class HeldContent final : public mail::Content {
 public:
  HeldContent(mail::MessageFacts facts, std::unique_ptr<HeldOctets> octets)
      : facts_(std::move(facts)), octets_(std::move(octets)) {}
  const mail::MessageFacts& facts() const override { return facts_; }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    return octets_->read(offset, into);
  }
  Octets held() const override { return octets_->in_one_piece(); }

 private:
  mail::MessageFacts facts_;
  std::unique_ptr<HeldOctets> octets_;
};

// A message that was only looked at.
class FactsOnly final : public mail::Content {
 public:
  explicit FactsOnly(mail::MessageFacts facts) : facts_(std::move(facts)) {}
  const mail::MessageFacts& facts() const override { return facts_; }
  Result<std::size_t> read(std::uint64_t, std::span<std::byte>) const override {
    return make_error(ErrorKind::bug, Scope::message, "the octets of a message that was only compared were asked for");
  }

 private:
  mail::MessageFacts facts_;
};

// An unlinked file. Its name is for messages only.
class SpillFile {
 public:
  SpillFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;
  ~SpillFile() { ::close(fd_); }

  static Result<std::unique_ptr<SpillFile>> make(const std::string& directory) {
    std::string path = join_path(directory, "spool");
    // O_EXCL: nobody can give it a name later.
    int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    // EISDIR and EINVAL: kernels and file systems (NFS, FUSE) without O_TMPFILE.
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) fd = make_and_unlink(directory);
    if (fd < 0) {
      // Without a spool no message can travel, whatever the reason.
      Error error = os_error(errno, "make a spool file", path);
      error.scope = Scope::run;
      return error;
    }
    return std::make_unique<SpillFile>(fd, std::move(path));
  }

  Status append(Octets octets) {
    while (!octets.empty()) {
      const ssize_t done = ::pwrite(fd_, octets.data(), octets.size(), static_cast<off_t>(size_));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return os_error(done < 0 ? errno : EIO, "write", path_);
      octets = octets.subspan(static_cast<std::size_t>(done));
      size_ += static_cast<std::uint64_t>(done);
    }
    return {};
  }

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const {
    if (offset >= size_) return std::size_t{0};
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
    std::size_t have = 0;
    while (have < wanted) {
      const ssize_t got = ::pread(fd_, into.data() + have, wanted - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        Error error = os_error(got < 0 ? errno : EIO, "read", path_);
        error.scope = Scope::message;
        return error;
      }
      have += static_cast<std::size_t>(got);
    }
    return have;
  }

 private:
  static int make_and_unlink(const std::string& directory) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      std::uint64_t random = 0;
      if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) return -1;
      const std::string name = join_path(directory, ".spool-" + to_hex(random));
      const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
      if (fd >= 0) {
        // A name that cannot be removed is litter, not a danger: the message still travels.
        (void)::unlink(name.c_str());
        return fd;
      }
      if (errno != EEXIST && errno != EINTR) return -1;
    }
    return -1;
  }

  int fd_;
  std::string path_;
  std::uint64_t size_ = 0;
};

class SpilledContent final : public mail::Content {
 public:
  SpilledContent(mail::MessageFacts facts, std::unique_ptr<SpillFile> file)
      : facts_(std::move(facts)), file_(std::move(file)) {}
  const mail::MessageFacts& facts() const override { return facts_; }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    return file_->read(offset, into);
  }

 private:
  mail::MessageFacts facts_;
  std::unique_ptr<SpillFile> file_;
};

}  // namespace

// Memory first; from the first refusal on, everything in the file.
class SpoolWriter final : public ContentWriter {
 public:
  explicit SpoolWriter(Spool& spool)
      : spool_(spool), scanner_(spool.options_), held_(std::make_unique<HeldOctets>(spool.budget_)) {}

  Status append(Octets octets) override {
    scanner_.update(octets);
    if (spool_.keep_ == Keep::facts) return {};
    if (!file_) {
      octets = octets.subspan(held_->append(octets));
      if (octets.empty()) return {};
      MH_CHECK(spill());
    }
    // Lines of an mbox come one by one; the file shall not be written so.
    if (pending_.size() + octets.size() > kChunk) MH_CHECK(write_pending());
    if (octets.size() >= kChunk) return file_->append(octets);
    pending_.insert(pending_.end(), octets.begin(), octets.end());
    return {};
  }

  Result<mail::ContentPtr> finish() override {
    if (spool_.keep_ == Keep::facts) return mail::ContentPtr(std::make_shared<FactsOnly>(scanner_.finish()));
    if (file_) {
      MH_CHECK(write_pending());
      return mail::ContentPtr(std::make_shared<SpilledContent>(scanner_.finish(), std::move(file_)));
    }
    held_->trim();
    return mail::ContentPtr(std::make_shared<HeldContent>(scanner_.finish(), std::move(held_)));
  }

 private:
  Status spill() {
    MH_TRY(file_, SpillFile::make(spool_.directory_));
    spool_.spilled_.fetch_add(1, std::memory_order_relaxed);
    for (std::uint64_t at = 0; at < held_->size();) {
      const Octets piece = held_->piece_at(at);
      MH_CHECK(file_->append(piece));
      at += piece.size();
    }
    held_->clear();
    pending_.reserve(kChunk);
    return {};
  }

  Status write_pending() {
    MH_CHECK(file_->append(pending_));
    pending_.clear();
    return {};
  }

  Spool& spool_;
  mail::MessageScanner scanner_;
  std::unique_ptr<HeldOctets> held_;
  std::unique_ptr<SpillFile> file_;
  std::vector<std::byte> pending_;
};

Spool::Spool(std::string directory, MemoryBudget& budget, mail::ScanOptions options, Keep keep)
    : directory_(std::move(directory)), budget_(budget), options_(options), keep_(keep) {}

Result<std::unique_ptr<ContentWriter>> Spool::begin() {
  return std::unique_ptr<ContentWriter>(std::make_unique<SpoolWriter>(*this));
}

}  // namespace mailhaul::files
