#include "plugins/imap/bodies.hpp"

#include "files/spool.hpp"

namespace mailhaul::imap {

namespace {

using Sink = std::function<Status(Uid, const mail::MessageFacts&)>;

class Reading final : public Listener {
 public:
  Reading(Session& session, const Sink& sink) : session_(session), sink_(sink), before_(session.set_listener(this)) {}
  ~Reading() override { session_.set_listener(before_); }

  Status on_untagged(CommandId, Response response) override {
    const auto* fetched = std::get_if<FetchResponse>(&response);
    if (fetched == nullptr || !body_) return {};
    const auto body = std::move(body_);
    body_.reset();
    if (!fetched->uid) return {};
    read_.add(*fetched->uid);
    return sink_(*fetched->uid, body->facts());
  }
  Status on_body_begin(CommandId, std::uint64_t) override {
    MH_TRY(writer_, session_.services().spool.begin());
    return {};
  }
  Status on_body(CommandId, Octets octets) override { return writer_ ? writer_->append(octets) : Status(); }
  Status on_body_end(CommandId) override {
    if (!writer_) return {};
    const auto writer = std::move(writer_);
    MH_TRY(body_, writer->finish());
    return {};
  }
  Status on_done(CommandId, const TaggedResponse& response) override {
    if (response.condition != Condition::ok && !refused_)
      refused_ = session_.refusal(response, "deliver what was asked for", Scope::folder);
    return {};
  }
  /// What could not be read may be there.
  [[nodiscard]] Status end() const {
    if (refused_) return *refused_;
    return {};
  }
  [[nodiscard]] const UidSet& read() const { return read_; }

 private:
  Session& session_;
  const Sink& sink_;
  Listener* const before_;
  std::unique_ptr<files::ContentWriter> writer_;
  mail::ContentPtr body_;
  UidSet read_;
  std::optional<Error> refused_;
};

/// Of those that gave no text, the ones that are still there.
Result<UidSet> still_there(Session& session, const UidSet& uids) {
  UidSet there;
  std::vector<Command> commands;
  for (const auto& part : uids.split(session.quirks().command_octets - 100)) {
    commands.emplace_back("UID FETCH");
    commands.back().uids(part).raw(" (UID)");
  }
  MH_TRY([[maybe_unused]] const auto responses, session.run_all(std::move(commands), [&](Response response) -> Status {
    const auto* fetched = std::get_if<FetchResponse>(&response);
    if (fetched != nullptr && fetched->uid && uids.contains(*fetched->uid)) there.add(*fetched->uid);
    return {};
  }));
  return there;
}

}  // namespace

Status read_bodies(Session& session, const UidSet& uids, const Sink& sink) {
  if (uids.empty()) return {};
  Reading reading(session, sink);
  for (const auto& part : uids.split(session.quirks().command_octets - 100)) {
    Command command("UID FETCH");
    command.uids(part).raw(" (UID BODY.PEEK[])");
    MH_TRY([[maybe_unused]] const CommandId id, session.start(std::move(command)));
  }
  MH_CHECK(session.finish());
  MH_CHECK(reading.end());
  UidSet unread;
  for (const auto& range : uids.ranges()) {
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid) {
      if (!reading.read().contains(static_cast<Uid>(uid))) unread.add(static_cast<Uid>(uid));
    }
  }
  if (unread.empty()) return {};
  MH_TRY(const UidSet there, still_there(session, unread));
  if (there.empty()) return {};
  return make_error(ErrorKind::message, Scope::folder,
                    session.place() + " holds UID " + there.text() + " and does not deliver it", {}, Retry::later);
}

}  // namespace mailhaul::imap
