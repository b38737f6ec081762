#include "dialogue/stage.hpp"

#include <vector>

#include "base/strings.hpp"
#include "dialogue/performer.hpp"

namespace mailhaul::dialogue {

namespace {

/// The outcome against the `expect:` lines, in order; each is a glob, "..." any number of lines.
std::string difference(const Script& script, const Operation& operation, const std::vector<std::string>& outcome) {
  std::string what;
  std::size_t at = 0;
  bool skipping = false;
  for (const Expectation& one : operation.expected) {
    if (one.pattern == "...") {
      skipping = true;
      continue;
    }
    const std::size_t from = at;
    while (skipping && at < outcome.size() && !glob_match(one.pattern, outcome[at])) ++at;
    skipping = false;
    if (at < outcome.size() && glob_match(one.pattern, outcome[at])) {
      ++at;
      continue;
    }
    what = script.file + ":" + std::to_string(one.line) + ": another outcome\n  expected  " + one.pattern +
           "\n  came      " + (from < outcome.size() ? outcome[from] : "nothing more") + "\n";
    break;
  }
  if (what.empty() && at < outcome.size() && !skipping)
    what = script.file + ":" + std::to_string(operation.line) + ": more came than was expected\n  came      " +
           outcome[at] + "\n";
  if (what.empty()) return {};
  what += "  all that came of  do: " + operation.text + "\n";
  for (const auto& line : outcome) what += "            " + line + "\n";
  return what;
}

}  // namespace

std::string play(const Script& script, Pieces pieces) {
  ScriptedClock clock;
  Player player(script, pieces, clock);
  bool keeps_password = false;
  {
    Performer performer(script, player, clock);
    for (const Operation& operation : script.operations) {
      const std::string here = script.file + ":" + std::to_string(operation.line) + ": ";
      player.allow(operation.events_end);
      if (operation.text == "no password was sent") {
        keeps_password = true;
        continue;
      }
      const auto outcome = performer.perform(operation.text);
      if (!outcome.ok()) return here + outcome.error().what;
      const std::string wrong = player.complaint() + difference(script, operation, *outcome);
      if (!wrong.empty()) return wrong;
      if (!performer.record().breach().empty()) return here + performer.record().breach();
    }
  }
  if (const std::string wrong = player.complaint(); !wrong.empty()) return wrong;
  return keeps_password && player.said_password() ? script.file + ": the password was sent" : "";
}

}  // namespace mailhaul::dialogue
