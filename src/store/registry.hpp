// Which schemes there are, and how to open them. The list of built-in ones is written by hand in cli/stores.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "store/location.hpp"
#include "store/store.hpp"

namespace mailhaul::store {

/// Dialect of mbox quoting (`--mbox-dialect`).
enum class MboxDialect { mboxrd, mboxo };

/// What the command line says to a store when it opens.
struct OpenOptions {
  MboxDialect mbox_dialect = MboxDialect::mboxrd;
};

/// One scheme. Plain data and functions; outlives everything opened with it.
struct Descriptor {
  std::string_view scheme;
  std::string_view what;  ///< one line for people
  /// The place itself, however it is spelled: equal places give equal texts, a place inside another gives a text
  /// that begins with the other's text and '/'. Does not open the place; a place that does not exist yet is fine.
  Result<std::string> (*identity)(const Location&, Services&);
  /// What a Target opened there would be able to do; makes and changes nothing. null when open_target is null.
  Result<Caps> (*target_caps)(const Location&, Services&);
  /// null when the scheme cannot be read. A place that is not there: ErrorKind::unreachable; one that is not what
  /// the scheme says: usage.
  Result<std::unique_ptr<Source>> (*open_source)(const Location&, Services&, const OpenOptions&);
  /// null when it cannot be written (ErrorKind::unsupported is then the registry's answer). Makes the place.
  Result<std::unique_ptr<Target>> (*open_target)(const Location&, Services&, AckSink&, const OpenOptions&);
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
