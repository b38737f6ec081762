#include "unit/net/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace mailhaul::net::testing {

namespace {

constexpr auto kPatience = 20s;

/// OpenSSL writes without MSG_NOSIGNAL. Only the server's threads are shielded: the client must not need it.
void block_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int choose_alpn(SSL*, const unsigned char** chosen, unsigned char* length, const unsigned char*, unsigned, void* name) {
  const auto* text = static_cast<const std::string*>(name);
  *chosen = reinterpret_cast<const unsigned char*>(text->data());
  *length = static_cast<unsigned char>(text->size());
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Server::Server(Handler handler, int connections) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listener_, 16), 0);
  socklen_t length = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this, connections] { accept_all(connections); });
}

void Server::accept_all(int connections) {
  block_sigpipe();
  while (connections > 0 && !stop_) {
    pollfd entry{listener_, POLLIN, 0};
    if (::poll(&entry, 1, 20) <= 0) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const timeval limit{std::chrono::seconds(kPatience).count(), 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    handlers_.emplace_back([this, fd] {
      block_sigpipe();
      handler_(fd);
      ::close(fd);
    });
    --connections;
  }
}

void Server::join() {
  if (acceptor_.joinable()) acceptor_.join();
  for (auto& one : handlers_) {
    if (one.joinable()) one.join();
  }
}

Server::~Server() {
  stop_ = true;
  join();
  ::close(listener_);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string read_some(int fd) {
  std::array<char, 16384> room;
  const ssize_t got = ::recv(fd, room.data(), room.size(), 0);
  return got > 0 ? std::string(room.data(), static_cast<std::size_t>(got)) : std::string();
}

std::string read_exactly(int fd, std::size_t size) {
  std::string text(size, '\0');
  const ssize_t got = ::recv(fd, text.data(), size, MSG_WAITALL);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

TlsPeer::TlsPeer(const ServerTls& options, int fd)
    : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free), ssl_(nullptr, SSL_free) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, options.version);
  SSL_CTX_set_max_proto_version(context, options.version);
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  EXPECT_EQ(SSL_CTX_use_certificate(context, options.identity.certificate.get()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context, options.identity.key.get()), 1);
  for (const auto& one : options.chain) SSL_CTX_add1_chain_cert(context, one.certificate.get());
  if (!options.alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, const_cast<std::string*>(&options.alpn));
  }
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd);
  accepted_ = SSL_accept(ssl_.get()) == 1;
}

std::string TlsPeer::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name ? name : "";
}

std::string TlsPeer::read() {
  if (!accepted_) return {};
  std::array<char, 16384> room;
  const int got = SSL_read(ssl_.get(), room.data(), static_cast<int>(room.size()));
  return got > 0 ? std::string(room.data(), static_cast<std::size_t>(got)) : std::string();
}

bool TlsPeer::write(std::string_view text) {
  return accepted_ && SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0;
}

void TlsPeer::farewell() { SSL_shutdown(ssl_.get()); }

Destination plain_to(const Server& server) {
  Destination destination;
  destination.host = "127.0.0.1";
  destination.port = server.port();
  destination.timeout = 10s;
  return destination;
}

Destination tls_to(const Server& server, TlsOptions options) {
  Destination destination = plain_to(server);
  destination.tls = std::move(options);
  return destination;
}

Destination tunnel_to(std::string command) {
  Destination destination;
  destination.tunnel = std::move(command);
  return destination;
}

bool send_all(Connection& connection, std::string_view text, std::string& received) {
  while (!text.empty()) {
    const auto step = connection.step(as_octets(text), 10s);
    if (!step) return false;
    text.remove_prefix(step->sent);
    received += as_text(step->received);
    if (step->closed) return text.empty();
  }
  return true;
}

void receive(Connection& connection, std::size_t size, std::string& received) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (received.size() < size && std::chrono::steady_clock::now() < deadline) {
    const auto step = connection.step({}, 1s);
    if (!step || step->closed) return;
    received += as_text(step->received);
  }
}

std::string read_to_end(Connection& connection, std::string& received) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto step = connection.step({}, 1s);
    if (!step) return step.error().what;
    received += as_text(step->received);
    if (step->closed) return "";
  }
  return "(no end within 20 s)";
}

}  // namespace mailhaul::net::testing
