#include "plugins/imap/plugin.hpp"

#include "base/strings.hpp"
#include "plugins/imap/source.hpp"
#include "plugins/imap/target.hpp"
#include "store/account_location.hpp"

namespace mailhaul::imap {
namespace {

Result<std::string> identity(const store::Location& location, store::Services&) {
  return store::account_identity(location, {143, 993});
}

Result<mail::FolderPath> below_of(const store::Location& location) {
  if (location.path.empty()) return mail::FolderPath();
  std::string text = location.path;
  if (text.ends_with('/')) text.pop_back();
  if (auto path = mail::FolderPath::from_text(text)) return *path;
  return make_error(ErrorKind::usage, Scope::run, "location: \"" + visible(location.path) + "\" is no folder name",
                    "write imaps://user@host/Folder/Sub");
}

Result<std::unique_ptr<store::Source>> open_source(const store::Location& location, store::Services& services,
                                                   const store::OpenOptions& options) {
  MH_TRY(auto below, below_of(location));
  MH_TRY(auto session, Session::open(location, services, options.access));
  return std::unique_ptr<store::Source>(std::make_unique<ImapSource>(std::move(session), std::move(below)));
}

Result<std::unique_ptr<store::Target>> open_target(const store::Location& location, store::Services& services,
                                                   store::AckSink& acks, const store::OpenOptions& options) {
  MH_TRY(auto session, Session::open(location, services, options.access));
  return std::unique_ptr<store::Target>(std::make_unique<ImapTarget>(std::move(session), acks));
}

Result<store::Caps> target_caps(const store::Location&, store::Services&, store::Source* opened) {
  if (opened != nullptr) return opened->caps();
  // An account is always there when it can be reached; who asks without a session gets what the protocol promises.
  return protocol_caps();
}

Result<store::Probe> probe(const store::Location& location, store::Services& services,
                           const store::OpenOptions& options) {
  MH_TRY(const auto session, Session::open(location, services, options.access));
  store::Probe probe;
  probe.greeting = session->greeting();
  probe.capabilities.assign(session->capabilities().begin(), session->capabilities().end());
  probe.tls = session->tls().empty() ? "none" : session->tls();
  probe.login = session->login();
  if (const auto limit = session->append_limit()) probe.limits.emplace_back("append_octets", std::to_string(*limit));
  probe.limits.emplace_back("command_octets", std::to_string(session->quirks().command_octets));
  probe.quirks = session->quirks().notes;
  return probe;
}

constexpr store::Descriptor account(std::string_view scheme, std::string_view what) {
  return {.scheme = scheme,
          .what = what,
          .identity = identity,
          .target_caps = target_caps,
          .open_source = open_source,
          .open_target = open_target,
          .probe = probe,
          .compresses = true};
}

}  // namespace

const store::Descriptor kImap = account("imap", "an IMAP account, TLS by STARTTLS: imap://user@host/Folder");
const store::Descriptor kImaps = account("imaps", "an IMAP account over TLS: imaps://user@host/Folder");

}  // namespace mailhaul::imap
