// Targets: octets go in and come out.
#include <algorithm>

#include "conformance/bench.hpp"

namespace mailhaul::conformance {

namespace {

struct Row {
  std::string name;
  std::string octets;
};

std::string with_header(const std::string& body) { return "Subject: row\nMessage-ID: <row@example.org>\n\n" + body; }

std::vector<Row> nasty_rows() {
  return {
      {"no final newline", with_header("last line")},
      {"one final newline", with_header("a\n")},
      {"three final newlines", with_header("a\n\n\n")},
      {"CRLF throughout", "Subject: crlf\r\n\r\nline\r\n"},
      {"mixed line ends", with_header("a\r\nb\nc\r\n")},
      {"lone CR inside", with_header("a\rb\n")},
      {"lone CR at the end", with_header("a\r")},
      {"CR CR LF", with_header("a\r\r\nb\n")},
      {"only LF", "\n"},
      {"only CRLF", "\r\n"},
      {"only CR", "\r"},
      {"one octet", "x"},
      {"no header", "\nbody without header\n"},
      {"header only", "Subject: alone\n"},
      {"header without line end", "Subject: alone"},
      {"8-bit", with_header("Gr\xC3\xBC\xC3\x9F"
                            "e \xFF\xFE\x80\n")},
      {"From_ at line start", with_header("From me to you\nFrom \nFrom a@b Thu Jan  1 00:00:00 1970\n")},
      {"quoted From_", with_header(">From me\n>>From you\n>>>>>From all\n > From\n>from\n")},
      {"From_ after empty line", with_header("x\n\nFrom a@b Thu Jan  1 00:00:00 1970\nSubject: y\n\nz\n")},
      {"From_ as first line", "From a@b Thu Jan  1 00:00:00 1970\nSubject: y\n\nz\n"},
      {"quoted From_ as first line", ">From a@b\nSubject: y\n\nz\n"},
      {"ends in From_ without newline", with_header("a\n\nFrom ")},
      {"dot lines", with_header(".\n..\n.\r\n.")},
      {"housekeeping fields", "Status: RO\nSubject: s\nX-Status: A\nX-Keywords: k\nContent-Length: 3\n\nStatus: b\n"},
      {"folded housekeeping field", "Subject: s\nX-Keywords: a\n b\n\tc\nX-UID: 4\n\nbody\n"},
      {"huge header field", "Subject: " + std::string(300'000, 's') + "\n\nbody\n"},
      {"line of 1 MiB", with_header(std::string(1U << 20U, 'l') + "\nend\n")},
      {"1 MiB of LF", with_header(std::string(1U << 20U, '\n') + "end\n")},
      {"1 MiB of '>'", with_header(std::string(1U << 20U, '>') + "From end\n")}};
}

/// Every message came out as it went in, but those of which the store itself said that its server altered them: they
/// must be there too, and must really be other than they were.
void expect_all_or_told(const Bench& bench, std::span<const Parcel> parcels, const std::string& what) {
  auto kept = eids_of(read_back(*bench.harness));
  EXPECT_EQ(kept.size(), parcels.size()) << what;
  std::size_t altered = 0;
  for (const Parcel& one : parcels) {
    EXPECT_TRUE(bench.shipper.stored(one.ticket)) << what << ", message " << one.ticket.counter;
    const store::Stored* stored = bench.shipper.stored_of(one.ticket);
    if (stored != nullptr && stored->altered) {
      EXPECT_FALSE(bench.harness->claims().exact_octets) << what;
      ++altered;
      continue;
    }
    const auto found = kept.find(*eids_of(std::span(&one, 1)).begin());
    EXPECT_NE(found, kept.end()) << what << ": message " << one.ticket.counter << " was altered in silence";
    if (found != kept.end()) kept.erase(found);
  }
  EXPECT_EQ(kept.size(), altered) << what;
}

/// Sends each row as a message of its own and compares what the independent reader gets. The rows need not be unique:
/// messages come back in order of their tickets only where the place tells tickets, so rows go one place each.
void expect_rows(const TargetSubject& subject, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    Bench bench(subject);
    MH_ASSERT_OK(bench.open());
    const std::vector<Parcel> parcels{parcel(1, sample_message(1)), parcel(2, row.octets),
                                      parcel(3, sample_message(3))};
    MH_ASSERT_OK(bench.ship(parcels));
    bench.target.reset();
    expect_all_or_told(bench, parcels, row.name);
    if (!bench.harness->claims().exact_octets) continue;
    const auto kept = read_back(*bench.harness);
    const auto& facts = parcels[1].message.content->facts();
    const auto exact = [&](const Kept& one) { return one.cid == facts.cid && one.size == facts.size; };
    EXPECT_EQ(std::count_if(kept.begin(), kept.end(), exact), 1) << row.name;
  }
}

void nasty_octets(const TargetSubject& subject) { expect_rows(subject, nasty_rows()); }

void sizes_at_buffer_borders(const TargetSubject& subject) {
  std::vector<Row> rows;
  for (const std::size_t border : {64U << 10U, 256U << 10U, 1U << 20U}) {
    for (const int off : {-1, 0, 1}) {
      const std::size_t size = border + static_cast<std::size_t>(off + 1) - 1;
      rows.push_back({std::to_string(size), sample_message(size, size)});
      // The border falls inside "\nFrom " and inside CRLF.
      std::string text = sample_message(size, size + 10);
      text.replace(size - 3, 6, "\nFrom ");
      rows.push_back({std::to_string(size) + " From_", text});
      std::string crlf = sample_message(size, size + 10);
      crlf.replace(size - 1, 2, "\r\n");
      rows.push_back({std::to_string(size) + " CRLF", crlf});
    }
  }
  expect_rows(subject, rows);
}

void kept_or_refused(const TargetSubject& subject, const std::string& octets, bool able) {
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  const std::vector<Parcel> parcels{parcel(1, sample_message(1)), parcel(2, octets), parcel(3, sample_message(3))};
  MH_ASSERT_OK(bench.ship(parcels));
  bench.target.reset();
  EXPECT_EQ(bench.shipper.stored(parcels[1].ticket), able);
  EXPECT_EQ(bench.shipper.refused(parcels[1].ticket), !able);
  const std::vector<Parcel> others{parcels[0], parcels[2]};
  EXPECT_EQ(eids_of(read_back(*bench.harness)), able ? eids_of(parcels) : eids_of(others));
}

void empty_message(const TargetSubject& subject) {
  kept_or_refused(subject, "", subject.make(Ground::forgetful)->claims().zero_octets);
}

void nul_octets(const TargetSubject& subject) {
  using namespace std::string_literals;
  const bool able = subject.make(Ground::forgetful)->claims().nul;
  kept_or_refused(subject, with_header("a\0b\n\0\0\n"s), able);
  kept_or_refused(subject, "Sub\0ject: x\n\nbody\n"s, able);
  kept_or_refused(subject, with_header("end\0"s), able);
}

void random_octets(const TargetSubject& subject) {
  SeededRandom random(42);
  const std::string alphabet = "\r\n>From :\tx.\xC3";
  std::vector<Parcel> parcels;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    std::string octets = "Subject: random " + std::to_string(i) + "\n";
    const std::size_t size = random.next() % 200;
    while (octets.size() < size + 20) {
      if (random.next() % 8 == 0) octets += "\nFrom ";
      octets += alphabet[random.next() % alphabet.size()];
    }
    parcels.push_back(parcel(i, octets));
  }
  Bench bench(subject);
  MH_ASSERT_OK(bench.open());
  MH_ASSERT_OK(bench.ship(parcels));
  bench.target.reset();
  expect_all_or_told(bench, parcels, "random octets");
}

void large_message(const TargetSubject& subject) {
  Bench bench(subject, Ground::disk);
  MH_ASSERT_OK(bench.open());
  auto content = spooled_message(bench.world->spool(), 7, 64U << 20U);
  MH_ASSERT_OK(content);
  const std::vector<Parcel> parcels{{ticket_of(1), {*content, {}}}, parcel(2, sample_message(2))};
  MH_ASSERT_OK(bench.ship(parcels));
  bench.target.reset();
  const auto kept = read_back(*bench.harness);
  EXPECT_EQ(eids_of(kept), eids_of(parcels));
  if (bench.harness->claims().exact_octets) {
    EXPECT_EQ(only_kept(kept, parcels[0]).cid, (*content)->facts().cid);
  }
}

}  // namespace

TargetCases target_octet_cases() {
  return {{"Nasty_octets_come_out_as_they_went_in", {}, nasty_octets},
          {"Sizes_at_buffer_borders_come_out_as_they_went_in", {}, sizes_at_buffer_borders},
          {"A_message_of_no_octets_is_kept_or_refused", {}, empty_message},
          {"Nul_octets_are_kept_or_refused", {}, nul_octets},
          {"Random_octets_come_out_as_they_went_in", {}, random_octets},
          {"A_message_of_64_MiB_comes_out_as_it_went_in", {}, large_message}};
}

}  // namespace mailhaul::conformance
