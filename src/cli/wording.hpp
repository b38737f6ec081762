// What exit codes and failed messages are called when we talk to people. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/report.hpp"

namespace mailhaul::cli {

/// What somebody can do about a message that failed for this reason (the word of an ErrorKind); "" for any other word.
[[nodiscard]] std::string_view advice(std::string_view reason);
/// The last line of a report: what its exit code means here, in words.
[[nodiscard]] std::string verdict(const pipeline::Report& report);
/// `1 message`, `1,234 messages`.
[[nodiscard]] std::string messages(std::uint64_t count);

}  // namespace mailhaul::cli
