"""How much a run takes, and in which order."""

import os
import re
import unittest

import mailreaders
from support import CliTest, message, write_maildir

COUNT, SIZE = 40, 20_000


class Limits(CliTest):
    def source(self):
        write_maildir(self.path("src"), [message(number, size=SIZE) for number in range(COUNT)])
        for name in os.listdir(self.path("src", "cur")):  # the higher the number, the newer
            number = int(re.search(r"M(\d+)P", name).group(1))
            os.utime(self.path("src", "cur", name), (1_600_000_000 + number,) * 2)
        return "maildir:" + self.path("src")

    def test_a_run_stops_when_enough_was_read_and_the_next_ones_go_on(self):
        source, target = self.source(), "mbox:" + self.path("t.mbox")
        runs, copied = 0, 0
        while True:
            done = self.run_it("copy", "--json", "--max-bytes", "200K", source, target)
            report = done.json()
            copied += report["copied"]
            self.assertEqual(report["listed"], COUNT)
            if done.code == 0:
                break
            runs += 1
            self.assertEqual(done.code, 12, done.err)
            self.assertIn("--max-bytes is reached", report["error"]["what"])
            self.assertEqual(report["pending"], COUNT - report["copied"] - report["present"])
            self.assertGreaterEqual(report["bytes"], 200 << 10)
            self.assertLessEqual(report["bytes"], (200 << 10) + 2 * SIZE)
        self.assertEqual((runs, copied), (COUNT * SIZE // (200 << 10), COUNT))
        self.expect(0, "verify", source, target)

    def numbers(self, place):
        return [int(re.search(rb"Subject: message (\d+)", record.octets).group(1)) for record in mailreaders.read_place(place)]

    def test_mail_comes_in_the_order_in_which_it_arrived(self):
        # A directory has none; whoever sorts by "order received" sees what the copy made of it.
        source, target = self.source(), "mbox:" + self.path("t.mbox")
        self.expect(0, "copy", source, target)
        self.assertEqual(self.numbers(target), list(range(COUNT)))

    def test_the_newest_mail_comes_first(self):
        source, target = self.source(), "mbox:" + self.path("t.mbox")
        self.expect(12, "copy", "--newest-first", "--max-bytes", "100K", source, target)
        got = self.numbers(target)
        self.assertEqual(sorted(got), list(range(COUNT - len(got), COUNT)))
        self.assertTrue(5 <= len(got) < 10, got)
        self.expect(0, "copy", source, target)
        self.expect(0, "verify", source, target)


if __name__ == "__main__":
    unittest.main()
