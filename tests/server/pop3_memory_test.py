"""Thousands of small messages and a huge one over POP3, into an account and into files: peak memory stays below 64 MiB
budget + 24 MiB. MH_SMALL_MESSAGES=20000 for a long run."""

import os
import unittest

import accounts
import mailreaders
import memory_test
import support

SMALL = int(os.environ.get("MH_SMALL_MESSAGES", "3000"))
SIZE_MIB = 300


class Pop3Memory(accounts.ServerTest):
    SERVERS = {"source": {}, "target": {"storage": "sdbox"}}
    peak_mib = memory_test.Memory.peak_mib

    @unittest.skipIf(support.instrumented(), "sanitizers keep memory of their own")
    def test_many_small_messages_and_one_of_300_MiB_are_streamed(self):
        digest = memory_test.write_huge(self.path("huge", "cur", "1"), SIZE_MIB)
        pop3 = self.account("source").pop3().fill(support.message(number, 300) for number in range(SMALL))
        # Among the small ones, so that they are queued before it and behind it.
        place = os.path.join(pop3.server.mail_root(pop3.user), "maildir", "cur")
        before = sorted(os.listdir(place))[SMALL // 2].split(".host")[0]
        os.rename(self.path("huge", "cur", "1"), os.path.join(place, before + "b.host:2,S"))
        accounts.servers.give_away(place)
        account = self.account("target")
        files = "maildir:" + self.path("out")
        # All runs come before any judgement: what this process holds at a fork counts as the child's.
        peaks = {"into a Maildir": self.peak_mib(*self.arguments("copy", pop3, files, "-q")),
                 "into an account": self.peak_mib(*self.arguments("copy", pop3, account, "-q")),
                 "verify": self.peak_mib(*self.arguments("verify", pop3, account, "-q", "--content-only")),
                 "again": self.peak_mib(*self.arguments("copy", pop3, account, "-q"))}
        print("%d messages; peak MiB: %s" % (SMALL + 1, ", ".join("%s %.1f" % pair for pair in peaks.items())))
        sizes = {name: os.path.getsize(self.path("out", "cur", name)) for name in os.listdir(self.path("out", "cur"))}
        self.assertEqual(len(sizes), SMALL + 1)
        huge = max(sizes, key=sizes.get)
        self.assertEqual(memory_test.digest_of(self.path("out", "cur", huge)), digest)
        os.remove(self.path("out", "cur", huge))  # readers hold what they read
        expected = sorted(mailreaders.nid(support.message(number, 300)) for number in range(SMALL))
        self.assertEqual(sorted(record.nid for record in mailreaders.read_place(files)), expected)
        for peak in peaks.values():
            self.assertLess(peak, memory_test.CEILING_MIB)


if __name__ == "__main__":
    accounts.main()
