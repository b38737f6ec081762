"""A run after little has changed in a large folder: it costs what changed, and the outcome is that of a whole listing."""

import time

import accounts
import mailreaders
import proxy
import support
from accounts import ServerTest

COUNT = 2000


# A server that keeps little history: what went long ago is told by all UIDs that are not there.
FORGETFUL = ("mail_index_log_rotate_min_size = 1k\nmail_index_log_rotate_max_size = 2k\nmail_index_log_rotate_min_age = 1s\n"
             "mail_index_log2_max_age = 1s\n")


class Changes(ServerTest):
    SERVERS = {"maildir": {}, "forgetful": {"extra": FORGETFUL}}

    def filled(self, count=COUNT, server="maildir"):
        account = self.account(server, tls=False)
        account.pop3().fill([support.message(number, size=300).replace(b"\n", b"\r\n") for number in range(count)])
        return account

    def change(self, account, gone, texts=(), flagged="", folder=b"INBOX"):
        """By imaplib: expunges UIDs, flags others, appends."""
        with account.session() as session:
            session.select(folder, readonly=False)
            if flagged:
                session.ask(session.session.uid("STORE", flagged, "+FLAGS", "(\\Flagged)"))
            session.ask(session.session.uid("STORE", gone, "+FLAGS", "(\\Deleted)"))
            session.ask(session.session.uid("EXPUNGE", gone))
            for text in texts:
                session.ask(session.session.append(folder, None, None, text))

    def test_three_gone_and_two_new_among_2000(self):
        account, target = self.filled(), "maildir:" + self.path("out")
        # One port for both runs: a place is told apart by its port too.
        with proxy.Proxy(account.server.port) as between:
            plain = accounts.Account(account.server, account.user, tls=False, port=between.port, query="?tls=off")

            def run(name):
                before = between.octets[1]
                report = self.haul("copy", plain, target, "--dedup", "none", "--trace", self.path(name))
                with open(self.path(name), encoding="utf-8") as file:
                    lines = file.read().splitlines()
                return report, between.octets[1] - before, [line for line in lines if " < " in line], lines

            report, first, _, _ = run("first")
            self.assertEqual(report["copied"], COUNT)
            new = [support.message(number, size=300, folder="new").replace(b"\n", b"\r\n") for number in range(2)]
            self.change(account, "7,1000,1999", new, flagged="20:29")
            report, second, said, lines = run("second")
            self.assertEqual((report["listed"], report["copied"], report["present"]), (COUNT - 1, 2, COUNT - 3), report)
            print("octets from the server: first run %d, second %d; lines in the second: %d" % (first, second, len(said)))
            self.assertLess(second, 8_000)
            self.assertLess(len(said), 60)
            self.assertTrue(any("VANISHED (EARLIER)" in line for line in said), said)
            self.assertTrue(any("EXAMINE INBOX (QRESYNC" in line for line in lines), lines)
            # Nothing is to do any more, and the folder is not even opened.
            report, third, said, _ = run("third")
            self.assertEqual((report["listed"], report["copied"], report["present"]), (COUNT - 1, 0, COUNT - 1), report)
            self.assertFalse(any("FETCH" in line or "VANISHED" in line for line in said), said)
            # And again: the state of a delta carries the next one.
            self.change(account, "100:149", new[:1])
            report, fourth, said, _ = run("fourth")
            self.assertEqual((report["listed"], report["copied"], report["present"]), (COUNT - 50, 1, COUNT - 51), report)
            self.assertLess(fourth, 8_000)
        # What went at the source stays at the target; all that is or was there is there.
        after = mailreaders.read_place(target)
        expected = [support.message(number, size=300).replace(b"\n", b"\r\n") for number in range(COUNT)] + new + new[:1]
        self.assertEqual(sorted(record.nid for record in after), sorted(mailreaders.nid(text) for text in expected))

    def test_a_ledger_that_was_told_of_a_delta_equals_one_that_was_told_all(self):
        account, target = self.filled(60), "maildir:" + self.path("out")
        self.haul("copy", account, target, "--dedup", "none")
        self.change(account, "1,30:39,60", [support.message(900).replace(b"\n", b"\r\n")])
        by_delta = self.haul("copy", account, target, "--dedup", "none", "--outcomes", self.path("delta"))
        again = self.haul("copy", account, target, "--dedup", "none", "--outcomes", self.path("again"))
        self.assertEqual((by_delta["copied"], by_delta["present"], again["present"]), (1, 48, 49))
        with account.session() as session:
            session.select(b"INBOX")
            uids = set(session.ask(session.session.uid("SEARCH", "ALL"))[0].decode().split())
        self.assertEqual({line["key"] for line in accounts.outcomes(self.path("again"))}, uids)

    def test_a_server_that_forgot_what_went_is_not_believed(self):
        account, target = self.filled(300, "forgetful"), "maildir:" + self.path("out")
        self.haul("copy", account, target, "--dedup", "none")
        self.change(account, "5,6")
        self.haul("copy", account, target, "--dedup", "none")
        self.change(account, "7,100")
        for _ in range(3):
            time.sleep(1.2)  # logs are rotated by their age, in seconds
            with account.session() as session:
                session.select(b"INBOX", readonly=False)
                for number in range(30):
                    session.ask(session.session.uid("STORE", "%d:200" % (10 + number), "+-"[number % 2] + "FLAGS", "(\\Flagged)"))
        report = self.haul("copy", account, target, "--dedup", "none", "--trace", self.path("trace"))
        self.assertEqual((report["listed"], report["copied"], report["present"]), (296, 0, 296), report)
        with open(self.path("trace"), encoding="utf-8") as file:
            self.assertIn("VANISHED (EARLIER) 5:7,100", file.read(), "the test is to see a history that is not exact")

    def test_what_its_user_removed_at_the_target_proves_nothing_any_more(self):
        """Mail that was there before us, was known by its content, and went: its like must be brought when it comes."""
        account = self.filled(40)
        support.write_maildir(self.path("src"), [support.message(number, size=300) for number in range(500, 503)])
        source = "maildir:" + self.path("src")
        self.haul("copy", source, account, "--dedup", "none")
        like = support.message(7, size=300)  # of the 40 that were there
        self.change(account, "8,20")
        support.write_maildir(self.path("src"), [support.message(number, size=300) for number in range(500, 503)] + [like])
        report = self.haul("copy", source, account, "--dedup", "none", "--trace", self.path("trace"))
        self.assertEqual((report["copied"], report["present"]), (1, 3), report)
        with open(self.path("trace"), encoding="utf-8") as file:
            self.assertIn("VANISHED (EARLIER)", file.read(), "the test is to go by a delta")
        self.assertEqual(sum(record.nid == mailreaders.nid(like) for record in account.records()), 1)


if __name__ == "__main__":
    accounts.main()
