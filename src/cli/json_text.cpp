#include "cli/json_text.hpp"

#include <Poco/JSONString.h>

#include "base/strings.hpp"

namespace mailhaul::cli {

std::string json_text(std::string_view text) {
  return Poco::toJSON(to_valid_utf8(text), Poco::JSON_ESCAPE_UNICODE | Poco::JSON_WRAP_STRINGS);
}

}  // namespace mailhaul::cli
