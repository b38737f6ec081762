// memory -> X -> memory: what went in comes out, by a manifest of digests and meta.
#include <map>
#include <sstream>

#include "conformance/bench.hpp"
#include "conformance/gather.hpp"
#include "conformance/memory_store.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::conformance {

namespace {

/// One line a message: what must be the same at both ends.
std::multiset<std::string> manifest_of(const MemoryPlace& place, bool exact_octets) {
  std::multiset<std::string> lines;
  place.look([&](const MemoryFolders& folders) {
    for (const auto& [name, folder] : folders) {
      for (const auto& [number, kept] : folder.messages) {
        const auto& facts = kept.message.content->facts();
        const mail::Meta& meta = kept.message.meta;
        std::ostringstream line;
        line << folder.path.text() << ' ' << to_hex((exact_octets ? facts.cid.value() : facts.eid).octets()) << ' '
             << int{meta.flags.bits()};
        for (const std::string& word : meta.keywords) line << ' ' << word;
        if (meta.received) line << " @" << meta.received->instant.time_since_epoch().count();
        lines.insert(line.str());
      }
    }
  });
  return lines;
}

std::string digest_of(const std::multiset<std::string>& manifest) {
  std::string all;
  for (const std::string& line : manifest) all += line + "\n";
  return to_hex(mail::sha256(as_octets(all)).octets());
}

Planted sample(std::uint64_t number, const mail::FolderPath& folder) {
  Planted one;
  one.folder = folder;
  one.octets = sample_message(number, 200 + number * 37 % 5000);
  if (number % 5 == 0) one.octets += "From the body\n>From it\n\n\n";
  if (number % 7 == 0) one.octets.pop_back();
  if (number % 11 == 0) one.octets = "Received: from a by b; Tue, 03 Jan 2006 00:00:00 +0000\n" + one.octets;
  one.meta.flags = mail::Flags(static_cast<std::uint8_t>(number % 32));
  if (number % 3 == 0) one.meta.keywords = {"word" + std::to_string(number % 4)};
  if (number % 6 == 0) one.meta.keywords.emplace_back("$Forwarded");
  mail::normalize_keywords(one.meta.keywords);
  one.meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(1'100'000'000 + number * 86'399)), std::nullopt};
  return one;
}

/// Moves everything from a source to a target as a pipeline would, without a ledger.
Status copy_all(store::Source& source, store::Target& target, Shipper& shipper) {
  class Feed final : public store::FetchSink {
   public:
    Status on_message(const store::FolderInfo&, const store::Item&, mail::Message message) override {
      parcels.push_back({ticket_of(++counter), std::move(message)});
      return {};
    }
    Status on_failed(const store::FolderInfo&, const store::Item&, Error error) override { return error; }
    Status on_vanished(const store::FolderInfo&, const store::Item& item) override {
      return make_error(ErrorKind::message, Scope::message, item.key + " vanished");
    }
    std::vector<Parcel> parcels;
    std::uint64_t counter = 0;
  } feed;
  MH_TRY(const auto folders, all_folders(source));
  for (const store::FolderInfo& folder : folders) {
    Listing listing;
    MH_CHECK(source.list(folder, std::nullopt, listing));
    if (!listing.bad.empty()) return listing.bad.front().second;
    feed.parcels.clear();
    MH_CHECK(source.fetch(batches_of(folder, std::move(listing.items)), feed));
    MH_CHECK(shipper.ship_alone(target, folder.path, feed.parcels));
  }
  return {};
}

void through_and_back(const TargetSubject& subject) {
  Bench bench(subject, Ground::disk);
  const bool many = bench.harness->claims().many_folders;
  std::vector<mail::FolderPath> folders{subject.folder};
  if (many)
    folders = {mail::FolderPath({"INBOX"}), mail::FolderPath({"Work"}),
               mail::FolderPath({"Work",
                                 "Entw\xC3\xBC"
                                 "rfe"})};
  const auto first = std::make_shared<MemoryPlace>(), last = std::make_shared<MemoryPlace>();
  Shipper planted, back;
  const auto start = open_memory_target(first, bench.world->services(), planted);
  std::uint64_t number = 0;
  for (const mail::FolderPath& folder : folders) {
    std::vector<Parcel> parcels;
    for (int i = 0; i < 80; ++i) {
      ++number;
      Planted one = sample(number - (i == 79 ? 1U : 0U), folder);  // the last two are twins
      parcels.push_back(parcel(number, std::move(one.octets), std::move(one.meta)));
    }
    MH_ASSERT_OK(planted.ship_alone(*start, folder, parcels));
  }
  const auto source = open_memory_source(first, bench.world->services());
  MH_ASSERT_OK(bench.open());
  MH_ASSERT_OK(copy_all(*source, *bench.target, bench.shipper));
  bench.target.reset();
  EXPECT_EQ(read_back(*bench.harness).size(), number);
  const auto middle = bench.harness->open_source(bench.world->services());
  MH_ASSERT_OK(middle);
  const auto end = open_memory_target(last, bench.world->services(), back);
  MH_ASSERT_OK(copy_all(**middle, *end, back));
  const bool exact = bench.harness->claims().exact_octets;
  const auto went = manifest_of(*first, exact), came = manifest_of(*last, exact);
  EXPECT_EQ(went.size(), number);
  EXPECT_EQ(went, came);
  EXPECT_EQ(digest_of(went), digest_of(came));
}

}  // namespace

TargetCases matrix_cases() { return {{"Mail_goes_through_from_memory_and_back_to_memory", {}, through_and_back}}; }

}  // namespace mailhaul::conformance
