// Dates: whatever is accepted lies in the years 1..9999 with a zone within a day, and is written and read back the
// same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mail/dates.hpp"

namespace {

using mailhaul::Instant;
using namespace mailhaul::mail;

void demand(bool holds) {
  if (!holds) std::abort();
}

void check_instant(Instant instant) {
  const std::string text = to_asctime(instant);
  demand(text.size() == 24);
  const auto back = parse_asctime(text);
  demand(back && back->instant == instant && !back->zone);
  const auto by_mail_rules = parse_rfc5322_date(text);
  demand(by_mail_rules && by_mail_rules->instant == instant);
  demand(parse_iso_date(to_iso(instant)) == instant);
}

void check(const std::optional<ReceivedDate>& date) {
  if (!date) return;
  if (date->zone) demand(std::chrono::abs(*date->zone) < std::chrono::hours(24));
  check_instant(date->instant);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(parse_rfc5322_date(text));
  check(parse_received_field(text));
  const auto strict = parse_asctime(text);
  const auto lenient = parse_asctime(text, /*rest_allowed=*/true);
  check(strict);
  check(lenient);
  if (strict) demand(lenient && lenient->instant == strict->instant);
  if (const auto instant = parse_iso_date(text)) check_instant(*instant);
  return 0;
}
