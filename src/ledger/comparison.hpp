// Two places side by side, message by message: the temporary tables behind `verify`. Joins run in SQLite on files, never
// on vectors of messages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "files/sqlite.hpp"
#include "mail/meta.hpp"

namespace mailhaul::ledger {

/// A message as one side holds it.
struct ComparedMessage {
  std::string key, message_id;
  Digest nid, eid, header_id;
  std::optional<Digest> loose_key;  ///< mail key or message-id, when twins are found by it
  mail::Meta meta;
  bool knows_meta = true;  ///< false: its place keeps none (POP3), so it cannot differ
};

/// How a source message came out.
struct Verdict {
  enum class Kind { identical, equivalent, missing, different };
  Kind kind = Kind::missing;
  std::string source_key, target_key, message_id;
  Digest nid;
  bool flags_differ = false, dates_differ = false;
  std::string detail;  ///< what differs, for a person
};

/// One folder pair at a time. One thread.
class Comparison {
 public:
  enum class Side { source, target };
  /// Twins of the source need one copy at the target (`exact`, `loose`), or as many as there are (`multiset`).
  enum class Twins { multiset, exact, loose };

  static Result<std::unique_ptr<Comparison>> make(files::FileSystem& fs);
  [[nodiscard]] Status begin();  ///< a new folder pair: both sides are empty
  [[nodiscard]] Status add(Side side, const ComparedMessage& message);
  /// The target key that the ledger has for a source key; for pairing what differs.
  using LedgerPairs = std::function<Result<std::optional<std::string>>(const std::string& source_key)>;
  /// Each source message ends in one verdict. `extra` gets the number of target messages that answer to none.
  [[nodiscard]] Status finish(Twins twins, const LedgerPairs& pairs, const std::function<Status(const Verdict&)>& sink,
                              std::uint64_t& extra);

 private:
  explicit Comparison(std::unique_ptr<files::Db> db) : db_(std::move(db)) {}
  enum class Meta { any, equal };
  [[nodiscard]] Status pair_equal(std::string_view digest, Meta meta);
  [[nodiscard]] Status pair_twins(Twins twins);
  [[nodiscard]] Status pair_by_ledger(const LedgerPairs& pairs);
  [[nodiscard]] Status pair_by_header();
  [[nodiscard]] Result<bool> flags_differ(const files::Stmt& row);
  std::unique_ptr<files::Db> db_;
  std::optional<files::Tx> tx_;
};

}  // namespace mailhaul::ledger
