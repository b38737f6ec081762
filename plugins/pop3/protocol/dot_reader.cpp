#include "plugins/pop3/protocol/dot_reader.hpp"

#include <cstring>

namespace mailhaul::pop3 {

/// The first line of the text decides what ends the others.
bool DotReader::ends_line(bool after_cr) {
  if (ends_ == Ends::open) ends_ = after_cr ? Ends::crlf : Ends::lf;
  return after_cr || ends_ == Ends::lf;
}

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
          after_cr_ = text.back() == '\r';
          break;
        }
        ++line_feeds_;
        const auto lf = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
        if (ends_line(lf > at ? text[lf - 1] == '\r' : after_cr_)) state_ = State::line_start;
        at = lf + 1;
        after_cr_ = false;
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
        if (c == '\n' && ends_ != Ends::crlf) {
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
          after_cr_ = true;
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
