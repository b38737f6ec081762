// Which schemes there are, and how to open them. The list of built-in ones is written by hand in cli/stores.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address_family.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "store/location.hpp"
#include "store/long_message.hpp"
#include "store/store.hpp"

namespace mailhaul::store {

/// Dialect of mbox quoting (`--mbox-dialect`).
enum class MboxDialect { mboxrd, mboxo };

/// Whether what goes over the line is compressed (`--compress`).
enum class Compress {
  off,
  automatic,  ///< where the server can
  on,         ///< or not at all
};

/// What a run has learnt of a server in the sessions before this one.
struct Past {
  unsigned fruitless = 0;      ///< sessions in a row that ended without any progress
  bool one_at_a_time = false;  ///< one of them stumbled over commands that left together (Error::one_at_a_time)
};

/// How an account on a server is entered. Each side of a run has its own.
struct Access {
  /// Asked before each login, so that a token is fresh; the same call may run a command or prompt, so never under a
  /// deadline of the server. Error: unreachable (a command failed, nobody to ask). null: there is no password.
  std::function<Result<Secret>()> password;
  bool password_at_hand = false;  ///< password() asks nobody and runs nothing: several sessions may be opened at once
  std::string ca_file;            ///< `--source-ca`, `--target-ca`; "" = the system's
  bool allow_plaintext = false;   ///< `--allow-plaintext`
  std::chrono::milliseconds timeout = std::chrono::seconds(60);  ///< `--timeout`: silence that ends a session
  AddressFamily family = AddressFamily::any;
  Compress compress = Compress::off;  ///< of no effect where Descriptor::compresses is false
  std::string name = "session";  ///< "source", "target": for the trace
  std::uint64_t longest_message = kLongestMessage;  ///< in octets as they travel; tests set it lower
  Past past;
};

/// What the command line says to a store when it opens.
struct OpenOptions {
  MboxDialect mbox_dialect = MboxDialect::mboxrd;
  Access access;
};

/// What `probe` tells of a place: text of the server is not yet made visible.
struct Probe {
  std::string greeting;
  std::vector<std::string> capabilities;  ///< as announced after login
  std::string tls;    ///< "TLSv1.3 TLS_AES_256_GCM_SHA384", or "none"
  std::string login;  ///< the mechanism that was used, "preauthenticated", or "none"
  std::vector<std::pair<std::string, std::string>> limits;  ///< "append_octets": "35651584", …
  std::vector<std::string> quirks;  ///< known faults of this server, one sentence each
};

/// One scheme. Plain data and functions; outlives everything opened with it.
struct Descriptor {
  std::string_view scheme;
  std::string_view what;  ///< one line for people
  /// The place itself, however it is spelled: equal places give equal texts, a place inside another gives a text
  /// that begins with the other's text and '/'. Does not open the place; a place that does not exist yet is fine.
  Result<std::string> (*identity)(const Location&, Services&);
  /// What a Target opened there would be able to do; makes and changes nothing. null when open_target is null. `opened`:
  /// the same place opened as a Source by this descriptor, or null where there is nothing yet; a place that must be asked
  /// is asked through it.
  Result<Caps> (*target_caps)(const Location&, Services&, Source* opened);
  /// null when the scheme cannot be read. A place that is not there: ErrorKind::unreachable; one that is not what
  /// the scheme says: usage.
  Result<std::unique_ptr<Source>> (*open_source)(const Location&, Services&, const OpenOptions&);
  /// null when it cannot be written: `read_only` tells why. Makes the place.
  Result<std::unique_ptr<Target>> (*open_target)(const Location&, Services&, AckSink&, const OpenOptions&);
  /// null for a place without a server.
  Result<Probe> (*probe)(const Location&, Services&, const OpenOptions&) = nullptr;
  std::string_view read_only{};  ///< one sentence why it cannot be written; "" = it can
  std::string_view instead{};    ///< and what to do
  bool compresses = false;  ///< heeds Access::compress; open_source and open_target with `on` fail with `unsupported`
                            ///< where the server cannot
};

/// Immutable after construction; thread-safe.
class Registry {
 public:
  explicit Registry(std::vector<const Descriptor*> descriptors) : descriptors_(std::move(descriptors)) {}
  /// ErrorKind::usage with the known schemes as hint when there is none.
  [[nodiscard]] Result<const Descriptor*> find(const Location& location) const;
  [[nodiscard]] const std::vector<const Descriptor*>& all() const { return descriptors_; }

 private:
  std::vector<const Descriptor*> descriptors_;
};

}  // namespace mailhaul::store
