#include "net/deflate.hpp"

#define ZLIB_CONST  // input is const
#include <zlib.h>

#include <algorithm>
#include <string>
#include <utility>

#include "net/errors.hpp"

namespace mailhaul::net {

namespace {

constexpr int kRaw = -15;          // window bits: 32 KiB, and neither zlib's header nor its sum (RFC 4978 section 3)
constexpr int kMemory = 8;         // zlib's default
constexpr uInt kMost = 1U << 30U;  // zlib counts in 32 bits
constexpr std::size_t kOutput = std::size_t{16} << 10U;

Error no_memory() { return unreachable("no memory for compression", "try without --compress"); }

Error corrupt(const std::string& what) {
  return unreachable("the server's compressed data is corrupt (" + what + ")",
                     "try again; if it comes back, go without --compress");
}

}  // namespace

Result<Deflater> Deflater::make() {
  auto raw = std::make_unique<z_stream>();
  if (deflateInit2(raw.get(), Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRaw, kMemory, Z_DEFAULT_STRATEGY) != Z_OK)
    return no_memory();
  return Deflater(Stream(raw.release(), [](z_stream* stream) {
    (void)deflateEnd(stream);  // Z_DATA_ERROR: it was not at its end, which a connection's stream never is
    delete stream;
  }));
}

Status Deflater::put(Octets octets, std::vector<std::byte>& into) {
  z_stream& stream = *stream_;
  while (!octets.empty()) {
    const Octets piece = octets.first(std::min<std::size_t>(octets.size(), kMost));
    octets = octets.subspan(piece.size());
    stream.next_in = reinterpret_cast<const Bytef*>(piece.data());
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      const std::size_t before = into.size();
      into.resize(before + kOutput);
      stream.next_out = reinterpret_cast<Bytef*>(into.data() + before);
      stream.avail_out = static_cast<uInt>(kOutput);
      const int state = deflate(&stream, Z_SYNC_FLUSH);
      into.resize(into.size() - stream.avail_out);
      // Z_BUF_ERROR: the last round filled the room exactly, and nothing was left to flush.
      if (state != Z_OK && state != Z_BUF_ERROR) return no_memory();
    } while (stream.avail_out == 0);
  }
  return {};
}

Result<Inflater> Inflater::make() {
  auto raw = std::make_unique<z_stream>();
  if (inflateInit2(raw.get(), kRaw) != Z_OK) return no_memory();
  return Inflater(Stream(raw.release(), [](z_stream* stream) {
    (void)inflateEnd(stream);  // fails only for a stream that never was one
    delete stream;
  }));
}

Result<Inflater::Inflated> Inflater::take(Octets octets, std::span<std::byte> room) {
  if (ended_ && !octets.empty()) went_on_ = true;
  if (went_on_) return corrupt("it goes on behind its end");
  if (ended_) return Inflated{0, 0, false, true};
  z_stream& stream = *stream_;
  const auto given = static_cast<uInt>(std::min<std::size_t>(octets.size(), kMost));
  const auto space = static_cast<uInt>(std::min<std::size_t>(room.size(), kMost));
  stream.next_in = reinterpret_cast<const Bytef*>(octets.data());
  stream.avail_in = given;
  stream.next_out = reinterpret_cast<Bytef*>(room.data());
  stream.avail_out = space;
  const int state = inflate(&stream, Z_SYNC_FLUSH);
  Inflated inflated{given - stream.avail_in, space - stream.avail_out, stream.avail_out == 0, false};
  if (state == Z_STREAM_END) {
    ended_ = inflated.end = true;
    inflated.more = inflated.taken < octets.size();  // which is an Error, told by the next call
    return inflated;
  }
  // Z_BUF_ERROR: neither input nor output was left.
  if (state == Z_OK || state == Z_BUF_ERROR) {
    inflated.more = inflated.more || inflated.taken < octets.size();
    return inflated;
  }
  if (inflated.made > 0) {
    inflated.more = true;  // zlib fails again
    return inflated;
  }
  return state == Z_MEM_ERROR ? no_memory() : corrupt(stream.msg != nullptr ? stream.msg : zError(state));
}

}  // namespace mailhaul::net
