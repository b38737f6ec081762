// The command line as one struct of options per command. options.cpp is the only file that knows cxxopts.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address_family.hpp"
#include "base/result.hpp"
#include "cli/arguments.hpp"
#include "pipeline/options.hpp"
#include "store/registry.hpp"

namespace mailhaul::cli {

/// What every command takes.
struct GlobalOptions {
  bool json = false, quiet = false, verbose = false, no_color = false;
  std::string ledger;  ///< `--ledger`, or ""
  std::string trace;   ///< `--trace`, or ""
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  AddressFamily family = AddressFamily::any;
};

/// What the line says of one side's account: `--source-…` or `--target-…`.
struct AccessOptions {
  std::string password_command, password_file, ca_file;  ///< or ""
  bool allow_plaintext = false;
};

/// What a run over two places takes.
struct RunOptions {
  std::string source, target;  ///< as typed, with a password in them if it was typed
  pipeline::JobOptions job;
  store::MboxDialect mbox_dialect = store::MboxDialect::mboxrd;
  AccessOptions source_access, target_access;
  std::uint64_t memory = 64ULL << 20;  ///< octets of mail held at once
  std::optional<std::uint64_t> rate;   ///< octets a second over the network
  store::Compress compress = store::Compress::off;  ///< of both sides
  std::string outcomes;                ///< a file, or ""
};

struct CopyOptions : RunOptions {};
struct VerifyOptions : RunOptions {};
/// What a command over one place takes.
struct PlaceOptions {
  std::string location;  ///< as typed
  AccessOptions access;
};
struct LsOptions : PlaceOptions {};
struct ProbeOptions : PlaceOptions {};
struct VersionOptions {};
struct HelpOptions {
  std::string topic;  ///< "" for the overview
};

struct CommandLine {
  GlobalOptions global;
  std::variant<HelpOptions, VersionOptions, LsOptions, ProbeOptions, CopyOptions, VerifyOptions> command;
};

/// Errors: usage, naming the option and what it takes.
[[nodiscard]] Result<CommandLine> parse_command_line(const Arguments& arguments);
/// `cxxopts 3.1.1`: for `mailhaul version`.
[[nodiscard]] std::string option_parser_version();

}  // namespace mailhaul::cli
