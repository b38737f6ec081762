#include "net/compressed.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "net/deflate.hpp"
#include "net/errors.hpp"
#include "net/poll.hpp"

namespace mailhaul::net {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kRoom = std::size_t{256} << 10U;  // inflated octets a step, as of a Conversation
// Octets taken at once. They count as sent before the last of them has left, so a caller that watches for progress sees
// none while they go: at 1 KiB a second that takes a minute.
constexpr std::size_t kPiece = std::size_t{64} << 10U;

class CompressedConnection final : public Connection {
 public:
  CompressedConnection(std::unique_ptr<Connection> inner, std::string place, const Clock& clock, Deflater deflater,
                       Inflater inflater, Octets behind)
      : inner_(std::move(inner)),
        place_(std::move(place)),
        clock_(clock),
        deflater_(std::move(deflater)),
        inflater_(std::move(inflater)),
        incoming_(behind.begin(), behind.end()),
        received_(kRoom) {}

  Result<Step> step(Octets out, milliseconds wait) override;
  Status start_tls(const TlsOptions&, milliseconds) override {
    return dead(make_error(ErrorKind::bug, Scope::run, "TLS was asked for inside a compressed connection"));
  }
  [[nodiscard]] std::string tls() const override { return inner_->tls(); }
  [[nodiscard]] bool is_tunnel() const override { return inner_->is_tunnel(); }
  [[nodiscard]] bool is_loopback() const override { return inner_->is_loopback(); }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }
  void shut_down() override;

 private:
  Error dead(Error error) {
    dead_ = std::move(error).context(place_);
    return *dead_;
  }
  /// One turn of the line; `taken`: octets of `out`. True when octets went either way, be they ever so few.
  Result<bool> exchange(Octets out, milliseconds wait, std::size_t& taken);
  Result<Step> inflated();  ///< without a turn of the line
  [[nodiscard]] Octets outgoing() const { return Octets(outgoing_).subspan(outgoing_at_); }
  void left(std::size_t octets);

  std::unique_ptr<Connection> inner_;
  std::string place_;
  const Clock& clock_;
  Deflater deflater_;
  Inflater inflater_;
  std::vector<std::byte> outgoing_;  ///< compressed, told as sent
  std::size_t outgoing_at_ = 0;
  std::vector<std::byte> incoming_;  ///< still compressed
  std::size_t incoming_at_ = 0;
  bool more_ = true;                 ///< something may come of incoming_, or of what the inflater holds
  bool closed_ = false;              ///< nothing follows incoming_
  std::vector<std::byte> received_;  ///< what a Step lends
  std::optional<Error> dead_;
};

Result<Step> CompressedConnection::step(Octets out, milliseconds wait) {
  if (dead_) return *dead_;
  // What is held back goes first, and the line is not asked meanwhile: it may have nothing more to say.
  auto held = inflated();
  if (!held) return dead(std::move(held).error());
  if (!held->received.empty() || held->closed) return held;
  const Deadline deadline = clock_.steady() + wait;
  for (;;) {
    std::size_t taken = 0;
    MH_TRY(const bool moved, exchange(out, wait, taken));
    auto step = inflated();
    if (!step) {
      const Error error = dead(std::move(step).error());
      if (taken == 0) return error;
      // What has left is told first: whoever does not hear of it takes it for never sent.
      step = Step{};
    }
    step->sent = taken;
    if (taken > 0 || !step->received.empty() || step->closed) return step;
    // Octets of which nothing comes (empty blocks) are silence, however many a peer sends.
    wait = std::chrono::ceil<milliseconds>(deadline - clock_.steady());
    if (!moved || wait.count() <= 0) return Step{};
  }
}

Result<bool> CompressedConnection::exchange(Octets out, milliseconds wait, std::size_t& taken) {
  // More is taken only when what was taken before has left for the line: "sent" then means nearly sent.
  if (outgoing().empty()) {
    taken = std::min(out.size(), kPiece);
    if (auto put = deflater_.put(out.first(taken), outgoing_); !put) return dead(std::move(put).error());
  }
  auto done = inner_->step(outgoing(), wait);
  if (!done) {
    dead_ = std::move(done).error();  // nothing of this turn has left: step() promises it
    return *dead_;
  }
  left(done->sent);
  incoming_.assign(done->received.begin(), done->received.end());
  incoming_at_ = 0;
  more_ = !incoming_.empty();
  closed_ = done->closed;
  return done->sent > 0 || more_ || closed_;
}

void CompressedConnection::left(std::size_t octets) {
  outgoing_at_ += std::min(octets, outgoing_.size() - outgoing_at_);
  if (outgoing_at_ < outgoing_.size()) return;
  outgoing_.clear();
  outgoing_at_ = 0;
}

Result<Step> CompressedConnection::inflated() {
  Step step;
  if (more_) {
    MH_TRY(const auto some, inflater_.take(Octets(incoming_).subspan(incoming_at_), received_));
    incoming_at_ += some.taken;
    more_ = some.more;
    closed_ = closed_ || (some.end && !some.more);
    step.received = Octets(received_).first(some.made);
  }
  step.closed = closed_ && !more_ && step.received.empty();
  return step;
}

void CompressedConnection::shut_down() {
  if (!dead_ && !outgoing().empty()) {
    // Octets that step() said are on their way; what comes meanwhile is kept.
    const auto done = inner_->step(outgoing(), milliseconds(0));
    if (done.ok()) {
      left(done->sent);
      incoming_.insert(incoming_.end(), done->received.begin(), done->received.end());
      more_ = more_ || !done->received.empty();
      closed_ = closed_ || done->closed;
    } else {
      dead_ = done.error();
    }
  }
  inner_->shut_down();
}

}  // namespace

Result<std::unique_ptr<Connection>> compress(std::unique_ptr<Connection> inner, std::string place, const Clock& clock,
                                             Octets behind) {
  auto deflater = Deflater::make();
  if (!deflater) return std::move(deflater).error().context(place);
  auto inflater = Inflater::make();
  if (!inflater) return std::move(inflater).error().context(place);
  return std::unique_ptr<Connection>(std::make_unique<CompressedConnection>(
      std::move(inner), std::move(place), clock, std::move(deflater).value(), std::move(inflater).value(), behind));
}

}  // namespace mailhaul::net
