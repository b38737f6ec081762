// The message scanner: any chunking tells the same facts; equal NID means equal EID; the walker loses no octet.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/strings.hpp"
#include "mail/header_scan.hpp"
#include "mail/message_scan.hpp"
#include "mail/sha256.hpp"

namespace {

using namespace mailhaul;
using namespace mailhaul::mail;

void demand(bool holds) {
  if (!holds) std::abort();
}

constexpr ScanOptions kAll{.mail_key = true, .cid = true, .header_id = true};

bool same(const Housekeeping& a, const Housekeeping& b) {
  return a.status == b.status && a.x_status == b.x_status && a.x_keywords == b.x_keywords &&
         a.x_mozilla_status == b.x_mozilla_status && a.x_mozilla_status2 == b.x_mozilla_status2 &&
         a.x_mozilla_keys == b.x_mozilla_keys && a.has_x_imap == b.has_x_imap;
}

void demand_same(const MessageFacts& a, const MessageFacts& b) {
  demand(a.size == b.size && a.crlf_size == b.crlf_size);
  demand(a.cid == b.cid && a.nid == b.nid && a.eid == b.eid && a.header_id == b.header_id && a.mail_key == b.mail_key);
  demand(a.message_id == b.message_id && a.received == b.received && a.date == b.date);
  demand(a.has_received == b.has_received && a.has_nul == b.has_nul && a.ends_with_line_end == b.ends_with_line_end);
  demand(same(a.housekeeping, b.housekeeping));
}

/// Steps drawn from `seed`, 1 to `most` octets.
MessageFacts scan_in_pieces(std::string_view message, std::uint32_t seed, std::size_t most) {
  MessageScanner scanner(kAll);
  while (!message.empty()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t step = std::min(message.size(), 1 + (seed >> 8) % most);
    scanner.update(as_octets(message.substr(0, step)));
    message.remove_prefix(step);
  }
  return scanner.finish();
}

/// The canonical form, put together in memory.
std::string canonical(std::string_view message) {
  std::string form;
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (message[i] == '\n' && (i == 0 || message[i - 1] != '\r')) form += '\r';
    form += message[i];
  }
  while (form.ends_with("\r\n")) form.resize(form.size() - 2);
  return message.empty() ? form : form + "\r\n";
}

void check_walker(std::string_view message) {
  const std::string_view block = message.substr(0, header_block_length(message));
  std::string together;
  HeaderWalker walker(block);
  while (const auto field = walker.next()) {
    demand(!field->raw.empty());
    demand(field->name.size() + field->body.size() <= field->raw.size());
    together += field->raw;
  }
  demand(together == block);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const MessageFacts facts = scan_message(as_octets(message), kAll);
  demand(facts.cid == sha256(as_octets(message)));
  const std::string form = canonical(message);
  demand(facts.nid == sha256(as_octets(form)));
  const MessageFacts of_form = scan_message(as_octets(form), kAll);
  demand(of_form.nid == facts.nid && of_form.eid == facts.eid && of_form.header_id == facts.header_id);
  demand(of_form.mail_key == facts.mail_key && of_form.cid == of_form.nid);
  if (size < 20000) demand_same(facts, scan_in_pieces(message, 0, 1));
  demand_same(facts, scan_in_pieces(message, static_cast<std::uint32_t>(size), 5));
  demand_same(facts, scan_in_pieces(message, static_cast<std::uint32_t>(size) + 1, 200));
  check_walker(message);
  return 0;
}
