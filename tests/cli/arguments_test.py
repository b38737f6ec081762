"""What the program says to a command line: right ones, wrong ones, and those of tomorrow."""

import json
import os
import time
import unittest

import mailreaders
from support import CliTest, message, snapshot, write_mbox


class WrongLines(CliTest):
    def refuse(self, *arguments, say, hint=""):
        done = self.expect(2, *arguments)
        self.assertEqual(done.out, "")
        self.assertRegex(done.err, "^mailhaul: error: ")
        self.assertIn(say, done.err)
        if hint:
            self.assertRegex(done.err, "\nhint: .*" + hint)
        self.assertEqual(os.listdir(self.scratch), [], "nothing was touched")

    def test_a_wrong_line_ends_with_2_names_what_is_wrong_and_hints_at_what_was_meant(self):
        self.refuse(say="a command is missing", hint="mailhaul help")
        self.refuse("cpoy", "mbox:a", "mbox:b", say="unknown command 'cpoy'", hint="copy")
        self.refuse("copy", "--foldr", "x", "mbox:a", "mbox:b", say="unknown option '--foldr'", hint="--folder")
        self.refuse("copy", "mbox:a", say="needs a TARGET too")
        self.refuse("copy", "mbox:a", "mbox:b", "mbox:c", say="unexpected argument 'mbox:c'")
        self.refuse("copy", "--memory", "lots", "mbox:a", "mbox:b", say="--memory cannot be 'lots'", hint="64M")
        self.refuse("copy", "--since", "31.1.2024", "mbox:a", "mbox:b", say="--since", hint="2024-01-31")
        self.refuse("copy", "mbox:a", "mbox:b", "--folder", say="--folder needs a value")
        self.refuse("copy", "", "mbox:b", say="location")
        self.refuse("copy", "mbox:", "mbox:b", say="location")
        self.refuse("ls", "work", say="")

    def test_what_is_not_there_yet_says_so(self):
        for command in ("move", "sync", "backup", "restore", "snapshots", "diff", "check", "prune", "repair", "search",
                        "show", "export", "key", "dedup", "run", "jobs", "schedule", "watch", "ledger", "plugins"):
            self.refuse(command, "mbox:a", "mbox:b", say=f"{command} is not there yet")
        for option in ("--retry-failed", "--again", "--delete-extra", "--skip-deleted"):
            self.refuse("copy", option, "mbox:a", "mbox:b", say=f"{option} is not there yet")
        for option in ("--quarantine", "--config", "--min-size"):
            self.refuse("copy", option, "3", "mbox:a", "mbox:b", say=f"{option} is not there yet")

    def test_an_unknown_scheme_is_refused_with_the_known_ones(self):
        self.refuse("copy", "carrier:pigeon", "mbox:b", say="carrier", hint="maildir")

    def test_writing_to_pop3_is_15_says_why_and_what_to_do_instead(self):
        source = self.small_source()
        for target in ("pop3s://me@host", "pop3://me@host", "pop3s://me@host/"):
            done = self.expect(15, "copy", source, target)
            self.assertIn("POP3 can only be read", done.err)
            self.assertRegex(done.err, "hint: .*imaps://.*maildir:")
            self.assertEqual(self.expect(15, "copy", "--json", source, target).json()["error"]["kind"], "unsupported")

    def test_seen_is_for_pop3_alone(self):
        done = self.expect(2, "copy", "--seen", self.small_source(), "mbox:" + self.path("t"))
        self.assertRegex(done.err, "--seen is for POP3.*\nhint: ")
        self.assertFalse(os.path.exists(self.path("t")))

    def test_compression_needs_an_imap_account(self):
        for command in ("copy", "verify"):
            done = self.expect(2, command, "--compress", "on", self.small_source(), "mbox:" + self.path("t"))
            self.assertRegex(done.err, "--compress on: neither side is an IMAP account\nhint: only IMAP")
        pop3 = ("--source-password-command", "printf x", "pop3s://me@localhost:1", "mbox:" + self.path("t"))
        self.assertIn("neither side is an IMAP", self.expect(2, "copy", "--compress", "on", *pop3).err)
        self.assertFalse(os.path.exists(self.path("t")))
        for how in ("auto", "off"):
            self.expect(0, "copy", "--compress", how, self.small_source(), "mbox:" + self.path("t-" + how) + "/")

    def test_an_account_without_its_slashes_is_refused_with_how_it_is_written(self):
        for place in ("imaps:me@host", "imap:/me@host", "imaps:me:hunter2@host", "pop3s:me@host", "pop3:/me:hunter2@host"):
            self.refuse("ls", place, say="names no host", hint="(imap|pop3)s?://user@host")

    def test_a_usage_error_after_json_is_a_json_report_too(self):
        for arguments in (["copy", "--json", "--bananas"], ["--json", "copy"], ["cpoy", "--json"],
                          ["copy", "mbox:a", "carrier:b", "--json"], ["--json", "move", "a", "b"], ["help", "x", "--json"]):
            done = self.expect(2, *arguments)
            report = done.json()
            self.assertEqual(report["exit"], 2)
            self.assertEqual(report["error"]["kind"], "usage")
            self.assertTrue(report["error"]["what"])
            self.assertIn("hint", report["error"])
            self.assertIn("mailhaul: error: ", done.err)
        self.assert_balanced(self.expect(2, "copy", "--json", "--bananas").json())

    def test_escape_sequences_of_arguments_do_not_come_back(self):
        for arguments in (["\x1b[31m"], ["copy", "--\x1b[2J"], ["copy", "a", "b", "\x1b]0;t\x07"], ["ls", "x\x1b:y"],
                          ["copy", "--memory", "\x1b[1m", "mbox:a", "mbox:b"], ["ls", "mbox:no\x1b[2Jsuch\n"]):
            done = self.run_it(*arguments)
            self.assertNotEqual(done.code, 0)
            self.assert_harmless(done.raw_out + done.raw_err)


class Places(CliTest):
    def test_a_source_that_is_not_there_is_4(self):
        for command in ("copy", "verify"):
            done = self.expect(4, command, "maildir:" + self.path("none"), "mbox:" + self.path("t") + "/")
            self.assertIn("none", done.err)
        self.expect(4, "ls", "mbox:" + self.path("none.mbox"))
        self.assertFalse(os.path.exists(self.path("t")), "no target is made for a source that is not there")

    def test_a_target_that_is_not_there_is_5_for_verify(self):
        self.expect(5, "verify", self.small_source(), "mbox:" + self.path("none") + "/")

    def test_something_that_is_no_mbox_is_refused_and_left_alone(self):
        with open(self.path("image.mbox"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
        before = snapshot(self.scratch)
        self.expect(2, "ls", "mbox:" + self.path("image.mbox"))
        self.assertEqual(before, snapshot(self.scratch))

    def test_a_place_is_not_copied_onto_itself(self):
        source = self.small_source()
        before = snapshot(self.path("src"))
        done = self.run_it("copy", source, "maildir:" + self.path("src", "..", "src"))
        self.assertEqual(done.code, 2, done.err)
        self.assertEqual(before, snapshot(self.path("src")))

    def test_names_with_blanks_commas_quotes_and_newlines_are_taken_as_they_are(self):
        path = self.path("a, b 'c' \"d\"\n%41?x=1.mbox")
        write_mbox(path, [message(1)])
        report = self.expect(0, "copy", "--json", "mbox:" + path, "maildir:" + self.path("t, u")).json()
        self.assertEqual(report["copied"], 1)
        self.assertEqual(len(mailreaders.read_place("maildir:" + self.path("t, u"))), 1)
        self.assertEqual(self.expect(0, "copy", "--json", "mbox:" + path, "maildir:" + self.path("t, u")).json()["copied"], 0)


class Passwords(CliTest):
    def test_a_password_in_a_location_is_warned_of_and_never_shown(self):
        for place in ("imap://me:hunter2@127.0.0.1:1/", "imaps://me:hunter2@127.0.0.1:1/"):
            for extra in ([], ["--json"], ["-v"]):
                done = self.expect(4, "ls", *extra, place)
                self.assertIn("password on the command line", done.err)
                self.assertNotIn("hunter2", done.out + done.err)
        for arguments in (("copy", "a", "b", "imaps://me:hunter2@host/"), ("ls", "imaps:me:hunter2@host", "--json"),
                          ("ls", "me:hunter2@host", "--json"), ("ls", "imap://me:hunter2@/", "--json")):
            done = self.expect(2, *arguments)
            self.assertNotIn("hunter2", done.out + done.err)

    def test_an_option_that_would_take_a_password_is_refused_without_it(self):
        for arguments in (("ls", "--json", "--password", "hunter2", "imaps://me@host/"), ("copy", "--password2=hunter2", "a", "b"),
                          ("copy", "--json", "mbox:a", "--source-password", "hunter2", "imaps://me@host/")):
            done = self.expect(2, *arguments)
            self.assertIn("password", done.err)
            self.assertNotIn("hunter2", done.out + done.err)

    def test_a_password_is_gone_from_the_process_list_at_once(self):
        write_mbox(self.path("s.mbox"), [message(1)])
        os.mkfifo(self.path("hold"))
        # A value that is no location is treated the same, so that a run that lasts can be looked at: stderr is a FIFO
        # that nobody reads yet.
        process = self.start("copy", "--exclude", "imaps://me:hunter2@host/", "mbox:" + self.path("s.mbox"),
                             "maildir:" + self.path("t"), stderr=os.open(self.path("hold"), os.O_RDWR))
        deadline = time.monotonic() + 20
        line = b"hunter2"
        while b"hunter2" in line and time.monotonic() < deadline:
            try:
                with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                    line = file.read()
            except FileNotFoundError:
                break
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertNotIn(b"hunter2", line)


class Help(CliTest):
    def test_help_is_on_stdout_and_ends_with_0(self):
        overview = self.expect(0, "help").out
        for word in ("copy", "verify", "ls", "probe", "version", "Exit codes", "Examples"):
            self.assertIn(word, overview)
        self.assertEqual(overview, self.expect(0, "--help").out)
        self.assertEqual(overview, self.expect(0, "-h").out)
        for command in ("copy", "verify", "ls", "probe", "version", "help"):
            text = self.expect(0, "help", command).out
            self.assertIn(f"Usage: mailhaul {command}", text)
            self.assertEqual(text, self.expect(0, command, "--help").out)
        locations = self.expect(0, "help", "locations").out
        for word in ("maildir:PATH", "mbox:PATH", "imaps://", "imap://", "auth=", "authuser=", "fingerprint=", "tunnel=",
                     "tls=off", "--source-password-command", "--source-password-file", "MAILHAUL_SOURCE_PASSWORD"):
            self.assertIn(word, locations)
        self.assertIn("12", self.expect(0, "help", "exit-codes").out)
        self.assertIn("not there yet", self.expect(2, "help", "move").err)
        self.assertIn("no help on", self.expect(2, "help", "bananas").err)

    def test_version_is_told_with_and_without_json(self):
        text = self.expect(0, "version").out
        self.assertRegex(text, r"^mailhaul \d+\.\d+\.\d+\n")
        self.assertEqual(text, self.expect(0, "--version").out)
        self.assertRegex(text, r"Poco \d+\.\d+")
        self.assertEqual(self.expect(0, "version", "--json").json()["version"], text.split()[1])
        self.assertIn("Usage", json.loads(self.expect(0, "help", "ls", "--json").out)["text"])


if __name__ == "__main__":
    unittest.main()
