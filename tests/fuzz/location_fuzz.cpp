// Locations: the text without password is read back as the same place, and it never holds the password.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mail/folder_path.hpp"
#include "store/location.hpp"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto path = mailhaul::mail::FolderPath::from_text(text)) {
    demand(mailhaul::mail::FolderPath::from_text(path->text()) == path);
  }
  const auto first = mailhaul::store::parse_location(text);
  if (!first) {
    demand(first.error().kind == mailhaul::ErrorKind::usage && !first.error().what.empty());
    return 0;
  }
  demand(!first->scheme.empty() && first->scheme.find(':') == std::string::npos);
  demand(first->is_url ? !first->host.empty() : !first->path.empty());
  const auto second = mailhaul::store::parse_location(first->text());
  demand(second.ok());
  demand(!second->password);
  demand(second->scheme == first->scheme && second->user == first->user && second->host == first->host);
  demand(second->port == first->port && second->path == first->path && second->query == first->query);
  demand(second->is_url == first->is_url && second->text() == first->text());
  return 0;
}
