#include "plugins/imap/protocol/command.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/strings.hpp"

namespace mailhaul::imap {

namespace {

/// ATOM-CHAR (RFC 9051 9).
bool is_atom_char(char c) {
  return c > ' ' && c < '\x7F' && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
}

bool is_atom(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_atom_char); }

/// What a quoted string can hold without UTF8=ACCEPT: CHAR but CR and LF (RFC 9051 9).
bool can_be_quoted(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80 && c != '\r' && c != '\n' && c != '\0';
  });
}

std::string quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

/// The word NIL stands for something else wherever a server takes an nstring.
bool can_be_atom(std::string_view text) { return is_atom(text) && !equals_ignoring_case(text, "NIL"); }

/// Reads octets that are held. Shared: a LiteralReader must be copyable, its position must not be.
template <typename Held>
LiteralReader reader_of(Held held, std::string_view (*view)(const Held&)) {
  struct State {
    Held held;
    std::size_t done = 0;
  };
  auto state = std::make_shared<State>();
  state->held = std::move(held);
  return [state, view](std::span<std::byte> into) -> Result<std::size_t> {
    const std::string_view rest = view(state->held).substr(state->done);
    const std::size_t count = std::min(rest.size(), into.size());
    if (count > 0) std::memcpy(into.data(), rest.data(), count);
    state->done += count;
    return count;
  };
}

}  // namespace

bool is_flag(std::string_view text) {
  if (text.starts_with('\\')) text.remove_prefix(1);
  return is_atom(text);
}

Command::Command(std::string verb) : verb_(std::move(verb)) { raw(verb_); }

void Command::put(std::string_view text) {
  if (parts_.empty() || parts_.back().kind != Part::Kind::text) parts_.emplace_back();
  parts_.back().text += text;
}

void Command::refuse(std::string_view why, std::string_view argument) {
  if (!status_) return;
  status_ = make_error(ErrorKind::message, Scope::message,
                       std::string(why) + " cannot be sent to an IMAP server: \"" + visible(argument) + "\"");
}

Command& Command::raw(std::string_view text) {
  put(text);
  return *this;
}

void Command::put_literal(std::string_view octets) {
  literal(octets.size(), reader_of<std::string>(std::string(octets),
                                                [](const std::string& held) -> std::string_view { return held; }));
}

Command& Command::astring(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    refuse("a string with NUL", text);
  } else if (can_be_atom(text)) {
    put(" ");
    put(text);
  } else if (can_be_quoted(text)) {
    put(" " + quoted(text));
  } else {
    put_literal(text);
  }
  return *this;
}

Command& Command::mailbox(std::string_view native) {
  using namespace std::string_view_literals;
  if (native.find_first_of("\r\n\0"sv) != std::string_view::npos) {
    refuse("a folder name with CR, LF or NUL", native);
    return *this;
  }
  return astring(equals_ignoring_case(native, "INBOX") ? "INBOX" : native);
}

Command& Command::list_pattern(std::string_view text) {
  using namespace std::string_view_literals;
  if (text.find_first_of("\r\n\0"sv) != std::string_view::npos) {
    refuse("a folder pattern with CR, LF or NUL", text);
  } else if (can_be_quoted(text)) {
    put(" " + quoted(text));  // wildcards keep their meaning in quotes (RFC 9051 9, list-mailbox)
  } else {
    put_literal(text);
  }
  return *this;
}

Command& Command::uids(const UidSet& set) {
  if (set.empty()) {
    refuse("an empty set of messages", "");
  } else {
    put(" " + set.text());
  }
  return *this;
}

Command& Command::flags(const std::vector<std::string>& flags) {
  for (const std::string& flag : flags) {
    if (!is_flag(flag)) refuse("a flag that is no atom", flag);
  }
  if (status_) put(" (" + join(flags, " ") + ")");
  return *this;
}

Command& Command::secret(const Secret& secret) {
  const std::string_view text = secret.reveal();
  if (text.find('\0') != std::string_view::npos) {
    refuse("a password with NUL", "");
    return *this;
  }
  if (!can_be_quoted(text)) {
    const auto reveal = [](const Secret& held) { return held.reveal(); };
    literal(text.size(), reader_of<Secret>(secret, +reveal));
    parts_.back().is_secret = true;
    return *this;
  }
  put(" ");
  Part part;
  part.kind = Part::Kind::secret;
  part.hidden = Secret(can_be_atom(text) ? std::string(text) : quoted(text));
  parts_.push_back(std::move(part));
  return *this;
}

Command& Command::literal(std::uint64_t size, LiteralReader reader) {
  put(" ");
  Part part;
  part.kind = Part::Kind::literal;
  part.size = size;
  part.reader = std::move(reader);
  parts_.push_back(std::move(part));
  return *this;
}

Command& Command::binary_literal(std::uint64_t size, LiteralReader reader) {
  literal(size, std::move(reader));
  parts_.back().binary = true;
  return *this;
}

Command& Command::alone() {
  alone_ = true;
  return *this;
}

Command& Command::ends_plaintext() {
  ends_plaintext_ = true;
  return alone();
}

Command& Command::begins_compression() {
  begins_compression_ = true;
  return alone();
}

}  // namespace mailhaul::imap
