// Stops a delivery at every changing call, loses power, recovers: nothing lost, nothing twice, nothing torn.
#include <set>

#include "files/failing_fs.hpp"
#include "files/forgetting_fs.hpp"
#include "unit/maildir/support.hpp"

namespace mailhaul::maildir::test {
namespace {

constexpr const char* kPlace = "/mail/m";

struct Parcel {
  std::uint64_t number = 0;
  std::string folder, text;
  mail::Meta meta;
};

std::vector<Parcel> parcels(std::uint64_t count) {
  std::vector<Parcel> all;
  for (std::uint64_t i = 1; i <= count; ++i) {
    Parcel parcel;
    parcel.number = i;
    parcel.folder = i % 3 == 0 ? "Work/Sub" : "INBOX";
    if (i == count) parcel.folder = "Late";  // made when nothing else will sync the root any more
    parcel.text = "Message-ID: <" + std::to_string(i) + "@example.org>\n\n" + std::string(700 * i, 'x') + "\n";
    parcel.meta.flags = mail::Flags(static_cast<std::uint8_t>(i % 32));
    if (i % 2 == 0) parcel.meta.keywords = {"k" + std::to_string(i % 4)};
    parcel.meta.received = mail::ReceivedDate{Instant(std::chrono::seconds(1'000'000'000 + i)), std::nullopt};
    all.push_back(std::move(parcel));
  }
  return all;
}

/// Ships what `acks` has no verdict of; stops at the first error.
Status ship(World& world, const std::vector<Parcel>& all, Acks& acks, std::uint64_t batch) {
  MH_TRY(const auto target, open_target(kPlace, world.services, acks));
  std::uint64_t pending = 0;
  for (const Parcel& parcel : all) {
    MH_TRY(const auto handle, target->open_folder(*mail::FolderPath::from_text(parcel.folder), mail::Role::none));
    if (acks.stored(parcel.number) != nullptr) continue;
    acks.all.erase(ticket(parcel.number));
    MH_CHECK(target->submit(handle, ticket(parcel.number), world.message(parcel.text, parcel.meta)));
    if (++pending % batch == 0) MH_CHECK(target->flush());
  }
  return target->flush();
}

/// What a new run does first: asks for every delivery that has no verdict, and takes what it finds as stored.
Status recover(World& world, const std::vector<Parcel>& all, Acks& acks) {
  MH_TRY(const auto target, open_target(kPlace, world.services, acks));
  for (const char* folder : {"INBOX", "Work/Sub", "Late"}) {
    MH_TRY(const auto handle, target->open_folder(*mail::FolderPath::from_text(folder), mail::Role::none));
    std::vector<store::Wanted> wanted;
    for (const Parcel& parcel : all) {
      if (parcel.folder != folder || acks.stored(parcel.number) != nullptr) continue;
      const auto facts = world.message(parcel.text).content->facts();
      wanted.push_back({ticket(parcel.number), facts.nid, facts.eid, facts.crlf_size});
    }
    MH_TRY(const std::string mark, target->watermark(handle));
    MH_CHECK(target->find_since(handle, mark, wanted, [&](store::Match match) -> Status {
      const auto expected =
          std::find_if(wanted.begin(), wanted.end(), [&](const auto& one) { return one.ticket == match.ticket; });
      EXPECT_TRUE(expected != wanted.end() && expected->nid == match.nid) << "torn, or not asked for";
      acks.all[*match.ticket] = {{*match.ticket, store::Stored{match.key}}};
      return {};
    }));
  }
  return {};
}

std::map<std::string, std::string> files_in(files::FileSystem& fs, const std::string& path) {
  std::map<std::string, std::string> all;
  auto dir = fs.open_root(path);
  if (!dir.ok()) return all;
  EXPECT_TRUE((*dir)
                  ->list([&](std::string_view name, files::FileKind) -> Status {
                    auto text = files::read_small(**dir, name, 1U << 20U);
                    if (text.ok()) all[std::string(name)] = *text;
                    return {};
                  })
                  .ok());
  return all;
}

/// Everything that a reader sees is whole, whatever happened.
void expect_nothing_torn(files::FileSystem& fs, const std::vector<Parcel>& all) {
  for (const char* folder : {"/cur", "/new", "/.Work.Sub/cur", "/.Work.Sub/new", "/.Late/cur", "/.Late/new"}) {
    for (const auto& [name, text] : files_in(fs, std::string(kPlace) + folder)) {
      const auto parcel = std::find_if(all.begin(), all.end(), [&, n = name](const Parcel& one) {
        return ticket(one.number).hex() == ticket_of(n);
      });
      ASSERT_NE(parcel, all.end()) << name;
      EXPECT_EQ(text, parcel->text) << name;
    }
  }
}

/// Each message once, in its folder, with its octets, flags, keywords and date.
void expect_complete(World& world, const std::vector<Parcel>& all) {
  auto source = open_source(kPlace, world.services);
  MH_OK(source);
  auto fetched = fetch_all(**source);
  std::size_t seen = 0;
  for (const auto& [folder, content] : fetched) {
    for (const auto& [key, text] : content.texts) {
      ++seen;
      const auto parcel = std::find_if(
          all.begin(), all.end(), [&, k = key](const Parcel& one) { return ticket(one.number).hex() == ticket_of(k); });
      ASSERT_NE(parcel, all.end());
      EXPECT_EQ(folder, parcel->folder);
      EXPECT_EQ(text, parcel->text);
      EXPECT_EQ(content.metas.at(key), parcel->meta) << key;
    }
  }
  EXPECT_EQ(seen, all.size()) << "lost or twice";
}

void expect_no_refusals(const Acks& acks) {
  for (const auto& [one, heard] : acks.all) {
    const Error* refused = acks.refused(one.counter);
    EXPECT_EQ(refused, nullptr) << one.counter << ": " << (refused != nullptr ? refused->what : "");
  }
}

/// Nothing of the given deliveries stands in tmp.
void expect_no_leftovers(files::FileSystem& fs, const std::set<std::uint64_t>& numbers) {
  for (const char* folder : {"/tmp", "/.Work.Sub/tmp", "/.Late/tmp"}) {
    for (const auto& [name, text] : files_in(fs, std::string(kPlace) + folder)) {
      for (const std::uint64_t number : numbers) EXPECT_NE(ticket_of(name), ticket(number).hex()) << name;
    }
  }
}

/// Deliveries that nobody has answered for.
std::set<std::uint64_t> open_ones(const std::vector<Parcel>& all, const Acks& acks) {
  std::set<std::uint64_t> numbers;
  for (const Parcel& parcel : all) {
    if (acks.stored(parcel.number) == nullptr) numbers.insert(parcel.number);
  }
  return numbers;
}

class Crash : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Crash, At_every_call_loses_nothing_doubles_nothing_and_shows_nothing_torn) {
  const std::uint64_t batch = GetParam();
  const auto all = parcels(batch == 12 ? 13 : 5);
  std::uint64_t points = 0;
  // A write is torn in the same way however the batch is synced, and "after call n" is "at call n + 1" but for the
  // acks: the longer scenario leaves both out.
  std::vector<files::Fault> faults{files::Fault::crash};
  if (batch != 12) faults.insert(faults.end(), {files::Fault::torn_write, files::Fault::crash_after});
  for (const files::Fault fault : faults) {
    for (std::uint64_t call = 1;; ++call) {
      auto disk = files::make_forgetting_fs();
      Acks acks;
      bool fired = false;
      {
        auto failing = files::make_failing_fs(*disk);
        World world(*failing);
        failing->arm(call, fault);
        (void)ship(world, all, acks, batch);  // it fails where the test wants it to; what counts is what stays
        fired = failing->fired();
      }
      if (!fired) break;
      ++points;
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        SCOPED_TRACE("call " + std::to_string(call) + " fault " + std::to_string(static_cast<int>(fault)) + " seed " +
                     std::to_string(seed));
        auto after = disk->clone();
        if (seed != 1) after->lose_power(seed);  // 1: the process dies and the machine does not
        Acks known = acks;
        expect_nothing_torn(*after, all);
        World world(*after);
        MH_OK(recover(world, all, known));
        MH_OK(ship(world, all, known, batch));
        expect_no_refusals(known);
        expect_complete(world, all);
        expect_no_leftovers(*after, open_ones(all, acks));
        after->lose_power(0);  // what was found again must be as durable as what was acknowledged
        World later(*after);
        expect_complete(later, all);
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(points, 100U) << "a crash test without crash points proves nothing";
}

TEST_P(Crash, A_fault_that_passes_leaves_every_message_stored_refused_or_in_doubt) {
  const std::uint64_t batch = GetParam();
  const auto all = parcels(batch == 12 ? 13 : 5);
  std::uint64_t points = 0;
  for (const files::Fault fault : {files::Fault::no_space, files::Fault::io_error}) {
    for (std::uint64_t call = 1;; ++call) {
      SCOPED_TRACE("call " + std::to_string(call) + " fault " + std::to_string(static_cast<int>(fault)));
      auto disk = files::make_forgetting_fs();
      auto failing = files::make_failing_fs(*disk);
      World world(*failing);
      Acks acks;
      failing->arm(call, fault);
      (void)ship(world, all, acks, batch);
      if (!failing->fired()) break;
      ++points;
      expect_nothing_torn(*failing, all);
      MH_OK(recover(world, all, acks));
      MH_OK(ship(world, all, acks, batch));
      expect_no_leftovers(*disk, open_ones(all, Acks{}));
      disk->lose_power(0);
      World later(*disk);
      expect_complete(later, all);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(points, 100U);
}

INSTANTIATE_TEST_SUITE_P(Batches, Crash, testing::Values(2, 12));  // files synced one by one, and by one syncfs

TEST(CrashOfAChange, Keeps_each_message_once_with_the_old_or_the_new_flags) {
  const auto all = parcels(4);
  auto disk = files::make_forgetting_fs();
  Acks acks;
  {
    World world(*disk);
    MH_OK(ship(world, all, acks, 4));
  }
  std::uint64_t points = 0;
  for (std::uint64_t call = 1;; ++call) {
    auto copy = disk->clone();
    Acks changed;
    bool fired = false;
    {
      auto failing = files::make_failing_fs(*copy);
      World world(*failing);
      failing->arm(call, files::Fault::crash_after);
      auto target = open_target(kPlace, world.services, changed);
      if (target.ok()) {
        const auto inbox = (*target)->open_folder(mail::FolderPath({"INBOX"}), mail::Role::none);
        store::MetaChange change;
        change.add_flags.set(mail::Flags::flagged);
        change.add_keywords = {"fresh"};
        if (inbox.ok() && (*target)->update(*inbox, ticket(101), *acks.stored(1)->key, change).ok()) {
          (void)(*target)->flush();
        }
      }
      fired = failing->fired();
    }
    if (!fired) break;
    ++points;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      SCOPED_TRACE("call " + std::to_string(call) + " seed " + std::to_string(seed));
      auto after = copy->clone();
      after->lose_power(seed);
      World world(*after);
      auto source = open_source(kPlace, world.services);
      MH_OK(source);
      const auto fetched = fetch_all(**source);
      std::size_t copies = 0;
      for (const auto& [key, text] : fetched.at("INBOX").texts) {
        if (ticket_of(key) != ticket(1).hex()) continue;
        ++copies;
        EXPECT_EQ(text, all[0].text);
        if (changed.stored(101) != nullptr) {
          EXPECT_TRUE(fetched.at("INBOX").metas.at(key).flags.has(mail::Flags::flagged));
          EXPECT_EQ(fetched.at("INBOX").metas.at(key).keywords, (std::vector<std::string>{"fresh"}));
        }
      }
      EXPECT_GE(copies, 1U) << "lost";
      if (changed.stored(101) != nullptr) {
        EXPECT_EQ(copies, 1U);
      }
    }
  }
  EXPECT_GT(points, 10U);
}

}  // namespace
}  // namespace mailhaul::maildir::test
