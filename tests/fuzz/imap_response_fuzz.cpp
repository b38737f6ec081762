// Any octets as what a server says: the same events for any pieces, all consumed, bodies of the announced size, and no
// more memory than the limits allow. The first octet chooses the pieces and how tight the limits are.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/imap/protocol/client.hpp"
#include "plugins/imap/protocol/response.hpp"
#include "unit/imap_protocol/recorder.hpp"

namespace {

using namespace mailhaul;
using namespace mailhaul::imap;

void demand(bool holds) {
  if (!holds) std::abort();
}

/// Bodies as announced, never two in one response, and strings within the limits.
class Judge final : public imap::testing::Recorder {
 public:
  explicit Judge(const Limits& limits) : limits_(limits) {}

  Status on_response(Response response) override {
    demand(!in_body_);
    const auto* const fetch = std::get_if<FetchResponse>(&response);
    const bool delivered = fetch != nullptr && fetch->body == FetchResponse::Body::delivered;
    demand(delivered == had_body_);
    if (delivered) demand(fetch->body_size == size_);
    if (fetch != nullptr && fetch->uid) demand(*fetch->uid > 0);
    had_body_ = false;
    if (const auto* list = std::get_if<ListResponse>(&response)) demand(list->name.size() <= most());
    if (const auto* search = std::get_if<SearchResponse>(&response)) check(search->numbers);
    if (const auto* vanished = std::get_if<VanishedResponse>(&response)) check(vanished->uids);
    const std::string event = imap::testing::describe(response);
    demand(event.size() <= 40 * (limits_.line + most()) + 4096);
    return Recorder::on_response(std::move(response));
  }
  Status on_body_begin(std::uint64_t size) override {
    demand(!in_body_ && !had_body_ && size <= std::max<std::uint64_t>(limits_.body, limits_.line));
    in_body_ = had_body_ = true;
    size_ = left_ = size;
    return Recorder::on_body_begin(size);
  }
  Status on_body(Octets octets) override {
    demand(in_body_ && !octets.empty() && octets.size() <= left_);
    left_ -= octets.size();
    return Recorder::on_body(octets);
  }
  Status on_body_end() override {
    demand(in_body_ && left_ == 0);
    in_body_ = false;
    return Recorder::on_body_end();
  }

 private:
  [[nodiscard]] std::size_t most() const { return std::max(limits_.line, limits_.literal); }
  void check(const UidSet& set) const {
    demand(set.ranges().size() <= limits_.elements);
    if (!set.empty()) demand(UidSet::parse(set.text()) == set);
  }

  const Limits& limits_;
  bool in_body_ = false, had_body_ = false;
  std::uint64_t size_ = 0, left_ = 0;
};

std::vector<std::string> events_of(std::string_view text, std::size_t piece, const Limits& limits) {
  ResponseParser parser(limits);
  Judge judge(limits);
  while (!text.empty()) {
    const std::vector<char> now(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(piece, text.size())));
    text.remove_prefix(now.size());
    if (auto status = parser.feed(as_octets({now.data(), now.size()}), judge); !status) {
      demand(status.error().scope == Scope::session);
      demand(status.error().kind == ErrorKind::security || status.error().kind == ErrorKind::unreachable);
      demand(status.error().what.size() < 1000);
      judge.events.push_back(status.error().what);
      break;
    }
  }
  judge.events.emplace_back(parser.at_start() ? "start" : "within");
  return judge.events;
}

class Silent final : public ClientSink {
 public:
  Status on_greeting(const StatusResponse&) override { return {}; }
  Status on_untagged(CommandId, Response) override { return {}; }
  Status on_body_begin(CommandId, std::uint64_t) override { return {}; }
  Status on_body(CommandId, Octets) override { return {}; }
  Status on_body_end(CommandId) override { return {}; }
  Status on_challenge(CommandId, std::string_view) override { return {}; }
  Status on_done(CommandId, const TaggedResponse&) override {
    ++done;
    return {};
  }
  int done = 0;
};

/// A client in the middle of its work. Whatever the server says: no command is over that was not sent.
void check_client(std::string_view text, const Limits& limits) {
  Client client(limits, 1);
  client.set_plaintext_rules(text.size() % 2 == 0);
  Silent silent;
  (void)client.receive(as_octets("* OK x\r\n"), silent);
  demand(client.start(Command("LIST").list_pattern("").list_pattern("*")).ok());
  demand(client.start(Command("SELECT").mailbox("a\xC3\xBC")).ok());
  const auto octets = client.output();
  demand(octets.ok());
  client.sent(octets->size());
  // The server knows the tags by now.
  const std::string tag(as_text(*octets).substr(0, as_text(*octets).find(' ')));
  std::string said;
  for (const char c : text) said += c == '#' ? tag : std::string(1, c);
  if (client.receive(as_octets(said), silent)) demand(client.output().ok());
  demand(silent.done <= 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Limits limits;
  if ((data[0] & 1U) != 0) {
    limits.line = 200;
    limits.literal = 20;
    limits.body = 100;
    limits.nesting = 3;
    limits.elements = 10;
  }
  const auto whole = events_of(text, text.size() + 1, limits);
  if (size < 20000) demand(events_of(text, 1, limits) == whole);
  demand(events_of(text, 2 + (data[0] >> 1U), limits) == whole);
  check_client(text, limits);
  return 0;
}
