// What a Connection promises: both ways at once, ends told apart, no wait longer than asked for.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>

#include "unit/net/server.hpp"

using namespace mailhaul;
using namespace mailhaul::net;
using namespace mailhaul::net::testing;

namespace {

const Identity& own() {
  static const Identity kOwn = make_identity(Wish{});
  return kOwn;
}
TlsOptions pinned() { return {"mail.test", "", fingerprint(own()), ""}; }

std::unique_ptr<Connection> dial(Client& client, const Destination& destination) {
  auto connection = client.dialer->dial(destination);
  EXPECT_TRUE(connection.ok()) << (connection.ok() ? "" : connection.error().what);
  return connection.ok() ? std::move(connection).value() : nullptr;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 1;
  for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

constexpr std::size_t kEightMiB = 8 << 20;

/// Sends and receives at once until both are through.
void exchange(Connection& connection, std::string_view out, std::size_t expected, std::string& received) {
  ASSERT_TRUE(send_all(connection, out, received));
  receive(connection, expected, received);
}

/// Hands octets on between a client and `port`, one a segment.
void dribble(int client, std::uint16_t port) {
  Client dialing;
  Destination destination;
  destination.host = "127.0.0.1";
  destination.port = port;
  auto behind = dial(dialing, destination);
  const timeval soon{0, 1000};
  ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  for (;;) {
    char c = 0;
    const ssize_t got = ::recv(client, &c, 1, 0);
    if (got == 0) return;
    auto step = behind->step(got == 1 ? Octets(as_octets({&c, 1})) : Octets(), 0ms);
    if (!step || step->closed) return;
    for (const std::byte one : step->received) {
      if (!write_all(client, {reinterpret_cast<const char*>(&one), 1})) return;
    }
  }
}

}  // namespace

TEST(Plain, Octets_go_both_ways_and_fin_is_the_end) {
  Server server([](int fd) {
    (void)write_all(fd, "* OK ready\r\n");
    EXPECT_EQ(read_exactly(fd, 12), "a1 LOGOUT\r\n!");
    (void)write_all(fd, "* BYE\r\n");
  });
  Client client;
  auto connection = dial(client, plain_to(server));
  std::string received;
  receive(*connection, 12, received);
  EXPECT_EQ(received, "* OK ready\r\n");
  EXPECT_EQ(connection->tls(), "");
  EXPECT_FALSE(connection->is_tunnel());
  EXPECT_TRUE(connection->is_loopback());
  EXPECT_EQ(connection->peer(), "127.0.0.1:" + std::to_string(server.port()));
  ASSERT_TRUE(send_all(*connection, "a1 LOGOUT\r\n!", received));
  EXPECT_EQ(read_to_end(*connection, received), "");
  EXPECT_EQ(received, "* OK ready\r\n* BYE\r\n");
  const auto again = connection->step({}, 10s);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->closed);
}

TEST(Plain, Two_full_buffers_do_not_block_each_other) {
  const std::string text = pattern(kEightMiB);
  Server server([&](int fd) {
    EXPECT_TRUE(write_all(fd, text));
    EXPECT_EQ(read_exactly(fd, kEightMiB), text);
  });
  Client client;
  auto connection = dial(client, plain_to(server));
  std::string received;
  exchange(*connection, text, kEightMiB, received);
  EXPECT_TRUE(received == text);
}

TEST(Tls, Two_full_buffers_do_not_block_each_other) {
  const std::string text = pattern(kEightMiB);
  std::string heard;
  Server server([&](int fd) {
    TlsPeer peer({own()}, fd);
    EXPECT_TRUE(peer.write(text));
    while (heard.size() < kEightMiB) {
      const std::string more = peer.read();
      if (more.empty()) break;
      heard += more;
    }
    peer.farewell();
  });
  Client client;
  auto connection = dial(client, tls_to(server, pinned()));
  EXPECT_EQ(connection->tls().substr(0, 4), "TLSv");
  std::string received;
  exchange(*connection, text, kEightMiB, received);
  EXPECT_TRUE(received == text);
  EXPECT_EQ(read_to_end(*connection, received), "");
  server.join();
  EXPECT_TRUE(heard == text);
}

TEST(Tls, An_end_without_close_notify_is_an_error_and_one_with_it_is_none) {
  for (const bool polite : {false, true}) {
    Server server([&](int fd) {
      TlsPeer peer({own()}, fd);
      (void)peer.write("* OK half a line");
      if (polite) peer.farewell();
      ::shutdown(fd, SHUT_WR);
      (void)read_some(fd);  // until the client is gone: closing with unread octets would reset
    });
    Client client;
    auto connection = dial(client, tls_to(server, pinned()));
    std::string received;
    const std::string end = read_to_end(*connection, received);
    EXPECT_EQ(received, "* OK half a line");
    if (polite) {
      EXPECT_EQ(end, "");
    } else {
      EXPECT_NE(end.find("close_notify"), std::string::npos) << end;
      const auto again = connection->step({}, 0ms);
      ASSERT_FALSE(again.ok()) << "dead from then on";
      EXPECT_EQ(again.error().kind, ErrorKind::unreachable);
      EXPECT_EQ(again.error().scope, Scope::session);
      EXPECT_EQ(again.error().retry, Retry::later);
    }
  }
}

TEST(Tls, Half_a_record_before_the_end_is_an_error_and_gives_nothing) {
  Server server([&](int fd) {
    TlsPeer peer({own()}, fd);
    (void)write_all(fd, std::string_view("\x17\x03\x03\x00\x40half", 9));
    ::shutdown(fd, SHUT_WR);
    (void)read_some(fd);
  });
  Client client;
  auto connection = dial(client, tls_to(server, pinned()));
  std::string received;
  EXPECT_NE(read_to_end(*connection, received), "");
  EXPECT_EQ(received, "");
}

TEST(Tls, A_forged_record_is_an_error) {
  Server server([&](int fd) {
    TlsPeer peer({own()}, fd);
    (void)peer.write("* OK\r\n");
    (void)write_all(fd, std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
    (void)read_some(fd);
  });
  Client client;
  auto connection = dial(client, tls_to(server, pinned()));
  std::string received;
  EXPECT_NE(read_to_end(*connection, received), "");
  EXPECT_EQ(received, "* OK\r\n");
}

TEST(Tls, Peers_that_send_one_octet_at_a_time_are_understood) {
  Server server([](int fd) {
    TlsPeer peer({own()}, fd);
    (void)peer.write("* OK slow\r\n");
    EXPECT_EQ(peer.read(), "a1 NOOP\r\n");
    (void)peer.write("a1 OK\r\n");
    peer.farewell();
  });
  Server between([&](int fd) { dribble(fd, server.port()); });
  Client client;
  auto connection = dial(client, tls_to(between, pinned()));
  std::string received;
  receive(*connection, 11, received);
  ASSERT_TRUE(send_all(*connection, "a1 NOOP\r\n", received));
  receive(*connection, 18, received);
  EXPECT_EQ(received, "* OK slow\r\na1 OK\r\n");
}

TEST(ShutDown, Reading_goes_on_after_our_farewell) {
  for (const bool secure : {false, true}) {
    std::string heard = "nothing yet";
    Server server([&](int fd) {
      if (secure) {
        TlsPeer peer({own()}, fd);
        EXPECT_EQ(peer.read(), "bye");
        heard = peer.read();  // "" = our close_notify
        (void)peer.write("last words");
        peer.farewell();
      } else {
        EXPECT_EQ(read_exactly(fd, 3), "bye");
        heard = read_some(fd);
        (void)write_all(fd, "last words");
      }
    });
    Client client;
    auto connection = dial(client, secure ? tls_to(server, pinned()) : plain_to(server));
    std::string received;
    ASSERT_TRUE(send_all(*connection, "bye", received));
    connection->shut_down();
    connection->shut_down();
    EXPECT_EQ(read_to_end(*connection, received), "") << secure;
    EXPECT_EQ(received, "last words") << secure;
    server.join();
    EXPECT_EQ(heard, "") << secure;
  }
}

// Durability 2.5 (c): a reset makes servers drop what they have not yet stored, and this kernel what it has not yet
// sent.
TEST(Close, Unread_octets_do_not_turn_the_farewell_into_a_reset) {
  std::promise<void> sent;
  std::promise<void> answered;
  std::promise<void> gone;
  std::string heard;
  Server server([&](int fd) {
    sent.get_future().wait();
    (void)write_all(fd, pattern(64 << 10));
    answered.set_value();
    gone.get_future().wait();
    for (std::string more = read_some(fd); !more.empty(); more = read_some(fd)) heard += more;
  });
  Client client;
  auto connection = dial(client, plain_to(server));
  const std::string text = pattern(32 << 20);
  std::size_t taken = 0;
  while (taken < text.size()) {  // until both kernels' buffers are full
    const auto step = connection->step(as_octets(std::string_view(text).substr(taken)), 200ms);
    ASSERT_TRUE(step.ok());
    if (step->sent == 0) break;
    taken += step->sent;
  }
  sent.set_value();
  answered.get_future().wait();
  connection.reset();
  gone.set_value();
  server.join();
  EXPECT_EQ(heard.size(), taken);
  EXPECT_TRUE(text.starts_with(heard));
}

TEST(Reset, What_the_peer_said_before_it_is_read_first) {
  Server server([](int fd) {
    (void)write_all(fd, "* BYE overloaded\r\n");
    (void)read_exactly(fd, 1);
    const linger abort{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  });
  Client client;
  auto connection = dial(client, plain_to(server));
  std::string received;
  ASSERT_TRUE(send_all(*connection, "x", received));
  server.join();
  std::string end;
  for (int i = 0; i < 100 && end.empty(); ++i) {
    const auto step = connection->step(as_octets("a1 NOOP\r\n"), 100ms);
    if (!step) {
      end = step.error().what;
    } else {
      received += as_text(step->received);
    }
  }
  EXPECT_EQ(received, "* BYE overloaded\r\n");
  EXPECT_NE(end.find("127.0.0.1:"), std::string::npos) << end;
  EXPECT_NE(end.find("cut the connection"), std::string::npos) << end;
}

TEST(Wait, Lasts_as_long_as_asked_when_nothing_comes) {
  std::promise<void> done;
  Server server([&](int) { done.get_future().wait(); });
  Client client;
  auto connection = dial(client, plain_to(server));
  const auto start = std::chrono::steady_clock::now();
  const auto step = connection->step({}, 300ms);
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(step.ok());
  EXPECT_TRUE(step->received.empty() && !step->closed && step->sent == 0);
  EXPECT_GE(took, 299ms);
  EXPECT_LT(took, 2s);
  done.set_value();
}

TEST(Wait, A_cancel_wakes_within_200_ms_and_none_is_longer_afterwards) {
  std::promise<void> done;
  Server server([&](int) { done.get_future().wait(); });
  Client client;
  auto connection = dial(client, plain_to(server));
  std::chrono::steady_clock::time_point asked;
  std::thread stopper([&] {
    std::this_thread::sleep_for(100ms);
    asked = std::chrono::steady_clock::now();
    client.cancel.request();
  });
  const auto first = connection->step({}, 20s);
  const auto woke = std::chrono::steady_clock::now();
  stopper.join();
  EXPECT_TRUE(first.ok());
  EXPECT_LT(woke - asked, 1s);  // 200 ms, on a machine that has nothing else to do
  const auto second = connection->step({}, 20s);
  EXPECT_TRUE(second.ok()) << "a farewell can still be said";
  EXPECT_LT(std::chrono::steady_clock::now() - woke, 2s);
  done.set_value();
}

TEST(StartTls, Goes_on_encrypted_after_plain_talk) {
  Server server([](int fd) {
    (void)write_all(fd, "* OK\r\n");
    EXPECT_EQ(read_exactly(fd, 13), "a1 STARTTLS\r\n");
    (void)write_all(fd, "a1 OK\r\n");
    TlsPeer peer({own()}, fd);
    EXPECT_EQ(peer.read(), "a2 LOGIN\r\n");
    (void)peer.write("a2 OK\r\n");
    peer.farewell();
  });
  Client client;
  auto connection = dial(client, plain_to(server));
  std::string received;
  receive(*connection, 6, received);
  ASSERT_TRUE(send_all(*connection, "a1 STARTTLS\r\n", received));
  receive(*connection, 13, received);
  const auto secured = connection->start_tls(pinned(), 10s);
  ASSERT_TRUE(secured.ok()) << secured.error().what;
  EXPECT_NE(connection->tls(), "");
  ASSERT_TRUE(send_all(*connection, "a2 LOGIN\r\n", received));
  EXPECT_EQ(read_to_end(*connection, received), "");
  EXPECT_EQ(received, "* OK\r\na1 OK\r\na2 OK\r\n");
}

TEST(StartTls, Late_wrong_name_is_refused) {
  const Identity root = make_identity(ca_wish("Test root"));
  Wish other;
  other.names = "DNS:other.test";
  const Identity wrong = make_identity(other, &root);
  const std::string file = pem_file("starttls-root", {root});
  for (const auto timeout : {1000ms, 10000ms}) {
    std::string heard;
    Server server([&](int fd) {
      std::this_thread::sleep_for(1500ms);
      TlsPeer peer({wrong}, fd);
      heard = peer.read();
    });
    Client client;
    auto connection = dial(client, plain_to(server));
    const auto secured = connection->start_tls({"mail.test", file, "", ""}, timeout);
    ASSERT_FALSE(secured.ok());
    EXPECT_EQ(secured.error().kind, timeout == 1000ms ? ErrorKind::unreachable : ErrorKind::security);
    EXPECT_FALSE(connection->step(as_octets("secret"), 100ms).ok()) << "the connection is dead";
    connection.reset();
    server.join();
    EXPECT_EQ(heard, "");
  }
}

// Threat 3: what a man in the middle puts behind the OK arrives as the first octets of the handshake.
TEST(StartTls, Plain_octets_where_tls_must_begin_are_refused) {
  for (const char* injected : {"* CAPABILITY IMAP4rev1\r\n", "a", "a2 OK\r\n", "\x17\x03\x03\x01\x00"}) {
    Server server([&](int fd) {
      (void)write_all(fd, injected);
      (void)read_some(fd);
      (void)read_some(fd);
    });
    Client client;
    auto connection = dial(client, plain_to(server));
    const auto secured = connection->start_tls(pinned(), 10s);
    ASSERT_FALSE(secured.ok()) << injected;
    EXPECT_EQ(secured.error().kind, ErrorKind::security) << injected;
    EXPECT_EQ(secured.error().scope, Scope::run);
  }
}
