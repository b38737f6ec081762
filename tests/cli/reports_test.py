"""What a run reports: JSON and its balance, the text, --outcomes, dry runs, second runs."""

import json
import os
import unittest

import mailreaders
from support import CliTest, message, snapshot, write_maildir, write_mbox

COPY_FIELDS = ["command", "source", "target", "dry_run", "listed", "copied", "present", "present_by_header", "duplicate",
               "filtered", "failed", "vanished", "pending", "unknown", "altered", "repaired", "updated", "moved", "deleted",
               "bytes", "seconds", "exit", "folders", "lost_metadata", "failures"]
VERIFY_FIELDS = ["checked", "identical", "equivalent", "missing", "different", "flags_differ", "dates_differ", "extra"]


class Copying(CliTest):
    def test_the_json_report_has_all_fields_in_order_and_balances(self):
        source, target = self.small_source(), "mbox:" + self.path("t") + "/"
        done = self.expect(0, "copy", "--json", source, target)
        report = done.json()
        self.assertEqual([key for key in report if key in COPY_FIELDS], COPY_FIELDS)
        self.assert_balanced(report)
        self.assertEqual((report["listed"], report["copied"], report["exit"]), (8, 8, 0))
        self.assertEqual(report["command"], "copy")
        self.assertEqual(report["bytes"], sum(len(message(i)) for i in range(5)) +
                         sum(len(message(i, folder="Work")) for i in range(3)))
        folders = {folder["source"]: folder for folder in report["folders"]}
        self.assertEqual(folders["Work"]["copied"], 3)
        self.assertEqual(set(report["lost_metadata"]), {"keywords", "dates", "flags"})
        compared = mailreaders.compare(mailreaders.read_place(source), mailreaders.read_place(target))
        self.assertFalse(mailreaders.differs(compared), compared)

    def test_a_second_run_copies_nothing_and_changes_nothing(self):
        source, target = self.small_source(), "mbox:" + self.path("t") + "/"
        self.expect(0, "copy", source, target)
        before = snapshot(self.path("t"))
        report = self.expect(0, "copy", "--json", source, target).json()
        self.assert_balanced(report)
        self.assertEqual((report["listed"], report["copied"], report["present"]), (8, 0, 8))
        self.assertEqual(before, snapshot(self.path("t")))

    def test_a_second_run_with_a_new_ledger_finds_what_is_there(self):
        source, target = self.small_source(), "maildir:" + self.path("t")
        self.expect(0, "copy", source, target)
        report = self.expect(0, "copy", "--json", "--ledger", self.path("other.ledger"), source, target).json()
        self.assert_balanced(report)
        self.assertEqual((report["copied"], report["present"]), (0, 8))
        self.assertTrue(os.path.exists(self.path("other.ledger")))

    def test_twins_are_counted_and_told(self):
        write_mbox(self.path("s.mbox"), [message(1), message(2), message(1), message(1)])
        done = self.expect(0, "copy", "--json", "--outcomes", self.path("o"), "mbox:" + self.path("s.mbox"),
                           "maildir:" + self.path("t"))
        report = done.json()
        self.assert_balanced(report)
        self.assertEqual((report["copied"], report["duplicate"]), (2, 2))
        with open(self.path("o"), encoding="ascii") as file:
            lines = [json.loads(line) for line in file]
        first = next(line for line in lines if line["outcome"] == "copied" and line["nid"] == mailreaders.nid(message(1)))
        twins = [line for line in lines if line["outcome"] == "duplicate"]
        self.assertEqual(len(twins), 2)
        for line in twins:
            self.assertEqual(line["nid"], first["nid"])
            self.assertIn(line["twin"], (first["key"], first["target_key"]), "the message that stands for it")

    def test_all_twins_arrive_with_dedup_none(self):
        write_mbox(self.path("s.mbox"), [message(1), message(2), message(1)])
        source, target = "mbox:" + self.path("s.mbox"), "maildir:" + self.path("t")
        self.assertEqual(self.expect(0, "copy", "--json", "--dedup", "none", source, target).json()["copied"], 3)
        self.assertEqual(self.expect(0, "copy", "--json", "--dedup", "none", source, target).json()["copied"], 0)
        self.expect(0, "verify", "--dedup", "none", source, target)

    def test_the_text_report_says_what_happened_and_progress_stays_on_stderr(self):
        done = self.expect(0, "copy", self.small_source(), "mbox:" + self.path("t") + "/")
        self.assertRegex(done.out, r"listed +8\n")
        self.assertRegex(done.out, r"copied +8 ")
        self.assertRegex(done.out.splitlines()[-1], r"^complete: 8 messages copied")
        self.assertNotIn("\r", done.err)
        self.assert_harmless(done.raw_out + done.raw_err)

    def test_quiet_says_nothing_when_all_went_well(self):
        done = self.expect(0, "copy", "-q", self.small_source(), "mbox:" + self.path("t") + "/")
        self.assertEqual((done.out, done.err), ("", ""))

    def test_folders_and_dates_select(self):
        source = self.small_source()
        report = self.expect(0, "copy", "--json", "--folder", "Work", source, "mbox:" + self.path("t") + "/").json()
        self.assert_balanced(report)
        self.assertEqual(report["copied"], 3)
        report = self.expect(0, "copy", "--json", "--exclude", "W*", source, "mbox:" + self.path("u") + "/").json()
        self.assertEqual(report["copied"], 5)
        report = self.expect(0, "copy", "--json", "--before", "2000-01-01", source, "mbox:" + self.path("v") + "/").json()
        self.assert_balanced(report)
        self.assertEqual((report["copied"], report["filtered"]), (0, 8))

    def test_map_and_into_rename(self):
        self.expect(0, "copy", "--map", "Work=Arbeit", "--into", "Old", self.small_source(), "mbox:" + self.path("t") + "/")
        folders = {"/".join(record.folder) for record in mailreaders.read_place("mbox:" + self.path("t") + "/")}
        self.assertEqual(folders, {"Old/INBOX", "Old/Arbeit"})


class DryRuns(CliTest):
    def test_a_dry_run_counts_as_if_done_and_changes_nothing_on_disk(self):
        source, target = self.small_source(), "mbox:" + self.path("t") + "/"
        before = snapshot(self.scratch)
        done = self.expect(0, "copy", "-n", "--json", source, target)
        report = done.json()
        self.assert_balanced(report)
        self.assertIs(report["dry_run"], True)
        self.assertEqual((report["listed"], report["copied"]), (8, 8))
        self.assertEqual({folder["source"] for folder in report["folders"]}, {"INBOX", "Work"})
        text = self.expect(0, "copy", "--dry-run", source, target).out
        self.assertRegex(text, r"would be copied +8")
        self.assertRegex(text, r"Work +-> Work")
        self.assertIn("nothing was changed", text.splitlines()[-1])
        self.assertEqual(before, snapshot(self.scratch))

    def test_a_dry_run_after_a_run_finds_all_present_and_changes_nothing(self):
        source, target = self.small_source(), "maildir:" + self.path("t")
        self.expect(0, "copy", source, target)
        before = snapshot(self.path("t")), snapshot(self.path("src"))
        report = self.expect(0, "copy", "-n", "--json", source, target).json()
        self.assertEqual((report["copied"], report["present"]), (0, 8))
        self.assertEqual(before, (snapshot(self.path("t")), snapshot(self.path("src"))))


class Verifying(CliTest):
    def test_what_was_copied_is_proved_and_nothing_is_changed(self):
        source, target = self.small_source(), "mbox:" + self.path("t") + "/"
        self.expect(0, "copy", source, target)
        before = snapshot(self.path("t")), snapshot(self.path("src"))
        report = self.expect(0, "verify", "--json", source, target).json()
        self.assertEqual([key for key in report if key in VERIFY_FIELDS], VERIFY_FIELDS)
        self.assertEqual(report["checked"], 8)
        self.assertEqual(report["checked"], report["identical"] + report["equivalent"] + report["missing"] + report["different"])
        self.assertEqual(report["exit"], 0)
        self.assertIn("proved", self.expect(0, "verify", source, target).out.splitlines()[-1])
        self.assertEqual(before, (snapshot(self.path("t")), snapshot(self.path("src"))))

    def test_a_missing_message_is_13_and_named(self):
        source, target = self.small_source(), "maildir:" + self.path("t")
        self.expect(0, "copy", source, target)
        gone = next(os.path.join(self.path("t", part), name) for part in ("cur", "new")
                    for name in os.listdir(self.path("t", part)))
        os.unlink(gone)
        done = self.expect(13, "verify", "--json", source, target)
        report = done.json()
        self.assertEqual((report["missing"], report["exit"]), (1, 13))
        self.assertEqual(len(report["failures"]), 1, report)
        self.assertRegex(self.expect(13, "verify", source, target).out.splitlines()[-1], "^not proved: 1 missing")

    def test_verify_without_a_ledger_or_a_place_for_one_works(self):
        source, target = self.small_source(), "maildir:" + self.path("t")
        self.expect(0, "copy", source, target)
        self.environment["XDG_STATE_HOME"] = self.path("fresh")
        self.expect(0, "verify", source, target)
        self.assertFalse(os.path.exists(self.path("fresh")), "verify changes nothing")


class Listing(CliTest):
    def test_ls_lists_folders_with_counts_and_sizes(self):
        source = self.small_source()
        before = snapshot(self.scratch)
        report = self.expect(0, "ls", "--json", source).json()
        folders = {folder["path"]: folder for folder in report["folders"]}
        self.assertEqual(set(folders), {"INBOX", "Work"})
        self.assertEqual(folders["INBOX"]["messages"], 5)
        self.assertEqual(folders["INBOX"]["role"], "inbox")
        self.assertEqual(folders["INBOX"]["unseen"], 0)
        self.assertEqual(folders["Work"]["bytes"], sum(len(message(i, folder="Work")) for i in range(3)))
        text = self.expect(0, "ls", source).out
        self.assertRegex(text, r" 5 .*inbox +INBOX\n")
        self.assertRegex(text.splitlines()[-1], r"^ +8 .*2 folders$")
        self.assertEqual(before, snapshot(self.scratch))


class Outcomes(CliTest):
    def test_each_message_has_one_line_that_tells_its_end(self):
        source = self.small_source()
        arguments = ("copy", "--json", "--exclude", "none", "--outcomes", self.path("o.jsonl"), source, "maildir:" + self.path("t"))
        self.expect(0, *arguments)
        for run, outcome in ((1, "copied"), (2, "present")):
            if run == 2:
                self.expect(0, *arguments)
            with open(self.path("o.jsonl"), encoding="ascii") as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual(len(lines), 8)
            for line in lines:
                self.assertEqual(list(line), ["folder", "key", "nid", "outcome", "target_key", "reason", "twin"])
                self.assertEqual(line["outcome"], outcome)
            self.assertEqual(len({(line["folder"], line["key"]) for line in lines}), 8)
            if run == 1:
                wanted = {mailreaders.nid(message(i)) for i in range(5)}
                self.assertEqual({line["nid"] for line in lines if line["folder"] == "INBOX"}, wanted)

    def test_a_file_that_cannot_be_written_is_2_before_anything_is_touched(self):
        source = self.small_source()
        write_mbox(self.path("precious.mbox"), [message(99)])
        before = snapshot(self.scratch)
        for path in (self.path("no", "such", "o"), self.path("src"), "/dev/full", self.path("precious.mbox")):
            done = self.expect(2, "copy", "--outcomes", path, source, "maildir:" + self.path("t"))
            self.assertIn("--outcomes", done.err)
        self.assertEqual(before, snapshot(self.scratch))


class EvilNames(CliTest):
    def test_no_name_or_mail_makes_the_terminal_do_anything(self):
        names = ["e\x1b]52;c;aGk=\x07", "e\x1b[2J", "n\new\r\nline", "bidi\u202etxt", "c1\u009b31m", "z\u200bero", "del\x7f"]
        for number, name in enumerate(names):
            write_mbox(self.path("src", name + ".mbox"), [message(number)])
        os.makedirs(os.fsencode(self.path("src")), exist_ok=True)
        with open(os.fsencode(self.path("src")) + b"/bad\xff\x1b[0m", "wb") as file:
            file.write(b"From a@b Mon Jan  1 00:00:00 2024\nSubject: \x1b[31m\nMessage-ID: <\x1b[1m>\n\ntext\n\n")
        for arguments in (["ls"], ["ls", "--json"], ["copy", "-n", "-v"], ["copy", "-v", "--json"], ["copy", "-v"], ["verify", "-v"]):
            places = ["mbox:" + self.path("src")] + ([] if arguments[0] == "ls" else ["maildir:" + self.path("t")])
            done = self.run_it(*arguments, *places)
            self.assertIn(done.code, (0, 3), done.err)
            self.assert_harmless(done.raw_out + done.raw_err)
            if "--json" in arguments:
                self.assertTrue(done.raw_out.isascii())
                self.assertEqual(len(done.json()["folders"]), len(names) + 1)

    def test_json_carries_the_name_itself(self):
        write_mbox(self.path("src", "e\x1b[2J.mbox"), [message(1)])
        folders = self.expect(0, "ls", "--json", "mbox:" + self.path("src")).json()["folders"]
        self.assertIn("\x1b[2J", folders[0]["path"])


class Failures(CliTest):
    def test_an_unreadable_message_is_listed_with_its_folder_and_key_and_ends_with_3(self):
        write_maildir(self.path("src"), [message(i) for i in range(3)])
        os.symlink("/etc/passwd", self.path("src", "cur", "1700000009.M9P1.host:2,S"))
        done = self.expect(3, "copy", "--json", "maildir:" + self.path("src"), "mbox:" + self.path("t") + "/")
        report = done.json()
        self.assert_balanced(report)
        self.assertEqual((report["copied"], report["failed"], report["exit"]), (3, 1, 3))
        failure = report["failures"][0]
        self.assertEqual(failure["folder"], "INBOX")
        self.assertTrue(failure["key"] and failure["reason"] and failure["detail"])
        text = self.expect(3, "copy", "maildir:" + self.path("src"), "mbox:" + self.path("t") + "/").out
        self.assertIn("Failed:", text)
        self.assertIn("1 message failed", text.splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
