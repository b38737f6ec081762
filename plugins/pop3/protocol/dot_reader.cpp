#include "plugins/pop3/protocol/dot_reader.hpp"

#include <cstring>

namespace mailhaul::pop3 {

Result<std::size_t> DotReader::feed(Octets in, const Sink& sink) {
  const std::string_view text = as_text(in);
  std::size_t begin = 0;  // of what the sink has not got yet
  std::size_t at = 0;
  const auto give = [&](std::size_t end) { return end > begin ? sink(in.subspan(begin, end - begin)) : Status(); };
  while (at < text.size() && state_ != State::done) {
    const char c = text[at];
    switch (state_) {
      case State::text: {
        const void* found = std::memchr(text.data() + at, '\n', text.size() - at);
        if (found == nullptr) {
          at = text.size();
        } else {
          at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + 1;
          state_ = State::line_start;
        }
        break;
      }
      case State::line_start:
        if (c != '.') {
          state_ = State::text;
          break;
        }
        MH_CHECK(give(at));
        begin = ++at;
        state_ = State::dot;
        break;
      case State::dot:
        if (c == '\n') {
          begin = ++at;
          state_ = State::done;
        } else if (c == '\r') {
          begin = ++at;
          state_ = State::dot_cr;
        } else {
          if (c != '.') MH_CHECK(sink(as_octets(".")));
          // The dot at hand, if it is one, is text.
          if (c == '.') ++at;
          state_ = State::text;
        }
        break;
      case State::dot_cr:
        if (c == '\n') {
          begin = ++at;
          state_ = State::done;
        } else {
          MH_CHECK(sink(as_octets(".\r")));
          state_ = State::text;
        }
        break;
      case State::done:
        break;
    }
  }
  if (state_ != State::done) MH_CHECK(give(at));
  return at;
}

}  // namespace mailhaul::pop3
