#include "net/limited_dialer.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

namespace mailhaul::net {

namespace {

using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

/// Fills with time, up to a quarter of a second's worth; what was taken beyond it is owed. Thread-safe.
class Bucket {
 public:
  Bucket(std::uint64_t octets_per_second, Time now)
      : rate_(static_cast<double>(octets_per_second)), tokens_(rate_ / 4), at_(now) {}

  /// Octets that may go now; 0 while it is not worth the while: many tiny writes would fill the line with their frames.
  [[nodiscard]] std::size_t room(Time now, std::size_t wanted) {
    const std::lock_guard lock(mutex_);
    fill(now);
    return tokens_ < least(wanted) ? 0 : std::min(wanted, static_cast<std::size_t>(tokens_));
  }
  [[nodiscard]] milliseconds until_room(Time now, std::size_t wanted) {
    const std::lock_guard lock(mutex_);
    fill(now);
    const double missing = least(wanted) - tokens_;
    return missing <= 0 ? milliseconds(0) : milliseconds(static_cast<std::int64_t>(missing * 1000 / rate_) + 1);
  }
  void take(std::size_t octets) {
    const std::lock_guard lock(mutex_);
    tokens_ -= static_cast<double>(octets);
  }

 private:
  [[nodiscard]] double least(std::size_t wanted) const { return std::min(static_cast<double>(wanted), rate_ / 20); }
  void fill(Time now) {
    tokens_ = std::min(rate_ / 4, tokens_ + rate_ * std::chrono::duration<double>(now - at_).count());
    at_ = now;
  }

  std::mutex mutex_;
  const double rate_;
  double tokens_;
  Time at_;
};

/// What all connections of a run share.
struct Line {
  Line(std::uint64_t rate, const Clock& its_clock, const CancelToken& its_cancel)
      : clock(its_clock), cancel(its_cancel), in(rate, its_clock.steady()), out(rate, its_clock.steady()) {}
  const Clock& clock;
  const CancelToken& cancel;
  Bucket in, out;
};

class LimitedConnection final : public Connection {
 public:
  LimitedConnection(std::unique_ptr<Connection> inner, Line& line) : inner_(std::move(inner)), line_(line) {}

  Result<Step> step(Octets out, milliseconds wait) override {
    // How much will come nobody knows before it is there.
    if (line_.in.room(line_.clock.steady(), 1) == 0) {
      rest(std::min(wait, line_.in.until_room(line_.clock.steady(), 1)));
      if (line_.in.room(line_.clock.steady(), 1) == 0) return Step{};
      wait = milliseconds(0);
    }
    const Time now = line_.clock.steady();
    const std::size_t some = line_.out.room(now, out.size());
    if (some == 0 && !out.empty()) wait = std::min(wait, line_.out.until_room(now, out.size()));
    auto done = inner_->step(out.first(some), wait);
    if (!done.ok()) return done;
    line_.in.take(done->received.size());
    line_.out.take(done->sent);
    return done;
  }
  Status start_tls(const TlsOptions& options, milliseconds timeout) override {
    return inner_->start_tls(options, timeout);
  }
  [[nodiscard]] std::string tls() const override { return inner_->tls(); }
  [[nodiscard]] bool is_tunnel() const override { return inner_->is_tunnel(); }
  [[nodiscard]] bool is_loopback() const override { return inner_->is_loopback(); }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }
  void shut_down() override { inner_->shut_down(); }

 private:
  /// In small steps, of which a run that is cancelled waits for one.
  void rest(milliseconds time) const {
    for (; time.count() > 0; time -= milliseconds(100)) {
      std::this_thread::sleep_for(std::min(time, milliseconds(100)));
      if (line_.cancel.requested()) return;
    }
  }

  std::unique_ptr<Connection> inner_;
  Line& line_;
};

class LimitedDialer final : public Dialer {
 public:
  LimitedDialer(Dialer& inner, std::uint64_t rate, const Clock& clock, const CancelToken& cancel)
      : inner_(inner), line_(rate, clock, cancel) {}

  Result<std::unique_ptr<Connection>> dial(const Destination& destination) override {
    auto connection = inner_.dial(destination);
    if (!connection.ok()) return connection;
    return std::unique_ptr<Connection>(std::make_unique<LimitedConnection>(std::move(connection).value(), line_));
  }

 private:
  Dialer& inner_;
  Line line_;
};

}  // namespace

std::unique_ptr<Dialer> make_limited_dialer(Dialer& inner, std::uint64_t octets_per_second, const Clock& clock,
                                            const CancelToken& cancel) {
  return std::make_unique<LimitedDialer>(inner, octets_per_second, clock, cancel);
}

}  // namespace mailhaul::net
