#include "plugins/mbox/format/first_octets.hpp"

#include <array>

#include "base/strings.hpp"
#include "plugins/mbox/format/from_line.hpp"
#include "plugins/mbox/format/splitter.hpp"

namespace mailhaul::mbox {
namespace {

struct Signature {
  std::string_view octets;
  std::string_view hint;
};

constexpr std::array<Signature, 8> kSignatures = {{
    {"PK\x03\x04", "it looks like a zip archive: unpack it first"},
    {"\x1F\x8B", "it looks like a gzip file: unpack it first (gunzip)"},
    {"BZh", "it looks like a bzip2 file: unpack it first (bunzip2)"},
    {"\xFD" "7zXZ", "it looks like an xz file: unpack it first (unxz)"},
    {"\x28\xB5\x2F\xFD", "it looks like a zstd file: unpack it first (unzstd)"},
    {"!BDN", "it looks like an Outlook data file (PST): convert it to mbox first (readpst)"},
    {"\xD0\xCF\x11\xE0", "it looks like an Outlook message (MSG): convert it first (msgconvert)"},
    {"%PDF", "it looks like a PDF document"},
}};

}  // namespace

bool looks_like_mbox(std::string_view head) { return head.empty() || find_first_from(head) != std::string_view::npos; }

bool looks_like_torn_mbox(std::string_view head) {
  return std::string_view("From ").starts_with(head) || head.starts_with('\0');
}

NotAnMbox describe_other_file(std::string_view file, std::string_view head) {
  NotAnMbox result;
  const std::string_view line = head.substr(0, head.find('\n'));
  result.what = visible(file) + " is not an mbox: its first line is \"" + visible(trim(line), 60) + "\"";
  for (const Signature& signature : kSignatures) {
    if (head.substr(0, signature.octets.size()) == signature.octets) {
      result.hint = signature.hint;
      return result;
    }
  }
  if (is_field_line(trim(line))) {
    result.hint = "it looks like a single message (EML): put such files into the cur/ of a Maildir and name that";
  } else {
    result.hint = "an mbox begins with a line \"From sender date\"";
  }
  return result;
}

}  // namespace mailhaul::mbox
