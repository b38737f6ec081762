"""Mail from a Maildir into accounts and out again, over TLS and STARTTLS, judged by imaplib, doveadm and plain readers.

Always with a small generated mailbox; with the corpora of real mail too when MH_CORPORA names them."""

import collections
import os
import re
import time
import unittest

import accounts
import corpora
import mailreaders
import sample_mail
from accounts import ServerTest, outcomes, read



def date_survives(seconds):
    """Dovecot 2.3 answers OK to every date, and takes its own time instead of one to come. Of dates before 1970 it tells
    first what it was given, and later, from its cache, 32 bits without a sign."""
    return 0 <= seconds <= time.time()


class Transfer(ServerTest):
    SERVERS = {"maildir": {}, "sdbox": {"storage": "sdbox"}, "mdbox": {"storage": "mdbox"}}

    def unharmed(self, before, report, lines):
        """The records without those that the report names as failed or altered, each for a reason that it has."""
        altered = {(failure["folder"], failure["key"]) for failure in report["failures"] if failure["reason"] == "altered"}
        named = collections.Counter((line["folder"], line["nid"]) for line in lines
                                    if line["outcome"] == "failed" or (line["folder"], line["key"]) in altered)
        kept = []
        for record in before:
            if named[("/".join(record.folder), record.nid)] > 0:
                named[("/".join(record.folder), record.nid)] -= 1
                # Dovecot drops the CR of CR CR LF and at the end; the others cannot be sent at all.
                lone_cr = re.search(rb"\r(?!\n)", record.octets)
                self.assertTrue(not record.octets or b"\0" in record.octets or lone_cr, "nothing is wrong with " + record.where)
            else:
                kept.append(record)
        self.assertEqual((report["failed"] + report["altered"], +named), (len(before) - len(kept), collections.Counter()))
        return kept

    def into_account(self, source, account, before, **options):
        """Copies and judges: everything is there, or the report names it. Gives what the account now holds."""
        report = self.haul("copy", source, account, "--dedup", "none", "--outcomes", self.path("lines"), code=(0, 3), **options)
        kept = self.unharmed(before, report, outcomes(self.path("lines")))
        self.assertEqual((report["listed"], report["copied"] + report["failed"]), (len(before), len(before)), report["failures"][:3])
        self.assertEqual(report["exit"], 3 if report["failed"] or report["altered"] else 0)
        after = account.records()
        for judged in (after, account.doveadm_records()):
            difference = self.assert_same_mail(kept, judged, but=("dates", "extra"))
            self.assertEqual(len(difference["extra"]), report["altered"])
            # Dates that the server cannot keep are counted, and only such are lost.
            for one in difference["dates"]:
                self.assertFalse(date_survives(one["a"]), one)
        to_come, before_1970 = (sum(test(record.received) for record in kept) for test in (lambda s: s > time.time(), lambda s: s < 0))
        # An altered message, which is not among those kept, may have lost its date as well.
        self.assertIn(report["lost_metadata"]["dates"] - to_come - before_1970, range(report["altered"] + 1))
        self.assertEqual((report["lost_metadata"]["flags"], report["lost_metadata"]["keywords"]), (0, 0))
        return after

    def out_of_account(self, account, after, **options):
        """Into an mbox tree and a Maildir, both the same as the account."""
        os.mkdir(self.path("of port %d" % account.server.port))
        for scheme, name in (("mbox", "tree/"), ("maildir", "back")):
            place = "%s:%s" % (scheme, self.path("of port %d" % account.server.port, name))
            report = self.haul("copy", account, place, "--dedup", "none", **options)
            self.assertEqual((report["copied"], report["failed"]), (len(after), 0), report["failures"][:3])
            self.assert_same_mail(after, mailreaders.read_place(place))
            checked = self.haul("verify", account, place, "--dedup", "none", **options)
            self.assertEqual((checked["checked"], checked["missing"], checked["extra"]), (len(after), 0, 0))

    def there_and_back(self, source, server, tls):
        before = mailreaders.read_place(source)
        account = self.account(server, tls=tls)
        after = self.into_account(source, account, before)
        self.out_of_account(account, after)
        report = self.haul("copy", source, account, "--dedup", "none", code=(0, 3))
        self.assertEqual((report["copied"], report["present"]), (0, len(after)), "a second run found something to do")

    def sample(self, count=150):
        sample_mail.fill_maildir(self.path("src"), count)
        return "maildir:" + self.path("src")

    def test_sample_over_tls(self):
        for server in self.SERVERS:
            with self.subTest(server):
                self.there_and_back(self.sample(), server, tls=True)

    def test_sample_over_starttls(self):
        for server in ("maildir", "sdbox"):
            with self.subTest(server):
                self.there_and_back(self.sample(), server, tls=False)

    def test_what_a_server_cannot_keep_is_reported(self):
        source = self.sample(24)
        sample_mail.add_to_maildir(self.path("src"), b"", name="nothing.host")
        sample_mail.add_to_maildir(self.path("src"), b"Subject: nul\n\na\0b\n", name="nul.host")
        sample_mail.add_to_maildir(self.path("src"), b"Subject: moon\n\nfirst\n", name="old.host", date=-86400 * 200)
        sample_mail.add_to_maildir(self.path("src"), b"Subject: late\n\nlast\n", name="late.host", date=4_000_000_000)
        for server in self.SERVERS:
            with self.subTest(server):
                account = self.account(server)
                self.into_account(source, account, mailreaders.read_place(source))
                report = self.haul("copy", source, account, code=3, state="another")
                self.assertEqual((report["copied"], report["failed"]), (0, 2))
                self.assertEqual({failure["folder"] for failure in report["failures"]}, {"INBOX"})

    def test_folders_are_subscribed(self):
        account = self.account()
        self.haul("copy", self.sample(24), account)
        with account.session() as session:
            lines = session.ask(session.session.lsub('""', "*"), "LSUB")
            self.assertGreaterEqual(len(lines), len(sample_mail.FOLDERS) - 1, lines)

    def test_a_folder_of_the_source_selects(self):
        account = self.account()
        self.haul("copy", self.sample(36), account)
        part = accounts.Account(account.server, account.user, folder="Arbeit/Gr%C3%B6%C3%9Fe")
        report = self.haul("copy", part, "maildir:" + self.path("part"))
        expected = [record for record in account.records() if record.folder[:2] == ("Arbeit", "Größe")]
        self.assertEqual(report["copied"], len(expected))
        self.assert_same_mail(expected, mailreaders.read_place("maildir:" + self.path("part")))

    def test_a_folder_of_the_target_is_made(self):
        account = self.account(folder="Import")
        self.haul("copy", self.sample(12), account)
        self.assertEqual({record.folder[:1] for record in account.records()}, {("Import",)})

    @unittest.skipUnless(corpora.available(), "MH_CORPORA names no folder of real mail")
    def test_corpora(self):
        count = corpora.fill_maildir(self.path("src"))
        self.assertGreater(count, 4000)
        source = "maildir:" + self.path("src")
        before = mailreaders.read_place(source)
        for server, tls in (("maildir", True), ("sdbox", False)):
            with self.subTest(server):
                account = self.account(server, tls=tls)
                after = self.into_account(source, account, before)
                self.out_of_account(account, after)
                print("%s: %d of %d messages" % (server, len(after), count))


if __name__ == "__main__":
    accounts.main()
