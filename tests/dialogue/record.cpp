// What happened, as lines of text.
#include <algorithm>

#include "base/strings.hpp"
#include "dialogue/performer.hpp"
#include "mail/dates.hpp"

namespace mailhaul::dialogue {

namespace {

std::string_view to_text(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bug:
      return "bug";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::message:
      return "message";
    case ErrorKind::unreachable:
      return "unreachable";
    case ErrorKind::security:
      return "security";
    case ErrorKind::damage:
      return "damage";
    case ErrorKind::unknown:
      return "unknown";
    case ErrorKind::locked:
      return "locked";
    case ErrorKind::no_space:
      return "no_space";
    case ErrorKind::identity:
      return "identity";
    case ErrorKind::interrupted:
      return "interrupted";
    case ErrorKind::unsupported:
      return "unsupported";
  }
  return "?";
}

std::string_view to_text(Scope scope) {
  switch (scope) {
    case Scope::message:
      return "message";
    case Scope::folder:
      return "folder";
    case Scope::session:
      return "session";
    case Scope::run:
      return "run";
  }
  return "?";
}

std::string_view to_text(Retry retry) {
  switch (retry) {
    case Retry::now:
      return "now";
    case Retry::later:
      return "later";
    case Retry::never:
      return "never";
  }
  return "?";
}

std::string meta_text(const mail::Meta& meta) {
  std::string flags = mail::to_text(meta.flags);
  for (const auto& keyword : meta.keywords) flags += (flags.empty() ? "" : " ") + keyword;
  const std::string date = meta.received ? mail::to_iso(meta.received->instant) : "none";
  return "(" + flags + ") date " + date;
}

}  // namespace

/// No password may be told, and nothing that a terminal would obey.
void Record::guard(std::string_view text, const char* where) {
  if (!breach_.empty()) return;
  if (text.find(kPassword) != std::string_view::npos)
    breach_ = std::string("the password stands in ") + where + ": " + std::string(text);
}

void Record::put_error(const std::string& before, const Error& error) {
  guard(error.what + error.hint, "an Error");
  const std::string text = error.what + error.hint;
  const bool is_plain =
      std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!is_plain && breach_.empty())
    breach_ = "an Error has text of the server that is not made visible: " + visible(text);
  put(before + std::string(to_text(error.kind)) + " " + std::string(to_text(error.scope)) + " " +
      std::string(to_text(error.retry)) + ": " + visible(error.what, 500) +
      (error.hint.empty() ? "" : " (" + visible(error.hint, 500) + ")") +
      (error.wait ? " wait " + std::to_string(error.wait->count() / 1000) + " s" : "") +
      (error.one_at_a_time ? " one at a time" : ""));
}

void Record::note(const store::Note& note) {
  guard(note.text, "a note");
  const char* weight = note.weight == store::Note::Weight::info      ? "info"
                       : note.weight == store::Note::Weight::warning ? "warning"
                                                                     : "doubtful";
  put(std::string("note ") + weight + " " + (note.folder.empty() ? "-" : note.folder) + ": " + visible(note.text, 500));
}

void Record::line(std::string_view, Way, std::string_view text) { guard(text, "the trace"); }

void Record::on_ack(const store::Ack& ack) {
  const std::string before = "ack " + names_[ack.ticket] + " ";
  if (std::holds_alternative<store::InDoubt>(ack.verdict)) put(before + "in doubt");
  if (const auto* refused = std::get_if<store::Refused>(&ack.verdict)) put_error(before + "refused ", refused->error);
  const auto* stored = std::get_if<store::Stored>(&ack.verdict);
  if (stored == nullptr) return;
  put(before + "stored " + stored->key.value_or("without key") + (stored->lost_flags ? ", lost flags" : "") +
      (stored->lost_keywords ? ", lost keywords" : "") + (stored->lost_date ? ", lost date" : "") +
      (stored->altered ? ", altered" : ""));
}

/// store.hpp: printable ASCII without blanks, at most 1,000 octets.
void Record::check_key(const store::Key& key) {
  const bool is_one = !key.empty() && key.size() <= 1000 &&
                      std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!is_one && breach_.empty())
    breach_ = "a key of " + std::to_string(key.size()) + " octets breaks its rules: " + visible(key, 100);
}

Status Record::on_item(store::Item item) {
  check_key(item.key);
  put("item " + item.key + " " + meta_text(item.meta) + " size " +
      (item.size ? std::to_string(*item.size) : "unknown") + (item.object_id.empty() ? "" : " id " + item.object_id) +
      (item.meta_complete ? "" : " incomplete"));
  items_.push_back(std::move(item));
  return {};
}

Status Record::on_gone(const store::Key& key) {
  put("gone " + key);
  return {};
}

Status Record::on_bad(const store::Key& key, Error error) {
  put_error("bad " + key + " ", error);
  return {};
}

std::string Record::content_text(const mail::Content& content) const {
  const std::string octets = conformance::octets_of(content);
  for (const auto& [name, text] : script_.messages) {
    if (octets == text || octets == crlf_form(text)) return name;
  }
  return "\"" + visible(octets, 60) + "\" of " + std::to_string(octets.size()) + " octets";
}

bool Record::wants_more() { return clock_.steady() >= rests_until_; }

Status Record::on_message(const store::FolderInfo& folder, const store::Item& item, mail::Message message) {
  if (until_full_ && (*until_full_)-- == 0) {
    until_full_.reset();
    return make_error(ErrorKind::no_space, Scope::run, "the target is full");
  }
  if (until_tired_ && --*until_tired_ == 0) {
    rests_until_ = clock_.steady() + rest_;
    until_tired_.reset();
  }
  put("message " + folder.path.text() + " " + item.key + " " + content_text(*message.content) + " " +
      meta_text(message.meta));
  return {};
}

Status Record::on_failed(const store::FolderInfo& folder, const store::Item& item, Error error) {
  put_error("failed " + folder.path.text() + " " + item.key + " ", error);
  return {};
}

Status Record::on_vanished(const store::FolderInfo& folder, const store::Item& item) {
  put("vanished " + folder.path.text() + " " + item.key);
  return {};
}

}  // namespace mailhaul::dialogue
