// Writes down what the parser says, one line an event, so that tests compare texts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/strings.hpp"
#include "plugins/imap/protocol/response.hpp"

namespace mailhaul::imap::testing {

inline std::string listed(const std::vector<std::string>& list) { return "(" + join(list, "|") + ")"; }

template <typename Number>
std::string number_text(std::string_view name, const std::optional<Number>& value) {
  return value ? " " + std::string(name) + "=" + std::to_string(*value) : "";
}

inline std::string separator_text(const std::optional<char>& separator) {
  return separator ? std::string(1, *separator) : "none";
}

inline std::string word_of(Condition condition) {
  switch (condition) {
    case Condition::ok:
      return "OK";
    case Condition::no:
      return "NO";
    case Condition::bad:
      return "BAD";
    case Condition::preauth:
      return "PREAUTH";
    case Condition::bye:
      return "BYE";
  }
  return "?";
}

/// What a response is, in words.
struct Describe {
  static std::string code(const Code& code) {
    if (code.name.empty()) return "";
    std::string text = " [" + code.name + (code.text.empty() ? "" : " " + code.text) + number_text("n", code.number);
    if (!code.uids.empty()) {
      text += " uids=";
      for (const Uid uid : code.uids) text += std::to_string(uid) + ",";
    }
    if (!code.words.empty()) text += " words=" + listed(code.words);
    return text + "]";
  }
  std::string operator()(const StatusResponse& r) const {
    return "status " + word_of(r.condition) + code(r.code) + " \"" + r.text + "\"";
  }
  std::string operator()(const TaggedResponse& r) const {
    return "tagged " + r.tag + " " + word_of(r.condition) + code(r.code) + " \"" + r.text + "\"";
  }
  std::string operator()(const ContinuationRequest& r) const { return "continue \"" + r.text + "\""; }
  std::string operator()(const CapabilityResponse& r) const { return "capability " + listed(r.words); }
  std::string operator()(const EnabledResponse& r) const { return "enabled " + listed(r.words); }
  std::string operator()(const ListResponse& r) const {
    return std::string(r.lsub ? "lsub " : "list ") + listed(r.attributes) + " " + separator_text(r.separator) + " \"" +
           r.name + "\"" + (r.name_is_literal ? " literal" : "");
  }
  std::string operator()(const StatusData& r) const {
    return "mailbox \"" + r.name + "\"" + number_text("messages", r.messages) + number_text("uidnext", r.uidnext) +
           number_text("uidvalidity", r.uidvalidity) + number_text("unseen", r.unseen) +
           number_text("highestmodseq", r.highestmodseq) + number_text("size", r.size) +
           (r.mailbox_id.empty() ? "" : " id=" + r.mailbox_id);
  }
  std::string operator()(const NamespaceResponse& r) const {
    std::string text = "namespace";
    for (const auto* const entries : {&r.personal, &r.others, &r.shared}) {
      text += " (";
      for (const auto& entry : *entries) text += "\"" + entry.prefix + "\" " + separator_text(entry.separator) + ";";
      text += ")";
    }
    return text;
  }
  std::string operator()(const IdResponse& r) const {
    std::string text = "id";
    for (const auto& [name, value] : r.fields) text += " " + name + "=" + value;
    return text;
  }
  std::string operator()(const FlagsResponse& r) const { return "flags " + listed(r.flags); }
  std::string operator()(const ExistsResponse& r) const { return "exists " + std::to_string(r.count); }
  std::string operator()(const RecentResponse& r) const { return "recent " + std::to_string(r.count); }
  std::string operator()(const ExpungeResponse& r) const { return "expunge " + std::to_string(r.number); }
  std::string operator()(const VanishedResponse& r) const {
    return std::string("vanished ") + (r.earlier ? "earlier " : "") + (r.whole ? r.uids.text() : "more than is held");
  }
  std::string operator()(const SearchResponse& r) const { return "search " + r.numbers.text(); }
  std::string operator()(const FetchResponse& r) const {
    std::string text = "fetch " + std::to_string(r.number) + number_text("uid", r.uid);
    if (r.flags) text += " flags=" + listed(*r.flags);
    if (r.internaldate) text += " date=" + *r.internaldate;
    text += number_text("size", r.size) + number_text("modseq", r.modseq);
    if (!r.object_id.empty()) text += " id=" + r.object_id;
    if (!r.gmail_labels.empty()) text += " labels=" + listed(r.gmail_labels);
    if (r.body == FetchResponse::Body::nil) text += " nil";
    if (r.body == FetchResponse::Body::delivered) text += " body=" + std::to_string(r.body_size);
    return text + number_text("origin", r.body_origin);
  }
  std::string operator()(const OtherResponse& r) const { return "other " + r.word; }
};

inline std::string describe(const Response& response) { return std::visit(Describe{}, response); }

/// One line an event; the pieces of a body are put together.
class Recorder : public ResponseSink {
 public:
  Status on_response(Response response) override {
    events.push_back(describe(response));
    return {};
  }
  Status on_body_begin(std::uint64_t size) override {
    body_ = "body " + std::to_string(size) + " ";
    return {};
  }
  Status on_body(Octets octets) override {
    body_ += as_text(octets);
    return {};
  }
  Status on_body_end() override {
    events.push_back(std::move(body_));
    return {};
  }
  std::vector<std::string> events;

 private:
  std::string body_;
};

inline std::string kind_text(const Error& error) {
  return error.kind == ErrorKind::security ? "limit" : error.kind == ErrorKind::unreachable ? "not IMAP" : "?";
}

/// All events, then "error: not IMAP" or "error: limit", or "unfinished" where something is half read.
inline std::vector<std::string> parse(std::string_view text, std::size_t piece = std::string_view::npos,
                                      const Limits& limits = {}) {
  ResponseParser parser(limits);
  Recorder recorder;
  while (!text.empty()) {
    const std::string_view now = text.substr(0, piece);
    text.remove_prefix(now.size());
    // A copy of its own, so that a sanitizer sees whoever reads past the piece or keeps it.
    const std::string copy(now);
    if (auto status = parser.feed(as_octets(copy), recorder); !status) {
      recorder.events.push_back("error: " + kind_text(status.error()));
      return recorder.events;
    }
  }
  if (!parser.at_start()) recorder.events.emplace_back("unfinished");
  return recorder.events;
}

}  // namespace mailhaul::imap::testing
