// What the identity digests must be, said slowly: the message is split into lines in memory and put together again.
// Shares no code with the scanner; digests by openssl's EVP directly.
#pragma once

#include <openssl/evp.h>

#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace mailhaul::mail::reference {

inline Digest evp_sha256(const std::string& octets) {
  Digest digest;
  unsigned length = 0;
  EVP_Digest(octets.data(), octets.size(), reinterpret_cast<unsigned char*>(digest.bytes.data()), &length, EVP_sha256(),
             nullptr);
  return digest;
}

/// The lines of the canonical form, without their line ends.
inline std::vector<std::string> canonical_lines(const std::string& message) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : message) {
    if (c != '\n') {
      line += c;
      continue;
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(line);
    line.clear();
  }
  if (!line.empty()) lines.push_back(line);
  while (lines.size() > 1 && lines.back().empty()) lines.pop_back();
  return lines;
}

inline std::string with_line_ends(const std::vector<std::string>& lines) {
  std::string octets;
  for (const std::string& line : lines) octets += line + "\r\n";
  return octets;
}

inline bool names_housekeeping(const std::string& line) {
  static const std::set<std::string> kNames{"status",         "x-status",         "x-keywords",     "x-uid",
                                            "x-imap",         "x-imapbase",       "content-length", "x-mozilla-status",
                                            "x-mozilla-keys", "x-mozilla-status2"};
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos) return false;
  std::string name = line.substr(0, colon);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.pop_back();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return kNames.count(name) == 1;
}

struct Expected {
  Digest cid, nid, eid, header_id;
};

inline Expected expected(const std::string& message) {
  const std::vector<std::string> lines = canonical_lines(message);
  std::vector<std::string> kept;
  std::vector<std::string> kept_header;
  bool in_header = true;
  bool drops = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.empty()) in_header = false;
    if (in_header) {
      const bool is_continuation = i > 0 && (line[0] == ' ' || line[0] == '\t');
      if (!is_continuation) drops = names_housekeeping(line);
      if (drops) continue;
      kept_header.push_back(line);
    }
    kept.push_back(line);
  }
  return {evp_sha256(message), evp_sha256(with_line_ends(lines)), evp_sha256(with_line_ends(kept)),
          evp_sha256(with_line_ends(kept_header))};
}

}  // namespace mailhaul::mail::reference
