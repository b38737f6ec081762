// Listings that are asked for before their turn: at 100 ms a round trip, 1,000 folders one after the other take 100 s.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "plugins/imap/session.hpp"
#include "store/store.hpp"

namespace mailhaul::imap {

/// Listens to the session while it has something in flight. What comes before its turn is held, at most what one turn of
/// the session brings beyond the listing that is read.
class Ahead final : public Listener {
 public:
  struct Planned {
    const store::FolderInfo* folder = nullptr;
    std::vector<Command> commands;
  };

  explicit Ahead(Session& session) : session_(session) {}

  /// In the order in which run() will be called. Takes the place of what was planned before.
  void plan(std::vector<Planned> planned);
  /// Runs a listing, from what was asked ahead if it was just this one, and asks for the next ones. The answers are those
  /// of Session::run_each().
  Result<std::vector<TaggedResponse>> run(const store::FolderInfo& folder, std::vector<Call> calls);
  /// What is in flight is nobody's any more, and nothing is planned. The session is not waited for.
  void forget();
  [[nodiscard]] bool has_begun() const { return !begun_.empty(); }

 private:
  struct Begun {
    Planned planned;  ///< to be asked for again when what came of it has passed by
    std::vector<CommandId> ids;
    std::vector<std::optional<TaggedResponse>> responses;
    std::deque<std::pair<std::size_t, Response>> held;  ///< by command
    std::vector<Call>* reader = nullptr;                ///< whose turn it is
  };

  Status on_untagged(CommandId current, Response response) override;
  Status on_body_begin(CommandId, std::uint64_t) override { return {}; }
  Status on_body(CommandId, Octets) override { return {}; }
  Status on_body_end(CommandId) override { return {}; }
  Status on_done(CommandId id, const TaggedResponse& response) override;

  void begin_more();
  void put_back(const store::FolderInfo& but);
  Result<std::vector<TaggedResponse>> read(std::vector<Call>& calls);
  [[nodiscard]] std::pair<Begun*, std::size_t> find(CommandId id);

  Session& session_;
  std::deque<Planned> planned_;
  std::deque<Begun> begun_;
};

}  // namespace mailhaul::imap
