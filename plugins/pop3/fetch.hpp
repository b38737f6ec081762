// Fetching messages: many RETR in flight where the server allows it, each message spooled while it arrives, each one's
// end told exactly once.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "files/spool.hpp"
#include "plugins/pop3/mailbox.hpp"
#include "plugins/pop3/session.hpp"
#include "store/store.hpp"

namespace mailhaul::pop3 {

/// Used once. Listens to the session while run() lasts.
class Fetcher final : public Listener {
 public:
  Fetcher(Session& session, const Mailbox& mailbox, const store::NextBatch& next, store::FetchSink& sink)
      : session_(session), mailbox_(mailbox), next_(next), sink_(sink) {}
  Status run();

 private:
  struct Wanted {
    const store::FolderInfo* folder = nullptr;
    store::Item item;
    unsigned refusals = 0;
    std::optional<Digest> first_reading;  ///< it was read, and its size was not the one that was listed
    bool was_near = false;                ///< that size was not far from the listed one
    bool alone = false;                   ///< to be asked with nothing else in flight
  };
  /// One command in flight: RETR, or (folder == nullptr) the NOOP that confirms the message before it.
  struct Asked {
    CommandId id = 0;
    Wanted wanted;
    std::uint64_t octets = 0;  ///< as the listing had it: a hint
  };
  /// A message whose end is not certain yet.
  struct Held {
    Wanted wanted;
    mail::Message message;
  };
  /// How a message's size is to what LIST said of it.
  enum class Size { exact, other, short_of, far_off };

  Status on_begin(CommandId id, const Reply& reply) override;
  Status on_octets(CommandId id, Octets octets) override;
  Status on_done(CommandId id, const Reply& reply) override;

  Status run_to_the_end();
  Status fill();
  Status pull();
  Status ask(Wanted wanted);
  Status confirm();
  Status confirmed();
  Status arrived(Wanted wanted);
  Status refused(Wanted wanted, const std::string& why);
  void tell_short(const Wanted& wanted, std::uint64_t octets);
  [[nodiscard]] Size size_class(const store::Item& item, const mail::Content& content) const;
  void note(store::Note::Weight weight, const Wanted& wanted, const std::string& text);
  [[nodiscard]] bool has_room();

  Session& session_;
  const Mailbox& mailbox_;
  const store::NextBatch& next_;
  store::FetchSink& sink_;
  bool exhausted_ = false;
  bool target_is_slow_ = false;
  std::deque<Asked> asked_;
  std::deque<Wanted> to_send_;
  std::deque<Wanted> alone_;
  std::optional<Held> held_;
  unsigned agreed_ = 0;       ///< second readings that were equal to the first
  bool told_of_sizes_ = false, told_of_ends_ = false;
  unsigned short_ones_ = 0;   ///< messages that were told of for being shorter than listed
  bool after_doubtful_ = false;  ///< the answer before this one was a message of another size than listed
  std::uint64_t octets_ahead_ = 0;
  std::unique_ptr<files::ContentWriter> writer_;
};

/// The Error for keys that died with their session.
[[nodiscard]] Error names_are_gone(const Session& session, Scope scope);

}  // namespace mailhaul::pop3
