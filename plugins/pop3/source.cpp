#include "plugins/pop3/source.hpp"

#include <utility>

#include "plugins/pop3/fetch.hpp"

namespace mailhaul::pop3 {

namespace {

/// What POP3 can tell of a message is its octets.
store::Caps caps_of(const Mailbox& mailbox) {
  store::Caps caps;
  caps.keys_stable = mailbox.has_uidl();
  caps.keeps_meta = false;
  caps.many_folders = false;
  return caps;
}

mail::FolderPath inbox() { return *mail::FolderPath::from_text("INBOX"); }

}  // namespace

Pop3Source::Pop3Source(std::unique_ptr<Session> session, Mailbox mailbox)
    : session_(std::move(session)), mailbox_(std::move(mailbox)), caps_(caps_of(mailbox_)) {}

Status Pop3Source::folders(const std::function<Status(store::FolderInfo)>& sink) {
  store::FolderInfo folder;
  folder.path = inbox();
  folder.path.native = "INBOX";
  folder.role = mail::Role::inbox;
  folder.only = true;
  folder.epoch = mailbox_.epoch();
  folder.state = mailbox_.state();
  folder.covers = {!folder.state.empty(), !folder.state.empty(), !folder.state.empty()};
  folder.messages = mailbox_.entries().size();
  return sink(std::move(folder));
}

Status Pop3Source::check(const store::FolderInfo& folder) const {
  if (folder.epoch == mailbox_.epoch()) return {};
  return names_are_gone(*session_, Scope::session);
}

Status Pop3Source::settle() { return session_->finish(); }

store::Item Pop3Source::item_of(const Entry& entry) const {
  store::Item item;
  item.key = mailbox_.key_of(entry);
  item.size = entry.size;
  item.flags_known = true;  // there are none
  return item;
}

Result<store::ListEnd> Pop3Source::list(const store::FolderInfo& folder, std::optional<std::string>, store::ItemSink& sink) {
  MH_CHECK(check(folder));
  for (const Entry& entry : mailbox_.entries()) MH_CHECK(sink.on_item(item_of(entry)));
  return store::ListEnd{true, mailbox_.state()};
}

Status Pop3Source::describe(const store::FolderInfo& folder, std::span<const store::Key> keys, store::ItemSink& sink) {
  MH_CHECK(check(folder));
  for (const auto& key : keys) {
    const Entry* entry = nullptr;
    const auto found = mailbox_.find(key, entry);
    MH_CHECK(found == Mailbox::Find::there ? sink.on_item(item_of(*entry)) : sink.on_gone(key));
  }
  return {};
}

Status Pop3Source::fetch(const store::NextBatch& next, store::FetchSink& sink) {
  MH_CHECK(settle());
  Fetcher fetcher(*session_, mailbox_, next, sink);
  Listener* const before = session_->set_listener(&fetcher);
  Status status = fetcher.run();
  session_->set_listener(before);
  return status;
}

Status Pop3Source::pump(std::chrono::milliseconds) { return session_->keep_alive(); }

}  // namespace mailhaul::pop3
