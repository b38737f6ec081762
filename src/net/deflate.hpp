// Raw DEFLATE (RFC 1951) as COMPRESS=DEFLATE has it (RFC 4978): one endless stream each way. No socket, no waiting.
// Not Poco's streams: InflatingInputStream keeps what was flushed until more comes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

struct z_stream_s;  // zlib's, which only deflate.cpp includes

namespace mailhaul::net {

/// The sending side of one connection. 268 KiB.
class Deflater {
 public:
  /// Error: unreachable, scope session: no memory.
  static Result<Deflater> make();
  /// Puts `octets` compressed at the end of `into`, and all of it: whoever reads so far can inflate what was put. No
  /// octets, no output. Error: as make().
  Status put(Octets octets, std::vector<std::byte>& into);

 private:
  using Stream = std::unique_ptr<z_stream_s, void (*)(z_stream_s*)>;
  explicit Deflater(Stream stream) : stream_(std::move(stream)) {}
  Stream stream_;
};

/// The receiving side. 40 KiB, whatever the peer sends.
class Inflater {
 public:
  static Result<Inflater> make();  ///< Error: as Deflater::make()

  struct Inflated {
    std::size_t taken = 0;  ///< octets of the input that need not be given again
    std::size_t made = 0;   ///< octets written to the room
    bool more = false;      ///< call again, even without input: more waits inside
    bool end = false;       ///< the peer has ended the stream
  };
  /// Inflates what fits into `room`, which is not empty. Error, for good: unreachable, scope session, retry later: the
  /// stream is corrupt, or goes on behind its end. What came before that is given out first.
  Result<Inflated> take(Octets octets, std::span<std::byte> room);

 private:
  using Stream = std::unique_ptr<z_stream_s, void (*)(z_stream_s*)>;
  explicit Inflater(Stream stream) : stream_(std::move(stream)) {}
  Stream stream_;
  bool ended_ = false, went_on_ = false;
};

}  // namespace mailhaul::net
