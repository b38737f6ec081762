// What a server says when it refuses a token: the JSON of RFC 7628 section 3.2.2, which XOAUTH2 servers send too. Read
// for a person to see; nothing in it is ever acted on (threat 48).
#pragma once

#include <string>
#include <string_view>

namespace mailhaul::sasl {

/// "401, schemes bearer, scope https://mail.google.com/", made visible; the report itself where it is not such JSON.
[[nodiscard]] std::string describe_oauth_failure(std::string_view report);

}  // namespace mailhaul::sasl
