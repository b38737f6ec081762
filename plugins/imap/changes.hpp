// What changed in a folder since a remembered state, as far as it can be proved without a listing of all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/imap/mailbox.hpp"
#include "plugins/imap/protocol/response.hpp"

namespace mailhaul::imap {

/// One listing of what is new and what has gone. Nothing that a server says of it is believed before the counts prove
/// it.
class Changes {
 public:
  /// From one state to another of the same folder; nullopt: they have nothing in common, and all must be listed.
  [[nodiscard]] static std::optional<Changes> between(const std::string& since, const std::string& now);

  /// Something may have gone, and a server with QRESYNC could tell what: both states have a HIGHESTMODSEQ, and it grew,
  /// as it must then.
  [[nodiscard]] bool wants_vanished() const;
  /// For after ENABLE QRESYNC: the EXAMINE asks for what has gone.
  void ask_vanished() { asks_ = true; }
  [[nodiscard]] bool asks_vanished() const { return asks_; }
  /// Whether it can be proved, or hoped at least that nothing has gone.
  [[nodiscard]] bool is_worth_trying() const { return asks_ || grew_; }
  /// The first UID that the earlier state did not know.
  [[nodiscard]] Uid from() const { return static_cast<Uid>(before_.uidnext); }

  /// " (QRESYNC (7 90210))": parameters of EXAMINE (RFC 7162 3.2.5).
  [[nodiscard]] std::string parameters() const;
  /// Data that comes while it is in flight. Ranges are not counted through: a server may name 1:4294967295.
  void take(const Response& response);
  /// The server does not know the parameters: EXAMINE was answered by BAD.
  void refuse() { refused_ = true; }
  [[nodiscard]] bool refused() const { return refused_; }
  /// The UIDs that have gone, none where it was not asked for, when the counts prove them: of as many as were there,
  /// less these, and with `fresh` new ones, as many are there. nullopt: they do not, or the server began to count
  /// changes anew. Never more UIDs than the earlier state had messages.
  [[nodiscard]] std::optional<UidSet> gone(const Mailbox& now, std::uint64_t fresh) const;

 private:
  Changes(const State& before, const State& after);

  State before_;
  bool grew_ = false;     // by no more messages than there are new UIDs
  bool is_sure_ = false;  // by as many: nothing has gone
  bool has_modseq_ = false;
  bool asks_ = false, refused_ = false, too_many_ = false;
  std::vector<UidSet::Range> vanished_;
};

}  // namespace mailhaul::imap
