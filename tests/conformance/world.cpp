// Services and sample mail for the conformance suite.
#include "conformance/world.hpp"

#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/bytes.hpp"
#include "sanitizers.hpp"

namespace mailhaul::conformance {

namespace {

std::uint64_t mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

std::string header_of(std::uint64_t number) {
  return "From: sender@example.org\nTo: reader@example.org\nSubject: message " + std::to_string(number) +
         "\nMessage-ID: <" + std::to_string(number) + "@example.org>\nDate: Mon, 02 Jan 2006 15:04:05 +0000\n\n";
}

}  // namespace

TempDir::TempDir() {
  std::error_code failed;
  const std::filesystem::path base = std::filesystem::temp_directory_path(failed);
  std::string name = (base / "mailhaul-conformance-XXXXXX").string();
  if (::mkdtemp(name.data()) != nullptr) path_ = std::filesystem::canonical(name, failed).string();
}

TempDir::~TempDir() {
  std::error_code failed;  // a leftover in the temporary folder is no failure of the store under test
  if (!path_.empty()) std::filesystem::remove_all(path_, failed);
}

void RecordedEvents::note(const store::Note& note) {
  const std::lock_guard lock(mutex_);
  notes_.push_back(note);
}

std::vector<store::Note> RecordedEvents::notes() const {
  const std::lock_guard lock(mutex_);
  return notes_;
}

std::uint64_t SeededRandom::next() {
  const std::lock_guard lock(mutex_);
  return mix(state_);
}

World::World(files::FileSystem& fs, std::uint64_t memory, std::uint64_t seed, std::chrono::seconds ahead)
    : clock_(ahead),
      random_(seed),
      budget_(memory),
      spool_(spool_dir_.path(), budget_, mail::ScanOptions{.cid = true}),
      dialer_(net::make_dialer(clock_, cancel_)),
      services_{clock_, fs, spool_, cancel_, events_, random_, dialer_.get(), nullptr} {}

TextContent::TextContent(std::string octets)
    : octets_(std::move(octets)), facts_(mail::scan_message(as_octets(octets_), {.cid = true})) {}

Result<std::size_t> TextContent::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset >= octets_.size()) return std::size_t{0};
  const std::size_t count = std::min(into.size(), octets_.size() - static_cast<std::size_t>(offset));
  std::memcpy(into.data(), octets_.data() + offset, count);
  return count;
}

Result<std::size_t> WatchedContent::read(std::uint64_t offset, std::span<std::byte> into) const {
  MH_CHECK(before_(offset));
  return inner_->read(offset, into);
}

mail::ContentPtr content_of(std::string octets) { return std::make_shared<TextContent>(std::move(octets)); }

std::string octets_of(const mail::Content& content) {
  std::string octets;
  const Status read = mail::for_each_piece(content, [&](Octets piece) -> Status {
    octets.append(as_text(piece));
    return {};
  });
  return read.ok() ? octets : "unreadable: " + read.error().what;
}

std::string sample_message(std::uint64_t number, std::size_t octets) {
  std::string text = header_of(number);
  std::uint64_t state = number;
  while (text.size() < octets) text += "line " + to_hex(mix(state)) + "\n";
  text.resize(std::max(octets, std::size_t{200}));
  if (!text.empty()) text.back() = '\n';
  return text;
}

Result<mail::ContentPtr> spooled_message(files::Spool& spool, std::uint64_t number, std::uint64_t octets) {
  MH_TRY(const auto writer, spool.begin());
  const std::string header = header_of(number);
  MH_CHECK(writer->append(as_octets(header)));
  std::string piece;
  std::uint64_t state = number;
  while (piece.size() < std::min<std::uint64_t>(octets, 64U << 10U))
    piece += to_hex(mix(state)) + to_hex(mix(state)) + "\n";
  for (std::uint64_t done = header.size(); done < octets;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), octets - done));
    MH_CHECK(writer->append(as_octets(std::string_view(piece).substr(0, count))));
    done += count;
  }
  return writer->finish();
}

store::Ticket ticket_of(std::uint64_t counter) { return store::Ticket{0x1122334455667788U, counter}; }

bool reset_peak_memory() {
  // proc(5): writing 5 sets the peak resident size to the present one.
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5" << std::flush;
  return reset.good();
}

std::optional<std::uint64_t> peak_memory() {
  // Shadow memory and quarantine are no measure; the budget's own peak is checked all the same.
  if (kSanitized) return std::nullopt;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return std::nullopt;
}

}  // namespace mailhaul::conformance
