// Maildir file names, dovecot-keywords, and folder directory names: the first octet chooses which.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/maildir/format/keywords.hpp"
#include "plugins/maildir/format/layout.hpp"
#include "plugins/maildir/format/message_name.hpp"

namespace {

using namespace mailhaul;

void require(bool holds) {
  if (!holds) std::abort();
}

void message_name(std::string_view name) {
  const maildir::MessageName parsed = maildir::parse_message_name(name);
  require(std::string(parsed.base) + std::string(parsed.tail) == name);
  require(name.empty() || !parsed.base.empty());
  require(parsed.tail.empty() == (parsed.separator == 0));
  require(parsed.flags.find(',') == std::string_view::npos);
  const std::string key = maildir::percent_encode(parsed.base);
  require(key.size() <= 3 * parsed.base.size());
  for (const char c : key) require(c > 0x20 && c < 0x7E);
  mail::Meta meta;
  maildir::apply_info(parsed, maildir::parse_keywords("0 $Junk\n3 Work\n"), meta);
  require(meta.keywords.size() + meta.labels.size() <= parsed.flags.size());
  // A new info behind the same base: the base must come out again, whatever it is.
  if (!parsed.base.empty()) {
    const std::string renamed =
        std::string(parsed.base) + ":2," + maildir::sorted_letters(maildir::letters_of(meta.flags));
    const maildir::MessageName again = maildir::parse_message_name(renamed);
    require(again.base == parsed.base);
    mail::Meta kept;
    maildir::apply_info(again, {}, kept);
    require(kept.flags == meta.flags);
  }
  require(maildir::ticket_of(name).empty() || maildir::ticket_of(name).size() == 32);
}

void keywords(std::string_view text) {
  const maildir::KeywordTable table = maildir::parse_keywords(text);
  std::string lines;
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    if (table.name(letter).empty()) continue;
    require(maildir::can_be_keyword(table.name(letter)) && !table.is_free(letter));
    lines += maildir::keyword_line(letter, table.name(letter));
  }
  const maildir::KeywordTable again = maildir::parse_keywords(lines);
  for (char letter = 'a'; letter <= 'z'; ++letter) require(again.name(letter) == table.name(letter));
}

void directory_name(std::string_view name) {
  // What the file system can give: one component.
  if (name.empty() || name.size() > 255 || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return;
  }
  const std::vector<std::string> components = maildir::components_of(name);
  require(!components.empty());
  for (const maildir::Layout layout : {maildir::Layout::dotted, maildir::Layout::nested}) {
    const auto spelling = maildir::spell(components, layout);
    if (!spelling.ok()) continue;
    std::vector<std::string> back;
    for (const std::string& part : spelling->directory) {
      require(!part.empty() && part.size() <= maildir::kLongestName && part != "." && part != "..");
      require(part.find('/') == std::string::npos && part.find('\0') == std::string::npos);
      require(!maildir::is_own_directory(part));
      for (const std::string& component : maildir::components_of(part)) back.push_back(component);
    }
    require(spelling->shortened || back == components);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      message_name(text);
      break;
    case 1:
      keywords(text);
      break;
    default:
      directory_name(text);
      break;
  }
  return 0;
}
