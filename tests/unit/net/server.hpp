// Servers on 127.0.0.1 that live as long as a test, and the client that the tests share.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/cancel.hpp"
#include "base/clock.hpp"
#include "net/connection.hpp"
#include "unit/net/pki.hpp"

namespace mailhaul::net::testing {

using namespace std::chrono_literals;

/// Listens on a port that the system chose and gives each of `connections` to `handler` in a thread of its own; the
/// descriptor is closed after it. A handler that waits longer than 20 s for its peer gets an error.
class Server {
 public:
  using Handler = std::function<void(int fd)>;
  explicit Server(Handler handler, int connections = 1);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void join();  ///< until every handler has returned

 private:
  void accept_all(int connections);
  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> handlers_;
  std::thread acceptor_;
};

bool write_all(int fd, std::string_view text);
std::string read_some(int fd);  ///< "" = end or error
std::string read_exactly(int fd, std::size_t size);

struct ServerTls {
  Identity identity;
  std::vector<Identity> chain = {};  ///< sent after the identity
  int version = 0;                   ///< the only one spoken, e.g. TLS1_1_VERSION; 0 = any
  std::string alpn = {};             ///< chosen whatever the client offers
};

/// The server's side of TLS on a descriptor.
class TlsPeer {
 public:
  TlsPeer(const ServerTls& options, int fd);  ///< shakes hands
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;
  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] std::string server_name() const;  ///< SNI; "" = none
  std::string read();                             ///< "" = end or error
  bool write(std::string_view text);
  void farewell();  ///< close_notify

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  bool accepted_ = false;
};

struct Client {
  SystemClock clock;
  CancelToken cancel;
  std::unique_ptr<Dialer> dialer = make_dialer(clock, cancel);
};

[[nodiscard]] Destination plain_to(const Server& server);
[[nodiscard]] Destination tls_to(const Server& server, TlsOptions options);
[[nodiscard]] Destination tunnel_to(std::string command);

/// Sends all of `text`; what came meanwhile is put at the end of `received`. False on an Error or the end.
bool send_all(Connection& connection, std::string_view text, std::string& received);
/// Until `size` octets have come in all, the stream ends, or 20 s are over.
void receive(Connection& connection, std::size_t size, std::string& received);
/// Reads until the stream ends: "" when it ended in order, else the Error's text.
std::string read_to_end(Connection& connection, std::string& received);

}  // namespace mailhaul::net::testing
