// A command as the other end of the line (`?tunnel=`): started, spoken to over two pipes, and always reaped.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/wire.hpp"

namespace mailhaul::net {

/// `/bin/sh -c command` in a process group of its own, with pipes (not a socketpair: Dovecot 2.3 refuses those) as
/// standard input and output, our standard error, no other descriptor of ours, and an environment without what is
/// nobody's business (passwords come to us that way). The end of its output is the end of the stream when it exits
/// with 0, else an Error that says with what. `clock` outlives the Wire.
/// When the Wire dies the command gets end of file, 1 s later SIGTERM, 1 s later SIGKILL.
[[nodiscard]] Result<std::unique_ptr<Wire>> start_tunnel(const std::string& command, const Clock& clock);

}  // namespace mailhaul::net
