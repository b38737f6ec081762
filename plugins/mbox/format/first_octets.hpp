// What a file is that is not an mbox, by a look at its first octets (bad-input 1, 25). No I/O.
#pragma once

#include <string>
#include <string_view>

namespace mailhaul::mbox {

/// How many octets of a file's head are looked at.
inline constexpr std::size_t kHeadOctets = 1024;

/// True for no octets at all, and for a head that begins with a From_ line.
[[nodiscard]] bool looks_like_mbox(std::string_view head);

/// True for what a crash or a loss of power can leave of a new mbox: the beginning of "From ", or zeros.
[[nodiscard]] bool looks_like_torn_mbox(std::string_view head);

/// For an Error: what the file looks like, and what to do about it.
struct NotAnMbox {
  std::string what;  ///< `FILE is not an mbox: its first line is "…"`
  std::string hint;
};
[[nodiscard]] NotAnMbox describe_other_file(std::string_view file, std::string_view head);

}  // namespace mailhaul::mbox
