"""The means of these tests must be right themselves: readers of accounts by known answers, and each against the other."""

import io
import unittest

import accountreaders
import accounts
import liar
import mailreaders
import proxy
from accounts import ServerTest


class KnownAnswers(unittest.TestCase):
    def test_instants(self):
        for text, expected in (("01-Jan-1970 00:00:00 +0000", 0), (" 1-Jan-1970 01:00:00 +0100", 0),
                               ("31-Dec-1969 23:59:59 +0000", -1), ("29-Feb-2020 12:00:00 -0730", 1583004600)):
            self.assertEqual(accountreaders.instant_of(text), expected, text)
        with self.assertRaises(mailreaders.ReadError):
            accountreaders.instant_of("01-Jan-1970")

    def test_paths(self):
        for name, separator, expected in (("INBOX", "/", ("INBOX",)), ("inbox.Sent", ".", ("INBOX", "Sent")), ("a.b", "/", ("a.b",)),
                                          ("Entw&APw-rfe/x", "/", ("Entwürfe", "x")), ("A&-B", None, ("A&B",)), ("&AGE", "/", ("&AGE",))):
            self.assertEqual(accountreaders.path_of(name, separator), expected, name)

    def test_flags(self):
        self.assertEqual(accountreaders.meta_of(["\\SEEN", "\\Recent", "$Forwarded", "\\Odd", "Work"]),
                         ({"seen"}, {"$Forwarded", "Work"}))

    def test_one_identity_of_the_whole_and_of_its_lines(self):
        for text in (b"A: b\n\nbody\n", b"Status: RO\n folded\nA: b\r\n\r\n\n\nbody\n\n\nno end", b"A: b\nX-UID: 3\n\nStatus: O\nx\n\n\n",
                     b" a\n\tb\n\nc \r\r\n.\n"):
            self.assertEqual(mailreaders.eid_of_lines(io.BytesIO(text)), mailreaders.eid(text), text)

    def test_lists_of_every_spelling(self):
        lines = [b'* LIST (\\HasNoChildren) "/" INBOX\r\n', b'* LIST () "/" "a \\"b\\" \\\\c"\r\n', b'* LIST () "\\\\" {3}\r\nx y\r\n',
                 b"* LIST (\\Noselect \\Sent) NIL top\r\n"]

        class Lister(liar.Honest):
            def do_list(self, command):
                self.send(b"".join(lines))
                self.done(command)

        with liar.Liar(lambda connection: Lister(connection, {})) as server, accountreaders.Account(server.port, "u", "p") as account:
            self.assertEqual([(folder.path, folder.separator) for folder in account.folders()],
                             [(("INBOX",), "/"), (('a "b" \\c',), "/"), (("x y",), "\\"), (("top",), None)])


class OnDovecot(ServerTest):
    SERVERS = {"maildir": {}, "sdbox": {"storage": "sdbox", "separator": "."}, "mdbox": {"storage": "mdbox"}}

    def test_two_readers_agree(self):
        texts = [b"Subject: 1\r\n\r\nbody\r\n", b"Subject: 2\r\n\r\nno end", b"Subject: 3\r\n\r\n\f\nmailbox-guid: x\nuid: 1\r\ntext:\r\n",
                 b"Subject: 4\r\n\r\n" + b"x" * 30_000 + b"\r\n", b"Subject: 5\r\n\r\n)\r\n* 1 FETCH (UID 9)\r\n"]
        for name in self.SERVERS:
            with self.subTest(name):
                account = self.account(name)
                with account.session() as session:
                    folder = "Entw&APw-rfe%sSub" % account.server.separator
                    session.ask(session.session.create(folder))
                    for number, text in enumerate(texts):
                        session.ask(session.session.append(folder, "(\\Seen Work)", '"01-Feb-2003 04:05:0%d +0100"' % number, text))
                one, other = account.records(), account.doveadm_records()
                self.assertEqual([record.nid for record in one], [mailreaders.nid(text) for text in texts])
                self.assertFalse(mailreaders.differs(mailreaders.compare(one, other)))
                self.assertEqual({(record.folder, tuple(record.flags), tuple(record.keywords)) for record in one},
                                 {(("Entwürfe", "Sub"), ("seen",), ("Work",))})
                self.assertEqual([record.received for record in other], [1044068700 + number for number in range(len(texts))])

    def test_the_proxy_does_what_it_is_told(self):
        account = self.account()
        faults = [proxy.Fault(), proxy.Fault(cut_to_client=40), proxy.Fault(refuse=True), proxy.Fault(late_after=1, late_seconds=0.3)]
        with proxy.Proxy(account.server.port, lambda number: faults[number - 1]) as between:
            whole = []
            for _ in faults:
                try:
                    with accountreaders.Account(between.port, account.user, account.server.users[account.user]):
                        whole.append(True)
                except Exception:  # imaplib has one for each way to lose a connection
                    whole.append(False)
            self.assertTrue(between.settle())
        self.assertEqual((whole, between.cuts), ([True, False, False, False], 3))
        self.assertTrue(0.3 <= between.latest < 1, between.latest)


if __name__ == "__main__":
    accounts.main()
