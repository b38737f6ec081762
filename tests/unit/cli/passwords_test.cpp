#include "cli/passwords.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>

#include <csignal>
#include <thread>

#include "cli/accounts.hpp"
#include "support.hpp"

namespace mailhaul::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* kCanary = "canary-7c1f";
const PasswordLimits kImpatient{.octets = 64 * 1024, .time = 400ms};

std::string text_of(const Secret& secret) { return std::string(secret.reveal()); }

class PasswordTest : public testing::Test {
 protected:
  Result<Secret> run(const std::string& command, const PasswordLimits& limits = {}) {
    return run_password_command(command, environment_, clock_, cancel_, limits);
  }

  Scratch scratch_;
  Sink out_{scratch_, "out"}, error_{scratch_, "err"};
  Terminal terminal_{Look{}, out_.fd(), error_.fd()};
  SystemClock clock_;
  CancelToken cancel_;
  Environment environment_ = environment({{"PATH", "/usr/bin:/bin"}, {"HOME", "/nowhere"}});
};

class PasswordCommand : public PasswordTest {};

TEST_F(PasswordCommand, Gives_the_one_line_that_it_prints_without_its_end) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"printf 'pw\\n'", "pw"},
      {"printf pw", "pw"},
      {"printf 'pw\\r\\n'", "pw"},
      {"printf 'pw\\n\\n\\r\\n'", "pw"},
      {"printf ' p w \\n'", " p w "},
      {"printf 'p\\303\\244\\377\\n'", "p\xc3\xa4\xff"},
      {"sleep 0.1; echo pw; sleep 0.1", "pw"},
      {"head -c 60000 /dev/zero | tr '\\0' x", std::string(60000, 'x')}};
  for (const auto& [command, wanted] : rows) {
    const auto secret = run(command);
    ASSERT_TRUE(secret.ok()) << command << ": " << secret.error().what;
    EXPECT_EQ(text_of(*secret), wanted) << command;
  }
}

struct BadCommand {
  const char* name;
  std::string command;
  const char* what;
};

class BadCommands : public PasswordCommand, public testing::WithParamInterface<BadCommand> {};

TEST_P(BadCommands, Are_errors_that_tell_how_it_ended_and_never_what_it_printed) {
  const auto begin = clock_.steady();
  const auto secret = run(GetParam().command, kImpatient);
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(secret.error().scope, Scope::session);
  EXPECT_NE(secret.error().what.find(GetParam().what), std::string::npos) << secret.error().what;
  EXPECT_EQ((secret.error().what + secret.error().hint).find("canary"), std::string::npos) << secret.error().what;
  EXPECT_LT(clock_.steady() - begin, 20s);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCommands,
    testing::Values(BadCommand{"fails", "echo canary; exit 3", "exit status 3"},
                    BadCommand{"is_not_there", "canary-no-such-command 2>/dev/null", "exit status 127"},
                    BadCommand{"is_killed", "echo canary; kill -9 $$", "signal 9"},
                    BadCommand{"prints_nothing", "true", "status 0 but printed nothing"},
                    BadCommand{"prints_an_empty_line", "echo", "printed nothing"},
                    BadCommand{"prints_two_lines", "echo canary; echo canary", "more than one line"},
                    BadCommand{"prints_the_second_line_only", "echo; echo canary", "more than one line"},
                    BadCommand{"prints_a_nul", "printf 'canary\\000x'", "NUL"},
                    BadCommand{"prints_too_much", "yes canary", "more than 64 KiB"},
                    BadCommand{"hangs", "echo canary; sleep 60", "did not end within"},
                    BadCommand{"hangs_with_its_output_closed", "echo canary; exec >&-; sleep 60", "did not end within"},
                    BadCommand{"hangs_in_a_child", "(sleep 60); true", "did not end within"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(PasswordCommand, Does_not_wait_for_what_it_left_running_behind_itself) {
  const auto begin = clock_.steady();
  const auto secret = run("sleep 20 & echo pw");
  ASSERT_TRUE(secret.ok()) << secret.error().what;
  EXPECT_EQ(text_of(*secret), "pw");
  EXPECT_LT(clock_.steady() - begin, 10s);
}

TEST_F(PasswordCommand, Leaves_no_process_behind_when_it_is_given_up) {
  const auto file = scratch_.path("pid");
  ASSERT_FALSE(run("sleep 60 & echo $! > " + file + "; wait", kImpatient).ok());
  const auto pid = std::stoi(read_file(file));
  for (int i = 0; i < 100 && ::kill(pid, 0) == 0; ++i) std::this_thread::sleep_for(20ms);
  EXPECT_NE(::kill(pid, 0), 0) << "the child of the shell still runs";
}

TEST_F(PasswordCommand, Sees_six_variables_of_the_environment_and_none_of_ours) {
  ::setenv("MAILHAUL_TEST_VARIABLE", kCanary, 1);
  const std::map<std::string, std::string> all{{"PATH", "/usr/bin:/bin"},
                                               {"HOME", "/home/anna"},
                                               {"LANG", "C.UTF-8"},
                                               {"GNUPGHOME", "/gnupg"},
                                               {"DBUS_SESSION_BUS_ADDRESS", "unix:path=/bus"},
                                               {"XDG_RUNTIME_DIR", "/run/user/1"},
                                               {"MAILHAUL_SOURCE_PASSWORD", kCanary},
                                               {"LD_PRELOAD", ""},
                                               {"TERM", "xterm"}};
  environment_ = environment(all);
  const auto secret = run("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort | tr '\\n' ' '");
  ASSERT_TRUE(secret.ok()) << secret.error().what;
  EXPECT_EQ(text_of(*secret),
            "DBUS_SESSION_BUS_ADDRESS=unix:path=/bus GNUPGHOME=/gnupg HOME=/home/anna LANG=C.UTF-8 PATH=/usr/bin:/bin "
            "XDG_RUNTIME_DIR=/run/user/1 ");
  ::unsetenv("MAILHAUL_TEST_VARIABLE");
}

TEST_F(PasswordCommand, Inherits_no_descriptor_but_the_first_three_and_none_of_our_ignored_signals) {
  const int open = ::open("/dev/null", O_RDONLY);  // NOLINT: not CLOEXEC on purpose
  const auto descriptors = run("ls /proc/self/fd | tr '\\n' ' '");
  ::close(open);
  ASSERT_TRUE(descriptors.ok()) << descriptors.error().what;
  EXPECT_EQ(text_of(*descriptors), "0 1 2 3 ") << "3 is the folder that ls reads";
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const auto ignored = run("grep SigIgn /proc/self/status | tr '\\t' ' '");
  std::signal(SIGPIPE, before);
  ASSERT_TRUE(ignored.ok()) << ignored.error().what;
  EXPECT_EQ(std::stoull(text_of(*ignored).substr(8), nullptr, 16) >> (SIGPIPE - 1) & 1U, 0U) << text_of(*ignored);
}

TEST_F(PasswordCommand, Ends_at_once_when_the_run_shall_stop) {
  cancel_.request();
  const auto begin = clock_.steady();
  const auto secret = run("sleep 60");
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().kind, ErrorKind::interrupted);
  EXPECT_LT(clock_.steady() - begin, 10s);
}

class PasswordFile : public PasswordTest {
 protected:
  Result<Secret> read(const std::string& path) {
    return read_password_file("--source-password-file", path, clock_, cancel_, kImpatient);
  }
  std::string file(const std::string& text, unsigned mode = 0600) {
    const auto path = scratch_.path("pw");
    write_file(path, text);
    ::chmod(path.c_str(), mode);
    return path;
  }
};

TEST_F(PasswordFile, Gives_its_only_line) {
  for (const auto& text : {"pw", "pw\n", "pw\r\n", "pw\n\n"}) {
    const auto secret = read(file(text));
    ASSERT_TRUE(secret.ok()) << secret.error().what;
    EXPECT_EQ(text_of(*secret), "pw");
  }
  EXPECT_TRUE(read(file("pw", 0400)).ok());
  EXPECT_TRUE(read(file("pw", 0700)).ok());
}

TEST_F(PasswordFile, That_others_can_read_or_change_is_refused_for_security_with_the_way_to_mend_it) {
  for (const unsigned mode : {0604U, 0640U, 0644U, 0660U, 0602U, 0666U, 0777U}) {
    const auto path = file(kCanary, mode);
    const auto secret = read(path);
    ASSERT_FALSE(secret.ok()) << mode;
    EXPECT_EQ(secret.error().kind, ErrorKind::security);
    EXPECT_EQ(secret.error().hint, "chmod 600 " + path);
    EXPECT_EQ(secret.error().what.find(kCanary), std::string::npos);
  }
  EXPECT_NE(read(file("pw", 0644)).error().what.find("is readable by others"), std::string::npos);
}

TEST_F(PasswordFile, That_holds_no_password_is_a_usage_error_without_what_it_holds) {
  for (const auto& text : {std::string(), std::string("\n"), std::string(kCanary) + "\n" + kCanary + "\n",
                           kCanary + std::string(1, '\0'), std::string(70'000, 'x')}) {
    const auto secret = read(file(text));
    ASSERT_FALSE(secret.ok());
    EXPECT_EQ(secret.error().kind, ErrorKind::usage) << secret.error().what;
    EXPECT_NE(secret.error().what.find("--source-password-file"), std::string::npos);
    EXPECT_EQ(secret.error().what.find(kCanary), std::string::npos);
  }
  ::mkdir(scratch_.path("dir").c_str(), 0700);
  for (const auto& path : {scratch_.path("none"), scratch_.path("dir")}) {
    const auto secret = read(path);
    ASSERT_FALSE(secret.ok());
    EXPECT_EQ(secret.error().kind, ErrorKind::usage) << secret.error().what;
  }
}

TEST_F(PasswordFile, May_be_a_pipe_and_without_a_writer_is_empty_and_no_reason_to_wait) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "pw\n", 3), 3);
  ::close(ends[1]);
  const auto secret = read("/dev/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  ASSERT_TRUE(secret.ok()) << secret.error().what;
  EXPECT_EQ(text_of(*secret), "pw");
  ::mkfifo(scratch_.path("fifo").c_str(), 0600);
  EXPECT_FALSE(read(scratch_.path("fifo")).ok());
}

TEST(EnvironmentPasswords, Are_taken_out_of_the_environment_and_overwritten_where_they_stood) {
  ::setenv("MAILHAUL_SOURCE_PASSWORD", kCanary, 1);
  ::unsetenv("MAILHAUL_TARGET_PASSWORD");
  const char* place = ::getenv("MAILHAUL_SOURCE_PASSWORD");
  const auto passwords = take_environment_passwords();
  EXPECT_EQ(text_of(passwords.source), kCanary);
  EXPECT_TRUE(passwords.target.empty());
  EXPECT_EQ(::getenv("MAILHAUL_SOURCE_PASSWORD"), nullptr);
  EXPECT_EQ(std::string(place), std::string(std::string(kCanary).size(), '*'));
}

/// Both ends of a pseudo-terminal.
class Pty {
 public:
  Pty() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(master_);
    ::unlockpt(master_);
    std::array<char, 128> name{};
    ::ptsname_r(master_, name.data(), name.size());
    path_ = name.data();
    slave_ = ::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  ~Pty() {
    ::close(slave_);
    ::close(master_);
  }
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool echoes() const {
    termios now{};
    ::tcgetattr(slave_, &now);
    return (now.c_lflag & ECHO) != 0;
  }
  void type(std::string_view text) const {
    ASSERT_EQ(::write(master_, text.data(), text.size()), ssize_t(text.size()));
  }
  /// What was shown, until it ends with `last` or 10 s are over.
  [[nodiscard]] std::string shown_until(const std::string& last) {
    for (int i = 0; i < 100 && shown_.find(last) == std::string::npos; ++i) {
      pollfd wanted{master_, POLLIN, 0};
      if (::poll(&wanted, 1, 100) <= 0) continue;
      std::array<char, 512> piece{};
      const auto length = ::read(master_, piece.data(), piece.size());
      if (length > 0) shown_.append(piece.data(), static_cast<std::size_t>(length));
    }
    return shown_;
  }

 private:
  const int master_;
  int slave_;
  std::string path_, shown_;
};

class Prompting : public PasswordTest {
 protected:
  Pty pty_;
  PasswordPrompt prompt_{terminal_, cancel_, pty_.path()};
};

TEST_F(Prompting, Takes_a_line_without_showing_it_and_turns_the_echo_on_again) {
  ASSERT_TRUE(pty_.echoes());
  bool echo_while_asked = true;
  std::thread person([&] {
    EXPECT_NE(pty_.shown_until("(source): ").find("Password for anna (source): "), std::string::npos);
    echo_while_asked = pty_.echoes();
    pty_.type(std::string(kCanary) + "\n");
  });
  const auto secret = prompt_.ask("Password for anna (source):");
  person.join();
  ASSERT_TRUE(secret.ok()) << secret.error().what;
  EXPECT_EQ(text_of(*secret), kCanary);
  EXPECT_FALSE(echo_while_asked);
  EXPECT_TRUE(pty_.echoes());
  EXPECT_EQ(pty_.shown_until("\r\n"), "Password for anna (source): \r\n");
}

TEST_F(Prompting, Ends_when_the_run_shall_stop_with_the_echo_on_again) {
  std::thread person([&] {
    static_cast<void>(pty_.shown_until(": "));
    pty_.type("half a pass");
    cancel_.request();
  });
  const auto secret = prompt_.ask("Password:");
  person.join();
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().kind, ErrorKind::interrupted);
  EXPECT_TRUE(pty_.echoes());
}

TEST_F(Prompting, Takes_an_empty_line_for_no_password_and_a_file_for_no_terminal) {
  for (const auto& typed : {"\n", "\x04"}) {
    std::thread person([&] {
      static_cast<void>(pty_.shown_until(": "));
      while (pty_.echoes()) std::this_thread::sleep_for(5ms);
      pty_.type(typed);
    });
    const auto secret = prompt_.ask("Password:");
    person.join();
    ASSERT_FALSE(secret.ok());
    EXPECT_EQ(secret.error().kind, ErrorKind::unreachable);
  }
  write_file(scratch_.path("file"), "pw\n");
  for (const auto& path : {scratch_.path("file"), scratch_.path("none"), std::string("/dev/null")}) {
    PasswordPrompt nobody(terminal_, cancel_, path);
    const auto secret = nobody.ask("Password:");
    ASSERT_FALSE(secret.ok()) << path;
    EXPECT_NE(secret.error().what.find("no terminal"), std::string::npos);
  }
}

TEST_F(Prompting, Shows_no_escape_sequence_of_a_name) {
  std::thread person([&] {
    EXPECT_EQ(pty_.shown_until(": ").find('\x1b'), std::string::npos);
    pty_.type("pw\n");
  });
  EXPECT_TRUE(prompt_.ask("Password for \x1b[2J (source):").ok());
  person.join();
}

class Sources : public Prompting {
 protected:
  std::function<Result<Secret>()> make(PasswordSources sources) {
    sources.side = "target";
    sources.account = "anna@imap.example.org";
    return make_password(std::move(sources), environment_, clock_, cancel_, terminal_, prompt_);
  }
};

TEST_F(Sources, Ask_a_command_before_each_login_even_if_there_is_another_password) {
  const auto count = scratch_.path("count");
  const auto password = make({"", "", "echo x >> " + count + "; wc -l < " + count, Secret(std::string("given"))});
  EXPECT_EQ(text_of(password().value()), "1");
  EXPECT_EQ(text_of(password().value()), "2");
}

TEST_F(Sources, Keep_what_a_person_said_for_the_run) {
  std::thread person([&] {
    EXPECT_NE(pty_.shown_until(": ").find("Password for anna@imap.example.org (target): "), std::string::npos);
    pty_.type("typed\n");
  });
  const auto password = make({});
  EXPECT_EQ(text_of(password().value()), "typed");
  person.join();
  EXPECT_EQ(text_of(password().value()), "typed") << "and nobody was asked again";
}

TEST_F(Sources, Name_the_side_and_the_ways_to_give_a_password_where_there_is_none) {
  PasswordPrompt nobody(terminal_, cancel_, scratch_.path("none"));
  const auto password =
      make_password({"target", "anna@host", "", Secret()}, environment_, clock_, cancel_, terminal_, nobody);
  const auto secret = password();
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().kind, ErrorKind::unreachable);
  EXPECT_NE(secret.error().what.find("no password for the target anna@host"), std::string::npos) << secret.error().what;
  for (const char* way : {"--target-password-command", "--target-password-file", "MAILHAUL_TARGET_PASSWORD"}) {
    EXPECT_NE(secret.error().hint.find(way), std::string::npos) << secret.error().hint;
  }
  const auto failing = make({"", "", "echo canary; exit 7", Secret()});
  const auto error = failing().error();
  EXPECT_EQ(error.what, "the password command of the target ended with exit status 7");
  EXPECT_NE(error.hint.find("--target-password-command"), std::string::npos);
}

/// Accounts::enter() with everything around it.
class Entering : public PasswordTest {
 protected:
  Result<store::Access> enter(const std::string& side, const AccessOptions& options, const std::string& location) {
    location_ = store::parse_location(location).value();
    frame_.emplace(Frame{terminal_, environment_, global_, cancel_, clock_, passwords_});
    accounts_ = std::make_unique<Accounts>(*frame_);
    return accounts_->enter(side, options, location_, *fs_);
  }
  std::string password(const AccessOptions& options, const std::string& location, const std::string& side = "source") {
    const auto access = enter(side, options, location);
    if (!access.ok()) return "error: " + access.error().what;
    return text_of(access->password().value());
  }

  std::unique_ptr<files::FileSystem> fs_ = files::make_real_file_system();
  GlobalOptions global_;
  EnvironmentPasswords passwords_;
  std::optional<Frame> frame_;
  std::unique_ptr<Accounts> accounts_;
  store::Location location_;
};

TEST_F(Entering, Takes_the_first_of_command_file_environment_and_location) {
  const auto file = scratch_.path("pw");
  write_file(file, "of the file");
  ::chmod(file.c_str(), 0600);
  const std::string location = "imaps://anna:of%20the%20location@host/";
  const auto set = [&] { passwords_.source = passwords_.target = Secret(std::string("of the environment")); };
  set();
  EXPECT_EQ(password({"echo of the command", file, "", false}, location), "of the command");
  set();
  EXPECT_EQ(password({"", file, "", false}, location), "of the file");
  set();
  EXPECT_EQ(password({}, location), "of the environment");
  EXPECT_EQ(password({}, location), "of the location") << "the source's was taken out";
  EXPECT_EQ(password({}, location, "target"), "of the environment") << "each side has its own";
  EXPECT_FALSE(location_.password.has_value()) << "it goes no further with the location";
  EXPECT_EQ(location_.text().find("of"), std::string::npos);
}

TEST_F(Entering, Hands_on_what_the_options_say) {
  write_file(scratch_.path("ca.pem"), "");
  global_.timeout = 7s;
  global_.family = AddressFamily::ipv6;
  const auto access = enter("target", {"true", "", scratch_.path("ca.pem"), true}, "imap://anna@host");
  ASSERT_TRUE(access.ok()) << access.error().what;
  EXPECT_EQ(access->name, "target");
  EXPECT_EQ(access->ca_file, scratch_.path("ca.pem"));
  EXPECT_TRUE(access->allow_plaintext);
  EXPECT_EQ(access->timeout, 7s);
  EXPECT_EQ(access->family, AddressFamily::ipv6);
}

TEST_F(Entering, Refuses_a_ca_file_that_is_not_there_before_anything_else) {
  const auto access = enter("source", {"", "", scratch_.path("none.pem"), false}, "imaps://anna@host");
  ASSERT_FALSE(access.ok());
  EXPECT_EQ(access.error().kind, ErrorKind::usage);
  EXPECT_NE(access.error().what.find("--source-ca"), std::string::npos) << access.error().what;
}

TEST_F(Entering, Warns_of_options_that_a_local_place_has_no_use_for) {
  const auto access = enter("source", {"true", "/no/such/file", "", false}, "mbox:mail");
  ASSERT_TRUE(access.ok());
  EXPECT_FALSE(access->password);
  EXPECT_NE(error_.text().find("--source-password-command has no effect"), std::string::npos) << error_.text();
  EXPECT_NE(error_.text().find("--source-password-file has no effect"), std::string::npos) << error_.text();
}

}  // namespace
}  // namespace mailhaul::cli
