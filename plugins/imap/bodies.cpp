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
    return fetched->uid ? sink_(*fetched->uid, body->facts()) : Status();
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
  Status on_done(CommandId, const TaggedResponse&) override { return {}; }

 private:
  Session& session_;
  const Sink& sink_;
  Listener* const before_;
  std::unique_ptr<files::ContentWriter> writer_;
  mail::ContentPtr body_;
};

}  // namespace

Status read_bodies(Session& session, const UidSet& uids, const Sink& sink) {
  if (uids.empty()) return {};
  const Reading reading(session, sink);
  for (const auto& part : uids.split(session.quirks().command_octets - 100)) {
    Command command("UID FETCH");
    command.uids(part).raw(" (UID BODY.PEEK[])");
    MH_TRY([[maybe_unused]] const CommandId id, session.start(std::move(command)));
  }
  return session.finish();
}

}  // namespace mailhaul::imap
