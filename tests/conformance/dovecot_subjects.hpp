// Accounts of a real server as subjects of the suite: Dovecot over the pipe of a command, one fresh mail root a place.
#pragma once

#include <vector>

#include "conformance/suite.hpp"

namespace mailhaul::conformance {

[[nodiscard]] std::vector<TargetSubject> dovecot_target_subjects();
[[nodiscard]] std::vector<SourceSubject> dovecot_source_subjects();

}  // namespace mailhaul::conformance
