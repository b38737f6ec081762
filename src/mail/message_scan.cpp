#include "mail/message_scan.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cassert>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/strings.hpp"
#include "mail/dates.hpp"
#include "mail/header_scan.hpp"
#include "mail/identity_digests.hpp"
#include "mail/sha256.hpp"

namespace mailhaul::mail {

namespace {

constexpr std::size_t kKeptHeader = 1024 * 1024;
constexpr std::size_t kLongestMessageId = 998;  // RFC 5322 2.1.1: no line is longer

/// Fields of the mail key, in the order in which they are digested.
constexpr std::array<std::string_view, 6> kKeyFields{"Message-ID", "Date", "From", "To", "Cc", "Subject"};

std::string trimmed(std::string_view body) { return std::string(trim(unfold(body))); }

/// Unfolded, runs of white space as one SP, none at the ends.
std::string with_single_spaces(std::string_view body) {
  std::string text;
  for (const char c : body) {
    const bool is_space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!is_space) {
      text += c;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

/// Eight octets, most significant first.
std::array<std::byte, 8> length_octets(std::uint64_t length) {
  std::array<std::byte, 8> octets{};
  for (std::size_t i = octets.size(); i > 0; --i, length >>= 8) octets[i - 1] = static_cast<std::byte>(length & 0xFF);
  return octets;
}

/// Gathers from one walk over the header block what MessageFacts tells of it.
class HeaderFacts {
 public:
  explicit HeaderFacts(std::string_view block) {
    HeaderWalker walker(block);
    while (const auto field = walker.next()) {
      if (!field->name.empty()) take(*field);
    }
  }

  void put_into(MessageFacts& facts) {
    if (key_fields_[0]) facts.message_id = trimmed(*key_fields_[0]).substr(0, kLongestMessageId);
    if (key_fields_[1] && !received_) facts.date = parse_rfc5322_date(*key_fields_[1]);
    facts.received = received_;
    facts.has_received = has_received_;
    facts.housekeeping = std::move(housekeeping_);
  }

  /// SHA-256 of, for each key field, one octet (0 absent, 1 there), its length and its text, and then the digest of the
  /// canonical body.
  [[nodiscard]] Digest mail_key(const Digest& body) const {
    Sha256 key;
    for (const auto& field : key_fields_) {
      const std::array<std::byte, 1> there{static_cast<std::byte>(field.has_value() ? 1 : 0)};
      const std::string text = field ? with_single_spaces(*field) : std::string();
      key.update(Octets(there));
      key.update(Octets(length_octets(text.size())));
      key.update(as_octets(text));
    }
    key.update(body.octets());
    return key.finish();
  }

 private:
  void take(const HeaderField& field) {
    if (equals_ignoring_case(field.name, "Received")) {
      has_received_ = true;
      if (!received_) received_ = parse_received_field(field.body);
      return;
    }
    for (std::size_t i = 0; i < kKeyFields.size(); ++i) {
      if (key_fields_[i] || !equals_ignoring_case(field.name, kKeyFields[i])) continue;
      key_fields_[i] = field.body;
      return;
    }
    if (is_housekeeping_field(field.name)) take_housekeeping(field);
  }

  void take_housekeeping(const HeaderField& field) {
    static constexpr std::array<std::pair<std::string_view, std::string Housekeeping::*>, 6> kFields{
        {{"Status", &Housekeeping::status},
         {"X-Status", &Housekeeping::x_status},
         {"X-Keywords", &Housekeeping::x_keywords},
         {"X-Mozilla-Status", &Housekeeping::x_mozilla_status},
         {"X-Mozilla-Status2", &Housekeeping::x_mozilla_status2},
         {"X-Mozilla-Keys", &Housekeeping::x_mozilla_keys}}};
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      if (!equals_ignoring_case(field.name, kFields[i].first)) continue;
      if (!seen_.test(i)) housekeeping_.*kFields[i].second = trimmed(field.body);
      seen_.set(i);
    }
    if (starts_with_ignoring_case(field.name, "X-IMAP")) housekeeping_.has_x_imap = true;
  }

  std::array<std::optional<std::string_view>, kKeyFields.size()> key_fields_;
  std::optional<ReceivedDate> received_;
  bool has_received_ = false;
  Housekeeping housekeeping_;
  std::bitset<6> seen_;
};

}  // namespace

class MessageScanner::Impl {
 public:
  explicit Impl(ScanOptions options) : digests_({options.cid, options.header_id, options.mail_key}) {}

  void update(Octets octets) {
    std::string_view chunk = as_text(octets);
    if (chunk.empty()) return;
    facts_.size += chunk.size();
    facts_.ends_with_line_end = chunk.back() == '\n';
    if (!facts_.has_nul) facts_.has_nul = std::memchr(chunk.data(), '\0', chunk.size()) != nullptr;
    if (digests_.in_header()) {
      const std::size_t taken = digests_.update_header(chunk);
      header_.append(chunk.substr(0, std::min(taken, kKeptHeader - header_.size())));
      chunk.remove_prefix(taken);
    }
    digests_.update_body(chunk);
  }

  MessageFacts finish() {
    const IdentityDigests::Digests digests = digests_.finish();
    facts_.cid = digests.cid;
    facts_.nid = digests.nid;
    facts_.eid = digests.eid;
    facts_.header_id = digests.header_id;
    facts_.crlf_size = facts_.size + digests.bare_lf;
    const std::string_view kept = header_;
    // What was kept ends with the empty line, or is cut, or is all there is.
    HeaderFacts header(kept.substr(0, header_block_length(kept)));
    header.put_into(facts_);
    if (digests.body) facts_.mail_key = header.mail_key(*digests.body);
    return std::move(facts_);
  }

 private:
  IdentityDigests digests_;
  std::string header_;  // with the empty line that ends it
  MessageFacts facts_;
};

MessageScanner::MessageScanner(ScanOptions options) : impl_(std::make_unique<Impl>(options)) {}
MessageScanner::MessageScanner(MessageScanner&&) noexcept = default;
MessageScanner& MessageScanner::operator=(MessageScanner&&) noexcept = default;
MessageScanner::~MessageScanner() = default;

void MessageScanner::update(Octets octets) { impl_->update(octets); }
MessageFacts MessageScanner::finish() { return impl_->finish(); }

MessageFacts scan_message(Octets octets, ScanOptions options) {
  MessageScanner scanner(options);
  scanner.update(octets);
  return scanner.finish();
}

std::optional<ReceivedDate> received_or_fallback(const MessageFacts& facts, std::optional<ReceivedDate> from_line) {
  if (facts.received) return facts.received;
  return from_line ? from_line : facts.date;
}

}  // namespace mailhaul::mail
