// From_ lines: what divides the messages of an mbox (RFC 4155, and the dialects of the field). No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "mail/meta.hpp"

namespace mailhaul::mbox {

/// How much a line that begins with "From " looks like a divider.
enum class FromKind {
  text,   ///< prose: "From Russia with love"
  near,   ///< names a weekday and a month, but no date that anybody could read
  bare,   ///< Mozilla's "From -", Google's "From 1844347792267117879@xxx": no date, known by what follows
  loose,  ///< a date, but also words around it that prose could have: known by what follows
  dated,  ///< a sender (or none) and a date
};

/// One From_ line taken apart.
struct FromLine {
  FromKind kind = FromKind::text;
  bool plain_sender = false;  ///< at most one word before the date: good enough without an empty line before it
  std::optional<mail::ReceivedDate> date;  ///< nullopt where there is none, or where it says nothing
  std::string ticket;   ///< 32 hexadecimal digits when we wrote the line, else empty
};

/// `line` is without its line end and begins with "From ". Never fails.
[[nodiscard]] FromLine parse_from_line(std::string_view line);

/// Whether such a line begins a message. `after_empty_line`: RFC 4155's own condition. `field_follows`: the next
/// line is a header field. Without a date or without the empty line only a header field right behind it can tell a
/// divider from prose (MimeKit's simple.mbox and unmunged.mbox hold both).
[[nodiscard]] bool divides(const FromLine& line, bool after_empty_line, bool field_follows);

/// True when `line` (without line end) is "name:…" (RFC 5322 2.2).
[[nodiscard]] bool is_field_line(std::string_view line);

/// The line we write, with its LF: `From <ticket>@mailhaul Thu Jan  1 00:00:00 1970`, or, where the date is not known
/// or cannot be written with four digits, `From <ticket>.nodate@mailhaul` and 1970.
[[nodiscard]] std::string make_from_line(std::string_view ticket_hex, std::optional<Instant> received);
/// Years 1000 to 9999.
[[nodiscard]] bool is_writable_date(Instant instant);

}  // namespace mailhaul::mbox
