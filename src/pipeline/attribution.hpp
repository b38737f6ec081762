// Whose are the messages that a target found after a watermark? The answer is recorded in the ledger.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ledger/ledger.hpp"
#include "store/store.hpp"

namespace mailhaul::pipeline {

/// A delivery in doubt.
struct Sought {
  ledger::Intent intent;
  std::uint8_t flags = 0;  ///< with which it was sent, as far as that is known
};

/// Divides `matches` among all that is sought in the folder, as multisets: one match answers for one delivery, and none
/// that is known to be another message's. What is found becomes a delivery and its intent goes, in the transaction that
/// is open or begun here; the caller commits. Returns the key of each, nullopt for those not found.
[[nodiscard]] Result<std::vector<std::optional<store::Key>>> attribute(ledger::Ledger& ledger, ledger::RowId folder,
                                                                       const std::vector<Sought>& sought,
                                                                       const std::vector<store::Match>& matches);

}  // namespace mailhaul::pipeline
