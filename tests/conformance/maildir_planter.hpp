// Puts mail into a Maildir++ by plain files, as other programs do; shares nothing with the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/suite.hpp"

namespace mailhaul::conformance {

class MaildirPlanter {
 public:
  explicit MaildirPlanter(std::string root);
  void plant(const std::vector<Planted>& mail);
  /// Takes the message planted last away.
  void take_last();
  [[nodiscard]] std::string dir_of(const mail::FolderPath& folder) const;

 private:
  std::string root_;
  std::uint64_t count_ = 0;
  std::string last_;
};

void write_file(const std::string& path, const std::string& octets);

}  // namespace mailhaul::conformance
