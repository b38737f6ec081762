#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gtest/gtest.h>

#include "cli/help.hpp"
#include "cli/option_table.hpp"
#include "cli/outcomes.hpp"
#include "cli/report_json.hpp"
#include "cli/report_text.hpp"
#include "cli/state.hpp"
#include "cli/wording.hpp"
#include "support.hpp"

namespace mailhaul::cli {
namespace {

Poco::JSON::Object::Ptr parse(const std::string& json) {
  Poco::JSON::Parser parser;
  return parser.parse(json).extract<Poco::JSON::Object::Ptr>();
}

pipeline::Report copy_report() {
  pipeline::Report report;
  report.command = "copy";
  report.source = "maildir:/a";
  report.target = "mbox:/b/";
  report.counts.listed = 1236;
  report.counts.copied = 1200;
  report.counts.present = 20;
  report.counts.duplicate = 12;
  report.counts.failed = 4;
  report.counts.octets = 12'582'912;
  report.counts.lost_keywords = 3;
  report.seconds = 12.3456;
  report.exit = 3;
  report.folders.push_back({"INBOX", "INBOX", 1236, 1200, 12'582'912});
  report.failures.push_back({"INBOX", "key1", "<a@b>", "message", "INBOX/1: not readable"});
  report.notes.push_back({store::Note::Weight::warning, "INBOX", "something is odd"});
  report.name_changes.emplace_back("Work/a.b -> Work/a_b");
  return report;
}

TEST(JsonReport, Of_copy_has_every_field_of_the_contract_in_its_order) {
  const auto json = report_json(copy_report());
  std::size_t at = 0;
  for (const char* key :
       {"command",   "source",   "target",  "dry_run",  "listed",  "copied",  "present", "present_by_header",
        "duplicate", "filtered", "failed",  "vanished", "pending", "unknown", "altered", "repaired",
        "updated",   "moved",    "deleted", "bytes",    "seconds", "exit",    "folders", "lost_metadata",
        "failures"}) {
    const auto found = json.find("\"" + std::string(key) + "\":", at);
    ASSERT_NE(found, std::string::npos) << key << " in " << json;
    at = found;
    if (std::string(key) == "folders") at = json.find(']', at);
  }
  const auto object = parse(json);
  EXPECT_EQ(object->getValue<int>("listed"), 1236);
  EXPECT_EQ(object->getValue<int>("bytes"), 12'582'912);
  EXPECT_EQ(object->getValue<bool>("dry_run"), false);
  EXPECT_DOUBLE_EQ(object->getValue<double>("seconds"), 12.346);
  EXPECT_EQ(object->getObject("lost_metadata")->getValue<int>("keywords"), 3);
  const auto failure = object->getArray("failures")->getObject(0);
  EXPECT_EQ(failure->getValue<std::string>("message_id"), "<a@b>");
  EXPECT_EQ(object->getArray("folders")->getObject(0)->getValue<std::string>("target"), "INBOX");
  EXPECT_EQ(object->getArray("notes")->size(), 1U);
  EXPECT_FALSE(object->has("error"));
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1) << "one object, one line";
}

TEST(JsonReport, Of_verify_has_its_counters) {
  pipeline::Report report;
  report.command = "verify";
  report.verify = {.checked = 10,
                   .identical = 4,
                   .equivalent = 3,
                   .missing = 2,
                   .different = 1,
                   .flags_differ = 5,
                   .dates_differ = 6,
                   .extra = 7};
  report.exit = 13;
  const auto object = parse(report_json(report));
  const std::vector<std::pair<std::string, int>> wanted{{"checked", 10},     {"identical", 4}, {"equivalent", 3},
                                                        {"missing", 2},      {"different", 1}, {"flags_differ", 5},
                                                        {"dates_differ", 6}, {"extra", 7},     {"exit", 13}};
  for (const auto& [key, value] : wanted) EXPECT_EQ(object->getValue<int>(key), value) << key;
  EXPECT_TRUE(object->isArray("failures"));
}

TEST(JsonReport, Of_ls_lists_the_folders) {
  pipeline::Report report;
  report.command = "ls";
  const auto object = parse(report_json(report, {{"Sent", "sent", 3, 4096, 1, true}}));
  const auto folder = object->getArray("folders")->getObject(0);
  EXPECT_EQ(folder->getValue<std::string>("path"), "Sent");
  EXPECT_EQ(folder->getValue<std::string>("role"), "sent");
  EXPECT_EQ(folder->getValue<int>("messages"), 3);
  EXPECT_EQ(folder->getValue<int>("bytes"), 4096);
  EXPECT_EQ(folder->getValue<int>("unseen"), 1);
}

store::Probe dovecot() {
  store::Probe probe;
  probe.greeting = "Dovecot ready.";
  probe.capabilities = {"IMAP4rev1", "UIDPLUS", "LITERAL+"};
  probe.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
  probe.login = "PLAIN";
  probe.limits = {{"append_octets", "35651584"}, {"idle", "29 min"}};
  probe.quirks = {"answers too late"};
  return probe;
}

TEST(JsonReport, Of_probe_has_every_field_of_the_contract_in_its_order_whether_it_succeeds_or_not) {
  pipeline::Report report;
  report.command = "probe";
  report.source = "imaps://anna@host";
  for (const auto& json : {probe_json(report, dovecot()), probe_json(report, {})}) {
    std::size_t at = 0;
    for (const char* key : {"command", "source", "greeting", "capabilities", "tls", "login", "limits", "quirks",
                            "seconds", "exit", "notes"}) {
      at = json.find("\"" + std::string(key) + "\":", at);
      ASSERT_NE(at, std::string::npos) << key << " in " << json;
    }
  }
  const auto object = parse(probe_json(report, dovecot()));
  EXPECT_EQ(object->getValue<std::string>("greeting"), "Dovecot ready.");
  EXPECT_EQ(object->getArray("capabilities")->getElement<std::string>(2), "LITERAL+");
  EXPECT_EQ(object->getValue<std::string>("tls"), "TLSv1.3 TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(object->getValue<std::string>("login"), "PLAIN");
  EXPECT_EQ(object->getObject("limits")->getValue<int>("append_octets"), 35'651'584);
  EXPECT_EQ(object->getObject("limits")->getValue<std::string>("idle"), "29 min");
  EXPECT_EQ(object->getArray("quirks")->size(), 1U);
  report.error = make_error(ErrorKind::unreachable, Scope::session, "gone", "wait");
  report.exit = 4;
  const auto failed = parse(probe_json(report, {}));
  EXPECT_EQ(failed->getObject("error")->getValue<std::string>("kind"), "unreachable");
  EXPECT_EQ(failed->getValue<int>("exit"), 4);
}

TEST(TextReport, Of_probe_fits_a_terminal_and_shows_what_a_server_says_only_made_visible) {
  EXPECT_EQ(probe_text("imaps://anna@host", dovecot()),
            "imaps://anna@host\n\n"
            "  greeting      Dovecot ready.\n"
            "  tls           TLSv1.3 TLS_AES_256_GCM_SHA384\n"
            "  login         PLAIN\n"
            "  capabilities  IMAP4rev1 UIDPLUS LITERAL+\n"
            "  limits        append_octets 35651584\n"
            "                idle 29 min\n"
            "  quirks        answers too late\n");
  auto evil = dovecot();
  const std::string escape = "\x1b]52;c;aGk=\x07\r\nx";
  evil.greeting = evil.tls = evil.login = escape;
  evil.capabilities.assign(40, escape);
  evil.limits = {{escape, escape}};
  evil.quirks = {escape};
  std::istringstream lines(probe_text(escape, evil));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_EQ(line.find_first_of("\x1b\x07\r"), std::string::npos) << line;
  }
}

TEST(JsonReport, Is_whole_when_the_run_failed) {
  auto report = copy_report();
  report.error = make_error(ErrorKind::no_space, Scope::run, "disk full", "make room");
  const auto error = parse(report_json(report))->getObject("error");
  EXPECT_EQ(error->getValue<std::string>("kind"), "no_space");
  EXPECT_EQ(error->getValue<std::string>("what"), "disk full");
  EXPECT_EQ(error->getValue<std::string>("hint"), "make room");
  const auto usage = parse(error_json("bananas", make_error(ErrorKind::usage, Scope::run, "unknown"), 2));
  EXPECT_EQ(usage->getValue<int>("exit"), 2);
  EXPECT_EQ(usage->getObject("error")->getValue<std::string>("kind"), "usage");
}

TEST(JsonReport, Is_ascii_and_valid_whatever_a_server_calls_its_folders) {
  auto report = copy_report();
  const std::string evil = "a\x1b[2J\xff\xc2\x9b\"\\\n\xe2\x80\xae \xf0\x9f\x93\xa7" + std::string(1, '\0') + "z";
  report.folders.front().source = evil;
  report.failures.front().detail = evil;
  report.notes.front().text = evil;
  report.name_changes.front() = evil;
  report.error = make_error(ErrorKind::damage, Scope::run, evil, evil);
  const auto json = report_json(report) + outcome_line({evil, evil, "", pipeline::Outcome::copied, evil, evil, evil});
  for (const char c : json) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << static_cast<int>(c);
  EXPECT_EQ(parse(report_json(report))->getArray("folders")->getObject(0)->getValue<std::string>("source"),
            "a\x1b[2J\xef\xbf\xbd\xc2\x9b\"\\\n\xe2\x80\xae \xf0\x9f\x93\xa7" + std::string(1, '\0') + "z");
}

TEST(TextReport, Tells_what_happened_what_failed_and_what_the_exit_code_means) {
  const auto text = report_text(copy_report(), Detail::normal);
  for (const char* part :
       {"maildir:/a -> mbox:/b/\n", "listed   1,236\n", "copied   1,200  12.0 MiB\n", "present     20\n",
        "twins       12", "failed       4\n", "INBOX, key key1: INBOX/1: not readable\n", "it stays at the source",
        "INBOX: something is odd\n", "Work/a.b -> Work/a_b\n", "keywords of 3 messages\n",
        "finished, but 4 messages failed", "(12 s)\n", "… 3 more"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

TEST(TextReport, Shows_ten_failures_and_counts_the_others) {
  auto report = copy_report();
  report.counts.failed = 2000;
  report.failures.assign(1000, report.failures.front());
  const auto text = report_text(report, Detail::normal);
  std::size_t shown = 0;
  for (auto at = text.find("key key1"); at != std::string::npos; at = text.find("key key1", at + 1)) ++shown;
  EXPECT_EQ(shown, 10U);
  EXPECT_NE(text.find("… 1,990 more"), std::string::npos) << text;
}

TEST(TextReport, Names_messages_that_the_target_altered_and_does_not_call_them_failed) {
  auto report = copy_report();
  report.counts.altered = 1;
  auto text = report_text(report, Detail::normal);
  for (const char* part : {"altered      1  by the target", "\nFailed, or altered by the target:\n",
                           "but 4 messages failed: listed above, still at the source; the target altered 1 message"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  report.counts.failed = 0;
  text = report_text(report, Detail::normal);
  for (const char* part : {"\nAltered by the target:\n", "but the target altered 1 message: listed above"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  EXPECT_EQ(text.find("ailed"), std::string::npos) << text;
}

TEST(TextReport, Says_nothing_when_the_run_stopped_before_it_saw_a_message) {
  pipeline::Report report;
  report.command = "copy";
  report.error = make_error(ErrorKind::unreachable, Scope::run, "not there");
  report.exit = 4;
  EXPECT_EQ(report_text(report, Detail::normal), "");
}

TEST(TextReport, Shows_remote_text_only_made_visible) {
  auto report = copy_report();
  const std::string evil = "a\x1b[2J\r\nok: all well";
  report.source = evil;
  report.folders.front() = {evil, evil, 1, 1, 1};
  report.failures.front() = {evil, evil, evil, evil, evil};
  report.notes.front() = {store::Note::Weight::doubtful, evil, evil};
  report.name_changes.front() = evil;
  const auto text = report_text(report, Detail::verbose) + folders_text({{evil, "inbox", 1, 1, 1, true}});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find("\nok: all well"), std::string::npos) << text;
}

TEST(Verdict, Says_for_every_exit_code_what_it_means_and_never_claims_success_for_another_than_0) {
  for (const char* command : {"copy", "verify"}) {
    for (const int exit : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
      pipeline::Report report;
      report.command = command;
      report.exit = exit;
      const auto text = verdict(report);
      EXPECT_FALSE(text.empty());
      EXPECT_FALSE(text.starts_with("complete") || text.starts_with("proved")) << exit << ": " << text;
    }
  }
  pipeline::Report report;
  report.command = "copy";
  report.exit = 12;
  EXPECT_EQ(verdict(report), "interrupted: run the same command again to go on");
  report.exit = 0;
  report.counts.listed = report.counts.copied = 5;
  EXPECT_TRUE(verdict(report).starts_with("complete: 5 messages copied"));
  report.dry_run = true;
  EXPECT_EQ(verdict(report), "dry run: nothing was changed; 5 messages would be copied");
}

TEST(Verdict, Of_verify_names_each_difference) {
  pipeline::Report report;
  report.command = "verify";
  report.exit = 13;
  report.verify.missing = 2;
  report.verify.dates_differ = 1;
  EXPECT_EQ(verdict(report), "not proved: 2 missing, 1 with another date");
  report.exit = 0;
  report.verify = {.checked = 7, .identical = 7};
  EXPECT_EQ(verdict(report), "proved: the target holds all 7 messages of the source");
}

TEST(OutcomesFile, Writes_one_line_a_message_once_it_is_closed) {
  const Scratch scratch;
  const auto fs = files::make_real_file_system();
  auto file = OutcomesFile::open(*fs, scratch.path("o.jsonl"));
  ASSERT_TRUE(file.ok()) << file.error().what;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(
        (*file)->write({"INBOX", "k" + std::to_string(i), "ab", pipeline::Outcome::duplicate, "", "why", "k0"}).ok());
  }
  ASSERT_TRUE((*file)->close().ok());
  const auto text = read_file(scratch.path("o.jsonl"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2000);
  EXPECT_TRUE(text.starts_with(
      R"({"folder":"INBOX","key":"k0","nid":"ab","outcome":"duplicate","target_key":"","reason":"why","twin":"k0"})"));
  EXPECT_EQ(parse(text.substr(text.rfind("{\"folder\"")))->getValue<std::string>("key"), "k1999");
}

TEST(OutcomesFile, Takes_the_place_of_an_earlier_one_but_of_nothing_else) {
  const Scratch scratch;
  const auto fs = files::make_real_file_system();
  write_file(scratch.path("earlier"), "{\"folder\":\"x\"}\n{\"folder\":\"y\"}\n");
  auto earlier = OutcomesFile::open(*fs, scratch.path("earlier"));
  ASSERT_TRUE(earlier.ok());
  ASSERT_TRUE((*earlier)->close().ok());
  EXPECT_EQ(read_file(scratch.path("earlier")), "");

  write_file(scratch.path("mail.mbox"), "From a@b Thu Jan  1 00:00:00 1970\n\nmail\n");
  const auto mbox = OutcomesFile::open(*fs, scratch.path("mail.mbox"));
  ASSERT_FALSE(mbox.ok());
  EXPECT_EQ(mbox.error().kind, ErrorKind::usage);
  EXPECT_EQ(read_file(scratch.path("mail.mbox")), "From a@b Thu Jan  1 00:00:00 1970\n\nmail\n");
  for (const auto& path : {scratch.path(), scratch.path("no/such/dir"), std::string("/dev/full")}) {
    const auto refused = OutcomesFile::open(*fs, path);
    ASSERT_FALSE(refused.ok()) << path;
    EXPECT_EQ(refused.error().kind, ErrorKind::usage) << path;
  }
}

TEST(State, Lies_where_the_environment_says) {
  const Scratch scratch;
  const auto fs = files::make_real_file_system();
  const auto xdg =
      find_state(*fs, environment({{"XDG_STATE_HOME", scratch.path("xdg")}, {"HOME", "/h"}}), "", StateUse::write);
  ASSERT_TRUE(xdg.ok()) << xdg.error().what;
  EXPECT_EQ(xdg->ledger_directory, scratch.path("xdg/mailhaul"));
  EXPECT_EQ(xdg->spool_directory, xdg->ledger_directory);
  EXPECT_EQ(std::filesystem::status(xdg->ledger_directory).permissions(), std::filesystem::perms::owner_all);

  const auto home = find_state(*fs, environment({{"XDG_STATE_HOME", "relative"}, {"HOME", scratch.path("home")}}), "",
                               StateUse::write);
  ASSERT_TRUE(home.ok()) << home.error().what;
  EXPECT_EQ(home->ledger_directory, scratch.path("home/.local/state/mailhaul"));
}

TEST(State, Makes_nothing_for_a_run_that_changes_nothing) {
  const Scratch scratch;
  const auto fs = files::make_real_file_system();
  std::filesystem::create_directory(scratch.path("tmp"));
  const auto state = find_state(*fs, environment({{"HOME", scratch.path("home")}, {"TMPDIR", scratch.path("tmp")}}), "",
                                StateUse::read);
  ASSERT_TRUE(state.ok()) << state.error().what;
  EXPECT_FALSE(std::filesystem::exists(scratch.path("home")));
  EXPECT_EQ(state->spool_directory, scratch.path("tmp"));
}

TEST(State, Lies_beside_the_ledger_that_is_named) {
  const Scratch scratch;
  const auto fs = files::make_real_file_system();
  const auto state = find_state(*fs, environment({}), scratch.path("deep/er/my.ledger"), StateUse::write);
  ASSERT_TRUE(state.ok()) << state.error().what;
  EXPECT_EQ(state->ledger_file, scratch.path("deep/er/my.ledger"));
  EXPECT_EQ(state->ledger_directory, scratch.path("deep/er"));
  EXPECT_TRUE(std::filesystem::is_directory(scratch.path("deep/er")));
}

TEST(State, That_cannot_be_kept_is_a_usage_error_with_the_way_out) {
  const Scratch scratch;
  const auto fs = files::make_real_file_system();
  write_file(scratch.path("file"), "");
  const auto state = find_state(*fs, environment({{"XDG_STATE_HOME", scratch.path("file")}}), "", StateUse::write);
  ASSERT_FALSE(state.ok());
  EXPECT_EQ(state.error().kind, ErrorKind::usage);
  EXPECT_NE(state.error().hint.find("--ledger"), std::string::npos);
}

TEST(Help, Is_there_for_every_command_that_is_there_and_fits_a_terminal) {
  std::vector<std::string> topics{"", "locations", "exit-codes"};
  for (const auto& command : all_commands()) {
    if (command.bit != kNone) {
      topics.emplace_back(command.name);
    } else {
      EXPECT_FALSE(help_text(command.name).has_value()) << command.name;
    }
  }
  for (const auto& topic : topics) {
    const auto text = help_text(topic);
    ASSERT_TRUE(text.has_value()) << topic;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 86U) << topic << ": " << line;
  }
  EXPECT_FALSE(help_text("bananas").has_value());
}

TEST(Help, Explains_every_option_of_a_command_and_none_of_another) {
  for (const auto& command : all_commands()) {
    if (command.bit == kNone) continue;
    const auto text = help_text(command.name).value_or("");
    for (const auto& option : all_options()) {
      if (option.name.empty()) continue;
      const bool explained = text.find(" " + option.spelled() + " ") != std::string::npos;
      EXPECT_EQ(explained, (option.commands & command.bit) != 0) << command.name << " " << option.spelled();
    }
  }
}

}  // namespace
}  // namespace mailhaul::cli
