// Reads a POP3 mailbox. No call asks for a change: there is no DELE in this folder (durability 2.7).
#pragma once

#include <memory>

#include "plugins/pop3/mailbox.hpp"
#include "plugins/pop3/session.hpp"
#include "store/store.hpp"

namespace mailhaul::pop3 {

class Pop3Source final : public store::Source {
 public:
  Pop3Source(std::unique_ptr<Session> session, Mailbox mailbox);

  [[nodiscard]] const store::Caps& caps() const override { return caps_; }
  /// INBOX.
  Status folders(const std::function<Status(store::FolderInfo)>& sink) override;
  Result<store::ListEnd> list(const store::FolderInfo& folder, std::optional<std::string> since,
                              store::ItemSink& sink) override;
  Status describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) override;
  Status fetch(const store::NextBatch& next, store::FetchSink& sink) override;
  Status pump(std::chrono::milliseconds until) override;

 private:
  [[nodiscard]] store::Item item_of(const Entry& entry) const;
  /// The folder is the one that this session sees.
  [[nodiscard]] Status check(const store::FolderInfo& folder) const;
  /// Lets the answers of a fetch that was broken off pass by.
  Status settle();

  std::unique_ptr<Session> session_;
  const Mailbox mailbox_;
  const store::Caps caps_;
};

}  // namespace mailhaul::pop3
