// See places.hpp.
#include "pipeline/places.hpp"

#include <utility>

#include "mail/sha256.hpp"
#include "pipeline/steady_source.hpp"

namespace mailhaul::pipeline {
namespace {

bool lies_in(const std::string& inner, const std::string& outer) {
  return inner == outer || (inner.size() > outer.size() && inner.compare(0, outer.size(), outer) == 0 && inner[outer.size()] == '/');
}

// How often a pause that a server asks for is granted before it is given up (bad-input 61).
constexpr unsigned kPauses = 3;

}  // namespace

Result<bool> FirstPauses::grant(const Error& why, const std::function<void()>& tick) {
  // The mailbox is in use, or logins came too often: nothing is wrong, it is only too early.
  const bool asks = why.wait.has_value() && why.retry == Retry::later && why.kind == ErrorKind::unreachable;
  if (!asks || tries_++ >= kPauses) return false;
  const auto pause = granted_wait(patience_, why);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(pause).count();
  services_.events.note(
      {store::Note::Weight::warning, "", why.what + "; trying again in " + std::to_string(seconds) + " s"});
  MH_CHECK(wait_for(patience_, services_.cancel, pause, tick));
  return true;
}

Result<Identities> identify(const Job& job, const store::Descriptor& source, const store::Descriptor& target) {
  MH_TRY(std::string from, source.identity(job.source, job.services));
  MH_TRY(std::string to, target.identity(job.target, job.services));
  if (from == to)
    return make_error(ErrorKind::usage, Scope::run, "source and target are the same: " + job.source.text(),
                      "name two different places");
  if (lies_in(from, to) || lies_in(to, from))
    return make_error(ErrorKind::usage, Scope::run, "one place lies inside the other: " + from + " and " + to,
                      "choose a target outside of the source");
  return Identities{std::string(source.scheme) + ":" + from, std::string(target.scheme) + ":" + to};
}

Result<std::vector<store::FolderInfo>> collect_folders(store::Source& source) {
  std::vector<store::FolderInfo> folders;
  MH_CHECK(source.folders([&](store::FolderInfo folder) {
    folders.push_back(std::move(folder));
    return Status();
  }));
  return folders;
}

Result<std::unique_ptr<store::Source>> open_steady(const store::Descriptor& descriptor, const store::Location& location,
                                                   store::Services& services, const store::OpenOptions& options,
                                                   const Patience& patience) {
  const auto open = [&descriptor, &location, &services, &options](const store::Past& past) {
    store::OpenOptions again = options;
    again.access.past = past;
    return descriptor.open_source(location, services, again);
  };
  store::Past past;
  auto opened = open(past);
  if (descriptor.probe == nullptr) return opened;
  FirstPauses pauses(patience, services);
  while (!opened.ok()) {
    const bool stumbled = opened.error().one_at_a_time && !std::exchange(past.one_at_a_time, true);
    if (!stumbled) {
      MH_TRY(const bool again, pauses.grant(opened.error()));
      if (!again) return opened;
    }
    opened = open(past);
  }
  return std::unique_ptr<store::Source>(
      std::make_unique<SteadySource>(std::move(opened).value(), open, location.text(), patience, services, past));
}

Result<std::unique_ptr<store::Source>> open_existing(const store::Descriptor& descriptor, const store::Location& location,
                                                     store::Services& services, const store::OpenOptions& options,
                                                     const Patience& patience) {
  if (descriptor.open_source == nullptr) return std::unique_ptr<store::Source>();
  auto opened = open_steady(descriptor, location, services, options, patience);
  if (opened.ok()) return opened;
  // `usage`: it holds nothing that can be read, like an empty directory, or one whose making was cut off. Whether it may
  // become a target is for open_target to say.
  const bool nothing_there = opened.error().kind == ErrorKind::unreachable || opened.error().kind == ErrorKind::usage;
  if (nothing_there && opened.error().scope != Scope::session) return std::unique_ptr<store::Source>();
  return opened;
}

std::optional<Digest> loose_key_of(const mail::MessageFacts& facts, Dedup dedup) {
  if (dedup == Dedup::mail) return facts.mail_key;
  if (dedup == Dedup::message_id && !facts.message_id.empty())
    return mail::sha256(as_octets("message-id\n" + facts.message_id));
  return std::nullopt;
}

}  // namespace mailhaul::pipeline
