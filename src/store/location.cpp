#include "store/location.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::store {

namespace {

/// Nothing behind the scheme is ever quoted in an error: with a misplaced '/' or ':' it may be part of a password.
Error bad(std::string what, std::string hint = {}) {
  return make_error(ErrorKind::usage, Scope::run, "location " + std::move(what), std::move(hint));
}

constexpr bool is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// RFC 3986 3.1.
bool is_scheme(std::string_view text) {
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

/// Schemes whose path is never read as a URL, even if it begins with "//".
bool is_always_local(std::string_view scheme) {
  static constexpr std::array<std::string_view, 3> kLocal{"mbox", "maildir", "archive"};
  return std::find(kLocal.begin(), kLocal.end(), scheme) != kLocal.end();
}

/// nullopt for a '%' without two hexadecimal digits, and for %00: no user, folder or path holds a NUL.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto octet = i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (!octet || octet->front() == '\0') return std::nullopt;
    decoded += *octet;
    i += 2;
  }
  return decoded;
}

/// `also` are octets that need no encoding here besides RFC 3986's unreserved ones. UTF-8 stays as it is.
std::string percent_encode(std::string_view text, std::string_view also) {
  std::string encoded;
  for (const char c : text) {
    const bool is_unreserved =
        is_letter(c) || is_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos;
    const bool is_high = static_cast<unsigned char>(c) >= 0x80;
    if (is_unreserved || is_high || also.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      const std::array<std::byte, 1> octet{static_cast<std::byte>(c)};
      encoded += "%" + to_hex(Octets(octet));
    }
  }
  return encoded;
}

Status parse_user(std::string_view text, Location& location) {
  const std::size_t colon = text.find(':');
  const auto user = percent_decode(text.substr(0, colon));
  if (!user) return bad("has a bad percent-encoding in the user name");
  location.user = *user;
  if (colon == std::string_view::npos) return {};
  location.password = percent_decode(text.substr(colon + 1));
  if (!location.password) return bad("has a bad percent-encoding in the password");
  return {};
}

bool is_host_octet(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet > 0x20 && octet != 0x7F && std::string_view("/?#@[]:%\\\"<>").find(c) == std::string_view::npos;
}

Status parse_host(std::string_view text, Location& location) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return bad("has a '[' without ']'");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return bad("has text between ']' and the port");
    if (!rest.empty()) port = rest.substr(1);
    // RFC 6874: a zone name may follow '%'.
    if (!std::all_of(host.begin(), host.end(), [](char c) { return is_host_octet(c) || c == ':' || c == '%'; })) {
      return bad("has a character in the host that cannot be there");
    }
  } else {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (!std::all_of(host.begin(), host.end(), is_host_octet)) {
      return bad("has a character in the host that cannot be there");
    }
  }
  if (host.empty()) return bad("names no host", "write SCHEME://user@host/Folder");
  location.host = host;
  if (!port) return {};
  const auto number = parse_uint(*port, 10, 65535);
  if (!number || *number == 0) {
    return bad("has a port that is not a number from 1 to 65535", "an IPv6 address stands in brackets: [::1]");
  }
  location.port = static_cast<std::uint16_t>(*number);
  return {};
}

Status parse_query(std::string_view text, Location& location) {
  for (const std::string& part : split(text, '&')) {
    const std::size_t equals = part.find('=');
    const auto key = percent_decode(std::string_view(part).substr(0, equals));
    const auto value =
        percent_decode(equals == std::string::npos ? std::string_view() : std::string_view(part).substr(equals + 1));
    if (!key || !value) return bad("has a bad percent-encoding after '?'");
    if (key->empty()) return bad("has an empty option after '?'");
    if (!location.query.emplace(*key, *value).second) return bad("has the option \"" + visible(*key, 40) + "\" twice");
  }
  return {};
}

Result<Location> parse_url(std::string scheme, std::string_view rest) {
  Location location;
  location.scheme = std::move(scheme);
  location.is_url = true;
  const std::size_t question = rest.find('?');
  const std::string_view before_query = rest.substr(0, question);
  const std::size_t slash = before_query.find('/');
  const std::string_view authority = before_query.substr(0, slash);
  const std::size_t at = authority.rfind('@');  // a user name is often an address itself
  if (at != std::string_view::npos) MH_CHECK(parse_user(authority.substr(0, at), location));
  MH_CHECK(parse_host(at == std::string_view::npos ? authority : authority.substr(at + 1), location));
  if (slash != std::string_view::npos) {
    const auto path = percent_decode(before_query.substr(slash + 1));
    if (!path) return bad("has a bad percent-encoding in the folder");
    location.path = *path;
  }
  if (question != std::string_view::npos) MH_CHECK(parse_query(rest.substr(question + 1), location));
  return location;
}

}  // namespace

std::string Location::text() const {
  if (!is_url) return scheme + ":" + path;
  std::string text = scheme + "://";
  if (!user.empty()) text += percent_encode(user, "@+!$'()*,;=&") + "@";
  text += host.find(':') != std::string::npos || host.find('%') != std::string::npos ? "[" + host + "]" : host;
  if (port) text += ":" + std::to_string(*port);
  if (!path.empty()) text += "/" + percent_encode(path, "/@:+!$'()*,;=& [].#");
  char divider = '?';
  for (const auto& [key, value] : query) {
    text += divider + percent_encode(key, "/@:") + "=" + percent_encode(value, "/@: ");
    divider = '&';
  }
  return text;
}

Result<Location> parse_location(std::string_view text) {
  constexpr std::string_view kHint = "write maildir:PATH, mbox:PATH, or imaps://user@host/Folder";
  if (text.find('\0') != std::string_view::npos) return bad("holds a NUL");
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon))) {
    return bad("does not begin with a scheme", std::string(kHint));
  }
  std::string scheme = to_lower_ascii(text.substr(0, colon));
  const std::string_view rest = text.substr(colon + 1);
  if (!is_always_local(scheme) && rest.starts_with("//")) return parse_url(std::move(scheme), rest.substr(2));
  if (rest.empty()) return bad("\"" + visible(scheme, 40) + ":\" has an empty path", std::string(kHint));
  Location location;
  location.scheme = std::move(scheme);
  location.path = rest;
  return location;
}

}  // namespace mailhaul::store
