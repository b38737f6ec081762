"""A POP3 mailbox into an account, a Maildir and an mbox, over TLS and STLS, judged by readers that share no code.

Always with a small generated mailbox; with the corpora of real mail too when MH_CORPORA names them."""

import collections
import email.utils
import os
import re
import shutil
import time
import unittest

import accounts
import corpora
import mailreaders
import proxy
import sample_mail
import transfer_test
from accounts import ServerTest, commands, folded, outcomes

DATE = re.compile(rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), +)?[0-9]{1,2} (?:%s) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} "
                  rb"(?:[-+](?:0[0-9]|1[0-4])[0-5][0-9]|GMT)(?: +\([A-Za-z ]+\))?"
                  % "|".join(mailreaders.MONTHS).encode())


def instant(text):
    """Epoch seconds of a date that nobody could read otherwise, None of every other."""
    text = re.sub(rb"\s+", b" ", text).strip()
    return int(email.utils.parsedate_to_datetime(text.decode()).timestamp()) if DATE.fullmatch(text) else None


def date_by_the_rule(octets):
    """(certain, epoch seconds or None): the topmost Received field, else Date. Not certain: a field that may be read in
    more than one way, or none at all, comes first."""
    fields, _ = mailreaders.header_fields(mailreaders.canonical(octets))
    found = collections.defaultdict(list)
    for field in filter(mailreaders.field_name, fields):
        found[mailreaders.field_name(field)].append(mailreaders.field_body(field))
    texts = [body.rsplit(b";", 1)[-1] for body in found[b"received"][:1]] or found[b"date"][:1]
    if not texts:
        return False, None
    seconds = instant(texts[0])
    return seconds is not None, seconds


class Pop3Transfer(ServerTest):
    SERVERS = {"source": {}, "target": {"storage": "sdbox"}}
    unharmed = transfer_test.Transfer.unharmed

    # What there is --------------------------------------------------------------------------------------------------

    def texts(self, count=60):
        """Messages as files: bodies of every edge, a date in Received, in Date alone, or none; some are twins."""
        made = []
        for number in range(count):
            hour = "%02d:%02d:%02d" % (number // 3600, number // 60 % 60, number % 60)
            head = ["Received: from a by b; Tue, 03 Jan 2006 %s +0100\nReceived: from c by a; Tue, 03 Jan 2006 07:00:00 +0000\n"
                    "Date: Mon, 02 Jan 2006 15:04:05 +0000\n" % hour,
                    "Date: Wed, 1 Feb 2012 %s -0330\n" % hour, "", "Received: from x by y;\n\tFri, 6 Apr 2018 %s +0900\n" % hour]
            place = number - 14 if number % 17 == 16 else number
            made.append(head[place % 4 if place == number else 0].encode()
                        + sample_mail.message(place, sample_mail.BODIES[place % len(sample_mail.BODIES)][1]))
        made += [made[5], made[9]]
        return made

    def source(self, texts, **options):
        return self.account("source").pop3(**options).fill(texts)

    def held(self, source, texts):
        """What the server has of it, and whether that is what was put there."""
        before = source.popped()
        self.assertEqual(len(before), len(texts))
        by_imap = collections.Counter(record.nid for record in source.records())
        # By IMAP, Dovecot 2.3 makes 0x80 of NUL; an empty message is nothing there, and an empty line here.
        other = [record.octets[:200] for record in before
                 if by_imap[record.nid] == 0 and b"\0" not in record.octets and record.octets.strip(b"\r\n")]
        self.assertEqual(other, [], "POP3 and IMAP give different mail")
        lost = collections.Counter(map(mailreaders.nid, texts)) - collections.Counter(record.nid for record in before)
        for text in texts:
            if lost[mailreaders.nid(text)]:
                # Dovecot 2.3 drops the last CR of CR CR LF, and has no message without octets.
                self.assertTrue(re.search(rb"\r(?!\n)", text) or not text.strip(b"\r\n"), text[:200])
        return before, sum(lost.values())

    # Judging --------------------------------------------------------------------------------------------------------

    def assert_dates(self, records, target, reported):
        """By the rule, wherever the rule leaves no doubt and the target can keep it; of the others `reported` are lost."""
        # ext4 keeps mtimes from 1901 to 2446.
        survives = (transfer_test.date_survives if not isinstance(target, str)
                    else (lambda s: -2 ** 31 <= s < 2 ** 33) if target.startswith("maildir:") else lambda s: True)
        judged = lost = 0
        for record in records:
            certain, expected = date_by_the_rule(record.octets)
            if certain and survives(expected):
                judged += 1
                self.assertEqual(record.received, expected, record.where)
            lost += certain and not survives(expected)
        self.assertGreater(judged, len(records) * 0.5)
        self.assertGreaterEqual(reported, lost)

    def copied(self, source, target, before, *options, flags=frozenset(), **more):
        """One copy of all, `--dedup none`, and every judgement there is on it. Gives the records at the target."""
        report = self.haul("copy", source, target, "--dedup", "none", "--outcomes", self.path("lines"), *options, code=(0, 3), **more)
        kept = self.unharmed(before, report, outcomes(self.path("lines")))
        self.assertEqual((report["listed"], report["copied"] + report["failed"]), (len(before), len(before)), report["failures"][:3])
        self.assertEqual(report["exit"], 3 if report["failed"] or report["altered"] else 0)
        self.assertEqual((report["lost_metadata"]["flags"], report["lost_metadata"]["keywords"]), (0, 0))
        after = accounts.read(target)
        folder = {record.folder for record in after}
        self.assertEqual(folder, {("INBOX",)})
        difference = self.assert_same_mail(kept, after, but=("dates", "extra", "flags"))
        self.assertEqual(len(difference["extra"]), report["altered"])
        self.assertEqual({flag for record in after for flag in record.flags}, set(flags))
        if flags:
            self.assertTrue(all(record.flags == set(flags) for record in after))
        self.assert_dates(after, target, report["lost_metadata"]["dates"])
        return after

    def into_everything(self, source, texts):
        before, lost = self.held(source, texts)
        account = self.account("target")
        after = self.copied(source, account, before)
        for one in self.assert_same_mail(after, account.doveadm_records(), but=("dates",))["dates"]:
            self.assertFalse(transfer_test.date_survives(one["a"]), one)
        for place in ("maildir:" + self.path("out"), "mbox:" + self.path("tree/")):
            self.copied(source, place, before)
            checked = self.haul("verify", source, place, "--dedup", "none")
            self.assertEqual((checked["checked"], checked["missing"], checked["different"], checked["extra"]), (len(before), 0, 0, 0))
            shutil.rmtree(place.split(":")[1])
        return account, len(after), len(before), lost

    # Tests ----------------------------------------------------------------------------------------------------------

    def test_sample_over_tls_and_stls(self):
        for tls in (True, False):
            with self.subTest(tls=tls):
                texts = self.texts()
                _, arrived, there, lost = self.into_everything(self.source(texts, tls=tls), texts)
                self.assertEqual((arrived, there, lost), (len(texts), len(texts), 0))

    def test_dates_are_those_of_received_then_of_date(self):
        rows = {b"Received: by a; Tue, 3 Jan 2006 10:00:00 +0100\nReceived: by b; Mon, 2 Jan 2006 10:00:00 +0000\n"
                b"Date: Sun, 1 Jan 2006 10:00:00 +0000\n": 1136278800,
                b"Date: Sun, 1 Jan 2006 10:00:00 +0000\n": 1136109600,
                b"Received: by nobody\nReceived: by b; Mon, 2 Jan 2006 10:00:00 +0000\nDate: Sun, 1 Jan 2006 10:00:00 +0000\n": 1136196000,
                b"Received: by nobody\nDate: Sun, 1 Jan 2006 10:00:00 +0000\n": 1136109600}
        texts = [head + b"Subject: %d\n\nbody\n" % number for number, head in enumerate(rows)]
        source = self.source(texts)
        account = self.account("target")
        for target in (account, "maildir:" + self.path("out"), "mbox:" + self.path("tree/")):
            self.haul("copy", source, target)
            self.assertEqual([record.received for record in sorted(accounts.read(target), key=lambda r: r.octets.split(b"Subject: ")[1])],
                             list(rows.values()), target)

    def test_mail_arrives_unread_unless_seen_is_said(self):
        texts = self.texts(20)
        source = self.source(texts)
        before = source.popped()
        for seen in (False, True):
            account = self.account("target")
            options = ["--seen"] if seen else []
            for target in (account, "maildir:" + self.path("out%d" % seen), "mbox:" + self.path("tree%d/" % seen)):
                with self.subTest(target, seen=seen):
                    self.copied(source, target, before, *options, flags={"seen"} if seen else set())

    def test_twins_of_the_mailbox_come_once_by_default(self):
        texts = self.texts()
        source = self.source(texts)
        expected = folded(source.popped())
        self.assertLess(len(expected), len(texts))
        for target in (self.account("target"), "maildir:" + self.path("out")):
            report = self.haul("copy", source, target)
            self.assertEqual((report["copied"], report["duplicate"]), (len(expected), len(texts) - len(expected)))
            self.assert_same_mail(expected, accounts.read(target), but=("dates",))

    def test_a_second_run_asks_for_names_and_for_nothing_else(self):
        texts = self.texts()
        source = self.source(texts)
        # Dovecot's LIST leaves out the CRLF that RETR must add to these: what differs in size is read twice.
        unended = sum(not text.endswith(b"\n") for text in texts)
        for name, target in (("maildir", "maildir:" + self.path("out")), ("account", self.account("target"))):
            with self.subTest(name), proxy.Proxy(source.server.pop3_port, listen=True) as between:
                plain = accounts.Pop3(source.server, source.user, tls=False, port=between.port, query="?tls=off")
                first = self.haul("copy", plain, target, "--dedup", "none")
                self.assertIn(commands(between.said).count("RETR") - first["listed"], range(unended + 1))
                fetched, between.said[:], between.octets[:] = between.octets[1], b"", [0, 0]
                report = self.haul("copy", plain, target, "--dedup", "none")
                self.assertEqual((report["copied"], report["present"]), (0, first["listed"]))
                # CAPA is asked once more after the login, where RFC 2449 lets it tell more.
                self.assertEqual(commands(between.said), ["CAPA", "AUTH", "CAPA", "STAT", "LIST", "UIDL", "QUIT"])
                self.assertGreater(fetched, 1_000_000)
                self.assertLess(between.octets[1], 500 + 40 * report["listed"], "a run with nothing to do fetched mail")
                self.assertEqual(between.connections, 2, "a run needs one connection")

    def test_only_what_is_new_is_fetched(self):
        texts = self.texts(20)
        source = self.source(texts)
        target = "maildir:" + self.path("out")
        with proxy.Proxy(source.server.pop3_port, listen=True) as between:
            plain = accounts.Pop3(source.server, source.user, tls=False, port=between.port, query="?tls=off")
            self.haul("copy", plain, target, "--dedup", "none")
            source.fill([b"Subject: new\n\nnew\n", b"Subject: newer\n\nnewer\n"])
            between.said[:] = b""
            report = self.haul("copy", plain, target, "--dedup", "none")
            self.assertEqual((report["copied"], report["present"]), (2, len(texts)))
            self.assertEqual(commands(between.said).count("RETR"), 2)
        self.assert_same_mail(source.popped(), mailreaders.read_place(target), but=("dates",))

    def test_without_its_ledger_it_copies_nothing_either(self):
        source = self.source(self.texts())
        for name, target in (("account", self.account("target")), ("maildir", "maildir:" + self.path("out")), ("mbox", "mbox:" + self.path("tree/"))):
            for how in ("none", "exact"):
                with self.subTest(name, dedup=how):
                    first = self.haul("copy", source, target, "--dedup", how)
                    shutil.rmtree(self.path("state"))
                    report = self.haul("copy", source, target, "--dedup", how)
                    self.assertEqual((report["copied"], report["present"] + report["duplicate"]), (0, first["listed"]))
                    shutil.rmtree(self.path("state"))
                    if name == "account":
                        target.server.forget(target.user)
                    else:
                        shutil.rmtree(target.split(":")[1])

    def test_reading_leaves_no_mark(self):
        source = self.source(self.texts(20))
        before, names = source.records(), source.names()
        self.haul("copy", source, "maildir:" + self.path("out"))
        self.haul("verify", source, "maildir:" + self.path("out"))
        self.assert_same_mail(before, source.records())
        self.assertEqual(source.names(), names)
        self.assertNotIn("del=1", source.server.read_log())

    def test_a_dry_run_fetches_and_writes_nothing(self):
        source, account = self.source(self.texts(20)), self.account("target")
        with proxy.Proxy(source.server.pop3_port, listen=True) as between:
            plain = accounts.Pop3(source.server, source.user, tls=False, port=between.port, query="?tls=off")
            report = self.haul("copy", plain, account, "--dry-run", "--dedup", "none")
            self.assertEqual((report["dry_run"], report["copied"]), (True, 22))
        self.assertEqual(account.records(), [])
        self.assertFalse(os.path.exists(self.path("state")))

    def test_verify_names_what_is_missing_and_altered_in_an_account(self):
        source, account = self.source(self.texts()), self.account("target")
        self.haul("copy", source, account)
        report = self.haul("verify", source, account)
        self.assertEqual((report["missing"], report["different"], report["exit"]), (0, 0, 0))
        records = account.records()
        altered = next(record for record in records if len(record.octets) > 2000)
        missing = next(record for record in records if record is not altered)
        uids = ",".join(re.search(r"UID (\d+)", record.where).group(1) for record in (altered, missing))
        with account.session() as session:
            session.select(b"INBOX", readonly=False)
            session.ask(session.session.uid("STORE", uids, "+FLAGS", "(\\Deleted)"))
            session.ask(session.session.uid("EXPUNGE", uids))
            octets = altered.octets[:-20] + bytes([altered.octets[-20] ^ 1]) + altered.octets[-19:]
            session.ask(session.session.append("INBOX", None, '"%s"' % accounts.internal_date(altered.received), octets))
        for state in (None, "no-ledger"):
            with self.subTest(state):
                report = self.haul("verify", source, account, code=13, state=state)
                self.assertEqual((report["missing"], report["different"]), (1, 1), report)

    def test_verify_names_what_is_missing_and_altered_in_a_maildir(self):
        source, target = self.source(self.texts(20)), "maildir:" + self.path("out")
        self.haul("copy", source, target)
        first, second = sorted(record.where for record in mailreaders.read_place(target))[:2]
        os.remove(first)
        facts = os.stat(second)
        with open(second, "r+b") as file:
            file.seek(-3, os.SEEK_END)
            file.write(b"#")
        os.utime(second, (facts.st_atime, facts.st_mtime))
        report = self.haul("verify", source, target, code=13)
        self.assertEqual((report["missing"], report["different"]), (1, 1), report)
        self.assertEqual(sorted(failure["reason"] for failure in report["failures"]), ["different", "missing"])

    @unittest.skipUnless(corpora.available(), "MH_CORPORA names no folder of real mail")
    def test_corpora(self):
        texts = list(corpora.messages())
        self.assertGreater(len(texts), 4000)
        source = self.source(texts)
        start = time.monotonic()
        account, arrived, there, lost = self.into_everything(source, texts)
        report = self.haul("copy", source, account, "--dedup", "none", code=(0, 3))
        self.assertEqual((report["copied"], report["present"]), (0, arrived), "a second run found something to do")
        print("%d messages in the mailbox (the server changes %d of them), %d in the account, %.0f s"
              % (there, lost, arrived, time.monotonic() - start))


if __name__ == "__main__":
    accounts.main()
