#include "cli/warnings.hpp"

#include <string>

#include "base/strings.hpp"
#include "cli/values.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::size_t kShown = 20;
constexpr std::size_t kLongLine = 400;

}  // namespace

Warnings::Show warnings_to_show(const GlobalOptions& global) {
  if (global.quiet) return Warnings::Show::nothing;
  return global.verbose ? Warnings::Show::everything : Warnings::Show::warnings;
}

void Warnings::note(const store::Note& note) {
  const bool info = note.weight == store::Note::Weight::info;
  if (show_ == Show::nothing || (info && show_ == Show::warnings)) return;
  const std::lock_guard guard(mutex_);
  if (++seen_ > kShown) return;
  std::string line = info ? "mailhaul: note: " : "mailhaul: warning: ";
  if (!note.folder.empty()) line += visible(note.folder) + ": ";
  terminal_.say(line + visible(note.text, kLongLine));
}

void Warnings::finish() {
  const std::lock_guard guard(mutex_);
  if (seen_ > kShown) terminal_.say("mailhaul: … " + grouped(seen_ - kShown) + " more in the report");
}

}  // namespace mailhaul::cli
