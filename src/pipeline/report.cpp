// Exit codes and words of a report.
#include "pipeline/report.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace mailhaul::pipeline {

std::string_view to_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::copied: return "copied";
    case Outcome::present: return "present";
    case Outcome::duplicate: return "duplicate";
    case Outcome::filtered: return "filtered";
    case Outcome::failed: return "failed";
    case Outcome::vanished: return "vanished";
    case Outcome::pending: return "pending";
    case Outcome::unknown: return "unknown";
  }
  return "";
}

std::string_view to_text(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bug: return "bug";
    case ErrorKind::usage: return "usage";
    case ErrorKind::message: return "message";
    case ErrorKind::unreachable: return "unreachable";
    case ErrorKind::security: return "security";
    case ErrorKind::damage: return "damage";
    case ErrorKind::unknown: return "unknown";
    case ErrorKind::locked: return "locked";
    case ErrorKind::no_space: return "no_space";
    case ErrorKind::identity: return "identity";
    case ErrorKind::interrupted: return "interrupted";
    case ErrorKind::unsupported: return "unsupported";
  }
  return "";
}

int exit_code(const Error& error, Side side) {
  switch (error.kind) {
    case ErrorKind::bug: return 1;
    case ErrorKind::usage: return 2;
    case ErrorKind::message: return 3;
    case ErrorKind::unreachable: return side == Side::target ? 5 : side == Side::source ? 4 : 2;
    case ErrorKind::security: return 6;
    case ErrorKind::damage: return 7;
    case ErrorKind::unknown: return 8;
    case ErrorKind::locked: return 9;
    case ErrorKind::no_space: return 10;
    case ErrorKind::identity: return 11;
    case ErrorKind::interrupted: return 12;
    case ErrorKind::unsupported: return 15;
  }
  return 1;
}

int worse_exit(int a, int b) {
  static constexpr std::array kOrder{2, 1, 9, 7, 6, 14, 11, 10, 12, 8, 4, 5, 15, 13, 3, 0};
  const auto rank = [](int code) { return std::find(kOrder.begin(), kOrder.end(), code) - kOrder.begin(); };
  return rank(a) <= rank(b) ? a : b;
}

}  // namespace mailhaul::pipeline
