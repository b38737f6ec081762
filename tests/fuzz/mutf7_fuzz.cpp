// mUTF-7 and file names: what is encoded comes back, and no two spellings are one name.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/strings.hpp"
#include "mail/file_name.hpp"
#include "mail/mutf7.hpp"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

bool is_reserved(std::string_view name) { return name == "cur" || name.ends_with(".sbd") || name.starts_with("&A"); }

void check_file_name(std::string_view component) {
  const std::string name = mailhaul::mail::to_file_name(component, is_reserved);
  demand(!name.empty() && name.front() != '.' && name.size() <= 240);
  demand(name.find('/') == std::string::npos && name.find('\0') == std::string::npos);
  const bool may_be_cut = name.size() > 16 && name[name.size() - 17] == '~';
  if (!may_be_cut) demand(mailhaul::mail::from_file_name(name, is_reserved) == component);
  const std::string found = mailhaul::mail::from_file_name(component, is_reserved);
  if (mailhaul::mail::to_file_name(found, is_reserved) != component) demand(mailhaul::is_valid_utf8(found));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto encoded = mailhaul::mail::to_mutf7(text);
  demand(encoded.has_value() == mailhaul::is_valid_utf8(text));
  if (encoded) demand(mailhaul::mail::from_mutf7(*encoded) == text);
  if (const auto decoded = mailhaul::mail::from_mutf7(text)) {
    demand(mailhaul::is_valid_utf8(*decoded));
    demand(mailhaul::mail::to_mutf7(*decoded) == text);
  }
  check_file_name(text);
  for (const char c : mailhaul::visible(text)) demand(static_cast<unsigned char>(c) >= 0x20 && c != '\x7F');
  return 0;
}
