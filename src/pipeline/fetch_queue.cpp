// See fetch_queue.hpp.
#include "pipeline/fetch_queue.hpp"

namespace mailhaul::pipeline {
namespace {

std::uint64_t octets_of(const Fetched& fetched) {
  const auto* message = std::get_if<mail::Message>(&fetched.result);
  return message == nullptr ? 0 : message->content->size();
}

}  // namespace

Status FetchQueue::push(Fetched fetched) {
  const std::uint64_t octets = octets_of(fetched);
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [&] {
    return closed_ || items_.empty() || octets_ + octets <= slack_ ||
           (octets_ + octets <= max_octets_ + slack_ && items_.size() < max_messages_);
  });
  if (closed_) return make_error(ErrorKind::interrupted, Scope::run, "the run was stopped", {}, Retry::later);
  octets_ += octets;
  items_.push_back(std::move(fetched));
  filled_.notify_one();
  return {};
}

bool FetchQueue::has_room() {
  const std::lock_guard lock(mutex_);
  return closed_ || items_.empty() || (octets_ < max_octets_ && items_.size() < max_messages_);
}

void FetchQueue::finish(Status status) {
  const std::lock_guard lock(mutex_);
  end_ = std::move(status);
  filled_.notify_one();
}

FetchQueue::State FetchQueue::pop(Fetched& into, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  filled_.wait_for(lock, patience, [&] { return !items_.empty() || end_.has_value(); });
  if (items_.empty()) return end_.has_value() ? State::finished : State::idle;
  into = std::move(items_.front());
  items_.pop_front();
  octets_ -= octets_of(into);
  drained_.notify_one();
  return State::item;
}

Status FetchQueue::end_status() {
  const std::lock_guard lock(mutex_);
  return end_.value_or(Status());
}

void FetchQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  drained_.notify_all();
}

}  // namespace mailhaul::pipeline
