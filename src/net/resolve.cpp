#include "net/resolve.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

using Poco::Net::SocketAddress;

/// One question and its answer. Shared with the thread that asks, which may outlive the one that waits.
struct Lookup {
  std::string host;
  addrinfo hints{};
  std::uint16_t port = 0;

  std::mutex mutex;
  std::condition_variable answered;
  bool done = false;
  int failure = 0;
  int system = 0;
  std::vector<SocketAddress> addresses;
};

addrinfo hints_for(const HostName& host, AddressFamily family) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  switch (family) {
    case AddressFamily::any:
      hints.ai_family = AF_UNSPEC;
      break;
    case AddressFamily::ipv4:
      hints.ai_family = AF_INET;
      break;
    case AddressFamily::ipv6:
      hints.ai_family = AF_INET6;
      break;
  }
  if (host.is_address) {
    hints.ai_flags = AI_NUMERICHOST;
  } else if (family == AddressFamily::any) {
    hints.ai_flags = AI_ADDRCONFIG;  // no addresses of a family that this machine does not have
  }
  return hints;
}

/// getaddrinfo and not Poco::Net::DNS: HostEntry sorts the addresses by number (Poco 1.11 HostEntry.h), and so loses
/// the order that RFC 6724 gives them.
void ask(Lookup& lookup) {
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(lookup.host.c_str(), nullptr, &lookup.hints, &found);
  const int system = failure == EAI_SYSTEM ? errno : 0;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, [](addrinfo* list) {
    if (list) ::freeaddrinfo(list);
  });
  std::vector<SocketAddress> addresses;
  for (const addrinfo* one = found; one; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    const SocketAddress without_port(one->ai_addr, one->ai_addrlen);
    addresses.emplace_back(without_port.host(), lookup.port);
  }
  const std::lock_guard lock(lookup.mutex);
  lookup.failure = failure;
  lookup.system = system;
  lookup.addresses = std::move(addresses);
  lookup.done = true;
  lookup.answered.notify_all();
}

Error lookup_error(const Lookup& lookup, AddressFamily family) {
  const std::string only = family == AddressFamily::any    ? ""
                           : family == AddressFamily::ipv4 ? " (only IPv4 was asked for)"
                                                           : " (only IPv6 was asked for)";
  switch (lookup.failure) {
    case 0:
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      return unreachable("there is no host of this name" + only, "check how the name is spelt", Retry::never);
    case EAI_AGAIN:
      return unreachable("the name server gives no answer", "is this machine online? try again later", Retry::later);
    default:
      break;
  }
  Error error =
      unreachable("the name cannot be looked up: " + std::string(lookup.failure == EAI_SYSTEM
                                                                     ? std::generic_category().message(lookup.system)
                                                                     : ::gai_strerror(lookup.failure)),
                  "check how the name is spelt, and this machine's name server", Retry::later);
  error.system = lookup.system;
  return error;
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(const HostName& host, std::uint16_t port, AddressFamily family,
                                           const Clock& clock, const CancelToken& cancel, Deadline deadline) {
  const auto lookup = std::make_shared<Lookup>();
  lookup->host = host.to_resolve;
  lookup->hints = hints_for(host, family);
  lookup->port = port;
  if (host.is_address) {
    ask(*lookup);
  } else {
    // getaddrinfo can neither be given a deadline nor be stopped, so it is left alone with its question.
    std::thread([lookup] {
      try {
        ask(*lookup);
      } catch (...) {
        const std::lock_guard lock(lookup->mutex);
        lookup->failure = EAI_MEMORY;
        lookup->done = true;
      }
    }).detach();
  }
  std::unique_lock lock(lookup->mutex);
  while (!lookup->done) {
    if (cancel.requested()) return interrupted();
    if (clock.steady() >= deadline) {
      return unreachable("the name server gives no answer", "is this machine online? try again later", Retry::later);
    }
    lookup->answered.wait_for(lock, kSlice);
  }
  if (lookup->failure != 0 || lookup->addresses.empty()) return lookup_error(*lookup, family);
  return std::move(lookup->addresses);
}

}  // namespace mailhaul::net
