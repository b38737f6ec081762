"""The benchmarks still run, compare what was written, and their table can be made. No time is asserted."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import servers

BENCH = os.path.join(os.environ["MH_SOURCE_DIR"], "tests", "bench")
PARTS = {"mbox": ["stores.py", "--messages", "40", "--big", "0"],
         "pop3": ["pop3.py", "--messages", "40", "--without", "getmail,fetchmail"],
         "imap": ["imap.py", "--messages", "60", "--rtt", "5"]}


@unittest.skipUnless(servers.dovecot_available(), "Dovecot is not installed")
class Benchmarks(unittest.TestCase):
    def run_script(self, *arguments):
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def test_what_grows_with_the_mail_is_measured_at_any_size(self):
        with tempfile.TemporaryDirectory() as out:
            text = self.run_script(os.path.join(BENCH, "scale.py"), "--millions", "300", "--huge", "2", "--folders", "4", "--each", "2",
                                   "--rtt", "5", "--cpu", "1", "--messages", "20", "--rounds", "1")
            parts = json.loads(text)["scale"]
            for job in ("mbox-maildir", "mbox-imap"):
                self.assertEqual([parts["millions"][job][size]["messages"] for size in ("few", "many")], [3, 300])
            for job in ("imap-maildir", "pop3-mbox", "mbox-imap"):
                self.assertEqual(parts["huge"][job]["first"]["exit_code"], 0, parts["huge"][job])
            self.assertEqual(sum(isinstance(row, dict) and "cpu_seconds_per_gib" in row for row in parts["cpu"].values()), 9)
            path = os.path.join(out, "scale.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            table = self.run_script(os.path.join(BENCH, "table.py"), path)
            self.assertRegex(table, r"\| mbox to imap \| 300 \| [\d.]+ \|")
            self.assertRegex(table, r"\| pop3 to mbox \| 2 \| 0 \|")
            self.assertRegex(table, r"\| mailhaul \| [\d.]+ \| [\d.-]+ \|")
            self.assertRegex(table, r"\| maildir to imap TLS CRLF \| [\d.]+ \|")

    def test_every_benchmark_runs_on_little_mail_and_checks_what_was_written(self):
        with tempfile.TemporaryDirectory() as out:
            files = []
            for name, arguments in PARTS.items():
                with self.subTest(name):
                    text = self.run_script(os.path.join(BENCH, arguments[0]), "--rounds", "1", *arguments[1:])
                    self.assertGreater(json.loads(text)["octets"], 10_000)
                    files.append(os.path.join(out, name + ".json"))
                    with open(files[-1], "w", encoding="utf-8") as file:
                        file.write(text)
            table = self.run_script(os.path.join(BENCH, "table.py"), *files)
            for job in ("mbox to maildir", "pop3 to maildir", "pop3 to imap", "imap to imap", "imap to maildir"):
                self.assertRegex(table, r"\| %s \| [\d,]+ \| .* \| mailhaul \| [\d.]+ \(" % job)


if __name__ == "__main__":
    unittest.main()
