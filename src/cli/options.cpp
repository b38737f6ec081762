#include "cli/options.hpp"

// A folder named "Lists, dev" is one folder: by default values that may be repeated, and arguments, split at commas.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <array>
#include <cxxopts.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "cli/values.hpp"
#include "mail/dates.hpp"
#include "mail/folder_path.hpp"

namespace mailhaul::cli {
namespace {

using Values = cxxopts::ParseResult;

// Below it one read of the network would take as long as a server's silence may.
constexpr std::uint64_t kSlowest = 64U << 10U;
// Servers turn away who has more (Dovecot: 10 from one address), and two do nearly all of the good.
constexpr std::uint64_t kMostConnections = 8;

Error bad_value(std::string_view option, std::string_view value, std::string hint) {
  return make_error(ErrorKind::usage, Scope::run, "--" + std::string(option) + " cannot be '" + visible(value) + "'",
                    std::move(hint));
}

/// Hands the scanned line to cxxopts in one plain form: `--name value`, then the words after `--`. The scanner has
/// already refused what cxxopts would complain about without naming the option.
Result<Values> store_values(const Arguments& arguments) {
  try {
    cxxopts::Options options("mailhaul");
    auto add = options.add_options();
    for (const auto& spec : all_options()) {
      if (spec.commands == kNone) continue;
      // cxxopts takes a name of one character for a letter.
      const std::string name = spec.name.empty() ? std::string(1, spec.letter) : std::string(spec.name);
      if (spec.takes_value()) {
        add(name, "", cxxopts::value<std::vector<std::string>>());
      } else {
        add(name, "");
      }
    }
    add("words", "", cxxopts::value<std::vector<std::string>>());
    options.parse_positional({"words"});

    std::vector<std::string> line{"mailhaul"};
    for (const auto& [option, value] : arguments.given) {
      line.push_back(option->spelled());
      if (option->takes_value()) line.push_back(value);
    }
    line.emplace_back("--");
    line.insert(line.end(), arguments.words.begin(), arguments.words.end());
    std::vector<const char*> pointers;
    for (const auto& text : line) pointers.push_back(text.c_str());
    return options.parse(static_cast<int>(pointers.size()), pointers.data());
  } catch (const std::exception& failure) {
    return make_error(ErrorKind::usage, Scope::run, "the command line cannot be read: " + visible(failure.what()));
  }
}

std::vector<std::string> all_of(const Values& values, const std::string& name) {
  return values.count(name) == 0 ? std::vector<std::string>{} : values[name].as<std::vector<std::string>>();
}

/// The last one given, as with other programs: an alias can be overridden.
std::optional<std::string> last_of(const Values& values, const std::string& name) {
  auto all = all_of(values, name);
  if (all.empty()) return std::nullopt;
  return std::move(all.back());
}

/// One of a few words.
template <typename T, std::size_t N>
Status set_word(const Values& values, const std::string& name,
                const std::array<std::pair<std::string_view, T>, N>& words, T& into) {
  const auto text = last_of(values, name);
  if (!text) return {};
  std::string hint = "one of";
  for (const auto& [word, value] : words) {
    if (*text == word) {
      into = value;
      return {};
    }
    hint += (hint == "one of" ? " " : ", ") + std::string(word);
  }
  return bad_value(name, *text, hint);
}

Status set_date(const Values& values, const std::string& name, std::optional<Instant>& into) {
  const auto text = last_of(values, name);
  if (!text) return {};
  into = mail::parse_iso_date(*text);
  if (!into) return bad_value(name, *text, "a date is 2024-01-31 or 2024-01-31T12:00:00Z (UTC)");
  return {};
}

Status set_selection(const Values& values, pipeline::Selection& into) {
  into.folders = all_of(values, "folder");
  into.exclude = all_of(values, "exclude");
  MH_CHECK(set_date(values, "since", into.since));
  MH_CHECK(set_date(values, "before", into.before));
  if (into.since && into.before && *into.since >= *into.before) {
    return make_error(ErrorKind::usage, Scope::run, "--since is not earlier than --before: no message can be both",
                      "--since D1 --before D2 selects D1 <= received < D2");
  }
  return {};
}

Status set_rules(const Values& values, pipeline::FolderRules& into) {
  into.role_map = values.count("no-role-map") == 0;
  for (const auto& text : all_of(values, "map")) {
    const auto equals = text.find('=');
    const std::string from = text.substr(0, equals);
    const std::string to = equals == std::string::npos ? std::string() : text.substr(equals + 1);
    if (!mail::FolderPath::from_text(from) || !mail::FolderPath::from_text(to)) {
      return bad_value("map", text, "--map 'Sent Items=Sent' names folder 'Sent Items' 'Sent' at the target");
    }
    into.map.emplace_back(from, to);
  }
  if (const auto text = last_of(values, "into")) {
    into.into = mail::FolderPath::from_text(*text);
    if (!into.into) return bad_value("into", *text, "a folder is Work or Work/2024, without '/' at the ends");
  }
  return {};
}

Status set_size(const Values& values, const std::string& name, std::uint64_t least, std::optional<std::uint64_t>& into) {
  const auto text = last_of(values, name);
  if (!text) return {};
  into = parse_size(*text);
  if (into && *into >= least) return {};
  return bad_value(name, *text, "a size is 64M, 512K or 67108864" +
                                    (least > 1 ? "; " + std::to_string(least / 1024) + "K at least" : std::string()));
}

Status set_run(const Values& values, RunOptions& run) {
  static constexpr std::array<std::pair<std::string_view, pipeline::Dedup>, 4> kDedup{
      {{"none", pipeline::Dedup::none},
       {"exact", pipeline::Dedup::exact},
       {"mail", pipeline::Dedup::mail},
       {"message-id", pipeline::Dedup::message_id}}};
  static constexpr std::array<std::pair<std::string_view, pipeline::DedupScope>, 2> kScope{
      {{"folder", pipeline::DedupScope::folder}, {"account", pipeline::DedupScope::account}}};
  static constexpr std::array<std::pair<std::string_view, store::MboxDialect>, 2> kDialect{
      {{"mboxrd", store::MboxDialect::mboxrd}, {"mboxo", store::MboxDialect::mboxo}}};
  static constexpr std::array<std::pair<std::string_view, store::Compress>, 3> kCompress{
      {{"auto", store::Compress::automatic}, {"on", store::Compress::on}, {"off", store::Compress::off}}};
  MH_CHECK(set_selection(values, run.job.selection));
  MH_CHECK(set_rules(values, run.job.rules));
  MH_CHECK(set_word(values, "dedup", kDedup, run.job.dedup));
  MH_CHECK(set_word(values, "dedup-scope", kScope, run.job.dedup_scope));
  MH_CHECK(set_word(values, "mbox-dialect", kDialect, run.mbox_dialect));
  MH_CHECK(set_word(values, "compress", kCompress, run.compress));
  if (const auto text = last_of(values, "settle")) {
    const auto settle = parse_duration(*text);
    if (!settle) return bad_value("settle", *text, "a duration is 120s, 2m, 500ms or 0");
    run.job.settle = *settle;
  }
  if (const auto text = last_of(values, "memory")) {
    const auto memory = parse_size(*text);
    if (!memory) return bad_value("memory", *text, "a size is 64M, 512K or 67108864");
    run.memory = *memory;
  }
  if (const auto text = last_of(values, "connections")) {
    const auto connections = parse_uint(*text, 10, kMostConnections);
    if (!connections || *connections == 0)
      return bad_value("connections", *text, "a number from 1 to " + std::to_string(kMostConnections));
    run.job.connections = static_cast<unsigned>(*connections);
  }
  MH_CHECK(set_size(values, "max-bytes", 1, run.job.max_octets));
  MH_CHECK(set_size(values, "rate", kSlowest, run.rate));
  run.job.newest_first = values.count("newest-first") != 0;
  run.outcomes = last_of(values, "outcomes").value_or("");
  run.job.dry_run = values.count("dry-run") != 0;
  run.job.mark_seen = values.count("seen") != 0;
  run.job.content_only = values.count("content-only") != 0;
  return {};
}

/// `side`: "source" or "target".
AccessOptions access_of(const Values& values, const std::string& side) {
  AccessOptions access;
  access.password_command = last_of(values, side + "-password-command").value_or("");
  access.password_file = last_of(values, side + "-password-file").value_or("");
  access.ca_file = last_of(values, side + "-ca").value_or("");
  access.allow_plaintext = values.count("allow-plaintext") != 0;
  return access;
}

Status set_global(const Values& values, GlobalOptions& global) {
  global.json = values.count("json") != 0;
  global.quiet = values.count("quiet") != 0;
  global.verbose = values.count("verbose") != 0;
  global.no_color = values.count("no-color") != 0;
  global.ledger = last_of(values, "ledger").value_or("");
  global.trace = last_of(values, "trace").value_or("");
  if (const auto text = last_of(values, "timeout")) {
    const auto timeout = parse_duration(*text);
    if (!timeout || timeout->count() == 0) return bad_value("timeout", *text, "a duration is 60s, 2m or 500ms");
    global.timeout = *timeout;
  }
  if (values.count("4") != 0 && values.count("6") != 0) {
    return make_error(ErrorKind::usage, Scope::run, "-4 and -6 exclude each other",
                      "without either, both kinds of addresses are tried");
  }
  if (values.count("4") != 0) global.family = AddressFamily::ipv4;
  if (values.count("6") != 0) global.family = AddressFamily::ipv6;
  return {};
}

template <typename T>
Result<CommandLine> with_place(const Values& values, const std::vector<std::string>& words, CommandLine line) {
  T options;
  options.location = words.at(0);  // check_arguments() has counted them
  options.access = access_of(values, "source");
  line.command = std::move(options);
  return line;
}

template <typename T>
Result<CommandLine> with_run(const Values& values, const std::vector<std::string>& words, CommandLine line) {
  T options;
  MH_CHECK(set_run(values, options));
  options.source = words.at(0);  // check_arguments() has counted them
  options.target = words.at(1);
  options.source_access = access_of(values, "source");
  options.target_access = access_of(values, "target");
  line.command = std::move(options);
  return line;
}

}  // namespace

Result<CommandLine> parse_command_line(const Arguments& arguments) {
  MH_CHECK(check_arguments(arguments));
  MH_TRY(const Values values, store_values(arguments));
  CommandLine line;
  MH_CHECK(set_global(values, line.global));
  const auto words = all_of(values, "words");
  const auto* command = find_command(arguments.command);
  const unsigned bit = command == nullptr ? kNone : command->bit;
  if (arguments.help) {
    line.command = HelpOptions{arguments.command};
  } else if (bit == kHelp) {
    line.command = HelpOptions{words.empty() ? std::string() : words.front()};
  } else if (arguments.version || bit == kVersion) {
    line.command = VersionOptions{};
  } else if (bit == kLs) {
    return with_place<LsOptions>(values, words, std::move(line));
  } else if (bit == kProbe) {
    return with_place<ProbeOptions>(values, words, std::move(line));
  } else if (bit == kVerify) {
    return with_run<VerifyOptions>(values, words, std::move(line));
  } else {
    return with_run<CopyOptions>(values, words, std::move(line));
  }
  return line;
}

std::string option_parser_version() {
  return "cxxopts " + std::to_string(cxxopts::version.major) + "." + std::to_string(cxxopts::version.minor) + "." +
         std::to_string(cxxopts::version.patch);
}

}  // namespace mailhaul::cli
