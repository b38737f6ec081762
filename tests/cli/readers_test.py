"""The independent readers must be right themselves: known answers, written out by hand."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

READERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "readers")
sys.path.insert(0, READERS)
import mailreaders as readers  # noqa: E402  (found through the line above)


def sha(octets):
    return hashlib.sha256(octets).hexdigest()


class Identity(unittest.TestCase):
    def test_nid_folds_line_ends(self):
        for octets, expected in [
            (b"", b""), (b"a", b"a\r\n"), (b"a\n", b"a\r\n"), (b"a\r\n\n\r\n", b"a\r\n"), (b"\n\n", b"\r\n"),
            (b"a\rb\n", b"a\rb\r\n"), (b"a\r", b"a\r\r\n"), (b"a\r\r\n", b"a\r\r\n"), (b"a\n\nb\n", b"a\r\n\r\nb\r\n"),
            (b"\x00\xff", b"\x00\xff\r\n"), (b"a\n \n", b"a\r\n \r\n"),
        ]:
            with self.subTest(octets):
                self.assertEqual(readers.nid(octets), sha(expected))

    def test_eid_leaves_out_housekeeping_fields_and_nothing_else(self):
        kept = sha(b"Subject: x\r\n\r\nStatus: body\r\n")
        for octets in [
            b"Subject: x\n\nStatus: body\n", b"Status: RO\nSubject: x\n\nStatus: body\n",
            b"Subject: x\nx-KEYWORDS: a\n b\n\tc\n\nStatus: body",
            b"Subject: x\nX-Mozilla-Status2 : 0\n\nStatus: body\n\n",
            b"Content-Length: 3\r\nSubject: x\r\nX-UID: 4\r\nX-IMAPbase: 1 2\r\nX-IMAP: 1\r\n\r\nStatus: body\r\n",
        ]:
            with self.subTest(octets):
                self.assertEqual(readers.eid(octets), kept)
        for octets in [b"Subject: x\nX-Status-Not: 1\n\nStatus: body", b"Subject: x\n\n\nStatus: body",
                       b"Subject: x\n Status: RO\n\nStatus: body"]:
            with self.subTest(octets):
                self.assertNotEqual(readers.eid(octets), kept)
        self.assertEqual(readers.eid(b"Status: RO\n\nbody\n"), sha(b"\r\nbody\r\n"))


class Names(unittest.TestCase):
    def test_file_names_are_mutf7_then_percent(self):
        for name, expected in [
            ("Entw&APw-rfe", "Entwürfe"), ("&ZeVnLIqe-", "日本語"), ("A&-B", "A&B"), ("a%2Fb", "a/b"),
            ("%2Ehidden", ".hidden"),
            ("100%", "100%"), ("%2541", "%41"), ("&AGE-", "&AGE-"), ("plain name", "plain name"), ("&", "&"),
            ("Entwürfe", "Entwürfe"), ("&2D3eAA-", "😀"),
        ]:
            with self.subTest(name):
                self.assertEqual(readers.component_of(name), expected)


class Mbox(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def path(self, name, octets):
        full = os.path.join(self.scratch.name, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as handle:
            handle.write(octets)
        return full

    def test_messages_are_unquoted_one_level(self):
        ticket = "0123456789abcdef" * 2
        path = self.path("Sent.mbox", b"From " + ticket.encode() + b"@mailhaul Thu Jan  1 00:00:01 1970\n"
                         b"Subject: 1\n\n>From me\n>>From you\n >From us\nend\n\n"
                         b"From someone@example.org Sat Feb 29 23:59:59 2020 +0100\nSubject: 2\n\nlast\n\n")
        one, two = readers.read_mbox(path)
        self.assertEqual(one.octets.rstrip(b"\n"), b"Subject: 1\n\nFrom me\n>From you\n >From us\nend")
        self.assertEqual((one.folder, one.received, one.ticket), (("Sent",), 1, ticket))
        self.assertEqual((two.nid, two.received, two.ticket), (readers.nid(b"Subject: 2\n\nlast\n"), 1583017199, None))

    def test_flags_come_from_housekeeping_fields(self):
        path = self.path("x", b"From a Thu Jan  1 00:00:00 1970\nStatus: RO\nX-Status: AFDT\n"
                         b"X-Keywords: $Forwarded Work\n"
                         b"Status: O\n\nbody\n\nFrom a Thu Jan  1 00:00:00 1970\nX-Mozilla-Status: 1007\n"
                         b"X-Mozilla-Keys: $label1  b\n\nStatus: RO\n\nFrom a Thu Jan  1 00:00:00 1970\nStatus: O\n\n")
        one, two, three = readers.read_mbox(path)
        self.assertEqual(one.flags, {"seen", "answered", "flagged", "deleted", "draft"})
        self.assertEqual(one.keywords, {"$Forwarded", "Work"})
        self.assertEqual((two.flags, two.keywords), ({"seen", "answered", "flagged"}, {"$Forwarded", "$label1", "b"}))
        self.assertEqual((three.flags, three.keywords), (set(), set()))

    def test_a_tree_has_its_children_in_sbd(self):
        message = b"From a Thu Jan  1 00:00:00 1970\nSubject: x\n\nb\n\n"
        for name in ("Inbox", "%78.lock", "Entw&APw-rfe", "Inbox.sbd/A&-B", "Inbox.sbd/A&-B.sbd/c", "only.sbd/d"):
            self.path(name, message)
        self.path("notes.txt", b"not mail\n")
        self.path("Inbox.msf", b"// <!-- <mdb:mork:z v=\"1.4\"/> -->\n")
        self.assertEqual(sorted(r.folder for r in readers.read_mbox_tree(self.scratch.name)),
                         [("Entwürfe",), ("INBOX",), ("INBOX", "A&B"), ("INBOX", "A&B", "c"), ("only", "d"),
                          ("x.lock",)])

    def test_an_empty_file_has_no_messages_and_another_file_is_an_error(self):
        self.assertEqual(readers.read_mbox(self.path("empty", b"")), [])
        with self.assertRaises(readers.ReadError):
            readers.read_mbox(self.path("no", b"Subject: x\n\n"))

    def test_reading_leaves_the_file_as_it_was(self):
        path = self.path("x", b"From a Thu Jan  1 00:00:00 1970\nSubject: x\n\nb")
        os.utime(path, ns=(10**18, 10**18))
        before = os.lstat(path)
        readers.read_mbox(path)
        after = os.lstat(path)
        self.assertEqual((before.st_mtime_ns, before.st_ctime_ns, os.listdir(self.scratch.name)),
                         (after.st_mtime_ns, after.st_ctime_ns, ["x"]))


class MaildirTrees(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def deliver(self, folder, name, octets=b"Subject: x\n\nb\n", mtime=1000):
        base = os.path.join(self.scratch.name, folder)
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(base, sub), exist_ok=True)
        path = os.path.join(base, name)
        with open(path, "wb") as handle:
            handle.write(octets)
        os.utime(path, (mtime, mtime))

    def test_letters_and_keywords_and_dates(self):
        ticket = "0123456789abcdef" * 2
        self.deliver("", f"cur/1.M1P2Q3R{ticket}.mailhaul,S=1,W=1:2,DFPRSTab", mtime=-5)
        self.deliver("", "new/2.x.host")
        with open(os.path.join(self.scratch.name, "dovecot-keywords"), "w", encoding="utf-8") as handle:
            handle.write("0 Work\n2 Other\n")
        new, cur = readers.read_maildir(self.scratch.name)
        self.assertEqual(cur.flags, {"draft", "flagged", "answered", "seen", "deleted"})
        self.assertEqual((cur.keywords, cur.received, cur.ticket), ({"$Forwarded", "Work"}, -5, ticket))
        self.assertEqual((new.flags, new.keywords, new.received, new.folder), (set(), set(), 1000, ("INBOX",)))

    def test_maildirpp_and_nested_folders(self):
        for folder in ("", ".Sent", ".A.Entw&APw-rfe", "nested/inner", ".A&-B"):
            self.deliver(folder, "cur/1.a.b:2,S")
        self.assertEqual(sorted(r.folder for r in readers.read_maildir(self.scratch.name)),
                         [("A", "Entwürfe"), ("A&B",), ("INBOX",), ("Sent",), ("nested", "inner")])

    def test_links_and_directories_are_no_messages(self):
        self.deliver("", "cur/1.a.b:2,S")
        os.symlink("/etc/hostname", os.path.join(self.scratch.name, "cur", "2.a.b:2,S"))
        os.mkdir(os.path.join(self.scratch.name, "new", "3.a.b"))
        self.assertEqual(len(readers.read_maildir(self.scratch.name)), 1)

    def test_compare_tells_what_is_missing_extra_and_different(self):
        with tempfile.TemporaryDirectory() as other:
            for name in ("1.a.b:2,S", "2.a.b:2,", "3.a.b:2,F"):
                self.deliver("", "cur/" + name, b"Subject: " + name[:1].encode() + b"\n\nb\n")
            mine = readers.read_maildir(self.scratch.name)
            self.assertFalse(readers.differs(readers.compare(mine, mine)))
            altered = [mine[0]._replace(flags=set(), received=1), mine[2]._replace(keywords={"w"}), mine[2]]
            report = readers.compare(mine, altered)
            self.assertEqual([len(report[k]) for k in ("missing", "extra", "flags", "keywords", "dates")],
                             [1, 1, 1, 0, 1])
            self.assertEqual(report["folders"], {"INBOX": {"a": 3, "b": 3}})
            report = readers.compare(mine, [mine[0], mine[1], mine[2]._replace(keywords={"w"}, nid="other")])
            self.assertEqual((len(report["keywords"]), report["equivalent"], report["equal"]), (1, 1, 2))
            for sub in ("cur", "new", "tmp"):
                os.mkdir(os.path.join(other, sub))
            run = subprocess.run([sys.executable, os.path.join(READERS, "mailreaders.py"), "compare",
                                  "maildir:" + self.scratch.name, "maildir:" + other],
                                 stdout=subprocess.PIPE, check=False)
            self.assertEqual((run.returncode, len(json.loads(run.stdout)["missing"])), (1, 3))

    def test_serve_answers_place_by_place(self):
        self.deliver("", "cur/1.a.b:2,S")
        run = subprocess.run([sys.executable, os.path.join(READERS, "mailreaders.py"), "serve"], check=True,
                             input=f"maildir:{self.scratch.name}\nmbox:/nowhere\n".encode(), stdout=subprocess.PIPE)
        lines = run.stdout.decode().split("\n")
        fields = lines[0].split("\t")
        self.assertEqual((len(fields), fields[0], fields[4], fields[5], fields[7]),
                         (9, b"INBOX".hex(), "14", "seen", "1000"))
        self.assertEqual((lines[1], lines[2][:1]), (".", "!"))


if __name__ == "__main__":
    unittest.main()
