// Names, addresses, ports: what is tried, and what a person is told when nothing answers.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <vector>

#include "net/connect.hpp"
#include "net/host_name.hpp"
#include "net/resolve.hpp"
#include "unit/net/server.hpp"

using namespace mailhaul;
using namespace mailhaul::net;
using namespace mailhaul::net::testing;
using Poco::Net::SocketAddress;

namespace {

/// A port of 127.0.0.1 that nobody listens on, while this lives.
class ClosedPort {
 public:
  explicit ClosedPort(int backlog = -1) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t length = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    if (backlog < 0) return;
    // Linux drops the SYN when the queue of a listener is full: as silent as a dead address.
    EXPECT_EQ(::listen(fd_, backlog), 0);
    for (int i = 0; i < 4; ++i) {
      const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void)::connect(filler, reinterpret_cast<sockaddr*>(&address), sizeof address);
      fillers_.push_back(filler);
    }
  }
  ClosedPort(const ClosedPort&) = delete;
  ClosedPort& operator=(const ClosedPort&) = delete;
  ~ClosedPort() {
    for (const int filler : fillers_) ::close(filler);
    ::close(fd_);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port_ = 0;
  std::vector<int> fillers_;
};

Destination to(std::string host, std::uint16_t port) {
  Destination destination;
  destination.host = std::move(host);
  destination.port = port;
  destination.timeout = 10s;
  return destination;
}

Error dial_error(const Destination& destination) {
  Client client;
  const auto connection = client.dialer->dial(destination);
  EXPECT_FALSE(connection.ok());
  return connection.ok() ? Error{} : connection.error();
}

}  // namespace

TEST(Connect, The_next_address_is_tried_when_one_refuses) {
  ClosedPort closed;
  Server server([](int fd) { (void)write_all(fd, "hello"); });
  Client client;
  for (const auto& first : {SocketAddress("::1", closed.port()), SocketAddress("127.0.0.1", closed.port())}) {
    Server one([](int) {});
    const auto wire = connect_first({first, SocketAddress("127.0.0.1", one.port())}, client.clock, client.cancel, 10s);
    ASSERT_TRUE(wire.ok()) << wire.error().what;
    EXPECT_EQ((*wire)->peer(), "127.0.0.1:" + std::to_string(one.port()));
  }
}

TEST(Connect, A_silent_address_gets_its_share_of_the_time_and_no_more) {
  ClosedPort silent(/*backlog=*/0);
  Client client;
  const SocketAddress dead("127.0.0.1", silent.port());
  const auto alone = connect_first({dead}, client.clock, client.cancel, 300ms);
  if (alone.ok()) GTEST_SKIP() << "this kernel accepts beyond a listener's backlog";
  EXPECT_EQ(alone.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(alone.error().retry, Retry::later);
  EXPECT_NE(alone.error().what.find("no answer within 300 ms (127.0.0.1)"), std::string::npos) << alone.error().what;
  Server server([](int) {});
  const auto start = std::chrono::steady_clock::now();
  const auto wire = connect_first({dead, SocketAddress("127.0.0.1", server.port())}, client.clock, client.cancel, 1s);
  ASSERT_TRUE(wire.ok()) << wire.error().what;
  EXPECT_GE(std::chrono::steady_clock::now() - start, 499ms);
}

TEST(Connect, The_most_telling_failure_is_told_with_all_addresses) {
  ClosedPort closed;
  ClosedPort silent(/*backlog=*/0);
  Client client;
  const auto failed =
      connect_first({SocketAddress("127.0.0.1", silent.port()), SocketAddress("127.0.0.1", closed.port())},
                    client.clock, client.cancel, 400ms);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().what.find("refused (127.0.0.1, 127.0.0.1)"), std::string::npos) << failed.error().what;
}

TEST(Connect, A_cancel_ends_the_wait) {
  ClosedPort silent(/*backlog=*/0);
  Client client;
  std::thread stopper([&] {
    std::this_thread::sleep_for(50ms);
    client.cancel.request();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto failed = connect_first({SocketAddress("127.0.0.1", silent.port())}, client.clock, client.cancel, 20s);
  stopper.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::interrupted);
}

TEST(Dial, A_refused_port_says_so_and_what_to_check) {
  ClosedPort closed;
  const Error error = dial_error(to("127.0.0.1", closed.port()));
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
  EXPECT_EQ(error.what, "127.0.0.1:" + std::to_string(closed.port()) + ": the connection was refused (127.0.0.1)");
  EXPECT_NE(error.hint.find("is the port right"), std::string::npos);
}

TEST(Dial, A_name_that_cannot_exist_is_not_tried_again) {
  // A label of 64 letters fails in the resolver, before any name server is asked.
  const Error error = dial_error(to(std::string(64, 'a') + ".test", 993));
  EXPECT_EQ(error.kind, ErrorKind::unreachable) << error.what;
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_NE(error.what.find(".test:993: "), std::string::npos) << error.what;
  EXPECT_FALSE(error.hint.empty());
}

TEST(Dial, An_address_of_the_other_family_is_no_host) {
  Destination only_six = to("127.0.0.1", 993);
  only_six.family = AddressFamily::ipv6;
  const Error error = dial_error(only_six);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.retry, Retry::never);
  EXPECT_NE(error.what.find("only IPv6"), std::string::npos) << error.what;
  Destination only_four = to("::1", 993);
  only_four.family = AddressFamily::ipv4;
  EXPECT_NE(dial_error(only_four).what.find("[::1]:993: "), std::string::npos);
}

TEST(Dial, Localhost_is_found_by_name) {
  Server server([](int fd) { (void)write_all(fd, "hello"); });
  Client client;
  auto connection = client.dialer->dial(to("localhost", server.port()));
  ASSERT_TRUE(connection.ok()) << connection.error().what;
  std::string received;
  receive(**connection, 5, received);
  EXPECT_EQ(received, "hello");
  EXPECT_TRUE((*connection)->is_loopback());
}

TEST(Dial, Ipv6_is_spoken) {
  const int listener = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0) {
    ::close(listener);
    GTEST_SKIP() << "no IPv6 here";
  }
  ASSERT_EQ(::listen(listener, 4), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  Client client;
  for (const char* host : {"::1", "[::1]"}) {
    auto connection = client.dialer->dial(to(host, ntohs(address.sin6_port)));
    ASSERT_TRUE(connection.ok()) << connection.error().what;
    EXPECT_TRUE((*connection)->is_loopback());
    EXPECT_EQ((*connection)->peer(), "[::1]:" + std::to_string(ntohs(address.sin6_port)));
  }
  ::close(listener);
}

TEST(Dial, A_server_without_tls_on_a_tls_port_is_named_as_such) {
  for (const char* greeting : {"* OK ready\r\n", "+OK ready\r\n", "*", "HTTP/1.1 400 Bad Request\r\n"}) {
    Server server([&](int fd) {
      (void)write_all(fd, greeting);
      (void)read_some(fd);
      (void)read_some(fd);
    });
    const Error error = dial_error(tls_to(server, {"mail.test", "", "", ""}));
    EXPECT_EQ(error.kind, ErrorKind::unreachable) << error.what;
    EXPECT_EQ(error.retry, Retry::never);
    EXPECT_NE(error.what.find("speaks without TLS on this port"), std::string::npos) << error.what;
    EXPECT_NE(error.hint.find("did you mean imap://"), std::string::npos) << error.hint;
  }
}

TEST(Dial, A_server_that_hangs_up_in_the_handshake_is_unreachable) {
  Server server([](int fd) { (void)read_some(fd); });
  const Error error = dial_error(tls_to(server, {"mail.test", "", "", ""}));
  EXPECT_EQ(error.kind, ErrorKind::unreachable) << error.what;
  EXPECT_EQ(error.retry, Retry::later);
  EXPECT_NE(error.what.find("in the middle of the TLS handshake"), std::string::npos) << error.what;
}

TEST(Dial, A_trickle_does_not_stretch_the_deadline_of_the_handshake) {
  Server server([](int fd) {
    // A record of 16 KiB that never gets done.
    if (!write_all(fd, std::string_view("\x16\x03\x03\x40\x00\x02\x00\x3F\xFC", 9))) return;
    for (int i = 0; i < 400 && write_all(fd, "x"); ++i) std::this_thread::sleep_for(10ms);
  });
  Destination destination = tls_to(server, {"mail.test", "", "", ""});
  destination.timeout = 500ms;
  const auto start = std::chrono::steady_clock::now();
  const Error error = dial_error(destination);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_NE(error.what.find("within 500 ms"), std::string::npos) << error.what;
}

TEST(Dial, A_cancel_ends_the_handshake_and_later_dials) {
  std::promise<void> done;
  Server server([&](int) { done.get_future().wait(); });
  Client client;
  std::thread stopper([&] {
    std::this_thread::sleep_for(100ms);
    client.cancel.request();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto connection = client.dialer->dial(tls_to(server, {"mail.test", "", "", ""}));
  stopper.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  ASSERT_FALSE(connection.ok());
  EXPECT_EQ(connection.error().kind, ErrorKind::interrupted);
  EXPECT_EQ(client.dialer->dial(plain_to(server)).error().kind, ErrorKind::interrupted);
  done.set_value();
}

TEST(Dial, Several_threads_may_dial_at_once) {
  constexpr int kThreads = 4;
  const Identity identity = make_identity(Wish{});
  Server server(
      [&](int fd) {
        TlsPeer peer({identity}, fd);
        (void)peer.write("hello");
        (void)peer.read();
      },
      kThreads);
  const std::string file = pem_file("threads", {identity});
  Client client;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      auto connection = client.dialer->dial(tls_to(server, {"mail.test", file, "", ""}));
      ASSERT_TRUE(connection.ok()) << connection.error().what;
      std::string received;
      receive(**connection, 5, received);
      EXPECT_EQ(received, "hello");
    });
  }
  for (auto& one : threads) one.join();
}

TEST(HostName, Rows) {
  struct Row {
    const char* typed;
    const char* text;
    const char* to_resolve;
    bool is_address;
  };
  for (const Row& row : std::initializer_list<Row>{{"mail.test", "mail.test", "mail.test", false},
                                                   {"mail.test.", "mail.test", "mail.test", false},
                                                   {"b\xC3\xBC"
                                                    "cher.test",
                                                    "xn--bcher-kva.test", "xn--bcher-kva.test", false},
                                                   {"192.0.2.1", "192.0.2.1", "192.0.2.1", true},
                                                   {"2001:db8::1", "2001:db8::1", "2001:db8::1", true},
                                                   {"[2001:db8::1]", "2001:db8::1", "2001:db8::1", true},
                                                   {"fe80::1%lo", "fe80::1", "fe80::1%lo", true},
                                                   {"192.0.2", "192.0.2", "192.0.2", false}}) {
    const auto host = parse_host(row.typed);
    ASSERT_TRUE(host.ok()) << row.typed;
    EXPECT_EQ(host->text, row.text);
    EXPECT_EQ(host->to_resolve, row.to_resolve);
    EXPECT_EQ(host->is_address, row.is_address) << row.typed;
  }
}
