#include "dialogue/script.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>

#include "base/base64.hpp"
#include "base/checked.hpp"
#include "base/strings.hpp"
#include "conformance/world.hpp"
#include "dialogue/openings.hpp"

namespace mailhaul::dialogue {

namespace {

constexpr std::array<std::string_view, 20> kHeaderKeys{
    "quirk",           "row",      "threat", "server",    "about",   "id",         "location",     "greeting",
    "allow-plaintext", "loopback", "pieces", "namespace", "timeout", "line-limit", "capabilities", "lockstep",
    "compress",        "longest-message", "fruitless", "one-at-a-time"};

std::optional<char> escaped(std::string_view& rest) {
  const char c = rest.front();
  rest.remove_prefix(1);
  switch (c) {
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '\\':
      return '\\';
    default:
      break;
  }
  if (c != 'x' || rest.size() < 2) return std::nullopt;
  const auto octet = from_hex(rest.substr(0, 2));
  if (!octet) return std::nullopt;
  rest.remove_prefix(2);
  return octet->front();
}

/// "\r", "\n", "\t", "\\" and "\x41". Another backslash is one: "\Seen" needs no care.
std::string unescape(std::string_view text) {
  std::string octets;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\\' && !text.empty()) {
      std::string_view rest = text;
      if (const auto octet = escaped(rest)) {
        octets += *octet;
        text = rest;
        continue;
      }
    }
    octets += c;
  }
  return octets;
}

std::optional<std::chrono::milliseconds> duration(std::string_view text) {
  const std::size_t unit = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_uint(text.substr(0, unit), 10, 1'000'000);
  if (!number) return std::nullopt;
  const std::string_view name = text.substr(unit);
  const std::chrono::milliseconds count(*number);
  if (name == "ms") return count;
  if (name == "s") return count * 1000;
  if (name == "m") return count * 60'000;
  return std::nullopt;
}

/// What stands in angle brackets besides messages.
std::optional<std::string> built_in(std::string_view name) {
  const std::string user(kUser), password(kPassword);
  if (name == "password") return password;
  if (name == "plain") return to_base64(std::string(1, '\0') + user + std::string(1, '\0') + password);
  if (name == "plain as bob") return to_base64("bob" + std::string(1, '\0') + user + std::string(1, '\0') + password);
  if (name == "xoauth2") return to_base64("user=" + user + "\x01" + "auth=Bearer " + password + "\x01\x01");
  if (name == "base64 user") return to_base64(user);
  if (name == "base64 password") return to_base64(password);
  return std::nullopt;
}

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// Turns the text of a line into parts.
class Expander {
 public:
  explicit Expander(const Script& script) : script_(script) {}

  std::vector<Part> expand(std::string_view text) {
    while (!text.empty()) {
      if (take_tag(text) || take_size(text) || take_brackets(text)) continue;
      raw_ += text.front();
      text.remove_prefix(1);
    }
    flush_raw();
    return std::move(parts_);
  }

 private:
  void flush_raw() {
    if (!raw_.empty()) put(unescape(raw_));
    raw_.clear();
  }
  void put(std::string_view octets) {
    if (parts_.empty() || parts_.back().kind != Part::Kind::text) parts_.push_back({Part::Kind::text, {}, 0});
    parts_.back().text += octets;
  }

  bool take_tag(std::string_view& text) {
    if (text.size() < 2 || text[0] != '$' || !is_name_char(text[1])) return false;
    flush_raw();
    parts_.push_back({Part::Kind::tag, std::string(1, text[1]), 0});
    text.remove_prefix(2);
    return true;
  }

  /// `#m1`: its octets on the wire.
  bool take_size(std::string_view& text) {
    if (text.front() != '#') return false;
    std::size_t end = 1;
    while (end < text.size() && is_name_char(text[end])) ++end;
    const auto message = script_.messages.find(std::string(text.substr(1, end - 1)));
    if (message == script_.messages.end()) return false;
    flush_raw();
    put(std::to_string(crlf_form(message->second).size()));
    text.remove_prefix(end);
    return true;
  }

  /// `<m1>`, `<m1 10>` (its first ten), `<10 octets>`, `<any>`, `<plain>`; all else is text.
  bool take_brackets(std::string_view& text) {
    const std::size_t end = text.find('>');
    if (text.front() != '<' || end == std::string_view::npos) return false;
    const std::string name(text.substr(1, end - 1));
    const auto words = words_of(name);
    if (words.empty()) return false;
    const auto message = script_.messages.find(words.front());
    const auto number = parse_uint(words.front(), 10, 1U << 30U);
    flush_raw();
    if (name == "any") {
      parts_.push_back({Part::Kind::any, {}, 0});
    } else if (number && words.size() == 2 && words[1] == "octets") {
      parts_.push_back({Part::Kind::octets, {}, static_cast<std::size_t>(*number)});
    } else if (const auto known = built_in(name)) {
      put(*known);
    } else if (message != script_.messages.end()) {
      const auto most = words.size() == 2 ? parse_uint(words[1], 10, 1U << 30U) : std::nullopt;
      put(crlf_form(message->second).substr(0, most ? static_cast<std::size_t>(*most) : std::string::npos));
    } else {
      return false;
    }
    text.remove_prefix(end + 1);
    return true;
  }

  const Script& script_;
  std::vector<Part> parts_;
  std::string raw_;
};

class Reader {
 public:
  explicit Reader(const std::string& file) { script_.file = file; }

  Result<Script> read() {
    std::ifstream input(script_.file, std::ios::binary);
    if (!input) return flaw("cannot be read");
    for (std::string line; std::getline(input, line);) {
      ++line_;
      MH_CHECK(take(line));
    }
    if (script_.operations.empty()) return flaw("does nothing: it has no `do:`");
    script_.operations.back().events_end = script_.events.size();
    return std::move(script_);
  }

 private:
  [[nodiscard]] Error flaw(const std::string& what) const {
    return make_error(ErrorKind::usage, Scope::run, script_.file + ":" + std::to_string(line_) + ": " + what);
  }

  Status take(const std::string& line) {
    if (line.empty() || line.front() == '#') return {};
    if (line == "X" || line == "R" || line == "T") return take_bare(line);
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) {
      if (line == "S:" || line == "C:") return take_event(line.substr(0, 1), "");
      return flaw("no `key: value`: " + line);
    }
    const std::string key = line.substr(0, colon);
    const std::string value = line.substr(colon + 2);
    if (key.front() >= 'A' && key.front() <= 'Z') return take_event(key, value);
    if (const auto lines = opening_lines(key, value, script_)) {
      for (const auto& one : *lines) MH_CHECK(take(one));
      return {};
    }
    return take_key(key, value);
  }

  Status take_bare(const std::string& line) {
    Event event;
    event.kind = line == "X" ? Event::Kind::hang_up : line == "R" ? Event::Kind::reset : Event::Kind::tls;
    add(std::move(event), line);
    return {};
  }

  void add(Event event, const std::string& source) {
    event.line = line_;
    event.source = source;
    script_.events.push_back(std::move(event));
  }

  Status take_event(const std::string& key, const std::string& value) {
    Event event;
    if (key == "W") {
      const auto wait = duration(value);
      if (!wait) return flaw("W: wants 500ms, 3s or 2m");
      event.kind = Event::Kind::wait;
      event.wait = *wait;
    } else if (key == "C" || key == "C-" || key == "C*") {
      event.kind = key == "C*" ? Event::Kind::client_any_order : Event::Kind::client;
    } else if (key != "S" && key != "S-") {
      return flaw("unknown line `" + key + ":`");
    }
    event.line_end = key != "C-" && key != "S-";
    event.parts = Expander(script_).expand(value);
    add(std::move(event), key + ": " + value);
    return {};
  }

  Status take_key(const std::string& key, const std::string& value) {
    if (key == "message") return take_message(value);
    if (key == "folder") {
      auto words = words_of(value);
      if (words.size() < 4) return flaw("folder: wants a name, UIDVALIDITY, UIDNEXT and a count");
      std::string modseq = "-";
      if (words.back().starts_with("modseq=")) {
        modseq = words.back().substr(7);
        words.pop_back();
      }
      script_.folders.push_back(
          {words[0], words.size() > 4 ? words[4] : words[0], words[1], words[2], words[3], modseq});
      return {};
    }
    if (key == "do") {
      if (!script_.operations.empty()) script_.operations.back().events_end = script_.events.size();
      script_.operations.push_back({value, line_, 0, {}});
      return {};
    }
    if (key == "expect") {
      if (script_.operations.empty()) return flaw("expect: before any do:");
      script_.operations.back().expected.push_back({value, line_});
      return {};
    }
    if (std::find(kHeaderKeys.begin(), kHeaderKeys.end(), key) == kHeaderKeys.end()) return flaw("unknown key " + key);
    script_.header[key] += (script_.header[key].empty() ? "" : " ") + value;
    return {};
  }

  /// `NAME text with escapes`, or `NAME 5000 octets`.
  Status take_message(const std::string& value) {
    const std::size_t blank = value.find(' ');
    if (blank == std::string::npos) return flaw("message: wants a name and a text");
    const std::string name = value.substr(0, blank);
    const std::string text = value.substr(blank + 1);
    const auto size = text.ends_with(" octets") ? parse_uint(text.substr(0, text.size() - 7)) : std::nullopt;
    script_.messages[name] =
        size ? conformance::sample_message(script_.messages.size() + 1, static_cast<std::size_t>(*size))
             : unescape(text);
    return {};
  }

  Script script_;
  int line_ = 0;
};

}  // namespace

std::string crlf_form(std::string_view octets) {
  std::string text;
  for (const char c : octets) {
    if (c == '\n' && !text.ends_with('\r')) text += '\r';
    text += c;
  }
  return text;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim(text)).empty()) {
    const char close = text.front() == '"' ? '"' : text.front() == '(' ? ')' : ' ';
    std::size_t end = text.find(close, 1);
    if (end == std::string_view::npos) end = text.size();
    if (close == ' ') {
      words.emplace_back(text.substr(0, end));
      text.remove_prefix(end);
    } else {
      words.emplace_back(close == '"' ? text.substr(1, end - 1) : text.substr(0, end + 1));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  return words;
}

Result<Script> read_script(const std::string& file) { return Reader(file).read(); }

}  // namespace mailhaul::dialogue
