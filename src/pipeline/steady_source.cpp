// See steady_source.hpp. What fetch() must remember is in steady_fetch.
#include "pipeline/steady_source.hpp"

#include <utility>
#include <vector>

#include "pipeline/key_set.hpp"
#include "pipeline/steady_fetch.hpp"

namespace mailhaul::pipeline {
namespace {

/// Passes each key on once, over any number of sessions, and tells a sink's Error from a session's.
class OnceSink final : public store::ItemSink {
 public:
  OnceSink(store::ItemSink& sink, BackOff& back_off, bool& caller_failed)
      : sink_(sink), back_off_(back_off), caller_failed_(caller_failed) {}

  Status on_item(store::Item item) override {
    return told_.insert(item.key) ? passed(sink_.on_item(std::move(item))) : Status();
  }
  // A message may be listed by one session and gone in the next: both are news.
  Status on_gone(const store::Key& key) override { return gone_.insert(key) ? passed(sink_.on_gone(key)) : Status(); }
  Status on_bad(const store::Key& key, Error error) override {
    return told_.insert(key) ? passed(sink_.on_bad(key, std::move(error))) : Status();
  }
  [[nodiscard]] bool answered(const store::Key& key) const { return told_.contains(key) || gone_.contains(key); }

 private:
  Status passed(Status status) {
    back_off_.progress();
    caller_failed_ = !status.ok();
    return status;
  }

  store::ItemSink& sink_;
  BackOff& back_off_;
  bool& caller_failed_;
  KeySet told_, gone_;
};

}  // namespace

SteadySource::SteadySource(std::unique_ptr<store::Source> opened, Open open, std::string place, Patience patience,
                           store::Services& services, const store::Past& past)
    : source_(std::move(opened)),
      open_(std::move(open)),
      place_(std::move(place)),
      services_(services),
      back_off_(std::move(patience), services.cancel),
      opened_(source_ != nullptr),
      one_at_a_time_(past.one_at_a_time) {
  if (source_) caps_ = source_->caps();
}

void SteadySource::note_loss(const Error& why) {
  ++losses_;
  if (why.wait) return;  // its pause is told
  services_.events.note({store::Note::Weight::info, "", place_ + ": connection lost (" + why.what + "), reconnecting"});
}

Status SteadySource::reopen() {
  const store::Past past{back_off_.attempts(), one_at_a_time_};
  auto source = open_(past);
  if (!source.ok()) return std::move(source).error();
  source_ = std::move(source).value();
  if (!opened_) caps_ = source_->caps();
  opened_ = true;
  return {};
}

Status SteadySource::steadily(const std::function<Status(store::Source&)>& call) {
  caller_failed_ = false;
  for (;;) {
    const bool connected = source_ != nullptr;
    Status status = connected ? Status() : reopen();
    if (!status.ok() && !opened_) return status;
    bool worth_another = false;
    if (!status.ok()) {
      // A server that is not to be reached now may be back soon, whatever scope its refusal has.
      worth_another = status.error().retry != Retry::never && status.error().kind != ErrorKind::interrupted;
    } else {
      status = call(*source_);
      if (status.ok()) {
        back_off_.progress();
        return status;
      }
      worth_another = !caller_failed_ && session_lost(status.error());
      if (worth_another) {
        source_.reset();
        note_loss(status.error());
      }
    }
    if (!worth_another) return status;
    one_at_a_time_ = one_at_a_time_ || status.error().one_at_a_time;
    if (const auto text = back_off_.note(place_, status.error()))
      services_.events.note({store::Note::Weight::warning, "", *text});
    MH_CHECK(back_off_.pause(status.error()));
  }
}

Status SteadySource::folders(const std::function<Status(store::FolderInfo)>& sink) {
  std::vector<store::FolderInfo> folders;
  MH_CHECK(steadily([&](store::Source& source) {
    folders.clear();
    return source.folders([&](store::FolderInfo folder) {
      folders.push_back(std::move(folder));
      return Status();
    });
  }));
  for (auto& folder : folders) MH_CHECK(sink(std::move(folder)));
  return {};
}

Result<store::ListEnd> SteadySource::list(const store::FolderInfo& folder, std::optional<std::string> since,
                                          store::ItemSink& sink) {
  OnceSink once(sink, back_off_, caller_failed_);
  store::ListEnd end;
  const unsigned losses = losses_;
  const auto listed = steadily([&](store::Source& source) -> Status {
    auto told = losses_ != losses && !wishes_.empty() ? source.expect_listings(wishes()) : Status();
    if (!told.ok()) return told;
    MH_TRY(end, source.list(folder, since, once));
    return {};
  });
  if (!wishes_.empty() && wishes_.front().folder == &folder) wishes_.pop_front();
  if (!listed.ok()) return listed.error();
  return end;
}

Status SteadySource::expect_listings(std::vector<store::ListingWish> wishes) {
  wishes_.assign(std::make_move_iterator(wishes.begin()), std::make_move_iterator(wishes.end()));
  return steadily([&](store::Source& source) { return source.expect_listings(this->wishes()); });
}

Status SteadySource::describe(const store::FolderInfo& folder, std::span<const store::Key> keys,
                              store::ItemSink& sink) {
  OnceSink once(sink, back_off_, caller_failed_);
  std::vector<store::Key> left(keys.begin(), keys.end());
  return steadily([&](store::Source& source) {
    std::erase_if(left, [&](const store::Key& key) { return once.answered(key); });
    return left.empty() ? Status() : source.describe(folder, left, once);
  });
}

Status SteadySource::fetch(const store::NextBatch& next, store::FetchSink& sink) {
  SteadyFetch fetch(next, sink, back_off_, caller_failed_);
  return steadily([&](store::Source& source) { return fetch.run(source, /*locators_hold=*/losses_ == 0); });
}

Status SteadySource::pump(std::chrono::milliseconds until) {
  if (!source_) return {};
  Status status = source_->pump(until);
  if (status.ok() || !session_lost(status.error())) return status;
  source_.reset();
  note_loss(status.error());
  return {};
}

}  // namespace mailhaul::pipeline
