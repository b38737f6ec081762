#include "cli/terminal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/strings.hpp"
#include "cli/progress.hpp"
#include "cli/warnings.hpp"
#include "support.hpp"

namespace mailhaul::cli {
namespace {

/// A clock that stands until it is told to go.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return {}; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return now; }
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
};

class TerminalTest : public testing::Test {
 protected:
  Scratch scratch_;
  Sink out_{scratch_, "out"}, error_{scratch_, "err"};
  Terminal terminal_{Look{}, out_.fd(), error_.fd()};
};

bool has_control_characters(const std::string& text) {
  for (const char c : text) {
    if (c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) return true;
  }
  return false;
}

TEST_F(TerminalTest, Lets_no_control_character_but_line_ends_through) {
  const std::string evil =
      "a\x1b]52;c;aGk=\x07 b\rc\td\x7f \xc2\x9b"
      "31m \xe2\x80\xae"
      "rtl\xff";
  terminal_.out(evil + "\n" + evil + "\n");
  ASSERT_TRUE(terminal_.finish().ok());
  terminal_.say(evil + "\nfake line");
  terminal_.error(make_error(ErrorKind::damage, Scope::run, evil + "\nmailhaul: all is well", evil));
  for (const auto& text : {out_.text(), error_.text()}) {
    EXPECT_FALSE(has_control_characters(text)) << text;
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_EQ(text.find('\xff'), std::string::npos);
  }
  const auto out = out_.text(), errors = error_.text();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 3) << "one line said, one error, one hint";
}

TEST_F(TerminalTest, Keeps_long_lines_of_ours_whole) {
  const std::string line(5000, 'x');
  terminal_.out(line + "\n");
  ASSERT_TRUE(terminal_.finish().ok());
  EXPECT_EQ(out_.text(), line + "\n");
}

TEST_F(TerminalTest, Prefixes_errors_and_hints) {
  terminal_.error(make_error(ErrorKind::usage, Scope::run, "no such thing", "try another"));
  terminal_.error(make_error(ErrorKind::usage, Scope::run, "no hint"));
  EXPECT_EQ(error_.text(), "mailhaul: error: no such thing\nhint: try another\nmailhaul: error: no hint\n");
}

TEST_F(TerminalTest, Uses_colour_only_for_the_two_words) {
  Terminal colourful(Look{.live = true, .colour = true, .ascii = false}, out_.fd(), error_.fd());
  colourful.error(make_error(ErrorKind::usage, Scope::run, "what", "do"));
  EXPECT_EQ(error_.text(), "mailhaul: \x1b[1;31merror:\x1b[0m what\n\x1b[36mhint:\x1b[0m do\n");
}

TEST_F(TerminalTest, Escapes_what_another_character_set_would_show_as_something_else) {
  Terminal latin(Look{.live = false, .colour = false, .ascii = true}, out_.fd(), error_.fd());
  latin.out("Entw\xc3\xbcrfe \xf0\x9f\x93\xa7\n");
  ASSERT_TRUE(latin.finish().ok());
  EXPECT_EQ(out_.text(), "Entw\\u{fc}rfe \\u{1f4e7}\n");
}

TEST_F(TerminalTest, Says_when_the_disk_behind_stdout_is_full) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full < 0) GTEST_SKIP() << "there is no /dev/full here";
  Terminal terminal(Look{}, full, error_.fd());
  terminal.out("report\n");
  const auto status = terminal.finish();
  ::close(full);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::bug);
  EXPECT_NE(status.error().what.find("No space left"), std::string::npos) << status.error().what;
}

TEST_F(TerminalTest, Says_when_the_reader_of_stdout_is_gone_and_drops_the_rest) {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ::close(ends[0]);
  Terminal terminal(Look{}, ends[1], error_.fd());
  for (int i = 0; i < 3; ++i) terminal.machine(std::string(70'000, 'x'));
  const auto status = terminal.finish();
  ::close(ends[1]);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().what.find("Broken pipe"), std::string::npos) << status.error().what;
}

TEST_F(TerminalTest, Shows_a_live_line_only_where_there_is_a_terminal_and_takes_it_away_for_others) {
  terminal_.live("invisible");
  EXPECT_EQ(error_.text(), "");
  Terminal live(Look{.live = true, .colour = false, .ascii = false}, out_.fd(), error_.fd());
  live.live(std::string(300, 'x'));
  live.say("above");
  live.erase_live();
  EXPECT_EQ(error_.text(), "\r" + std::string(79, 'x') + "\x1b[K\r\x1b[Kabove\n") << "cut to the width, erased once";
}

TEST(Look, Respects_the_locale_and_a_stderr_that_is_no_terminal) {
  const Scratch scratch;
  const Sink file(scratch, "err");
  const auto look = [&](std::map<std::string, std::string> values) {
    return look_of(environment(std::move(values)), false, file.fd());
  };
  EXPECT_FALSE(look({{"TERM", "xterm"}}).live);
  EXPECT_FALSE(look({{"TERM", "xterm"}}).colour);
  EXPECT_FALSE(look({}).ascii);
  EXPECT_FALSE(look({{"LANG", "C"}}).ascii);
  EXPECT_FALSE(look({{"LANG", "de_DE.UTF-8"}}).ascii);
  EXPECT_TRUE(look({{"LANG", "de_DE.ISO-8859-1"}}).ascii);
  EXPECT_TRUE(look({{"LANG", "de_DE.UTF-8"}, {"LC_ALL", "ru_RU.KOI8-R"}}).ascii);
  EXPECT_FALSE(look({{"LANG", "ru_RU.KOI8-R"}, {"LC_ALL", ""}, {"LC_CTYPE", "C.utf8"}}).ascii);
}

TEST(Look, Asks_the_pseudo_terminal) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) GTEST_SKIP() << "no pseudo-terminals here";
  const int slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(slave, 0);
  EXPECT_TRUE(look_of(environment({{"TERM", "xterm"}}), false, slave).colour);
  EXPECT_TRUE(look_of(environment({{"TERM", "xterm"}}), false, slave).live);
  EXPECT_FALSE(look_of(environment({{"TERM", "xterm"}}), /*no_color=*/true, slave).colour);
  EXPECT_FALSE(look_of(environment({{"TERM", "xterm"}, {"NO_COLOR", "1"}}), false, slave).colour);
  EXPECT_TRUE(look_of(environment({{"TERM", "xterm"}, {"NO_COLOR", ""}}), false, slave).colour);
  EXPECT_FALSE(look_of(environment({{"TERM", "dumb"}}), false, slave).live);
  EXPECT_FALSE(look_of(environment({}), false, slave).live);
  ::close(slave);
  ::close(master);
}

TEST(ProgressText, Says_what_is_known_and_leaves_out_the_rest) {
  pipeline::Progress progress;
  EXPECT_EQ(progress_text(progress, {}), "opening");
  progress.phase = pipeline::Progress::Phase::listing;
  progress.total = 1;
  EXPECT_EQ(progress_text(progress, {}), "listing 1 message");
  progress = {.phase = pipeline::Progress::Phase::copying,
              .folder = "Work\x1b[2J",
              .done = 1234,
              .total = 10'000,
              .octets = 5,
              .copied = 3,
              .failed = 2};
  EXPECT_EQ(progress_text(progress, {}), "copying 1,234/10,000 (12 %), 2 failed  Work\\x1b[2J");
  EXPECT_EQ(progress_text(progress, {500, 3 << 20}),
            "copying 1,234/10,000 (12 %), 2 failed, 500/s, " + human_octets(3 << 20) + "/s, 18 s left  Work\\x1b[2J");
  progress.done = 20'000;
  EXPECT_NE(progress_text(progress, {500, 0}).find("(100 %)"), std::string::npos) << "never more than all";
}

TEST_F(TerminalTest, Shows_progress_sparsely_where_there_is_no_terminal) {
  ManualClock clock;
  ProgressView view(terminal_, clock, /*quiet=*/false);
  pipeline::Progress progress{.phase = pipeline::Progress::Phase::copying, .folder = {}, .total = 100'000};
  for (int i = 0; i < 25'000; ++i) {
    progress.done = static_cast<std::uint64_t>(i);
    view.show(progress);
    clock.now += std::chrono::milliseconds(1);
  }
  view.finish();
  const auto text = error_.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_NE(text.find("1,000/s"), std::string::npos) << text;
  EXPECT_NE(text.find("left"), std::string::npos) << text;
}

TEST_F(TerminalTest, Shows_each_phase_once_however_often_a_run_comes_back_to_it) {
  ManualClock clock;
  ProgressView view(terminal_, clock, /*quiet=*/false);
  pipeline::Progress progress;
  for (int i = 0; i < 100; ++i) {
    progress.phase = i % 2 == 0 ? pipeline::Progress::Phase::listing : pipeline::Progress::Phase::reading;
    view.show(progress);
    clock.now += std::chrono::milliseconds(50);
  }
  const auto text = error_.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_NE(text.find("mailhaul: listing\n"), std::string::npos);
  EXPECT_NE(text.find("mailhaul: reading\n"), std::string::npos);
}

TEST_F(TerminalTest, Shows_at_most_ten_live_lines_a_second_and_none_when_quiet) {
  ManualClock clock;
  Terminal live(Look{.live = true, .colour = false, .ascii = false}, out_.fd(), error_.fd());
  ProgressView view(live, clock, /*quiet=*/false);
  ProgressView quiet(terminal_, clock, /*quiet=*/true);
  for (int i = 0; i < 1000; ++i) {
    view.show({.phase = pipeline::Progress::Phase::copying, .folder = {}});
    quiet.show({.phase = pipeline::Progress::Phase::copying, .folder = {}});
    clock.now += std::chrono::milliseconds(1);
  }
  view.finish();
  const auto text = error_.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 11) << "ten lines and the erasing of the last";
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST_F(TerminalTest, Shows_twenty_warnings_and_counts_the_others) {
  Warnings warnings(terminal_, Warnings::Show::warnings);
  for (int i = 0; i < 25; ++i) warnings.note({store::Note::Weight::warning, "INBOX", "odd " + std::to_string(i)});
  warnings.note({store::Note::Weight::info, "", "hidden"});
  warnings.finish();
  const auto text = error_.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 21);
  EXPECT_NE(text.find("mailhaul: warning: INBOX: odd 19\n"), std::string::npos);
  EXPECT_EQ(text.find("odd 20"), std::string::npos);
  EXPECT_NE(text.find("5 more in the report"), std::string::npos);
  EXPECT_EQ(text.find("hidden"), std::string::npos);
}

}  // namespace
}  // namespace mailhaul::cli
