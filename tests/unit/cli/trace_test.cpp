#include "cli/trace.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "files/failing_fs.hpp"
#include "support.hpp"

namespace mailhaul::cli {
namespace {

using store::Trace;

class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return {}; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return now; }
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
};

class TraceTest : public testing::Test {
 protected:
  Scratch scratch_;
  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  ManualClock clock_;
  std::string path_ = scratch_.path("t.trace");
};

constexpr const char* kHead = "# mailhaul trace: seconds, session, > sent, < received, * remark\n";

TEST_F(TraceTest, Has_a_line_with_time_session_and_way_for_each_that_is_written_at_once) {
  auto trace = TraceFile::open(*fs_, path_, clock_);
  ASSERT_TRUE(trace.ok()) << trace.error().what;
  (*trace)->line("source", Trace::Way::received, "* OK hello");
  clock_.now += std::chrono::milliseconds(1234);
  (*trace)->line("source", Trace::Way::sent, "a1 LOGIN anna <secret>");
  clock_.now += std::chrono::hours(3);
  (*trace)->line("target 2", Trace::Way::remark, "gone");
  EXPECT_EQ(read_file(path_), std::string(kHead) +
                                  "   0.000 source < * OK hello\n"
                                  "   1.234 source > a1 LOGIN anna <secret>\n"
                                  "10801.234 target 2 * gone\n");
  EXPECT_TRUE((*trace)->close().ok());
}

TEST_F(TraceTest, Makes_every_octet_of_a_server_visible_and_cuts_endless_lines) {
  auto trace = TraceFile::open(*fs_, path_, clock_);
  ASSERT_TRUE(trace.ok());
  std::string evil;
  for (int c = 0; c < 256; ++c) evil += static_cast<char>(c);
  (*trace)->line("s\x1b[2J\n", Trace::Way::received, evil + "\n   0.000 source < * OK forged\xe2\x80\xae");
  (*trace)->line("source", Trace::Way::received, std::string(1'000'000, 'x'));
  const auto text = read_file(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT_EQ(text.find('\x7f'), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_LT(text.size(), 10'000U);
}

TEST_F(TraceTest, Is_for_the_user_alone_and_takes_the_place_of_an_earlier_one) {
  for (int run = 0; run < 2; ++run) {
    auto trace = TraceFile::open(*fs_, path_, clock_);
    ASSERT_TRUE(trace.ok()) << trace.error().what;
    (*trace)->line("source", Trace::Way::sent, "x");
    struct stat facts {};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
    EXPECT_EQ(read_file(path_), std::string(kHead) + "   0.000 source > x\n");
    ::chmod(path_.c_str(), 0644);
  }
}

TEST_F(TraceTest, Takes_the_place_of_nothing_else) {
  write_file(scratch_.path("mail.mbox"), "From a@b Thu Jan  1 00:00:00 1970\n\nmail\n");
  for (const auto& path : {scratch_.path("mail.mbox"), scratch_.path(), scratch_.path("no/such/t")}) {
    const auto refused = TraceFile::open(*fs_, path, clock_);
    ASSERT_FALSE(refused.ok()) << path;
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_NE(refused.error().what.find("--trace"), std::string::npos) << refused.error().what;
  }
  EXPECT_NE(read_file(scratch_.path("mail.mbox")), "");
}

TEST_F(TraceTest, Keeps_the_lines_of_threads_whole) {
  auto trace = TraceFile::open(*fs_, path_, clock_);
  ASSERT_TRUE(trace.ok());
  std::vector<std::thread> threads;
  for (const std::string name : {"source", "target"}) {
    threads.emplace_back([&, name] {
      for (int i = 0; i < 200; ++i) (*trace)->line(name, Trace::Way::sent, name + std::string(50, 'x'));
    });
  }
  for (auto& thread : threads) thread.join();
  std::istringstream lines(read_file(path_));
  std::size_t count = 0;
  std::string line;
  std::getline(lines, line);
  for (; std::getline(lines, line); ++count) {
    const std::string name = line.substr(9, 6);
    EXPECT_EQ(line, "   0.000 " + name + " > " + name + std::string(50, 'x'));
  }
  EXPECT_EQ(count, 400U);
}

TEST_F(TraceTest, That_cannot_be_written_tells_at_the_end_and_disturbs_nobody) {
  const auto failing = files::make_failing_fs(*fs_);
  auto trace = TraceFile::open(*failing, path_, clock_);
  ASSERT_TRUE(trace.ok());
  failing->arm(failing->calls() + 2, files::Fault::no_space);
  for (int i = 0; i < 5; ++i) (*trace)->line("source", Trace::Way::sent, std::to_string(i));
  const auto closed = (*trace)->close();
  ASSERT_FALSE(closed.ok());
  EXPECT_NE(closed.error().what.find("cut short"), std::string::npos) << closed.error().what;
  EXPECT_EQ(read_file(path_), std::string(kHead) + "   0.000 source > 0\n") << "nothing after the gap";
}

}  // namespace
}  // namespace mailhaul::cli
