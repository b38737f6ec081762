// What a server says, as typed values (RFC 9051 7, RFC 3501 7), and the parser that makes them. Tolerant where a row of
// docs/design/imap.md names the server, strict elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "plugins/imap/protocol/limits.hpp"
#include "plugins/imap/protocol/uid_set.hpp"

namespace mailhaul::imap {

enum class Condition { ok, no, bad, preauth, bye };

/// A response code in brackets. `name` in upper case ("" = none), `text` its arguments as they came. The typed members
/// are set for the codes they belong to; what does not parse leaves them empty and is no error.
struct Code {
  std::string name;  ///< "UIDVALIDITY", "APPENDUID", "TRYCREATE", "OVERQUOTA", …
  std::string text;
  std::optional<std::uint64_t>
      number;                      ///< UIDVALIDITY, UIDNEXT, UNSEEN, HIGHESTMODSEQ, APPENDUID and COPYUID (validity)
  std::vector<Uid> uids;           ///< APPENDUID: in the order of the messages
  std::vector<std::string> words;  ///< CAPABILITY, PERMANENTFLAGS, BADCHARSET
  [[nodiscard]] bool is(std::string_view upper_case_name) const { return name == upper_case_name; }
};

/// `* OK …`, also the greeting (the first response of a session).
struct StatusResponse {
  Condition condition = Condition::ok;
  Code code;
  std::string text;
};
/// The end of a command of ours.
struct TaggedResponse {
  std::string tag;
  Condition condition = Condition::ok;
  Code code;
  std::string text;
};
struct ContinuationRequest {
  std::string text;  ///< what follows "+ "
};
struct CapabilityResponse {
  std::vector<std::string> words;  ///< upper case
};
struct EnabledResponse {
  std::vector<std::string> words;  ///< upper case
};
/// LIST and LSUB. `name` is the mailbox name's own octets.
struct ListResponse {
  bool lsub = false;
  std::vector<std::string> attributes;  ///< as sent: "\HasNoChildren", "\Sent"
  std::optional<char> separator;        ///< NIL or more than one octet: nullopt (bad-input 52)
  std::string name;
  bool name_is_literal = false;
};
struct StatusData {  // `* STATUS name (…)`
  std::string name;
  std::optional<std::uint64_t> messages, uidnext, uidvalidity, unseen, highestmodseq, size;
  std::string mailbox_id;  ///< MAILBOXID (RFC 8474)
};
struct NamespaceResponse {
  struct Entry {
    std::string prefix;
    std::optional<char> separator;
  };
  std::vector<Entry> personal, others, shared;
};
struct IdResponse {
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case; NIL values are ""
};
struct FlagsResponse {
  std::vector<std::string> flags;
};
struct ExistsResponse {
  std::uint64_t count = 0;
};
struct RecentResponse {
  std::uint64_t count = 0;
};
struct ExpungeResponse {
  std::uint64_t number = 0;  ///< message sequence number
};
struct VanishedResponse {
  bool earlier = false;
  UidSet uids;
  bool whole = true;  ///< false: it named more than is held, and `uids` is empty
};
/// SEARCH and the ALL of ESEARCH.
struct SearchResponse {
  UidSet numbers;
};
/// A whole FETCH response; a body of it was passed to the sink before.
struct FetchResponse {
  enum class Body { none, nil, delivered };
  std::uint64_t number = 0;  ///< message sequence number; 0 is Courier's ("* 0 FETCH")
  std::optional<Uid> uid;
  std::optional<std::vector<std::string>> flags;
  std::optional<std::string> internaldate;  ///< as sent, without quotes
  std::optional<std::uint64_t> size;        ///< RFC822.SIZE: a hint
  std::optional<std::uint64_t> modseq;
  std::string object_id;  ///< EMAILID, or X-GM-MSGID
  std::vector<std::string> gmail_labels;
  Body body = Body::none;  ///< of BODY[], RFC822 or BINARY[]
  std::uint64_t body_size = 0;
  std::optional<std::uint64_t> body_origin;  ///< of BODY[]<n>
};
/// Anything else: its first word in upper case. Read over to its end, never kept.
struct OtherResponse {
  std::string word;
};

using Response =
    std::variant<StatusResponse, TaggedResponse, ContinuationRequest, CapabilityResponse, EnabledResponse, ListResponse,
                 StatusData, NamespaceResponse, IdResponse, FlagsResponse, ExistsResponse, RecentResponse,
                 ExpungeResponse, VanishedResponse, SearchResponse, FetchResponse, OtherResponse>;

/// Hears responses in their order. An Error stops the parser for good and is returned from feed().
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  virtual Status on_response(Response response) = 0;
  /// A message body inside the FETCH response that follows: `size` as announced by its literal (or counted, for a
  /// quoted string). Exactly `size` octets come, in any pieces, then on_body_end(). At most one body a response: a
  /// second one is an Error. The spans live only during the call.
  virtual Status on_body_begin(std::uint64_t size) = 0;
  virtual Status on_body(Octets octets) = 0;
  virtual Status on_body_end() = 0;
  /// Each line as it came, without its end, before it is understood: for a trace. `literal`: the size of the literal
  /// that stood before it.
  virtual void on_line(std::optional<std::uint64_t> literal, std::string_view line) {
    (void)literal;
    (void)line;
  }
};

/// Bytes in, responses out. Resumable at any octet: any division of the input gives the same calls (on_body pieces
/// aside). Holds one line and its small literals, never a body. Line ends: CRLF, or LF alone (bad-input 67).
/// Errors, all final, scope session: security for what passes a limit; unreachable (retry later) for what is not
/// IMAP, with the first octets of it.
class ResponseParser {
 public:
  explicit ResponseParser(const Limits& limits = {});
  ~ResponseParser();
  ResponseParser(ResponseParser&&) noexcept;
  ResponseParser& operator=(ResponseParser&&) noexcept;

  /// Consumes all of `octets`.
  [[nodiscard]] Status feed(Octets octets, ResponseSink& sink);
  /// True between two responses: nothing is half read.
  [[nodiscard]] bool at_start() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailhaul::imap
