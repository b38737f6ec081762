// Login mechanisms as pure challenge and response (RFC 4422); octets here are decoded, Base64 is the protocol's matter.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace mailhaul::sasl {

/// Who logs in, and as whom.
struct Credentials {
  std::string user;     ///< authentication identity
  std::string authzid;  ///< `?authuser=`: the identity to act as; "" = the user's own
  Secret secret;        ///< password, or token for XOAUTH2
};

/// One exchange. Used once, by one thread.
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  ///< "PLAIN"
  /// The response that needs no challenge (SASL-IR); nullopt where the server must speak first.
  [[nodiscard]] virtual std::optional<Secret> initial() = 0;
  /// The answer to a challenge. XOAUTH2 answers a failure report (JSON) with "" and keeps it for failure().
  /// Error: security, scope session: the server asks for what this mechanism never gives.
  [[nodiscard]] virtual Result<Secret> respond(std::string_view challenge) = 0;
  /// What the server said of a failure inside the exchange (OAuth's JSON "status"), for a person; "" = nothing.
  [[nodiscard]] virtual std::string failure() const { return {}; }
};

/// PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), XOAUTH2 (Google's and Microsoft's). `name` in any case.
/// Error: unsupported, scope run, with what there is as hint; usage for a NUL in user, authzid or password.
[[nodiscard]] Result<std::unique_ptr<Mechanism>> make_mechanism(std::string_view name, Credentials credentials);
/// Upper-case names that make_mechanism knows, the best first. XOAUTH2 is only used when pinned by `?auth=xoauth2`:
/// nothing else tells a token from a password.
[[nodiscard]] const std::vector<std::string>& known_mechanisms();
/// The best of `offered` (upper or lower case) for a password; `pinned` (`?auth=`) wins and need not be offered.
/// nullopt: none fits. LOGIN cannot carry an authzid and is left out where there is one.
[[nodiscard]] std::optional<std::string> choose_mechanism(const std::vector<std::string>& offered,
                                                          std::string_view pinned, bool has_authzid);

}  // namespace mailhaul::sasl
