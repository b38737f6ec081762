// A command as the server: started cleanly, understood when it dies, and never left behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "unit/net/server.hpp"

using namespace mailhaul;
using namespace mailhaul::net;
using namespace mailhaul::net::testing;

namespace {

std::unique_ptr<Connection> start(Client& client, const std::string& command) {
  auto connection = client.dialer->dial(tunnel_to(command));
  EXPECT_TRUE(connection.ok()) << (connection.ok() ? "" : connection.error().what);
  return connection.ok() ? std::move(connection).value() : nullptr;
}

/// What `command` prints, and how it ended.
struct Output {
  std::string text;
  std::string end;
};
Output output_of(const std::string& command) {
  Client client;
  Output output;
  const auto connection = start(client, command);
  output.end = read_to_end(*connection, output.text);
  return output;
}

}  // namespace

TEST(Tunnel, A_command_is_spoken_to_over_pipes) {
  Client client;
  const auto connection = start(client, "cat");
  EXPECT_TRUE(connection->is_tunnel());
  EXPECT_FALSE(connection->is_loopback());
  EXPECT_EQ(connection->peer(), "a command");
  std::string received;
  ASSERT_TRUE(send_all(*connection, "hello", received));
  receive(*connection, 5, received);
  EXPECT_EQ(received, "hello");
  connection->shut_down();
  EXPECT_EQ(read_to_end(*connection, received), "");
}

TEST(Tunnel, Two_full_pipes_do_not_block_each_other) {
  const std::string text(4 << 20, 'x');
  Client client;
  const auto connection = start(client, "cat");
  std::string received;
  ASSERT_TRUE(send_all(*connection, text, received));
  receive(*connection, text.size(), received);
  EXPECT_TRUE(received == text);
}

TEST(Tunnel, Its_standard_streams_are_pipes_and_it_leads_a_process_group) {
  EXPECT_EQ(output_of("test -p /dev/stdin && test -p /dev/stdout && echo pipes").text, "pipes\n");
  // Dash reads its own fields: pid, name, state, parent, group.
  EXPECT_EQ(output_of("read pid name state parent group rest < /proc/$$/stat; test $group = $$ && echo leader").text,
            "leader\n");
}

TEST(Tunnel, It_inherits_no_descriptor_and_no_secret) {
  const int leak = ::fcntl(STDERR_FILENO, F_DUPFD, 77);  // without close-on-exec
  ASSERT_GE(leak, 77);
  ::setenv("MAILHAUL_SOURCE_PASSWORD", "canary", 1);
  const Output output = output_of("test -e /proc/self/fd/" + std::to_string(leak) +
                                  " && echo leaked; env; test -n \"$PATH\" && echo found");
  ::unsetenv("MAILHAUL_SOURCE_PASSWORD");
  ::close(leak);
  EXPECT_EQ(output.text.find("leaked"), std::string::npos);
  EXPECT_EQ(output.text.find("canary"), std::string::npos);
  EXPECT_NE(output.text.find("found"), std::string::npos);
}

TEST(Tunnel, A_command_that_dies_says_how) {
  struct Row {
    const char* command;
    const char* text;
    const char* end;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"echo last words; exit 3", "last words\n", "the tunnel command: it ended with exit status 3"},
           {"exec 2>/dev/null; no-such-command-of-ours", "",
            "the tunnel command: it ended with exit status 127: not found"},
           {"exec 2>/dev/null; /", "", "the tunnel command: it ended with exit status 126: not executable"},
           {"kill -KILL $$", "", "the tunnel command: it was ended by signal 9"},
           {"echo fine", "fine\n", ""}}) {
    const Output output = output_of(row.command);
    EXPECT_EQ(output.text, row.text) << row.command;
    EXPECT_EQ(output.end, row.end) << row.command;
  }
}

// The test program does not ignore SIGPIPE: it would be dead here.
TEST(Tunnel, Writing_to_a_command_that_is_gone_is_an_error_and_no_signal) {
  Client client;
  const auto connection = start(client, "exit 3");
  std::string end;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (end.empty() && std::chrono::steady_clock::now() < deadline) {  // a pipe takes 64 KiB before it is started
    const auto step = connection->step(as_octets("a1 NOOP\r\n"), 50ms);
    if (!step) end = step.error().what;
  }
  EXPECT_NE(end.find("exit status 3"), std::string::npos) << end;
}

TEST(Tunnel, A_command_that_ignores_sigterm_is_ended_all_the_same) {
  Client client;
  auto connection = start(client, "trap '' TERM HUP PIPE; echo $$; while :; do sleep 1; done");
  std::string received;
  while (received.find('\n') == std::string::npos) receive(*connection, received.size() + 1, received);
  const pid_t pid = std::stoi(received);
  ASSERT_EQ(::kill(pid, 0), 0);
  const auto begin = std::chrono::steady_clock::now();
  connection.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 6s);
  EXPECT_EQ(::kill(pid, 0), -1) << "reaped";
  EXPECT_EQ(errno, ESRCH);
}

TEST(Tunnel, A_command_that_ends_at_end_of_file_is_not_killed) {
  Client client;
  const std::string mark = ::testing::TempDir() + "mailhaul-tunnel-" + std::to_string(::getpid());
  auto connection = start(client, "cat > /dev/null; sleep 0.2; echo stored; echo stored > " + mark);
  connection.reset();
  EXPECT_EQ(::access(mark.c_str(), F_OK), 0) << "it was given the time to store what it had";
  ::unlink(mark.c_str());
}

TEST(Tunnel, Errors_do_not_show_the_command) {
  const Output output = output_of("true password-in-command; exit 9");
  EXPECT_EQ(output.end.find("password"), std::string::npos);
}

TEST(Tunnel, Tls_over_it_is_checked_like_any_other) {
  Client client;
  Destination destination = tunnel_to("printf '* OK plain\\r\\n'; cat > /dev/null");
  destination.tls = TlsOptions{"mail.test", "", "", ""};
  const auto connection = client.dialer->dial(destination);
  ASSERT_FALSE(connection.ok());
  EXPECT_NE(connection.error().what.find("speaks without TLS"), std::string::npos) << connection.error().what;
}
