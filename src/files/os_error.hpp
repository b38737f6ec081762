// From errno to Error: one table for every file system of this room, so that the simulated disks fail with the same
// words as the real one. Private to src/files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "files/file_system.hpp"

namespace mailhaul::files {

/// "PATH: cannot DOING: reason", with kind, scope, retry and hint by the errno, which Error::system keeps.
[[nodiscard]] Error os_error(int number, std::string_view doing, std::string_view path);
/// The Error of something that is there but is no regular file (a FIFO, a device, a directory).
[[nodiscard]] Error not_a_regular_file(std::string_view path);
/// One component: not "", ".", "..", no '/' and no NUL. Else ErrorKind::security.
[[nodiscard]] Status check_name(std::string_view name);

/// "DIRECTORY/NAME" for messages and for walking.
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);
/// Parent ("." or "/" when there is none in the text) and last component; slashes at the end do not count.
[[nodiscard]] std::pair<std::string, std::string> split_path(std::string_view path);

/// create_root() for any file system by its own calls, one component after the other, each parent synced.
[[nodiscard]] Result<std::unique_ptr<Dir>> create_root_by_steps(FileSystem& fs, const std::string& path);

/// Seconds and nanoseconds as nanoseconds, saturated.
[[nodiscard]] std::int64_t to_nanoseconds(std::int64_t seconds, std::int64_t nanoseconds);

}  // namespace mailhaul::files
