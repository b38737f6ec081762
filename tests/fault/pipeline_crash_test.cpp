// Whole copies on a simulated disk that stop at every changing call, lose power, and are run again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "files/failing_fs.hpp"
#include "files/file_system.hpp"
#include "files/forgetting_fs.hpp"
#include "files/spool.hpp"
#include "pipeline/jobs.hpp"
#include "plugins/maildir/plugin.hpp"
#include "plugins/mbox/plugin.hpp"

namespace mailhaul {
namespace {

class QuietEvents final : public store::Events {
 public:
  void note(const store::Note& note) override { last = note.text; }
  std::string last;
};

class SeededRandom final : public store::Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

class QuietObserver final : public pipeline::Observer {
 public:
  void on_progress(const pipeline::Progress&) override {}
  Status on_outcome(const pipeline::MessageOutcome&) override { return {}; }
  [[nodiscard]] bool wants_outcomes() const override { return false; }
};

/// A folder of the real disk for the ledger and the spool, removed at the end.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mailhaul-crash-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string message(int number, const std::string& body) {
  return "Message-ID: <" + std::to_string(number) + "@example.org>\nSubject: number " + std::to_string(number) + "\n\n" + body;
}

void put_file(files::FileSystem& fs, const std::string& path, const std::string& octets) {
  auto place = fs.open_place(path, /*create_parents=*/true);
  ASSERT_TRUE(place.ok());
  auto file = place->parent->open_file(place->name, files::OpenMode::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(0, as_octets(octets)).ok());
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE((*file)->close().ok());
  ASSERT_TRUE(place->parent->sync().ok());
}

/// Fourteen messages in three folders, with a twin, From_ lines, flags, and one without a final line end.
void fill_maildir(files::FileSystem& fs, const std::string& root) {
  const auto add = [&](const std::string& folder, int number, const std::string& info, const std::string& octets) {
    put_file(fs, root + folder + "/cur/" + std::to_string(1'000'000'000 + number) + ".M1P1.host:2," + info, octets);
  };
  for (const char* folder : {"", "/.Sent", "/.Arbeit.Alt"})
    for (const char* part : {"/cur", "/new", "/tmp"}) ASSERT_TRUE(fs.create_root(root + folder + part).ok());
  for (int i = 0; i < 6; ++i) add("", i, i % 2 == 0 ? "S" : "", message(i, "body\nFrom me to you\n>From him\n"));
  add("", 90, "RS", message(3, "body\nFrom me to you\n>From him\n"));  // a twin of number 3
  for (int i = 10; i < 14; ++i) add("/.Sent", i, "S", message(i, std::string(static_cast<std::size_t>(i) * 700, 'x') + "\n"));
  for (int i = 20; i < 23; ++i) add("/.Arbeit.Alt", i, "FS", message(i, i == 21 ? "no line end" : "short\n"));
}

/// One world: a disk, a ledger directory, and the runs in it.
class World {
 public:
  explicit World(const std::string& scratch) : scratch_(scratch), budget_(64ULL << 20) {
    std::filesystem::create_directories(ledger_directory());
  }
  [[nodiscard]] std::string ledger_directory() const { return scratch_ + "/state"; }

  pipeline::Report copy(files::FileSystem& fs, const std::string& source, const std::string& target) {
    return with_job(fs, source, target, [](const pipeline::Job& job, pipeline::Observer& observer) { return pipeline::run_copy(job, observer); });
  }
  pipeline::Report verify(files::FileSystem& fs, const std::string& source, const std::string& target) {
    return with_job(fs, source, target, [](const pipeline::Job& job, pipeline::Observer& observer) { return pipeline::run_verify(job, observer); });
  }

 private:
  template <typename Run>
  pipeline::Report with_job(files::FileSystem& fs, const std::string& source, const std::string& target, Run run) {
    const store::Registry registry({&mbox::kMbox, &maildir::kMaildir});
    files::Spool spool(scratch_, budget_, {}), facts(scratch_, budget_, {.header_id = true}, files::Keep::facts);
    store::Services services{clock_, fs, spool, cancel_, events_, random_};
    pipeline::Job job{registry, services, facts, *store::parse_location(source), *store::parse_location(target), {}, {}, {},
                      ledger_directory(), ""};
    QuietObserver observer;
    return run(job, observer);
  }

  const std::string scratch_;
  files::MemoryBudget budget_;
  SystemClock clock_;
  CancelToken cancel_;
  QuietEvents events_;
  SeededRandom random_{7};
};

struct Scenario {
  const char* name;
  const char* source;
  const char* target;
};

class CrashAtEveryStep : public testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    disk_ = files::make_forgetting_fs();
    // The ledger is SQLite on the real disk; its lock files lie on the simulated one.
    ASSERT_TRUE(disk_->create_root("/tmp").ok());
    fill_maildir(*disk_, "/mail");
    for (const char* part : {"/one/cur", "/one/new", "/one/tmp"}) ASSERT_TRUE(disk_->create_root(part).ok());
    for (int i = 0; i < 5; ++i)
      put_file(*disk_, "/one/cur/" + std::to_string(i) + ".host:2,", message(i, "body\nFrom me\n"));
    if (std::string(GetParam().source).starts_with("mbox:")) {
      Scratch scratch;
      World world(scratch.path());
      ASSERT_TRUE(disk_->create_root(world.ledger_directory()).ok());
      const auto report = world.copy(*disk_, "maildir:/mail", GetParam().source);
      ASSERT_EQ(report.exit, 0) << (report.error ? report.error->what : "");
    }
    disk_->lose_power(1);
  }

  /// A copy that ended as it should: all there, none twice, and one more run does nothing.
  void expect_complete(World& world, files::FileSystem& fs, const std::string& when) {
    const auto second = world.copy(fs, GetParam().source, GetParam().target);
    ASSERT_EQ(second.exit, 0) << when << ": " << (second.error ? second.error->what : "");
    const auto third = world.copy(fs, GetParam().source, GetParam().target);
    ASSERT_EQ(third.exit, 0) << when;
    EXPECT_EQ(third.counts.copied, 0U) << when;
    const auto proof = world.verify(fs, GetParam().source, GetParam().target);
    ASSERT_EQ(proof.exit, 0) << when << ": missing " << proof.verify.missing << ", different " << proof.verify.different
                             << ", flags " << proof.verify.flags_differ << ", dates " << proof.verify.dates_differ
                             << (proof.failures.empty() ? "" : " " + proof.failures[0].detail);
    EXPECT_EQ(proof.verify.extra, 0U) << when << ": a twin";
    EXPECT_EQ(proof.verify.checked, proof.verify.identical + proof.verify.equivalent) << when;
  }

  std::unique_ptr<files::ForgettingFs> disk_;
};

TEST_P(CrashAtEveryStep, Nothing_is_lost_or_doubled_after_power_loss) {
  std::uint64_t points = 0;
  for (std::uint64_t call = 1;; ++call) {
    bool ran_through = false;
    for (const auto fault : {files::Fault::crash, files::Fault::crash_after, files::Fault::torn_write}) {
      const auto disk = disk_->clone();
      const Scratch scratch;
      World world(scratch.path());
      ASSERT_TRUE(disk->create_root(world.ledger_directory()).ok());
      const auto failing = files::make_failing_fs(*disk);
      failing->arm(call, fault);
      const auto first = world.copy(*failing, GetParam().source, GetParam().target);
      if (!failing->fired()) {
        EXPECT_EQ(first.exit, 0);
        ran_through = true;
        break;
      }
      ++points;
      disk->lose_power(call % 5 == 0 ? 0 : call * 31 + static_cast<std::uint64_t>(fault));
      expect_complete(world, *disk, "stopped at call " + std::to_string(call) + ", fault " + std::to_string(static_cast<int>(fault)));
      if (HasFatalFailure()) return;
    }
    if (ran_through) break;
  }
  EXPECT_GT(points, 40U) << "a crash test that hardly crashes proves nothing";
  RecordProperty("crash_points", static_cast<int>(points));
}

TEST_P(CrashAtEveryStep, A_failing_disk_loses_nothing_and_a_later_run_completes) {
  for (const auto fault : {files::Fault::no_space, files::Fault::io_error}) {
    for (std::uint64_t call = 1;; ++call) {
      const auto disk = disk_->clone();
      const Scratch scratch;
      World world(scratch.path());
      ASSERT_TRUE(disk->create_root(world.ledger_directory()).ok());
      const auto failing = files::make_failing_fs(*disk);
      failing->arm(call, fault);
      const auto first = world.copy(*failing, GetParam().source, GetParam().target);
      if (!failing->fired()) break;
      EXPECT_TRUE(first.counts.balanced()) << call;
      EXPECT_TRUE(first.exit == 0 || first.exit == 3 || first.exit == 7 || first.exit == 8 || first.exit == 10)
          << "exit " << first.exit << " at call " << call << ": " << (first.error ? first.error->what : "");
      expect_complete(world, *disk, "disk failed at call " + std::to_string(call));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(CrashAtEveryStep, A_lost_ledger_costs_time_and_makes_no_twin) {
  const Scratch scratch, other;
  World world(scratch.path()), fresh(other.path());
  ASSERT_TRUE(disk_->create_root(world.ledger_directory()).ok());
  ASSERT_TRUE(disk_->create_root(fresh.ledger_directory()).ok());
  ASSERT_EQ(world.copy(*disk_, GetParam().source, GetParam().target).exit, 0);
  const auto again = fresh.copy(*disk_, GetParam().source, GetParam().target);
  EXPECT_EQ(again.exit, 0);
  EXPECT_EQ(again.counts.copied, 0U);
  EXPECT_EQ(again.counts.present + again.counts.duplicate, again.counts.listed);
  expect_complete(fresh, *disk_, "ledger lost");
}

INSTANTIATE_TEST_SUITE_P(Pairs, CrashAtEveryStep,
                         testing::Values(Scenario{"MaildirToMboxTree", "maildir:/mail", "mbox:/out/"},
                                         Scenario{"MaildirToMaildir", "maildir:/mail", "maildir:/out"},
                                         Scenario{"MboxTreeToMaildir", "mbox:/in/", "maildir:/out"},
                                         Scenario{"MboxTreeToMboxTree", "mbox:/in/", "mbox:/out/"},
                                         Scenario{"MaildirToMboxFile", "maildir:/one", "mbox:/one.mbox"}),
                         [](const auto& chosen) { return chosen.param.name; });

}  // namespace
}  // namespace mailhaul
