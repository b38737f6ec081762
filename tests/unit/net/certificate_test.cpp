// Threats 1 and 7: who is refused before a single octet of ours, and who is let in.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/net/server.hpp"

using namespace mailhaul;
using namespace mailhaul::net;
using namespace mailhaul::net::testing;

namespace {

const Identity& root() {
  static const Identity kRoot = make_identity(ca_wish("Test root"));
  return kRoot;
}
const Identity& intermediate() {
  static const Identity kIntermediate = make_identity(ca_wish("Test intermediate"), &root());
  return kIntermediate;
}
const std::string& root_file() {
  static const std::string kFile = pem_file("root", {root()});
  return kFile;
}

Wish named(std::string names) {
  Wish wish;
  wish.common_name = "somebody";
  wish.names = std::move(names);
  return wish;
}

/// A server that shows `tls` and writes down what it is told inside.
struct Listening {
  std::string heard;
  bool accepted = false;
  std::string server_name;
  Server server;

  explicit Listening(ServerTls tls, std::chrono::milliseconds delay = 0ms)
      : server([this, tls = std::move(tls), delay](int fd) {
          std::this_thread::sleep_for(delay);
          TlsPeer peer(tls, fd);
          accepted = peer.accepted();
          server_name = peer.server_name();
          heard = peer.read();
          (void)peer.write("OK\r\n");
          peer.farewell();
        }) {}
};

/// Dials and, if let in, says the password. The Error, or nullopt when the server heard it.
std::optional<Error> say_password(Listening& listening, const TlsOptions& options,
                                  std::chrono::milliseconds timeout = 10s) {
  Client client;
  Destination destination = tls_to(listening.server, options);
  destination.timeout = timeout;
  auto connection = client.dialer->dial(destination);
  if (!connection) {
    listening.server.join();
    return connection.error();
  }
  std::string answer;
  (void)send_all(**connection, "USER secret", answer);
  receive(**connection, 4, answer);
  EXPECT_EQ(answer, "OK\r\n");
  listening.server.join();
  EXPECT_EQ(listening.heard, "USER secret");
  return std::nullopt;
}

TlsOptions asking_for(std::string host) { return TlsOptions{std::move(host), root_file(), "", ""}; }

struct Refused {
  const char* name;
  std::string host;
  ServerTls tls;
  std::string what;
  std::string hint;
};

std::vector<Refused> refused() {
  const auto leaf = [](const Wish& wish) { return ServerTls{make_identity(wish, &root())}; };
  Wish expired;
  expired.from_days = -30;
  expired.to_days = -2;
  Wish future;
  future.from_days = 2;
  Wish for_clients;
  for_clients.extended_key_usage = "clientAuth";
  Wish nul = named("");
  nul.raw_name = std::string("mail.test\0.evil.test", 20);
  Wish nul_common_name = named("");
  nul_common_name.common_name = std::string("mail.test\0.evil.test", 20);
  Wish common_name_only;
  common_name_only.names = "DNS:other.test";
  Wish no_names;
  no_names.names = "";
  const Identity stranger = make_identity(ca_wish("Strange root"));
  const Identity leaf_as_ca = make_identity(named("DNS:evil.test"), &root());
  Wish no_ca = ca_wish("No CA");
  no_ca.basic_constraints = "critical,CA:FALSE";
  const Identity without_ca = make_identity(no_ca, &root());
  Wish no_signing = ca_wish("No certSign");
  no_signing.key_usage = "critical,digitalSignature";
  const Identity without_signing = make_identity(no_signing, &root());
  Wish old_ca = ca_wish("Old CA");
  old_ca.from_days = -30;
  old_ca.to_days = -2;
  const Identity expired_ca = make_identity(old_ca, &root());

  return {
      {"wrong name", "mail.test", leaf(named("DNS:other.test,DNS:third.test")),
       "not for mail.test but for other.test, third.test", "connect to the name"},
      {"expired", "mail.test", leaf(expired), "expired on", "is this machine's clock right?"},
      {"not yet valid", "mail.test", leaf(future), "valid only from", "is this machine's clock right?"},
      {"self-signed", "mail.test", {make_identity(Wish{})}, "self-signed", "?fingerprint="},
      {"unknown CA",
       "mail.test",
       {make_identity(Wish{}, &stranger)},
       "not trusted here (Strange root)",
       "pin it: ?fingerprint="},
      {"unknown CA that is sent along",
       "mail.test",
       {make_identity(Wish{}, &stranger), {stranger}},
       "not trusted here",
       "is the CA file the right one?"},
      {"missing intermediate",
       "mail.test",
       {make_identity(Wish{}, &intermediate())},
       "does not send the certificates in between",
       "?fingerprint="},
      {"IP literal that is not in it", "127.0.0.1", leaf(named("DNS:mail.test,IP:127.0.0.2")),
       "not for 127.0.0.1 but for mail.test, 127.0.0.2", ""},
      {"IP literal as a DNS name", "127.0.0.1", leaf(named("DNS:127.0.0.1")), "not for 127.0.0.1", ""},
      {"wildcard two levels deep", "a.b.mail.test", leaf(named("DNS:*.mail.test")), "not for a.b.mail.test", ""},
      {"wildcard for its own domain", "mail.test", leaf(named("DNS:*.mail.test")), "not for mail.test", ""},
      {"wildcard over a top level", "mail.test", leaf(named("DNS:*.test")), "not for mail.test", ""},
      {"wildcard in the middle", "a.mail.test", leaf(named("DNS:a.*.test")), "not for a.mail.test", ""},
      {"wildcard inside a label", "imap.mail.test", leaf(named("DNS:im*.mail.test")), "not for imap.mail.test", ""},
      {"wildcard alone", "mail.test", leaf(named("DNS:*")), "not for mail.test", ""},
      {"common name beside other names", "mail.test", leaf(common_name_only), "not for mail.test but for other.test",
       ""},
      {"common name without other names", "mail.test", leaf(no_names), "common name mail.test, which no longer counts",
       ""},
      {"NUL in a name", "mail.test", leaf(nul), "not for mail.test but for mail.test\\x00.evil.test", ""},
      {"NUL in the common name", "mail.test", leaf(nul_common_name), "not for mail.test", ""},
      {"leaf used as a CA",
       "mail.test",
       {make_identity(Wish{}, &leaf_as_ca), {leaf_as_ca}},
       "may not vouch",
       "do not log in"},
      {"CA without CA:TRUE",
       "mail.test",
       {make_identity(Wish{}, &without_ca), {without_ca}},
       "may not vouch",
       "do not log in"},
      {"CA without keyCertSign", "mail.test", {make_identity(Wish{}, &without_signing), {without_signing}}, "", ""},
      {"CA that expired",
       "mail.test",
       {make_identity(Wish{}, &expired_ca), {expired_ca}},
       "a CA certificate above its own expired on",
       "clock"},
      {"for clients only", "mail.test", leaf(for_clients), "not meant for servers", ""},
  };
}

}  // namespace

TEST(Certificate, Wrong_ones_are_refused_before_anything_is_said) {
  for (const auto& row : refused()) {
    Listening listening(row.tls);
    const auto error = say_password(listening, asking_for(row.host));
    ASSERT_TRUE(error) << row.name;
    EXPECT_EQ(error->kind, ErrorKind::security) << row.name << ": " << error->what;
    EXPECT_EQ(error->scope, Scope::run) << row.name;
    EXPECT_EQ(error->retry, Retry::never) << row.name;
    EXPECT_NE(error->what.find("127.0.0.1:" + std::to_string(listening.server.port()) + ": "), std::string::npos)
        << row.name << ": " << error->what;
    EXPECT_NE(error->what.find(row.what), std::string::npos) << row.name << ": " << error->what;
    EXPECT_NE(error->hint.find(row.hint), std::string::npos) << row.name << ": " << error->hint;
    EXPECT_FALSE(error->hint.empty()) << row.name;
    EXPECT_EQ(listening.heard, "") << row.name;
  }
}

TEST(Certificate, Right_ones_are_let_in) {
  struct Row {
    const char* name;
    std::string host;
    ServerTls tls;
    std::string server_name;
  };
  const auto leaf = [](const char* names) { return ServerTls{make_identity(named(names), &root())}; };
  const std::vector<Row> rows{
      {"name", "mail.test", leaf("DNS:other.test,DNS:mail.test"), "mail.test"},
      {"name in capitals", "MAIL.Test", leaf("DNS:mail.test"), "MAIL.Test"},
      {"name with its final dot", "mail.test.", leaf("DNS:mail.test"), "mail.test"},
      {"wildcard", "imap.mail.test", leaf("DNS:*.mail.test"), "imap.mail.test"},
      {"IPv4 address", "127.0.0.1", leaf("IP:127.0.0.1"), ""},
      {"IPv6 address", "[::1]", leaf("IP:::1"), ""},
      {"name in another script",
       "b\xC3\xBC"
       "cher.test",
       leaf("DNS:xn--bcher-kva.test"), "xn--bcher-kva.test"},
      {"over an intermediate", "mail.test", {make_identity(Wish{}, &intermediate()), {intermediate()}}, "mail.test"},
      {"TLS 1.2", "mail.test", {make_identity(Wish{}, &root()), {}, TLS1_2_VERSION}, "mail.test"},
      {"TLS 1.3", "mail.test", {make_identity(Wish{}, &root()), {}, TLS1_3_VERSION}, "mail.test"}};
  for (const auto& row : rows) {
    Listening listening(row.tls);
    const auto error = say_password(listening, asking_for(row.host));
    EXPECT_FALSE(error) << row.name << ": " << error->what;
    EXPECT_EQ(listening.server_name, row.server_name) << row.name << " (SNI)";
  }
}

TEST(Certificate, An_intermediate_alone_may_be_the_trusted_one) {
  Listening listening({make_identity(Wish{}, &intermediate())});
  EXPECT_FALSE(say_password(listening, {"mail.test", pem_file("intermediate", {intermediate()}), "", ""}));
}

TEST(Certificate, A_self_signed_one_may_be_the_trusted_one) {
  const Identity own = make_identity(Wish{});
  const std::string file = pem_file("own", {own});
  Listening right({own});
  EXPECT_FALSE(say_password(right, {"mail.test", file, "", ""}));
  Listening wrong({own});
  EXPECT_TRUE(say_password(wrong, {"other.test", file, "", ""}));
}

TEST(Certificate, The_system_s_cas_do_not_know_ours) {
  Listening listening({make_identity(Wish{}, &root())});
  const auto error = say_password(listening, {"mail.test", "", "", ""});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::security);
  EXPECT_NE(error->hint.find("--source-ca FILE"), std::string::npos) << error->hint;
  EXPECT_EQ(listening.heard, "");
}

TEST(Fingerprint, A_pinned_certificate_is_let_in_whatever_else_it_is) {
  Wish odd = named("DNS:other.test");
  odd.from_days = -30;
  odd.to_days = -2;
  odd.extended_key_usage = "clientAuth";
  const Identity self_signed = make_identity(odd);
  const Identity from_stranger = make_identity(odd, &intermediate());
  for (const auto& identity : {self_signed, from_stranger}) {
    std::string colons;
    const std::string plain = fingerprint(identity);
    for (std::size_t i = 0; i < plain.size(); i += 2) colons += (i ? ":" : "") + plain.substr(i, 2);
    for (const auto& pin : {plain, colons}) {
      Listening listening({identity});
      const auto error = say_password(listening, {"mail.test", "", pin, ""});
      EXPECT_FALSE(error) << error->what;
    }
  }
}

TEST(Fingerprint, Any_other_certificate_is_refused_even_a_right_one) {
  std::string pin = fingerprint(make_identity(Wish{}));
  const Identity right = make_identity(Wish{}, &root());
  std::string near = fingerprint(right);
  near.back() = near.back() == '0' ? '1' : '0';
  for (const auto& one : {pin, near, fingerprint(root())}) {
    Listening listening({right, {root()}});
    const auto error = say_password(listening, {"mail.test", root_file(), one, ""});
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, ErrorKind::security);
    EXPECT_EQ(error->scope, Scope::run);
    EXPECT_NE(error->hint.find("?fingerprint=" + fingerprint(right)), std::string::npos) << error->hint;
    EXPECT_EQ(listening.heard, "");
  }
}

TEST(Fingerprint, What_is_none_is_a_mistake_of_usage) {
  for (const char* pin : {"abc", "zz", ":", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00"}) {
    Client client;
    Server server([](int fd) { (void)read_some(fd); });
    const auto connection = client.dialer->dial(tls_to(server, {"mail.test", "", pin, ""}));
    ASSERT_FALSE(connection.ok());
    EXPECT_EQ(connection.error().kind, ErrorKind::usage) << pin;
  }
}

TEST(CaFile, One_that_cannot_be_read_is_a_mistake_of_usage) {
  for (const auto& file : {std::string("/nonexistent/ca.pem"), pem_file("empty", {})}) {
    Client client;
    Server server([](int fd) { (void)read_some(fd); });
    const auto connection = client.dialer->dial(tls_to(server, {"mail.test", file, "", ""}));
    ASSERT_FALSE(connection.ok());
    EXPECT_EQ(connection.error().kind, ErrorKind::usage) << connection.error().what;
    EXPECT_NE(connection.error().what.find(file), std::string::npos);
  }
}

TEST(Host, What_cannot_be_a_name_is_refused) {
  // ".test" would match every name below it: OpenSSL's X509_check_host(3).
  for (const auto& host : {std::string(), std::string("."), std::string(".test"), std::string("mail.test\0.evil", 15),
                           std::string("mail test"), std::string("a..b"), std::string(300, 'a')}) {
    Client client;
    Server server([](int fd) { (void)read_some(fd); });
    const auto connection = client.dialer->dial(tls_to(server, {host, root_file(), "", ""}));
    ASSERT_FALSE(connection.ok()) << host;
    EXPECT_EQ(connection.error().kind, ErrorKind::usage) << host;
  }
}

// The handshake is late, not the connection: Poco's own TLS sockets take "no answer yet" for "no certificate, fine".
TEST(Late, Late_wrong_name_is_refused) {
  const Identity wrong = make_identity(named("DNS:other.test"), &root());
  Listening beyond({wrong}, 1500ms);
  const auto timeout = say_password(beyond, asking_for("mail.test"), 1s);
  ASSERT_TRUE(timeout);
  EXPECT_EQ(timeout->kind, ErrorKind::unreachable);
  EXPECT_EQ(timeout->retry, Retry::later);
  EXPECT_NE(timeout->what.find("within 1 s"), std::string::npos) << timeout->what;
  EXPECT_EQ(beyond.heard, "");

  Listening within({wrong}, 1500ms);
  const auto refused_late = say_password(within, asking_for("mail.test"), 10s);
  ASSERT_TRUE(refused_late);
  EXPECT_EQ(refused_late->kind, ErrorKind::security) << refused_late->what;
  EXPECT_EQ(within.heard, "");
}

TEST(Late, Late_right_name_is_let_in) {
  Listening listening({make_identity(Wish{}, &root())}, 1500ms);
  EXPECT_FALSE(say_password(listening, asking_for("mail.test"), 10s));
}

TEST(Version, A_server_that_stops_at_tls_1_1_is_refused) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    Listening listening({make_identity(Wish{}, &root()), {}, version});
    const auto error = say_password(listening, asking_for("mail.test"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, ErrorKind::security) << error->what;
    EXPECT_NE(error->what.find("older than 1.2"), std::string::npos) << error->what;
    EXPECT_EQ(listening.heard, "");
  }
}

TEST(Alpn, The_asked_for_protocol_is_taken_and_another_refused) {
  const Identity identity = make_identity(Wish{}, &root());
  TlsOptions options = asking_for("mail.test");
  options.alpn = "imap";
  for (const char* chosen : {"", "imap"}) {
    Listening listening({identity, {}, 0, chosen});
    EXPECT_FALSE(say_password(listening, options)) << chosen;
  }
  Listening other({identity, {}, 0, "http/1.1"});
  const auto error = say_password(other, options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::security) << error->what;
  EXPECT_EQ(other.heard, "");
}
