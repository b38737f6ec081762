// What the process asks of the system before anything else happens, and how it hears that it shall stop.
#pragma once

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "store/services.hpp"

namespace mailhaul::cli {

/// Once, before any thread: descriptors 0 to 2 that are closed are opened on /dev/null (else the ledger could become
/// "stdout"), umask 077, SIGPIPE and SIGXFSZ ignored (they come back as EPIPE and EFBIG), no core files and
/// no look into our memory for other processes of the user, an allocator that gives memory back, as many descriptors as
/// spilled messages may need. The locale is left at "C".
[[nodiscard]] Status set_up_process();

/// From here to its end SIGINT, SIGTERM and SIGHUP request `token`; a second one ends the process at once with 12,
/// which every state of a run survives. One at a time in a process; `token` outlives it.
class StopSignals {
 public:
  explicit StopSignals(CancelToken& token);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
};

/// Random numbers of the kernel. Thread-safe.
class SystemRandom final : public store::Random {
 public:
  std::uint64_t next() override;
};

}  // namespace mailhaul::cli
