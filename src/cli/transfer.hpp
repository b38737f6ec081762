// A run over two places, as `copy` and `verify` share it.
#pragma once

#include <string>

#include "cli/frame.hpp"
#include "cli/state.hpp"
#include "pipeline/jobs.hpp"

namespace mailhaul::cli {

/// Which run, and what it may make on its way.
struct Transfer {
  std::string command;
  pipeline::Report (*run)(const pipeline::Job&, pipeline::Observer&);
  StateUse state = StateUse::read;
  bool pairs_by_header = false;  ///< it asks for the digests of header blocks
};

/// Opens everything, runs, shows the report. Nothing is touched before locations, options and `--outcomes` are fine.
int run_transfer(Frame& frame, const RunOptions& options, const Transfer& transfer);

}  // namespace mailhaul::cli
