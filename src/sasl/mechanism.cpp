#include "sasl/mechanism.hpp"

#include <algorithm>
#include <utility>

#include "base/strings.hpp"
#include "sasl/oauth_failure.hpp"

namespace mailhaul::sasl {

namespace {

Error asks_too_much(std::string_view mechanism) {
  return make_error(ErrorKind::security, Scope::session,
                    "the server asks for more than " + std::string(mechanism) + " gives",
                    "pin another mechanism with ?auth=");
}

/// One octet string out of parts, grown once: no half of a password is left behind in memory that was given back.
Secret concatenate(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  std::string text;
  text.reserve(size);
  for (const auto part : parts) text += part;
  return Secret(std::move(text));
}

/// What PLAIN and XOAUTH2 share: the client speaks first. Without SASL-IR (RFC 4959) the server opens with an empty
/// challenge; some do so even after an initial response, and one repetition tells them nothing new.
class ClientFirst : public Mechanism {
 public:
  explicit ClientFirst(Credentials credentials) : credentials_(std::move(credentials)) {}
  std::optional<Secret> initial() override { return response(); }
  Result<Secret> respond(std::string_view challenge) override {
    if (!challenge.empty() || std::exchange(responded_, true)) return asks_too_much(name());
    return response();
  }

 protected:
  [[nodiscard]] virtual Secret response() const = 0;
  Credentials credentials_;

 private:
  bool responded_ = false;
};

class Plain final : public ClientFirst {
 public:
  using ClientFirst::ClientFirst;
  std::string_view name() const override { return "PLAIN"; }

 private:
  Secret response() const override {
    constexpr std::string_view kNul("\0", 1);
    return concatenate({credentials_.authzid, kNul, credentials_.user, kNul, credentials_.secret.reveal()});
  }
};

class Xoauth2 final : public ClientFirst {
 public:
  using ClientFirst::ClientFirst;
  std::string_view name() const override { return "XOAUTH2"; }
  Result<Secret> respond(std::string_view challenge) override {
    if (challenge.empty()) return ClientFirst::respond(challenge);
    if (!failure_.empty()) return asks_too_much(name());
    failure_ = describe_oauth_failure(challenge);
    return Secret();  // Google and Microsoft: an empty line ends the exchange, then comes the tagged NO
  }
  std::string failure() const override { return failure_; }

 private:
  Secret response() const override {
    return concatenate({"user=", credentials_.user, "\x01", "auth=Bearer ", credentials_.secret.reveal(), "\x01\x01"});
  }
  std::string failure_;
};

/// The server speaks first. Its prompts are not compared with anything: the draft tells clients to ignore their text,
/// and servers spell them as they like ("Username:", "User Name\0"). The order is fixed.
class Login final : public Mechanism {
 public:
  explicit Login(Credentials credentials) : credentials_(std::move(credentials)) {}
  std::string_view name() const override { return "LOGIN"; }
  std::optional<Secret> initial() override { return std::nullopt; }
  Result<Secret> respond(std::string_view /*prompt*/) override {
    switch (asked_++) {
      case 0:
        return Secret(credentials_.user);
      case 1:
        return credentials_.secret;
      default:
        return asks_too_much(name());
    }
  }

 private:
  Credentials credentials_;
  unsigned asked_ = 0;
};

Error unusable(std::string_view what, std::string hint = {}) {
  return make_error(ErrorKind::usage, Scope::run, std::string(what), std::move(hint));
}

Status check(std::string_view name, const Credentials& credentials) {
  // RFC 4616: NUL separates the parts. XOAUTH2 separates with 0x01, which no token or address has either.
  const auto has = [](std::string_view text, char c) { return text.find(c) != std::string_view::npos; };
  const std::string_view secret = credentials.secret.reveal();
  if (credentials.user.empty()) return unusable("the user name to log in with is empty", "write it as user@host");
  if (has(credentials.user, '\0') || has(credentials.authzid, '\0')) return unusable("the user name has a NUL in it");
  if (has(secret, '\0')) return unusable("the password has a NUL in it", "no login mechanism can send that");
  if (name != "XOAUTH2") return {};
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (has(credentials.user, '\x01')) return unusable("the user name has a control character in it");
  if (secret.empty() || std::any_of(secret.begin(), secret.end(), is_control)) {
    return unusable("the token for XOAUTH2 is empty or has a control character in it",
                    "the command or file that gives it must print the access token alone, on one line");
  }
  return {};
}

}  // namespace

const std::vector<std::string>& known_mechanisms() {
  static const std::vector<std::string> kNames{"PLAIN", "LOGIN", "XOAUTH2"};
  return kNames;
}

Result<std::unique_ptr<Mechanism>> make_mechanism(std::string_view name, Credentials credentials) {
  const auto& known = known_mechanisms();
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const auto& one) { return equals_ignoring_case(one, name); });
  if (found == known.end()) {
    return make_error(ErrorKind::unsupported, Scope::run, "the login mechanism " + visible(name, 40) + " is not known",
                      "?auth= takes " + to_lower_ascii(join(known, ", ")));
  }
  MH_CHECK(check(*found, credentials));
  if (*found == "PLAIN") return std::unique_ptr<Mechanism>(std::make_unique<Plain>(std::move(credentials)));
  if (!credentials.authzid.empty()) {
    return make_error(ErrorKind::unsupported, Scope::run, *found + " cannot log in as one user and act as another",
                      "leave ?authuser= out, or use ?auth=plain");
  }
  if (*found == "LOGIN") return std::unique_ptr<Mechanism>(std::make_unique<Login>(std::move(credentials)));
  return std::unique_ptr<Mechanism>(std::make_unique<Xoauth2>(std::move(credentials)));
}

std::optional<std::string> choose_mechanism(const std::vector<std::string>& offered, std::string_view pinned,
                                            bool has_authzid) {
  for (const auto& name : known_mechanisms()) {
    if (!pinned.empty()) {
      if (equals_ignoring_case(name, pinned)) return name;
      continue;
    }
    if (name == "XOAUTH2" || (name == "LOGIN" && has_authzid)) continue;
    const auto is_it = [&](const auto& one) { return equals_ignoring_case(one, name); };
    if (std::any_of(offered.begin(), offered.end(), is_it)) return name;
  }
  return std::nullopt;
}

}  // namespace mailhaul::sasl
