// One listing of one mbox file: complete, or what was appended since an earlier one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "files/file_system.hpp"
#include "plugins/mbox/mbox_file.hpp"
#include "store/services.hpp"
#include "store/store.hpp"

namespace mailhaul::mbox {

/// Used once, by one thread.
class Listing {
 public:
  Listing(const files::File& file, std::string file_text, std::string folder, store::Services& services)
      : file_(file), file_text_(std::move(file_text)), folder_(std::move(folder)), services_(services) {}
  /// Error locked: the file was changed meanwhile; with delivered() false the sink has seen nothing of it.
  Result<store::ListEnd> run(const std::optional<std::string>& since, store::ItemSink& sink);
  [[nodiscard]] bool delivered() const { return delivered_; }

 private:
  Result<std::optional<std::uint64_t>> appended_since(const FileState& old, const FileState& now) const;
  Status on_span(const MessageSpan& span, store::ItemSink& sink);
  Status deliver(store::ItemSink& sink);
  Status check_unchanged(const FileState& before) const;
  void tell(const Doubts& doubts);
  void tell(const Doubt& doubt, const std::string& text);

  const files::File& file_;
  std::string file_text_, folder_;
  store::Services& services_;
  std::vector<store::Item> held_;  ///< until it is known that the file stood still, or there are too many
  bool delivered_ = false;
  bool internal_data_ = false;
  const FileState* before_ = nullptr;
};

}  // namespace mailhaul::mbox
