// What a session's mailbox holds, and under which names (docs/design/pop3.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "plugins/pop3/session.hpp"
#include "store/store.hpp"

namespace mailhaul::pop3 {

/// One message, as LIST and UIDL tell of it.
struct Entry {
  std::uint32_t number = 0;
  std::optional<std::uint64_t> size;  ///< LIST: a hint
  std::uint32_t name_begin = 0, name_size = 0;
  bool lasting = false;  ///< its name tells it from all others, in later sessions too
};

/// Immutable once it is read: while a session lasts, the mailbox does not change (RFC 1939 section 4).
class Mailbox {
 public:
  /// Asks for CAPA (once more), STAT, LIST and UIDL, in one round trip where commands may be pipelined. What disagrees
  /// goes to the session's events. Error: the session's, or LIST was refused.
  static Result<Mailbox> read(Session& session);

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// Names last: the server knows UIDL.
  [[nodiscard]] bool has_uidl() const { return has_uidl_; }
  /// "uidl", or another one each session.
  [[nodiscard]] std::string epoch() const { return has_uidl_ ? "uidl" : session_name_; }
  /// The digest of all names and sizes; "" when not all names last.
  [[nodiscard]] const std::string& state() const { return state_; }

  /// "UIDL:SIZE": a UIDL that comes back with another size is another message. Of a message whose name does not last a
  /// key of this session.
  [[nodiscard]] store::Key key_of(const Entry& entry) const;
  enum class Find { there, gone, forgotten };
  /// `forgotten`: it may be there, but the key does not name it any more: one of another session, or of another size.
  [[nodiscard]] Find find(const store::Key& key, const Entry*& entry) const;

 private:
  void take_size(std::string_view line);
  void take_name(std::string_view line);
  void sort();
  [[nodiscard]] bool names_are_numbers() const;
  void mark_lasting();
  void make_state();
  void tell(Session& session, const std::optional<Stat>& stat) const;
  [[nodiscard]] std::string_view name_of(const Entry& entry) const {
    return std::string_view(names_).substr(entry.name_begin, entry.name_size);
  }
  /// Encoded name and size: what the lasting ones are told apart by.
  [[nodiscard]] std::tuple<std::string_view, std::optional<std::uint64_t>> rank(const Entry& entry) const {
    return {name_of(entry), entry.size};
  }
  [[nodiscard]] std::string lasting_key(const Entry& entry) const;

  std::vector<Entry> entries_;           ///< by number
  std::vector<std::uint32_t> by_name_;   ///< indices of entries_, by rank()
  std::string names_;                    ///< encoded, one behind the other
  bool names_begun_ = false;
  std::size_t listed_ = 0;               ///< entries that LIST named; they come first, by number
  std::size_t next_named_ = 0;           ///< where UIDL is likely to go on
  bool has_uidl_ = false;
  std::uint64_t unreadable_ = 0;         ///< lines of LIST and UIDL
  std::uint64_t nameless_ = 0;           ///< messages whose name does not last
  std::string session_name_, state_;
};

}  // namespace mailhaul::pop3
