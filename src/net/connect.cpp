#include "net/connect.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/StreamSocket.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

using Poco::Net::SocketAddress;
using Poco::Net::StreamSocket;

constexpr std::chrono::milliseconds kLongestTry = std::chrono::seconds(10);  // SYNs at 0, 1, 3 and 7 s (RFC 6298)
constexpr std::size_t kMostDrained = 4 << 20;  // what a socket's receive buffer may hold, roughly

/// Poco 1.11 throws for a full send buffer and answers -1 for an empty receive buffer.
bool is_not_now(int failure) { return failure == EAGAIN || failure == EWOULDBLOCK || failure == EINTR; }

class SocketWire final : public Wire {
 public:
  SocketWire(StreamSocket socket, const SocketAddress& peer) : socket_(std::move(socket)), peer_(peer) {}
  SocketWire(const SocketWire&) = delete;
  SocketWire& operator=(const SocketWire&) = delete;
  /// close(2) with unread octets sends RST, which makes servers drop what they have not yet stored (measured on
  /// Dovecot 2.3: 24 of 25 messages). So FIN goes first, and what is there is read.
  ~SocketWire() override {
    finish();
    try {
      std::array<std::byte, 65536> waste;
      for (std::size_t drained = 0; drained < kMostDrained;) {
        const int got = socket_.receiveBytes(waste.data(), static_cast<int>(waste.size()), MSG_DONTWAIT);
        if (got <= 0) break;
        drained += static_cast<std::size_t>(got);
      }
    } catch (const Poco::Exception&) {  // a dead connection has nothing left to be polite about
    }
    try {
      socket_.close();
    } catch (const Poco::Exception&) {  // the same
    }
  }

  Result<std::size_t> write(Octets out) override {
    try {
      const auto size = static_cast<int>(std::min<std::size_t>(out.size(), 1U << 30));
      const int sent = socket_.sendBytes(out.data(), size, MSG_NOSIGNAL);
      return sent > 0 ? static_cast<std::size_t>(sent) : std::size_t{0};  // -1: no room now
    } catch (const Poco::Exception& problem) {
      if (is_not_now(problem.code())) return std::size_t{0};
      return connection_lost(problem.code());
    }
  }

  Result<Arrived> read(std::span<std::byte> room) override {
    try {
      const auto size = static_cast<int>(std::min<std::size_t>(room.size(), 1U << 30));
      const int got = socket_.receiveBytes(room.data(), size);
      if (got > 0) return Arrived{static_cast<std::size_t>(got), false};
      return Arrived{0, got == 0};  // -1: nothing there now
    } catch (const Poco::Exception& problem) {
      if (is_not_now(problem.code())) return Arrived{};
      return connection_lost(problem.code());
    }
  }

  void finish() override {
    if (finished_) return;
    finished_ = true;
    try {
      socket_.shutdownSend();
    } catch (const Poco::Exception&) {  // already dead: the next read says so
    }
  }

  Interest descriptors() const override {
    const int fd = socket_.impl()->sockfd();
    return {fd, fd};
  }
  std::string peer() const override { return peer_.toString(); }
  bool is_tunnel() const override { return false; }
  bool is_loopback() const override { return peer_.host().isLoopback(); }

 private:
  StreamSocket socket_;
  SocketAddress peer_;
  bool finished_ = false;
};

/// errno of the failure, 0 when connected; ECANCELED when the token was set.
int connect_one(StreamSocket& socket, const SocketAddress& address, const Clock& clock, const CancelToken& cancel,
                Deadline deadline) {
  try {
    socket.connectNB(address);
    const int fd = socket.impl()->sockfd();
    // Poco 1.11 opens sockets without SOCK_CLOEXEC.
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);  // a child that inherits it is a leak, not a failure of this connection
    switch (wait_until(clock, &cancel, deadline, {-1, fd})) {
      case Wake::ready:
        break;
      case Wake::time:
        return ETIMEDOUT;
      case Wake::cancel:
        return ECANCELED;
    }
    if (const int failure = socket.impl()->socketError(); failure != 0) return failure;
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    return 0;
  } catch (const Poco::Exception& problem) {
    return problem.code() != 0 ? problem.code() : EIO;
  }
}

/// Which failure says most about what is wrong: somebody who refuses is at least there.
int weight(int failure) {
  if (failure == ECONNREFUSED) return 3;
  if (failure == ETIMEDOUT) return 2;
  return failure == ENETUNREACH || failure == EHOSTUNREACH || failure == EADDRNOTAVAIL ? 0 : 1;
}

Error connect_error(int failure, const std::vector<SocketAddress>& addresses, std::chrono::milliseconds timeout) {
  std::string tried;
  for (const auto& address : addresses) tried += (tried.empty() ? "" : ", ") + address.host().toString();
  std::string what;
  std::string hint;
  if (failure == ECONNREFUSED) {
    what = "the connection was refused";
    hint = "is the port right, and is the server running?";
  } else if (failure == ETIMEDOUT) {
    what = "no answer within " + duration_text(timeout);
    hint = "is the host right, and does a firewall let this port through? --timeout gives it longer";
  } else {
    what = "no connection: " + std::generic_category().message(failure);
    hint = weight(failure) == 0 ? "is this machine online? -4 or -6 tries only one kind of address"
                                : "check this machine's network";
  }
  Error error = unreachable(what + " (" + tried + ")", std::move(hint));
  error.system = failure;
  return error;
}

}  // namespace

Result<std::unique_ptr<Wire>> connect_first(const std::vector<SocketAddress>& addresses, const Clock& clock,
                                            const CancelToken& cancel, std::chrono::milliseconds timeout) {
  const Deadline deadline = clock.steady() + timeout;
  int told = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - clock.steady());
    const auto others = static_cast<std::chrono::milliseconds::rep>(addresses.size() - i);
    const auto share = others == 1 ? left : std::min(left / others, kLongestTry);
    StreamSocket socket;
    const int failure = connect_one(socket, addresses[i], clock, cancel, clock.steady() + share);
    if (failure == 0) return std::unique_ptr<Wire>(std::make_unique<SocketWire>(socket, addresses[i]));
    if (failure == ECANCELED) return interrupted();
    if (told == 0 || weight(failure) > weight(told)) told = failure;
  }
  return connect_error(told, addresses, timeout);
}

}  // namespace mailhaul::net
