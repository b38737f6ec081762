#include "plugins/pop3/plugin.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "plugins/pop3/mailbox.hpp"
#include "plugins/pop3/session.hpp"
#include "plugins/pop3/source.hpp"
#include "store/account_location.hpp"

namespace mailhaul::pop3 {
namespace {

Result<std::string> identity(const store::Location& location, store::Services&) {
  return store::account_identity(location, {110, 995});
}

Result<std::unique_ptr<store::Source>> open_source(const store::Location& location, store::Services& services,
                                                   const store::OpenOptions& options) {
  if (!location.path.empty())
    return make_error(ErrorKind::usage, Scope::run, "location: a POP3 mailbox has no folders, so there is no \"" +
                                                        visible(location.path) + "\"",
                      "write pop3s://user@host, and --into FOLDER for where it goes");
  MH_TRY(auto session, Session::open(location, services, options.access));
  MH_TRY(auto mailbox, Mailbox::read(*session));
  return std::unique_ptr<store::Source>(std::make_unique<Pop3Source>(std::move(session), std::move(mailbox)));
}

std::string text_of(const std::pair<const std::string, std::string>& capability) {
  return capability.second.empty() ? capability.first : capability.first + " " + capability.second;
}

Result<store::Probe> probe(const store::Location& location, store::Services& services,
                           const store::OpenOptions& options) {
  MH_TRY(const auto session, Session::open(location, services, options.access));
  MH_TRY(const auto mailbox, Mailbox::read(*session));
  store::Probe probe;
  probe.greeting = session->greeting();
  for (const auto& capability : session->capabilities()) probe.capabilities.push_back(text_of(capability));
  probe.tls = session->tls().empty() ? "none" : session->tls();
  probe.login = session->login();
  const auto limit = [&](const char* capability, const char* name) {
    if (session->has(capability)) probe.limits.emplace_back(name, session->arguments_of(capability));
  };
  limit("LOGIN-DELAY", "login_delay_seconds");
  limit("EXPIRE", "days_kept");
  if (session->hates_capa()) probe.quirks.emplace_back("hangs up when it is asked for its abilities (CAPA)");
  if (!session->pipelines()) probe.quirks.emplace_back("takes one command at a time (no PIPELINING): each message costs a round trip");
  if (!mailbox.has_uidl()) probe.quirks.emplace_back("gives its messages no lasting names (no UIDL): every run reads all of them");
  return probe;
}

constexpr std::string_view kReadOnly = "POP3 can only be read: it has no command that stores mail";
constexpr std::string_view kInstead =
    "write to the account by IMAP (imaps://user@host), or to files (maildir:PATH, mbox:PATH)";

}  // namespace

const store::Descriptor kPop3 = {
    "pop3", "a POP3 mailbox, TLS by STLS: pop3://user@host", identity, nullptr, open_source, nullptr, probe, kReadOnly, kInstead,
};
const store::Descriptor kPop3s = {
    "pop3s", "a POP3 mailbox over TLS: pop3s://user@host", identity, nullptr, open_source, nullptr, probe, kReadOnly, kInstead,
};

}  // namespace mailhaul::pop3
