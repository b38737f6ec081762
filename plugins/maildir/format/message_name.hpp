// File names of Maildir messages: base name, info, keys. Pure; the directory is never touched here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/meta.hpp"
#include "plugins/maildir/format/keywords.hpp"

namespace mailhaul::maildir {

/// One file name taken apart. All views point into the name.
struct MessageName {
  std::string_view base;      ///< what never changes while the message lives; never "" unless the name is
  std::string_view tail;      ///< from the info separator to the end; "" without info
  char separator = 0;         ///< ':' or what stands in its place where ':' is forbidden: ';', '!', '_'; 0 without info
  std::string_view flags;     ///< the octets after "2," up to a ','
  std::string_view fields;    ///< what follows from that ',' on: other programs' fields, kept as they are
  bool experimental = false;  ///< info "1,": has no flags that anybody agreed on
  std::optional<std::uint64_t> size;       ///< ",S=": octets of the file; a hint
  std::optional<std::uint64_t> crlf_size;  ///< ",W=": the same with CRLF line ends; a hint
};

/// Never fails: a name without info is all base. The last separator counts. '_' is one only before "2," and letters,
/// because base names of the field hold "_1," and "_2,S=512".
[[nodiscard]] MessageName parse_message_name(std::string_view name);

/// Flags, keywords and labels of a name. A letter that has no meaning becomes the label `maildir-info:X`. The
/// received date is not touched.
void apply_info(const MessageName& name, const KeywordTable& keywords, mail::Meta& meta);

inline constexpr std::string_view kInfoLabel = "maildir-info:";
inline constexpr std::string_view kForwarded = "$Forwarded";  ///< the keyword that flag P stands for

/// When the program that delivered it says it did: "1700000000.M123456P…" in microseconds; nullopt where the base does not
/// begin with seconds.
[[nodiscard]] std::optional<std::int64_t> delivery_time(std::string_view base);

/// Octets outside 0x21..0x7E, '%' and '~' as %XX: printable, at most 3 times as long, never "" for a name.
[[nodiscard]] std::string percent_encode(std::string_view octets);

/// Letters of an info, sorted in ASCII order, each once.
[[nodiscard]] std::string sorted_letters(std::string letters);
/// The letters of system flags: D F R S T.
[[nodiscard]] std::string letters_of(const mail::Flags& flags);

/// What a name of ours is made of.
struct DeliveryName {
  std::int64_t seconds = 0;
  std::int64_t microseconds = 0;
  std::int64_t process = 0;
  std::uint64_t sequence = 0;
  std::string_view ticket;  ///< 32 hexadecimal digits
  std::uint64_t size = 0;
  std::uint64_t crlf_size = 0;
};
/// `<sec>.M<usec>P<pid>Q<n>R<ticket>.mailhaul,S=<size>,W=<crlf size>`: at most 200 octets.
[[nodiscard]] std::string delivery_base(const DeliveryName& name);
/// The 32 digits of the ticket in a name that delivery_base() made (with any info behind it), else "".
[[nodiscard]] std::string_view ticket_of(std::string_view file_name);

}  // namespace mailhaul::maildir
