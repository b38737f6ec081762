#include "net/host_name.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/DNS.h>
#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/strings.hpp"

namespace mailhaul::net {

namespace {

constexpr std::size_t kLongestName = 253;  // RFC 1035 2.3.4: 255 octets on the wire

bool is_ip_literal(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

Error no_host(std::string_view host) {
  return make_error(ErrorKind::usage, Scope::run, "\"" + visible(host, 80) + "\" is not the name of a host",
                    "write a name such as imap.example.org, or an address such as 192.0.2.1 or [2001:db8::1]");
}

}  // namespace

Result<HostName> parse_host(std::string_view host) {
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '/'; };
  if (host.empty() || std::any_of(host.begin(), host.end(), is_odd)) return no_host(host);
  std::string text(host);
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  const std::string without_zone = text.substr(0, text.find('%'));
  if (is_ip_literal(without_zone)) return HostName{without_zone, text, true};
  if (text.size() > 1 && text.back() == '.') text.pop_back();
  try {
    if (Poco::Net::DNS::isIDN(text)) text = Poco::Net::DNS::encodeIDN(text);
  } catch (const Poco::Exception&) {
    return no_host(host);
  }
  if (text.front() == '.' || text.size() > kLongestName || text.find("..") != std::string::npos) return no_host(host);
  return HostName{text, text, false};
}

}  // namespace mailhaul::net
