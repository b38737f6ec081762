"""What a later run does with an account that has been filled: nothing, cheaply; and what `verify` finds there."""

import collections
import re
import shutil

import accounts
import mailreaders
import proxy
import sample_mail
from accounts import ServerTest

COUNT = 120


class Again(ServerTest):
    SERVERS = {"maildir": {}, "sdbox": {"storage": "sdbox"}}

    def filled(self, server="maildir", **options):
        """(source, account) with everything copied."""
        sample_mail.fill_maildir(self.path("src"), COUNT)
        source, account = "maildir:" + self.path("src"), self.account(server, **options)
        self.haul("copy", source, account, "--dedup", "none")
        return source, account

    def test_a_second_run_copies_nothing(self):
        for server in self.SERVERS:
            with self.subTest(server):
                source, account = self.filled(server)
                report = self.haul("copy", source, account, "--dedup", "none")
                self.assertEqual((report["copied"], report["present"]), (0, COUNT))
                self.assertEqual(len(account.records()), COUNT)

    def test_a_second_run_from_an_account_fetches_no_bodies(self):
        _, account = self.filled()
        with proxy.Proxy(account.server.port) as between:
            plain = accounts.Account(account.server, account.user, tls=False, port=between.port, query="?tls=off")
            target = "maildir:" + self.path("back")
            self.haul("copy", plain, target, "--dedup", "none")
            first = between.octets[1]
            between.octets[:] = [0, 0]
            report = self.haul("copy", plain, target, "--dedup", "none")
            self.assertEqual((report["copied"], report["present"]), (0, COUNT))
            self.assertGreater(first, 1_000_000)
            self.assertLess(between.octets[1], 20_000, "a run with nothing to do fetched mail")

    def test_only_what_is_new_is_fetched(self):
        _, account = self.filled()
        target = "maildir:" + self.path("back")
        self.haul("copy", account, target, "--dedup", "none")
        with account.session() as session:
            session.ask(session.session.append("Sent", "(\\Seen)", None, b"Subject: new\r\n\r\nnew\r\n"))
        report = self.haul("copy", account, target, "--dedup", "none")
        self.assertEqual((report["copied"], report["present"]), (1, COUNT))
        self.assert_same_mail(account.records(), mailreaders.read_place(target))

    def test_without_its_ledger_it_copies_nothing_either(self):
        for server in self.SERVERS:
            with self.subTest(server):
                source, account = self.filled(server)
                shutil.rmtree(self.path("state"))
                report = self.haul("copy", source, account, "--dedup", "none")
                self.assertEqual((report["copied"], report["present"]), (0, COUNT))
                shutil.rmtree(self.path("state"))
                target = "maildir:" + self.path("back" + server)
                self.haul("copy", account, target, "--dedup", "none")
                shutil.rmtree(self.path("state"))
                report = self.haul("copy", account, target, "--dedup", "none")
                self.assertEqual((report["copied"], report["present"]), (0, COUNT))

    def test_a_dry_run_changes_nothing(self):
        sample_mail.fill_maildir(self.path("src"), COUNT)
        account = self.account()
        report = self.haul("copy", "maildir:" + self.path("src"), account, "--dry-run", "--dedup", "none")
        self.assertEqual((report["dry_run"], report["copied"]), (True, COUNT))
        with account.session() as session:
            self.assertEqual({folder.path for folder in session.folders()}, {("INBOX",)})
        self.assertEqual(account.records(), [])

    def test_reading_leaves_no_mark(self):
        source, account = self.filled()
        before = account.records()
        self.haul("copy", account, "maildir:" + self.path("back"))
        self.haul("verify", source, account, "--dedup", "none")
        self.assert_same_mail(before, account.records())

    def test_verify_names_what_is_missing_altered_and_flagged_otherwise(self):
        source, account = self.filled()
        self.haul("verify", source, account, "--dedup", "none")
        with account.session() as session:
            records = [record for record in account.records() if record.folder == ("INBOX",)]
            seen = collections.Counter(record.nid for record in records)
            records = [record for record in records if seen[record.nid] == 1]  # a twin would stand in for its like
            altered = next(record for record in records if len(record.octets) > 2000)
            missing, flagged = [record for record in records if record is not altered][:2]
            uid = lambda record: re.search(r"UID (\d+)", record.where).group(1)
            session.select(b"INBOX", readonly=False)
            session.ask(session.session.uid("STORE", "%s,%s" % (uid(missing), uid(altered)), "+FLAGS", "(\\Deleted)"))
            session.ask(session.session.uid("EXPUNGE", "%s,%s" % (uid(missing), uid(altered))))
            change = "-FLAGS" if "flagged" in flagged.flags else "+FLAGS"
            session.ask(session.session.uid("STORE", uid(flagged), change, "(\\Flagged)"))
            octets = altered.octets[:-20] + bytes([altered.octets[-20] ^ 1]) + altered.octets[-19:]
            flags = " ".join("\\" + flag.capitalize() for flag in sorted(altered.flags)) + " " + " ".join(sorted(altered.keywords))
            with_date = '"%s"' % accounts.internal_date(altered.received)
            session.ask(session.session.append("INBOX", "(%s)" % flags.strip(), with_date, octets))
        for state in (None, "no-ledger"):
            with self.subTest(state):
                report = self.haul("verify", source, account, "--dedup", "none", code=13, state=state)
                self.assertEqual((report["missing"], report["different"], report["flags_differ"], report["dates_differ"]),
                                 (1, 1, 1, 0), report)
                self.assertEqual(sorted(failure["reason"] for failure in report["failures"]),
                                 ["different", "flags_differ", "missing"])


if __name__ == "__main__":
    accounts.main()
