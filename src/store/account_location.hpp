// What all locations of accounts on servers have in common: `SCHEME://user@host:port/…?query`.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/result.hpp"
#include "store/location.hpp"

namespace mailhaul::store {

/// A value of the query, "" when it is not there.
[[nodiscard]] std::string query_of(const Location& location, const std::string& name);
/// Error: usage for an option that does not exist, or that would not be looked at. `?tls=off` is for the scheme without
/// TLS from the start, which `plain_scheme` names.
[[nodiscard]] Status check_account_query(const Location& location, std::string_view plain_scheme);
/// The account, however it is reached: host, port where it is not a usual one, user, and whose mail it is.
[[nodiscard]] std::string account_identity(const Location& location, std::initializer_list<std::uint16_t> usual_ports);

}  // namespace mailhaul::store
