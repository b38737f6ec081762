// How a command reaches servers: dialer, trace, and each side's way in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/frame.hpp"
#include "cli/passwords.hpp"
#include "cli/trace.hpp"
#include "files/file_system.hpp"
#include "store/registry.hpp"

namespace mailhaul::net {
class Dialer;
}  // namespace mailhaul::net

namespace mailhaul::cli {

/// One a command. Outlives the stores that it was given to.
class Accounts {
 public:
  explicit Accounts(Frame& frame);
  ~Accounts();
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  /// How `side` ("source", "target") is entered. Takes the password out of the location. For a place without a server
  /// the options have no effect, which is warned of. Errors: usage, security (password file, CA file).
  [[nodiscard]] Result<store::Access> enter(const std::string& side, const AccessOptions& options,
                                            store::Location& location, files::FileSystem& fs);
  /// `--trace`, if it is wanted. Error: usage.
  [[nodiscard]] Status open_trace(files::FileSystem& fs);
  /// `rate`: octets a second over the network, each way; nullopt = as fast as it goes.
  void give_to(store::Services& services, std::optional<std::uint64_t> rate = std::nullopt);
  /// Once, when the stores are closed: warns of a trace that is cut short.
  void finish();

 private:
  Frame& frame_;
  PasswordPrompt prompt_;
  std::unique_ptr<net::Dialer> dialer_, limited_;
  std::unique_ptr<TraceFile> trace_;
};

}  // namespace mailhaul::cli
