// Reading a place back without mailhaul: tests/readers/mailreaders.py in a process of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "files/file_system.hpp"
#include "mail/folder_path.hpp"
#include "mail/meta.hpp"

namespace mailhaul::conformance {

/// One message as an independent reader sees it.
struct Kept {
  std::vector<std::string> folder;
  Digest cid, nid, eid;
  std::uint64_t size = 0;
  mail::Flags flags;
  std::vector<std::string> keywords;  ///< sorted
  std::optional<std::int64_t> received;
  std::string ticket;  ///< "" when the place does not tell it
};

/// `place`: mbox:PATH or maildir:PATH on the real file system. A place that is not there is an Error.
[[nodiscard]] Result<std::vector<Kept>> read_independently(const std::string& place);

/// Copies what lies at `path` of a simulated disk to `target` on the real one: octets, names, mtimes.
[[nodiscard]] Status export_tree(files::FileSystem& fs, const std::string& path, const std::string& target);

}  // namespace mailhaul::conformance
