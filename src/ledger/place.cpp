// Names and locks of ledgers.
#include "ledger/place.hpp"

#include "mail/sha256.hpp"

namespace mailhaul::ledger {
namespace {

std::string short_name(std::string_view text) { return to_hex(mail::sha256(as_octets(text)).octets()).substr(0, 16); }

}  // namespace

std::string ledger_path(const std::string& directory, std::string_view source, std::string_view target) {
  // The two identities cannot run into each other: a scheme and a path hold no line feed after the scheme's check.
  return directory + "/" + short_name(std::string(source) + "\n" + std::string(target)) + ".ledger";
}

Result<std::unique_ptr<PairLock>> PairLock::acquire(files::FileSystem& fs, const std::string& directory,
                                                    const std::string& ledger_path, std::string_view target,
                                                    const Clock& clock) {
  MH_TRY(auto ledger, files::RunLock::acquire(fs, ledger_path + ".lock", clock));
  MH_TRY(auto place, files::RunLock::acquire(fs, directory + "/target-" + short_name(target) + ".lock", clock));
  return std::unique_ptr<PairLock>(new PairLock(std::move(ledger), std::move(place)));
}

}  // namespace mailhaul::ledger
