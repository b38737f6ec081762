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
