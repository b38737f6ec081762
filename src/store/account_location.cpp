#include "store/account_location.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace mailhaul::store {

std::string query_of(const Location& location, const std::string& name) {
  const auto found = location.query.find(name);
  return found == location.query.end() ? std::string() : found->second;
}

Status check_account_query(const Location& location, std::string_view plain_scheme) {
  // A pin that would not be looked at must not be taken for one that holds.
  const bool no_tls = location.query.count("tunnel") != 0 || location.query.count("tls") != 0;
  if (location.query.count("fingerprint") != 0 && no_tls)
    return make_error(ErrorKind::usage, Scope::run, "location: ?fingerprint= is of no use without TLS",
                      "take away ?fingerprint=, or ?tunnel= and ?tls=off");
  for (const auto& [name, value] : location.query) {
    if (name == "auth" || name == "authuser" || name == "fingerprint" || name == "tunnel") {
      if (!value.empty()) continue;
      return make_error(ErrorKind::usage, Scope::run, "location: '?" + name + "=' needs a value");
    }
    if (name == "tls" && value == "off" && location.scheme == plain_scheme) continue;
    return make_error(ErrorKind::usage, Scope::run,
                      "location: unknown option '?" + visible(name, 40) + (value.empty() ? "" : "=" + visible(value, 40)) + "'",
                      "known are ?auth=, ?authuser=, ?fingerprint=, ?tunnel=, and for " + std::string(plain_scheme) +
                          ":// ?tls=off");
  }
  return {};
}

std::string account_identity(const Location& location, std::initializer_list<std::uint16_t> usual_ports) {
  const auto part = [](const std::string& text) {
    std::string safe;
    for (const char c : text) safe += c == '/' ? std::string("%2F") : c == '%' ? std::string("%25") : std::string(1, c);
    return safe;
  };
  const std::string tunnel = query_of(location, "tunnel");
  std::string text = "tunnel " + part(tunnel);
  if (tunnel.empty()) {
    text = to_lower_ascii(location.host);
    const bool usual =
        !location.port || std::find(usual_ports.begin(), usual_ports.end(), *location.port) != usual_ports.end();
    if (!usual) text += ":" + std::to_string(*location.port);
  }
  text += " " + part(location.user);
  const std::string authuser = query_of(location, "authuser");
  if (!authuser.empty()) text += " as " + part(authuser);
  return text;
}

}  // namespace mailhaul::store
