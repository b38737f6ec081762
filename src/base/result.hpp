// Result and Error: how every room says that something went wrong.
// No exceptions cross a room; library exceptions are caught in the room that calls the library.
#pragma once

#include <cassert>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace mailhaul {
inline namespace base {

/// What went wrong. The command line turns it into an exit code (docs/user/commands.md); a
/// `unreachable` becomes 4 or 5 by the side on which it happened.
enum class ErrorKind {
  bug,            ///< exit 1: our own logic, or output that could not be written
  usage,          ///< exit 2: command line or configuration; nothing was touched
  message,        ///< exit 3: one message is bad, refused or unreadable
  unreachable,    ///< exit 4/5: not reachable, not there, or login refused
  security,       ///< exit 6
  damage,         ///< exit 7: a store, an archive or the ledger is damaged
  unknown,        ///< exit 8: the outcome of a delivery is not known yet
  locked,         ///< exit 9: another run or program holds it
  no_space,       ///< exit 10: disk full, quota, file size limit
  identity,       ///< exit 11: the mailbox is not the one it was
  interrupted,    ///< exit 12
  unsupported,    ///< exit 15: this place cannot do that
};

/// How far the damage reaches: what the pipeline must give up.
enum class Scope { message, folder, session, run };

/// Whether another try can help.
enum class Retry { now, later, never };

/// One failure. `what` is for a person, names the place, and never holds a secret; `hint` says
/// what to do (may be empty); `wait` is set when the other side asked for a pause.
struct Error {
  ErrorKind kind = ErrorKind::bug;
  Scope scope = Scope::run;
  Retry retry = Retry::never;
  std::string what;
  std::string hint;
  std::optional<std::chrono::milliseconds> wait;
  int system = 0;  ///< the errno that caused it; 0 where no system call failed. For is_not_found() and its like
  bool one_at_a_time = false;  ///< another session may do better that waits for each answer before it asks for more

  /// Puts `text: ` before `what`. Once per layer.
  [[nodiscard]] Error context(std::string_view text) && {
    what.insert(0, std::string(text) + ": ");
    return std::move(*this);
  }
};

/// A value or an Error. Reading the side that is not there is a bug of ours (assert).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] T& value() & { assert(ok()); return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const& { assert(ok()); return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& value() && { assert(ok()); return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] Error& error() & { assert(!ok()); return *std::get_if<1>(&state_); }
  [[nodiscard]] const Error& error() const& { assert(!ok()); return *std::get_if<1>(&state_); }
  [[nodiscard]] Error&& error() && { assert(!ok()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] Error& error() & { assert(!ok()); return *error_; }
  [[nodiscard]] const Error& error() const& { assert(!ok()); return *error_; }
  [[nodiscard]] Error&& error() && { assert(!ok()); return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

[[nodiscard]] inline Error make_error(ErrorKind kind, Scope scope, std::string what,
                                      std::string hint = {}, Retry retry = Retry::never) {
  return Error{kind, scope, retry, std::move(what), std::move(hint), std::nullopt, 0, false};
}

}  // namespace base
}  // namespace mailhaul

#define MH_CONCAT_INNER(a, b) a##b
#define MH_CONCAT(a, b) MH_CONCAT_INNER(a, b)
/// `MH_TRY(auto x, expr);` declares x from a Result or returns its Error.
#define MH_TRY(declaration, expression)                                       \
  auto MH_CONCAT(mh_result_, __LINE__) = (expression);                        \
  if (!MH_CONCAT(mh_result_, __LINE__).ok())                                  \
    return std::move(MH_CONCAT(mh_result_, __LINE__)).error();                \
  declaration = std::move(MH_CONCAT(mh_result_, __LINE__)).value()
/// `MH_CHECK(expr);` returns the Error of a Status.
#define MH_CHECK(expression)                                                  \
  do {                                                                        \
    if (auto mh_status = (expression); !mh_status.ok())                       \
      return std::move(mh_status).error();                                    \
  } while (false)
