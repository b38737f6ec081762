// One target over several sessions, each with a thread of its own: a server works on what each of them sends at the same
// time, and one round trip hides behind the others' work. A folder belongs to one session, so its mail keeps its order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// Opens the n-th session of the target, from 1. Called on that session's thread.
using OpenTarget =
    std::function<Result<std::unique_ptr<store::Target>>(std::size_t n, store::Services&, store::AckSink&)>;

/// Used by one thread like every target; acks are told on it, from inside its calls. When one session is lost, the others
/// are brought to the end of what they have first; then all of it counts as lost, and the pipeline opens another.
class Lanes final : public store::Target {
 public:
  /// Begins to open the first session and does not wait for it. `services` outlive it.
  Lanes(OpenTarget open, const store::Services& services);
  ~Lanes() override;
  /// Waits until the first session is open. Error: what prevented it. To be called before anything else; `acks` outlive it.
  [[nodiscard]] Status opened(store::AckSink& acks);

  /// Which folders will be delivered to, lane by lane, in the order in which they come. Opens a session for each lane;
  /// a lane that gets none (the server has enough of us) shares the first one's. `ahead`: folders are opened, and made,
  /// before their mail comes. To be called once.
  void share(std::vector<std::vector<store::FolderWish>> lanes, bool ahead);

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  Result<store::FolderHandle> open_folder(const mail::FolderPath& path, mail::Role role) override;
  Status subscribe(const store::FolderHandle& folder, bool on) override;
  Result<std::string> watermark(const store::FolderHandle& folder) override;
  Status submit(const store::FolderHandle& folder, const store::Ticket& ticket, mail::Message message) override;
  Status update(const store::FolderHandle& folder, const store::Ticket& ticket, const store::Key& key,
                const store::MetaChange& change) override;
  Status find_since(const store::FolderHandle& folder, std::string_view watermark,
                    std::span<const store::Wanted> wanted, const std::function<Status(store::Match)>& sink) override;
  Status flush() override;
  Status ease() override;
  Status pump(std::chrono::milliseconds until) override;

 private:
  class Lane;
  struct Shared;
  /// A folder that was opened, and whose it is.
  struct Opened {
    Lane* lane = nullptr;
    store::FolderHandle handle;            ///< as the lane's session knows it
    std::optional<std::string> watermark;  ///< taken when it was opened, and not asked for yet
  };

  [[nodiscard]] Lane& lane_of(const mail::FolderPath& path);
  Status check();
  bool hand_over();
  void finish_all();
  /// An answer that ends a session is returned when the others have come to the end of theirs.
  template <typename T>
  T through(T answer);

  const OpenTarget open_;
  store::AckSink* acks_ = nullptr;
  const store::Services& services_;
  store::Caps caps_;
  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Lane*> used_;  ///< those that have folders, the first one always
  std::vector<std::vector<store::FolderWish>> plans_;  ///< by lane; empty once the lane has its own
  std::map<mail::FolderPath, std::size_t> planned_;    ///< a folder's lane
  bool opens_ahead_ = true;
  std::vector<Opened> folders_;  ///< by the id of our handles
  std::map<mail::FolderPath, std::uint32_t> by_path_;
};

}  // namespace mailhaul::pipeline
