// A message as IMAP and SMTP carry it: every bare LF as CRLF. A lone CR is an octet like any other.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "mail/content.hpp"

namespace mailhaul::mail {

/// Puts line ends right in a stream of chunks; the state is whether the last octet was CR. One thread.
class CrlfFilter {
 public:
  /// Appends `octets` with each bare LF as CRLF.
  void append(Octets octets, std::string& to);

 private:
  bool after_cr_ = false;
};

/// Reads a content's CRLF form in order, once; facts().crlf_size octets in all. Holds one piece of 64 KiB. One thread.
class CrlfReader {
 public:
  explicit CrlfReader(ContentPtr content) : content_(std::move(content)) {}
  /// Fills `into` as far as it goes; 0 only at the end. Error: as Content::read.
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> into);

 private:
  Result<std::size_t> take_on(std::size_t wanted);

  ContentPtr content_;
  CrlfFilter filter_;
  std::uint64_t offset_ = 0;
  std::string ready_;
  std::size_t taken_ = 0;
};

}  // namespace mailhaul::mail
