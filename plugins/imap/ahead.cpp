// See ahead.hpp.
#include "plugins/imap/ahead.hpp"

#include <algorithm>
#include <iterator>

namespace mailhaul::imap {

namespace {

constexpr std::chrono::milliseconds kTurn{200};
// With the one that is read six folders, of two commands each: some servers hang up on more at once (node-imap #518).
constexpr std::size_t kAhead = 5;

std::string text_of(const Command& command) {
  std::string text;
  for (const auto& part : command.parts()) text += part.text;
  return text;
}

bool are_the_same(const std::vector<Command>& commands, const std::vector<Call>& calls) {
  return std::equal(commands.begin(), commands.end(), calls.begin(), calls.end(),
                    [](const Command& one, const Call& other) { return text_of(one) == text_of(other.command); });
}

}  // namespace

void Ahead::plan(std::vector<Planned> planned) {
  forget();
  planned_.assign(std::make_move_iterator(planned.begin()), std::make_move_iterator(planned.end()));
}

void Ahead::forget() {
  planned_.clear();
  begun_.clear();
}

/// What cannot be sent is left to its own turn, which tells why.
void Ahead::begin_more() {
  while (!planned_.empty() && begun_.size() <= kAhead) {
    Begun begun;
    begun.planned = std::move(planned_.front());
    planned_.pop_front();
    for (const auto& command : begun.planned.commands) {
      const auto id = session_.start(command);
      if (!id.ok()) {
        planned_.clear();
        return;
      }
      begun.ids.push_back(*id);
    }
    begun.responses.resize(begun.ids.size());
    begun_.push_back(std::move(begun));
  }
}

Result<std::vector<TaggedResponse>> Ahead::run(const store::FolderInfo& folder, std::vector<Call> calls) {
  if (has_begun() || !planned_.empty()) {
    session_.set_listener(this);
    begin_more();
  }
  const auto foretold =
      std::find_if(begun_.begin(), begun_.end(), [&](const Begun& one) { return one.planned.folder == &folder; });
  if (foretold != begun_.end() && are_the_same(foretold->planned.commands, calls)) {
    begun_.erase(begun_.begin(), foretold);  // what comes of those before it passes by
    auto responses = read(calls);
    if (!responses.ok()) forget();
    return responses;
  }
  put_back(folder);
  MH_CHECK(session_.finish());
  return session_.run_each(std::move(calls));
}

/// Another listing than was foretold: what is under way passes by, and is asked for again after it.
void Ahead::put_back(const store::FolderInfo& but) {
  for (auto one = begun_.rbegin(); one != begun_.rend(); ++one) {
    if (one->planned.folder != &but) planned_.push_front(std::move(one->planned));
  }
  begun_.clear();
}

Result<std::vector<TaggedResponse>> Ahead::read(std::vector<Call>& calls) {
  Begun& begun = begun_.front();
  for (auto& [which, response] : std::exchange(begun.held, {})) MH_CHECK(calls[which].handler(std::move(response)));
  begun.reader = &calls;
  const auto all_done = [&] {
    return std::all_of(begun.responses.begin(), begun.responses.end(), [](const auto& one) { return one.has_value(); });
  };
  while (!all_done()) MH_CHECK(session_.turn(kTurn));
  std::vector<TaggedResponse> responses;
  for (auto& one : begun.responses) responses.push_back(std::move(*one));
  begun_.pop_front();
  return responses;
}

std::pair<Ahead::Begun*, std::size_t> Ahead::find(CommandId id) {
  for (auto& begun : begun_) {
    const auto at = std::find(begun.ids.begin(), begun.ids.end(), id);
    if (at != begun.ids.end()) return {&begun, static_cast<std::size_t>(at - begun.ids.begin())};
  }
  return {nullptr, 0};
}

Status Ahead::on_untagged(CommandId current, Response response) {
  const auto [begun, which] = find(current);
  if (begun == nullptr) return {};
  if (begun->reader != nullptr) return (*begun->reader)[which].handler(std::move(response));
  begun->held.emplace_back(which, std::move(response));
  return {};
}

Status Ahead::on_done(CommandId id, const TaggedResponse& response) {
  const auto [begun, which] = find(id);
  if (begun != nullptr) begun->responses[which] = response;
  return {};
}

}  // namespace mailhaul::imap
