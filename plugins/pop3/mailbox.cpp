#include "plugins/pop3/mailbox.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::pop3 {

namespace {

// A name longer than this stands as its digest: keys have an end, names of broken servers need not (bad-input 62).
constexpr std::size_t kLongestName = 500;

/// A UIDL as part of a key: printable ASCII without blanks, whatever the server says. Begins with '%' only before two
/// digits, or "%%".
std::string encoded(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c > 0x20 && c < 0x7F && c != '%') {
      text += c;
    } else {
      text += "%" + to_hex(as_octets(std::string_view(&c, 1)));
    }
  }
  if (text.size() > kLongestName) return "%%" + to_hex(mail::sha256(as_octets(name)).octets());
  return text;
}

constexpr std::string_view kForgetful = "%session-";  // begins no encoded name

std::string messages_text(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " message" : " messages");
}

}  // namespace

Result<Mailbox> Mailbox::read(Session& session) {
  Mailbox mailbox;
  mailbox.session_name_ = std::string(kForgetful) + to_hex(session.services().random.next());
  std::vector<Call> calls;
  if (!session.hates_capa()) calls.push_back(session.ask_capabilities());
  const std::size_t stat_at = calls.size();
  calls.push_back({Command("STAT"), {}});
  calls.push_back({Command("LIST", Answer::listing), [&](std::string_view line) {
                     mailbox.take_size(line);
                     return Status();
                   }});
  calls.push_back({Command("UIDL", Answer::listing), [&](std::string_view line) {
                     mailbox.take_name(line);
                     return Status();
                   }});
  MH_TRY(const auto replies, session.run_each(std::move(calls)));
  const auto &stat_reply = replies[stat_at], &list_reply = replies[stat_at + 1], &uidl_reply = replies[stat_at + 2];
  const auto stat = stat_reply.ok ? parse_stat(stat_reply.text) : std::nullopt;
  // Some servers refuse to list a mailbox that is empty.
  if (!list_reply.ok && !(stat && stat->messages == 0)) return session.turned_away(list_reply, "to list the messages");
  if (!uidl_reply.ok) {
    Error error = session.turned_away(uidl_reply, "to tell the names of the messages (UIDL)");
    if (error.wait) return error;
  }
  mailbox.has_uidl_ = uidl_reply.ok || mailbox.entries_.empty();
  session.take_pipelining();
  mailbox.sort();
  mailbox.mark_lasting();
  mailbox.make_state();
  mailbox.tell(session, stat);
  return mailbox;
}

void Mailbox::take_size(std::string_view line) {
  const auto parsed = parse_listing_line(line);
  if (!parsed) {
    ++unreadable_;
    return;
  }
  Entry entry;
  entry.number = parsed->number;
  entry.size = parse_size(parsed->value);
  entries_.push_back(entry);
}

/// Comes after all of LIST, in nearly every case in the same order. A message that LIST left out is one all the same.
void Mailbox::take_name(std::string_view line) {
  const auto parsed = parse_listing_line(line);
  if (!parsed) {
    ++unreadable_;
    return;
  }
  if (!std::exchange(names_begun_, true)) sort();
  const auto is_it = [&](const Entry& entry) { return entry.number == parsed->number; };
  auto entry = next_named_ < listed_ && is_it(entries_[next_named_])
                   ? entries_.begin() + static_cast<std::ptrdiff_t>(next_named_)
                   : std::lower_bound(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(listed_),
                                      parsed->number, [](const Entry& one, std::uint32_t n) { return one.number < n; });
  if (entry == entries_.begin() + static_cast<std::ptrdiff_t>(listed_) || !is_it(*entry)) {
    entry = entries_.insert(entries_.end(), Entry{parsed->number, std::nullopt, 0, 0, false});
  } else {
    next_named_ = static_cast<std::size_t>(entry - entries_.begin()) + 1;
  }
  if (entry->name_size != 0) {
    ++unreadable_;  // named twice: the first counts
    return;
  }
  const std::string name = encoded(parsed->value);
  entry->name_begin = static_cast<std::uint32_t>(names_.size());
  entry->name_size = static_cast<std::uint32_t>(name.size());
  names_ += name;
}

void Mailbox::sort() {
  const auto by_number = [](const Entry& a, const Entry& b) { return a.number < b.number; };
  if (!std::is_sorted(entries_.begin(), entries_.end(), by_number))
    std::stable_sort(entries_.begin(), entries_.end(), by_number);
  const auto last = std::unique(entries_.begin(), entries_.end(),
                                [](const Entry& a, const Entry& b) { return a.number == b.number; });
  unreadable_ += static_cast<std::uint64_t>(entries_.end() - last);
  entries_.erase(last, entries_.end());
  listed_ = entries_.size();
}

/// Some servers know of UIDL and answer it with the numbers of LIST, which other messages will have tomorrow (getmail's
/// BrokenUIDL). Where names count up from 1 because no mail was ever removed, it costs a reading.
bool Mailbox::names_are_numbers() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) {
                       return entry.name_size == 0 || name_of(entry) == std::to_string(entry.number);
                     });
}

void Mailbox::mark_lasting() {
  const bool any_lasts = has_uidl_ && !names_are_numbers();
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return rank(entries_[a]) < rank(entries_[b]); });
  for (auto first = by_name_.begin(); first != by_name_.end();) {
    Entry& entry = entries_[*first];
    const auto last = std::find_if(first, by_name_.end(),
                                   [&](std::uint32_t index) { return rank(entries_[index]) != rank(entry); });
    entry.lasting = any_lasts && last - first == 1 && entry.name_size != 0;
    if (!entry.lasting) nameless_ += static_cast<std::uint64_t>(last - first);
    first = last;
  }
}

std::string Mailbox::lasting_key(const Entry& entry) const {
  return std::string(name_of(entry)) + ":" + (entry.size ? std::to_string(*entry.size) : std::string());
}

void Mailbox::make_state() {
  if (nameless_ != 0 || unreadable_ != 0) return;
  mail::Sha256 digest;
  for (const Entry& entry : entries_) digest.update(as_octets(lasting_key(entry) + "\n"));
  state_ = to_hex(digest.finish().octets());
}

store::Key Mailbox::key_of(const Entry& entry) const {
  return entry.lasting ? lasting_key(entry) : session_name_ + ":" + std::to_string(entry.number);
}

Mailbox::Find Mailbox::find(const store::Key& key, const Entry*& entry) const {
  const std::size_t colon = key.rfind(':');
  if (colon == key.npos) return Find::gone;
  const std::string_view name = std::string_view(key).substr(0, colon);
  const std::string_view rest = std::string_view(key).substr(colon + 1);
  if (name.starts_with(kForgetful)) {
    const auto number = parse_uint(rest);
    if (name != session_name_ || !number) return Find::forgotten;
    const auto found = std::lower_bound(entries_.begin(), entries_.end(), *number,
                                        [](const Entry& one, std::uint64_t n) { return one.number < n; });
    if (found == entries_.end() || found->number != *number) return Find::gone;
    entry = &*found;
    return Find::there;
  }
  const auto wanted = std::tuple(name, parse_uint(rest));
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), wanted, [&](std::uint32_t index, const auto& value) {
    return rank(entries_[index]) < value;
  });
  if (found != by_name_.end() && rank(entries_[*found]) == wanted && entries_[*found].lasting) {
    entry = &entries_[*found];
    return Find::there;
  }
  // One of that name with another size, or several: it may be the same message.
  const auto alike = std::lower_bound(by_name_.begin(), by_name_.end(), name, [&](std::uint32_t index, std::string_view value) {
    return name_of(entries_[index]) < value;
  });
  return alike != by_name_.end() && name_of(entries_[*alike]) == name ? Find::forgotten : Find::gone;
}

void Mailbox::tell(Session& session, const std::optional<Stat>& stat) const {
  using Weight = store::Note::Weight;
  const auto note = [&](Weight weight, const std::string& text) {
    session.services().events.note({weight, "INBOX", session.place() + " " + text});
  };
  if (unreadable_ != 0)
    note(Weight::doubtful, "lists its mail in " + std::to_string(unreadable_) +
                               " lines that make no sense: messages may be missing");
  if (stat && stat->messages > entries_.size())
    note(Weight::doubtful, "counts " + messages_text(stat->messages) + " and lists " + std::to_string(entries_.size()) +
                               ": what it does not list cannot be fetched");
  if (stat && stat->messages < entries_.size())
    note(Weight::warning, "counts " + messages_text(stat->messages) + " and lists " + std::to_string(entries_.size()));
  if (!has_uidl_)
    note(Weight::warning, "gives its messages no lasting names (no UIDL): every run reads all of them and tells by their "
                          "content which are there already");
  else if (nameless_ != 0)
    note(Weight::warning, "gives " + messages_text(nameless_) + " no name of their own (UIDL missing, shared, or a mere number): every "
                          "run reads these and tells by their content which are there already");
  // RFC 2449 6.7: "EXPIRE 0" lets the server remove what was read once.
  if (session.arguments_of("EXPIRE").starts_with("0"))
    note(Weight::warning, "keeps no mail that was read once (EXPIRE 0): copy it in one run, and do not stop that");
}

}  // namespace mailhaul::pop3
