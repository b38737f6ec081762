#include "cli/options.hpp"

#include <gtest/gtest.h>

#include "cli/arguments.hpp"
#include "mail/dates.hpp"

namespace mailhaul::cli {
namespace {

Result<CommandLine> parse(const std::vector<std::string>& words) { return parse_command_line(scan_arguments(words)); }

CopyOptions parse_copy(std::vector<std::string> words) {
  words.insert(words.begin(), "copy");
  words.insert(words.end(), {"mbox:a", "maildir:b"});
  auto line = parse(words);
  if (!line.ok()) {
    ADD_FAILURE() << line.error().what;
    return {};
  }
  return std::get<CopyOptions>(line->command);
}

Error refused(const std::vector<std::string>& words) {
  auto line = parse(words);
  if (!line.ok()) return line.error();
  ADD_FAILURE() << "was taken: " << words.back();
  return {};
}

TEST(CommandLine, Gives_copy_its_defaults) {
  const auto options = parse_copy({});
  EXPECT_EQ(options.source, "mbox:a");
  EXPECT_EQ(options.target, "maildir:b");
  EXPECT_EQ(options.job.dedup, pipeline::Dedup::exact);
  EXPECT_EQ(options.job.dedup_scope, pipeline::DedupScope::folder);
  EXPECT_EQ(options.job.settle, std::chrono::seconds(120));
  EXPECT_EQ(options.memory, 64ULL << 20);
  EXPECT_TRUE(options.job.rules.role_map);
  EXPECT_FALSE(options.job.dry_run);
  EXPECT_EQ(options.mbox_dialect, store::MboxDialect::mboxrd);
  EXPECT_EQ(options.outcomes, "");
  EXPECT_EQ(options.compress, store::Compress::off);
}

TEST(CommandLine, Takes_every_option_of_a_run) {
  const auto options = parse_copy({"--folder",
                                   "Work/*",
                                   "--folder=A",
                                   "--exclude",
                                   "Trash",
                                   "--since",
                                   "2024-01-31",
                                   "--before",
                                   "2024-02-01T12:00:00Z",
                                   "--map",
                                   "Sent Items=Sent",
                                   "--no-role-map",
                                   "--into",
                                   "Old/Mail",
                                   "--dedup",
                                   "message-id",
                                   "--dedup-scope",
                                   "account",
                                   "--settle",
                                   "3s",
                                   "--memory",
                                   "1M",
                                   "--outcomes",
                                   "o.jsonl",
                                   "--mbox-dialect",
                                   "mboxo",
                                   "-n"});
  EXPECT_EQ(options.job.selection.folders, (std::vector<std::string>{"Work/*", "A"}));
  EXPECT_EQ(options.job.selection.exclude, (std::vector<std::string>{"Trash"}));
  EXPECT_EQ(options.job.selection.since, mail::parse_iso_date("2024-01-31"));
  EXPECT_EQ(options.job.selection.before, mail::parse_iso_date("2024-02-01T12:00:00Z"));
  ASSERT_EQ(options.job.rules.map.size(), 1U);
  EXPECT_EQ(options.job.rules.map.front(), (std::pair<std::string, std::string>{"Sent Items", "Sent"}));
  EXPECT_FALSE(options.job.rules.role_map);
  ASSERT_TRUE(options.job.rules.into.has_value());
  EXPECT_EQ(options.job.rules.into->text(), "Old/Mail");
  EXPECT_EQ(options.job.dedup, pipeline::Dedup::message_id);
  EXPECT_EQ(options.job.dedup_scope, pipeline::DedupScope::account);
  EXPECT_EQ(options.job.settle, std::chrono::seconds(3));
  EXPECT_EQ(options.memory, 1U << 20);
  EXPECT_EQ(options.outcomes, "o.jsonl");
  EXPECT_EQ(options.mbox_dialect, store::MboxDialect::mboxo);
  EXPECT_TRUE(options.job.dry_run);
}

TEST(CommandLine, Takes_three_words_for_compression) {
  EXPECT_EQ(parse_copy({"--compress", "auto"}).compress, store::Compress::automatic);
  EXPECT_EQ(parse_copy({"--compress=on"}).compress, store::Compress::on);
  EXPECT_EQ(parse_copy({"--compress", "on", "--compress", "off"}).compress, store::Compress::off);
}

TEST(CommandLine, Takes_each_sides_way_into_an_account) {
  const auto options = parse_copy({"--source-password-command", "pass a, b", "--target-password-command=pass c",
                                   "--source-password-file", "f", "--target-password-file", "g", "--source-ca", "x.pem",
                                   "--target-ca", "y.pem", "--allow-plaintext"});
  EXPECT_EQ(options.source_access.password_command, "pass a, b");
  EXPECT_EQ(options.target_access.password_command, "pass c");
  EXPECT_EQ(options.source_access.password_file, "f");
  EXPECT_EQ(options.target_access.password_file, "g");
  EXPECT_EQ(options.source_access.ca_file, "x.pem");
  EXPECT_EQ(options.target_access.ca_file, "y.pem");
  EXPECT_TRUE(options.source_access.allow_plaintext && options.target_access.allow_plaintext);
  EXPECT_FALSE(parse_copy({}).source_access.allow_plaintext);

  const auto line = parse({"probe", "--source-password-command", "c", "--source-ca", "x", "imaps://a@b"});
  ASSERT_TRUE(line.ok()) << line.error().what;
  const auto& probe = std::get<ProbeOptions>(line->command);
  EXPECT_EQ(probe.location, "imaps://a@b");
  EXPECT_EQ(probe.access.password_command, "c");
  EXPECT_EQ(probe.access.ca_file, "x");
}

TEST(CommandLine, Takes_what_every_connection_shall_do) {
  const auto plain = parse({"ls", "a:b"});
  EXPECT_EQ(plain->global.timeout, std::chrono::seconds(60));
  EXPECT_EQ(plain->global.family, AddressFamily::any);
  EXPECT_EQ(plain->global.trace, "");
  const auto line = parse({"-4", "ls", "--trace", "t", "--timeout", "1500ms", "a:b"});
  ASSERT_TRUE(line.ok()) << line.error().what;
  EXPECT_EQ(line->global.timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(line->global.family, AddressFamily::ipv4);
  EXPECT_EQ(line->global.trace, "t");
  EXPECT_EQ(parse({"probe", "a:b", "-q6"})->global.family, AddressFamily::ipv6);
}

TEST(CommandLine, Keeps_commas_newlines_and_long_values_whole) {
  const std::string lines("two\nlines"), huge(200'000, 'x');
  const auto options = parse_copy({"--folder", "Lists, dev", "--folder", lines, "--folder", huge, "--exclude", "-odd"});
  EXPECT_EQ(options.job.selection.folders, (std::vector<std::string>{"Lists, dev", lines, huge}));
  EXPECT_EQ(options.job.selection.exclude, (std::vector<std::string>{"-odd"}));

  const auto line = parse({"ls", "mbox:Lists, dev"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(std::get<LsOptions>(line->command).location, "mbox:Lists, dev");
}

TEST(CommandLine, Takes_global_options_before_and_after_the_command) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"--json", "-qv", "--ledger", "L", "ls", "mbox:a"},
                                                                 {"ls", "--json", "-q", "-v", "--ledger=L", "mbox:a"},
                                                                 {"ls", "mbox:a", "-vq", "--json", "--ledger", "L"}}) {
    const auto line = parse(words);
    ASSERT_TRUE(line.ok()) << line.error().what;
    EXPECT_TRUE(line->global.json && line->global.quiet && line->global.verbose);
    EXPECT_EQ(line->global.ledger, "L");
  }
}

TEST(CommandLine, Lets_two_dashes_end_the_options) {
  const auto line = parse({"ls", "--", "--json"});
  ASSERT_TRUE(line.ok());
  EXPECT_FALSE(line->global.json);
  EXPECT_EQ(std::get<LsOptions>(line->command).location, "--json");
}

TEST(CommandLine, Lets_the_last_of_a_single_value_win) {
  EXPECT_EQ(parse_copy({"--memory", "1M", "--memory", "2M"}).memory, 2U << 20);
}

TEST(CommandLine, Gives_help_for_a_command_however_it_is_asked) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"help", "copy"}, {"copy", "--help"}, {"-h", "copy"}, {"copy", "-h", "x"}}) {
    const auto line = parse(words);
    ASSERT_TRUE(line.ok()) << line.error().what;
    EXPECT_EQ(std::get<HelpOptions>(line->command).topic, "copy");
  }
  EXPECT_EQ(std::get<HelpOptions>(parse({"--help"})->command).topic, "");
  EXPECT_TRUE(std::holds_alternative<VersionOptions>(parse({"--version"})->command));
  EXPECT_TRUE(std::holds_alternative<VersionOptions>(parse({"version"})->command));
}

struct Wrong {
  const char* name;
  std::vector<std::string> words;
  const char* what;  ///< must stand in the error
  const char* hint;  ///< must stand in the hint
};

class WrongLines : public testing::TestWithParam<Wrong> {};

TEST_P(WrongLines, Are_usage_errors_that_name_the_option_and_help) {
  const auto error = refused(GetParam().words);
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_NE(error.what.find(GetParam().what), std::string::npos) << error.what;
  EXPECT_NE(error.hint.find(GetParam().hint), std::string::npos) << error.hint;
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongLines,
    testing::Values(
        Wrong{"nothing", {}, "a command is missing", "mailhaul help"},
        Wrong{"only_options", {"--json"}, "a command is missing", "mailhaul help"},
        Wrong{"command_typo", {"cpoy", "a", "b"}, "unknown command 'cpoy'", "did you mean copy?"},
        Wrong{"command_unknown", {"bananas"}, "unknown command 'bananas'", "mailhaul help"},
        Wrong{"command_later", {"dedup", "mbox:a"}, "dedup is not there yet", "mailhaul help"},
        Wrong{"command_later_with_help", {"move", "--help"}, "move is not there yet", ""},
        Wrong{"option_typo", {"copy", "--foldr", "x", "a", "b"}, "unknown option '--foldr'", "did you mean --folder?"},
        Wrong{"option_typo_with_value", {"copy", "--foldr=x", "a", "b"}, "unknown option '--foldr'", "--folder"},
        Wrong{"option_unknown", {"copy", "--bananas", "a", "b"}, "unknown option '--bananas'", "mailhaul help"},
        Wrong{"letter_unknown", {"copy", "-nx", "a", "b"}, "-x", "mailhaul help"},
        Wrong{"option_later",
              {"copy", "--retry-failed", "a", "b"},
              "--retry-failed is not there yet",
              "mailhaul help copy"},
        Wrong{"option_later_with_value", {"copy", "--quarantine", "f", "a", "b"}, "--quarantine is not there yet", ""},
        Wrong{"rate", {"copy", "--rate", "1K", "a", "b"}, "--rate cannot be '1K'", "64K at least"},
        Wrong{"connections", {"copy", "--connections", "9", "a", "b"}, "--connections cannot be '9'", "1 to 8"},
        Wrong{"no_connection", {"copy", "--connections", "0", "a", "b"}, "--connections cannot be '0'", "1 to 8"},
        Wrong{"most_octets", {"copy", "--max-bytes", "0", "a", "b"}, "--max-bytes cannot be '0'", "64M"},
        Wrong{"both_families", {"copy", "-4", "-6", "a", "b"}, "-4 and -6", ""},
        Wrong{"timeout", {"ls", "--timeout", "30", "a"}, "--timeout cannot be '30'", "60s"},
        Wrong{"no_timeout", {"ls", "--timeout", "0", "a"}, "--timeout cannot be '0'", "60s"},
        Wrong{"target_of_one_place", {"ls", "--target-ca", "f", "a"}, "--target-ca does not go with ls", ""},
        Wrong{"target_of_probe", {"probe", "--target-password-file=f", "a"}, "does not go with probe", ""},
        Wrong{"password_typo",
              {"probe", "--source-pasword-file", "f", "a"},
              "--source-pasword-file",
              "--source-password-file"},
        Wrong{"no_place_to_probe", {"probe"}, "needs a LOCATION", "LOCATION"},
        Wrong{"password_option",
              {"probe", "--password", "x", "a"},
              "unknown option '--password'",
              "--source-password-file"},
        Wrong{"option_of_another", {"ls", "--folder", "x", "mbox:a"}, "--folder does not go with ls", ""},
        Wrong{"content_only_for_copy", {"copy", "--content-only", "a", "b"}, "does not go with copy", ""},
        Wrong{"no_words", {"copy"}, "needs a SOURCE and a TARGET", "SOURCE TARGET"},
        Wrong{"one_word", {"verify", "mbox:a"}, "needs a TARGET too", "SOURCE TARGET"},
        Wrong{"no_location", {"ls"}, "needs a LOCATION", "LOCATION"},
        Wrong{"three_words", {"copy", "a", "b", "c d"}, "unexpected argument 'c d'", "quotes"},
        Wrong{"value_missing", {"copy", "a", "b", "--folder"}, "--folder needs a value", "GLOB"},
        Wrong{"value_empty", {"copy", "a", "b", "--folder", ""}, "--folder needs a value", "GLOB"},
        Wrong{"value_for_switch", {"copy", "--json=yes", "a", "b"}, "--json takes no value", ""},
        Wrong{"memory", {"copy", "--memory", "abc", "a", "b"}, "--memory cannot be 'abc'", "64M"},
        Wrong{"settle", {"copy", "--settle", "3", "a", "b"}, "--settle cannot be '3'", "120s"},
        Wrong{"since", {"copy", "--since", "yesterday", "a", "b"}, "--since cannot be 'yesterday'", "2024-01-31"},
        Wrong{"empty_period", {"copy", "--since", "2024-02-01", "--before", "2024-02-01", "a", "b"}, "--before", ""},
        Wrong{"dedup", {"copy", "--dedup", "all", "a", "b"}, "--dedup cannot be 'all'", "message-id"},
        Wrong{"scope", {"copy", "--dedup-scope", "x", "a", "b"}, "--dedup-scope cannot be 'x'", "account"},
        Wrong{"dialect", {"copy", "--mbox-dialect", "mboxcl", "a", "b"}, "--mbox-dialect", "mboxo"},
        Wrong{"compress", {"copy", "--compress", "yes", "a", "b"}, "--compress cannot be 'yes'", "auto, on, off"},
        Wrong{"compress_of_ls", {"ls", "--compress", "on", "a"}, "--compress does not go with ls", ""},
        Wrong{"map", {"copy", "--map", "Sent", "a", "b"}, "--map cannot be 'Sent'", "="},
        Wrong{"map_to_nothing", {"copy", "--map", "Sent=", "a", "b"}, "--map", ""},
        Wrong{"into", {"copy", "--into", "/a", "a", "b"}, "--into cannot be '/a'", ""}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(CommandLine, Shows_no_escape_sequence_and_no_password_of_what_was_typed) {
  const auto escape = refused({"copy", "a", "b", "\x1b[31mred"});
  EXPECT_EQ(escape.what.find('\x1b'), std::string::npos);
  const auto secret = refused({"copy", "a", "b", "imaps://me:hunter2@host/"});
  EXPECT_EQ(secret.what.find("hunter2"), std::string::npos) << secret.what;
  EXPECT_NE(secret.what.find("imaps://me@host/"), std::string::npos) << secret.what;
}

TEST(Arguments, Know_of_json_however_wrong_the_line_is) {
  EXPECT_TRUE(scan_arguments({"--bananas", "copy", "--json"}).json);
  EXPECT_TRUE(scan_arguments({"cpoy", "--json", "--memory"}).json);
  EXPECT_FALSE(scan_arguments({"copy", "--folder", "--json"}).json) << "it is the value of --folder";
  EXPECT_FALSE(scan_arguments({"copy", "--", "--json"}).json);
}

TEST(Passwords, Are_overwritten_in_place_and_nothing_else_is) {
  struct Row {
    std::string before, after;
  };
  for (const auto& row : std::vector<Row>{{"imaps://me:hunter2@host/F", "imaps://me:*******@host/F"},
                                          {"imaps://me:a@b@host", "imaps://me:***@host"},
                                          {"imaps://me:pa/ss@host", "imaps://me:*****@host"},
                                          {"imaps://me@host:993/a@b", "imaps://me@host:993/a@b"},
                                          {"imaps://me@host", "imaps://me@host"},
                                          {"imaps://me:@host", "imaps://me:@host"},
                                          {"imaps:me:hunter2@host", "imaps:me:*******@host"},
                                          {"imaps:/me:hunter2@host", "imaps:/me:*******@host"},
                                          {"me:hunter2@host", "me:*******@host"},
                                          {"imaps:me@host", "imaps:me@host"},
                                          {"Sent:a=Work/x@y", "Sent:a=Work/x@y"},
                                          {"maildir:/a:b@c", "maildir:/a:b@c"},
                                          {"maildir://x:y@z", "maildir://x:y@z"},
                                          {"plain", "plain"}}) {
    std::string text = row.before;
    EXPECT_EQ(hide_passwords(text.data()), row.before != row.after) << row.before;
    EXPECT_EQ(text, row.after);
  }
}

TEST(OptionTable, Explains_exactly_what_is_there) {
  for (const auto& option : all_options()) {
    EXPECT_EQ(option.help.empty(), option.commands == kNone) << option.spelled();
    if (!option.name.empty()) {
      EXPECT_EQ(find_option(option.name), &option) << "twice: " << option.spelled();
    }
    if (option.letter != 0) {
      EXPECT_EQ(find_option(option.letter), &option) << "twice: " << option.spelled();
    }
  }
  for (const auto& command : all_commands()) EXPECT_EQ(find_command(command.name), &command) << command.name;
}

}  // namespace
}  // namespace mailhaul::cli
