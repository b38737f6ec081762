// The date forms of mail: RFC 5322 (with the obsolete and the broken ones of the field), asctime as mbox
// From_ lines carry it, and the options' ISO dates. Pure arithmetic on the Gregorian calendar; no locale, no TZ.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "mail/meta.hpp"

namespace mailhaul::mail {

/// A Date or Received date (RFC 5322 3.3, 4.3): comments and folding allowed, weekday optional and never
/// believed, 2- and 3-digit years as the RFC says, named zones, seconds optional, :60 counts as :59. Also takes
/// the ctime-like form "Mon Jan  2 15:04:05 2006 [zone]". nullopt when a field is out of its range (year 1..9999,
/// zone beyond ±23:59) or text is left that is no comment.
[[nodiscard]] std::optional<ReceivedDate> parse_rfc5322_date(std::string_view text);
/// The date after the last ';' of a Received field body. nullopt when there is none that parses.
[[nodiscard]] std::optional<ReceivedDate> parse_received_field(std::string_view field_body);

/// The date part of an mbox From_ line, without the sender: "Thu Jan  1 00:00:00 1970" and the dialects of the
/// field: one or two blanks, seconds missing, a zone ("+0200", "PST") before or after the year. Without a zone: UTC
/// (RFC 4155). `rest_allowed`: text may follow ("remote from host").
[[nodiscard]] std::optional<ReceivedDate> parse_asctime(std::string_view text, bool rest_allowed = false);
/// "Thu Jan  1 00:00:00 1970", always UTC, always 24 octets for years 1000..9999.
[[nodiscard]] std::string to_asctime(Instant instant);

/// `2024-01-31`, `2024-01-31T12:00:00Z`, `2024-01-31 12:00` (UTC): options. nullopt otherwise.
[[nodiscard]] std::optional<Instant> parse_iso_date(std::string_view text);
[[nodiscard]] std::string to_iso(Instant instant);  ///< `2024-01-31T12:00:00Z`

}  // namespace mailhaul::mail
