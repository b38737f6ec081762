"""All the real mail there is, Maildir -> mbox tree -> Maildir, checked by readers that share no code with mailhaul."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import corpora
import mailreaders

BINARY = os.environ["MH_BINARY"]


class Corpora(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="mailhaul-corpora-")
        cls.source = os.path.join(cls.root, "Maildir")
        cls.count = corpora.fill_maildir(cls.source)
        cls.before = mailreaders.read_place("maildir:" + cls.source)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def run_haul(self, *arguments, state="state"):
        environment = dict(os.environ, XDG_STATE_HOME=os.path.join(self.root, state))
        start = time.monotonic()
        done = subprocess.run([BINARY, *arguments, "--json"], env=environment, capture_output=True, text=True)
        self.assertTrue(done.stdout, "no report; stderr: " + done.stderr[-2000:])
        report = json.loads(done.stdout)
        return done.returncode, report, time.monotonic() - start

    def assert_balanced(self, report):
        parts = ("copied", "present", "duplicate", "filtered", "failed", "vanished", "pending", "unknown")
        self.assertEqual(report["listed"], sum(report[part] for part in parts), report)

    def assert_same_mail(self, place, twins_folded):
        """Every message of the corpora is at `place`, with flags, keywords, dates and folder names."""
        after = mailreaders.read_place(place)
        before = self.before
        if twins_folded:
            before = fold_twins(before)
        difference = mailreaders.compare(before, after)
        for kind in ("missing", "extra", "flags", "keywords", "dates"):
            self.assertEqual(difference[kind][:3], [], "%s of %s: %d" % (kind, place, len(difference[kind])))
        self.assertEqual(difference["equal"] + difference["equivalent"], len(before))

    def test_round_trip_keeps_every_message(self):
        self.assertGreater(self.count, 4000)
        tree, back = "mbox:" + os.path.join(self.root, "tree") + "/", "maildir:" + os.path.join(self.root, "back")
        code, report, first = self.run_haul("copy", "maildir:" + self.source, tree, "--dedup", "none")
        self.assertEqual((code, report["copied"]), (0, self.count), report.get("failures", [])[:3])
        self.assert_balanced(report)
        self.assert_same_mail(tree, twins_folded=False)

        code, report, _ = self.run_haul("copy", tree, back, "--dedup", "none")
        self.assertEqual((code, report["copied"]), (0, self.count), (report.get("failures", [])[:3], report.get("notes", [])[:5]))
        self.assert_same_mail(back, twins_folded=False)

        code, report, _ = self.run_haul("verify", "maildir:" + self.source, back, "--dedup", "none")
        self.assertEqual((code, report["checked"], report["missing"], report["extra"]), (0, self.count, 0, 0), report)

        # Again: nothing to do, and quickly. Without its ledger: nothing to do either.
        code, report, second = self.run_haul("copy", "maildir:" + self.source, tree, "--dedup", "none")
        self.assertEqual((code, report["copied"], report["present"]), (0, 0, self.count))
        print("first run %.2f s, second %.3f s: %.1f %%" % (first, second, 100 * second / first))
        self.assertLess(second, first / 4, "a second run must be nearly free")
        shutil.rmtree(os.path.join(self.root, "state"))
        code, report, _ = self.run_haul("copy", "maildir:" + self.source, tree, "--dedup", "none")
        self.assertEqual((code, report["copied"], report["present"]), (0, 0, self.count))
        code, report, _ = self.run_haul("copy", tree, back, "--dedup", "none")
        self.assertEqual((code, report["copied"], report["present"]), (0, 0, self.count))

    def test_twins_of_a_folder_are_brought_once_and_counted(self):
        target = "maildir:" + os.path.join(self.root, "once")
        code, report, _ = self.run_haul("copy", "maildir:" + self.source, target, state="once-state")
        self.assertEqual(code, 0, report.get("failures", [])[:3])
        self.assert_balanced(report)
        distinct = {(record.folder, record.nid) for record in self.before}
        self.assertEqual(report["copied"], len(distinct))
        self.assertEqual(report["duplicate"], self.count - len(distinct))
        code, report, _ = self.run_haul("verify", "maildir:" + self.source, target, state="once-state")
        self.assertEqual((code, report["checked"], report["missing"], report["extra"]), (0, self.count, 0, 0), report)

    def test_verify_names_what_is_missing_altered_and_flagged_otherwise(self):
        target = os.path.join(self.root, "damaged")
        code, _, _ = self.run_haul("copy", "maildir:" + self.source, "maildir:" + target, "--dedup", "none", state="d-state")
        self.assertEqual(code, 0)
        folder = os.path.join(target, "cur")
        names = sorted(name for name in os.listdir(folder) if os.path.getsize(os.path.join(folder, name)) > 2000)
        missing, altered, flagged = names[3], names[10], names[20]
        os.unlink(os.path.join(folder, missing))
        path = os.path.join(folder, altered)
        date = os.stat(path).st_mtime
        with open(path, "r+b") as file:
            file.seek(-20, os.SEEK_END)
            octet = file.read(1)
            file.seek(-20, os.SEEK_END)
            file.write(bytes([octet[0] ^ 1]))
        os.utime(path, (date, date))
        base, letters = flagged.split(":2,")
        os.rename(os.path.join(folder, flagged),
                  os.path.join(folder, base + ":2," + ("".join(sorted(set(letters) ^ {"F"})))))
        for state in ("d-state", "no-ledger"):
            code, report, _ = self.run_haul("verify", "maildir:" + self.source, "maildir:" + target, "--dedup", "none", state=state)
            self.assertEqual(code, 13)
            self.assertEqual((report["missing"], report["different"], report["flags_differ"]), (1, 1, 1), report)
            self.assertEqual(sorted(failure["reason"] for failure in report["failures"]), ["different", "flags_differ", "missing"])


def fold_twins(records):
    seen, kept = set(), []
    for record in records:
        if (record.folder, record.nid) not in seen:
            seen.add((record.folder, record.nid))
            kept.append(record)
    return kept


if __name__ == "__main__":
    if not corpora.available():
        print("skipped: MH_CORPORA names no folder of real mail")
        sys.exit(77)
    unittest.main()
