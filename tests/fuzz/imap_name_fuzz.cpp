// Folder names, flags and dates between IMAP and us: what comes back is what went out.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/strings.hpp"
#include "plugins/imap/protocol/command.hpp"
#include "plugins/imap/protocol/names.hpp"
#include "plugins/imap/protocol/uid_set.hpp"

namespace {

using namespace mailhaul;
using namespace mailhaul::imap;

void demand(bool holds) {
  if (!holds) std::abort();
}

void check_name(std::string_view native, const Naming& naming) {
  const auto path = path_of(native, naming);
  if (!path) return;
  demand(path->native == native && !path->components.empty());
  for (const std::string& component : path->components) {
    demand(!component.empty() && is_valid_utf8(component));
    demand(component.find_first_of("\r\n") == std::string::npos && component.find('\0') == std::string::npos);
  }
  // What can be spelled comes back as the same path, though perhaps from another spelling.
  const auto spelled = native_of(*path, naming);
  if (spelled && spelled->size() <= 1000) demand(path_of(*spelled, naming) == path);
}

void check_date(std::string_view text) {
  const auto date = parse_internaldate(text);
  if (!date) return;
  const auto written = to_internaldate(*date);
  // A date at the edge of the calendar may have a year of its own in UTC.
  if (!written) return;
  const auto again = parse_internaldate(std::string_view(*written).substr(1, written->size() - 2));
  demand(again && again->instant == date->instant);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view prefix : {"", "INBOX.", "mail."}) {
    for (const bool utf8 : {false, true}) {
      check_name(text, {std::string(prefix), '.', utf8});
      check_name(text, {"", '/', utf8});
      check_name(text, {"", std::nullopt, utf8});
    }
  }
  check_date(text);
  if (const auto set = UidSet::parse(text)) demand(UidSet::parse(set->text()) == set);
  demand(Command("X").flags({std::string(text)}).check().ok() == is_flag(text));
  demand(!Command("X").mailbox(text).check().ok() == (text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos));
  return 0;
}
