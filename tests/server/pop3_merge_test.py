"""POP3 mail that meets what is there already by another way, names that change, and servers that lie: nothing is lost,
nothing comes twice, and the report says why it had to read more than it should."""

import contextlib
import os
import shutil
import time

import accounts
import liar
import mailreaders
import proxy
import servers
from accounts import ServerTest, commands, outcomes

DKIM = (b"Delivered-To: anna@new.example\r\nReceived: by new.example with SMTP id 7; Fri, 05 Jan 2024 12:00:00 +0000\r\n"
        b"X-Forwarded-To: anna@new.example\r\nDKIM-Signature: v=1; a=rsa-sha256; d=old.example; s=s;\r\n\tbh=abc=; b=def=\r\n")


def mail(number, size=200):
    head = (b"Received: from a by b; Tue, 03 Jan 2006 10:00:%02d +0100\r\nFrom: a@example.org\r\nTo: anna@old.example\r\n"
            b"Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n" % (number % 60, number, number))
    return head + b"line of %d\r\n" % number * (size // 14 + 1)


class Pop3Merge(ServerTest):
    """Both of them Dovecots."""

    SERVERS = {"source": {}, "target": {"storage": "sdbox"}}

    def source(self, texts):
        return self.account("source").pop3().fill(texts)

    def holding(self, texts):
        """An account that has these in its INBOX, by imaplib."""
        account = self.account("target")
        with account.session() as session:
            for text in texts:
                session.ask(session.session.append("INBOX", "(\\Seen)", '"05-Jan-2024 12:00:00 +0000"', text))
        return account

    def texts_of(self, account):
        return sorted(record.octets for record in accounts.read(account))

    def test_mail_that_is_there_already_is_present(self):
        texts = [mail(number) for number in range(30)]
        source, account = self.source(texts), self.holding(texts[:12])
        before = [record.where for record in account.records()]
        report = self.haul("copy", source, account)
        self.assertEqual((report["copied"], report["present"]), (18, 12))
        self.assertEqual(self.texts_of(account), sorted(texts))
        self.assertEqual([record.where for record in account.records()][:12], before)
        self.haul("verify", source, account, "--content-only")
        self.assertEqual(self.haul("copy", source, account)["copied"], 0)

    def test_forwarded_copies_are_twins_under_dedup_mail(self):
        texts = [mail(number) for number in range(30)]
        forwarded = [DKIM + text for text in texts[:12]]
        source, account = self.source(texts), self.holding(forwarded)
        report = self.haul("copy", source, account, "--dedup", "mail", "--outcomes", self.path("lines"))
        self.assertEqual((report["copied"], report["duplicate"] + report["present"]), (18, 12), report)
        self.assertEqual(self.texts_of(account), sorted(texts[12:] + forwarded))
        named = [line for line in outcomes(self.path("lines")) if line["outcome"] == "duplicate"]
        self.assertEqual(len(named), 12, "a letter that came by another way is a duplicate, and not the same octets")
        uid_of = {record.octets: record.where.split()[-1] for record in account.records()}
        twin_of = {mailreaders.nid(text): uid_of[DKIM + text] for text in texts[:12]}
        self.assertEqual({line["nid"]: line["twin"] for line in named}, twin_of)
        checked = self.haul("verify", source, account, "--dedup", "mail", "--content-only")
        self.assertEqual((checked["missing"], checked["different"]), (0, 0))
        self.assertEqual(self.haul("copy", source, account, "--dedup", "mail")["copied"], 0)

    def test_forwarded_copies_are_other_mail_under_dedup_exact(self):
        texts = [mail(number) for number in range(30)]
        forwarded = [DKIM + text for text in texts[:12]]
        source, account = self.source(texts), self.holding(forwarded)
        report = self.haul("copy", source, account, "--dedup", "exact")
        self.assertEqual((report["copied"], report["duplicate"] + report["present"]), (30, 0))
        self.assertEqual(self.texts_of(account), sorted(texts + forwarded))

    def test_what_a_looser_rule_left_out_is_brought_under_a_stricter_one(self):
        texts = [mail(number) for number in range(8)]
        source, account = self.source(texts), self.holding([DKIM + text for text in texts[:5]])
        self.haul("copy", source, account, "--dedup", "mail")
        report = self.haul("copy", source, account, "--dedup", "exact")
        self.assertEqual((report["copied"], report["present"]), (5, 3))
        self.assertEqual(self.haul("copy", source, account, "--dedup", "exact")["copied"], 0)

    # Names that change ----------------------------------------------------------------------------------------------

    def renumbered(self, source):
        """The server loses its index: the same mail, with other names."""
        before = set(source.names())
        root = os.path.join(source.server.mail_root(source.user), "maildir")

        def changed():
            source.server.doveadm("kick", source.user, check=False)
            for name in os.listdir(root):
                if name.startswith("dovecot"):
                    os.remove(os.path.join(root, name))
            return not before & set(source.names())
        servers.wait_until(changed, 10, "another UIDVALIDITY")

    def test_new_names_for_all_mail_double_nothing_and_are_told(self):
        texts = [mail(number) for number in range(30)]
        for name in ("account", "maildir"):
            with self.subTest(name):
                source = self.source(texts)
                target = self.account("target") if name == "account" else "maildir:" + self.path("out")
                self.haul("copy", source, target)
                self.renumbered(source)
                report = self.haul("copy", source, target)
                self.assertEqual((report["copied"], report["present"] + report["duplicate"]), (0, 30), report)
                told = [note["text"] for note in report["notes"] if note["weight"] == "warning"]
                self.assertTrue(any("old name" in text and "30 messages" in text for text in told), report["notes"])
                self.assertEqual(self.texts_of(target) if name == "account" else len(accounts.read(target)),
                                 sorted(texts) if name == "account" else 30)
                report = self.haul("copy", source, target)
                self.assertEqual((report["copied"], report["notes"]), (0, []))

    def test_new_names_and_new_mail_bring_the_new_mail(self):
        texts = [mail(number) for number in range(30)]
        source = self.source(texts)
        target = "maildir:" + self.path("out")
        self.haul("copy", source, target)
        source.fill([mail(number) for number in range(30, 34)])
        self.renumbered(source)
        report = self.haul("copy", source, target)
        self.assertEqual((report["copied"], report["listed"]), (4, 34))
        self.assertEqual(len(accounts.read(target)), 34)


class Pop3Lies(ServerTest):
    """A server of our own, which is honest but for one thing."""

    SERVERS = {"target": {"storage": "sdbox"}}

    @contextlib.contextmanager
    def lying(self, box, connections=None, **lies):
        """A POP3 server with these methods instead; `connections`: on the first so many connections only."""
        liars = type("Lying", (liar.HonestPop3,), lies)
        script = lambda c: (liar.HonestPop3 if connections is not None and c.number > connections else liars)(c, box)
        with liar.Liar(script) as server:
            yield server
        self.assertEqual(server.failures, [])

    def location(self, server):
        return "pop3://anna@127.0.0.1:%d?tls=off" % server.port

    def copy(self, server, code=0, *options, target=None):
        done = self.run_it("copy", "--json", "--timeout", "10s", "--source-password-command", "printf x", *options,
                           self.location(server), target or "maildir:" + self.path("out"))
        self.assertIn(done.code, code if isinstance(code, tuple) else (code,), done.out[-2000:] + done.err[-2000:])
        report = done.json()
        self.assert_balanced(report)
        return report

    def box(self, count=40, size=200, **options):
        return liar.Pop3Box([mail(number, size) for number in range(count)], **options)

    def assert_came(self, box, but=()):
        """All of it, once."""
        after = mailreaders.read_place("maildir:" + self.path("out"))
        self.assertEqual(sorted(record.nid for record in after),
                         sorted(mailreaders.nid(text) for number, text in enumerate(box.texts, 1) if number not in but))

    def notes(self, report, weight="warning"):
        return [note["text"] for note in report["notes"] if note["weight"] == weight]

    # Names ----------------------------------------------------------------------------------------------------------

    def without_uidl(self):
        return {"do_uidl": lambda self, _: self.send(b"-ERR no such command\r\n"), "capability": b"USER PIPELINING"}

    def test_a_server_without_uidl_is_read_whole_each_time_and_nothing_doubles(self):
        box = self.box()
        box.texts += [box.texts[3], box.texts[4]]  # twins
        with self.lying(box, **self.without_uidl()) as server:
            for how, there in (("exact", 40), ("none", 42)):
                shutil.rmtree(self.path("state"), ignore_errors=True)
                shutil.rmtree(self.path("out"), ignore_errors=True)
                for copied in (there, 0, 0):
                    del box.delivered[:]
                    report = self.copy(server, 0, "--dedup", how)
                    self.assertEqual((report["copied"], report["listed"]), (copied, 42), report)
                    self.assertEqual(sorted(box.delivered), list(range(1, 43)))
                    self.assertTrue(any("no UIDL" in text for text in self.notes(report)), report["notes"])
                    self.assertEqual(len(mailreaders.read_place("maildir:" + self.path("out"))), there)
                shutil.rmtree(self.path("state"))
                self.assertEqual(self.copy(server, 0, "--dedup", how)["copied"], 0)

    def test_shared_names_hide_no_message(self):
        # Five of one name, three without any, and a pair of one name that sizes tell apart.
        names = ["same"] * 5 + [None] * 3 + ["pair", "pair"] + ["own%d" % number for number in range(30)]
        box = self.box(names=names)
        box.texts[8] = mail(8, 5000)
        with self.lying(box) as server:
            for copied in (40, 0, 0):
                del box.delivered[:]
                report = self.copy(server)
                self.assertEqual((report["copied"], report["listed"]), (copied, 40), report)
                self.assertTrue(any("no name of their own" in text for text in self.notes(report)), report["notes"])
                self.assertEqual(len(box.delivered), 40 if copied else 8, "those with a name of their own are not read again")
        self.assert_came(box)

    def test_a_name_that_comes_back_for_another_message_is_another_message(self):
        box = self.box(10)
        with self.lying(box) as server:
            self.copy(server)
            box.texts[4] = mail(400, 3000)
            report = self.copy(server)
            self.assertEqual(report["copied"], 1)
        after = {record.nid for record in mailreaders.read_place("maildir:" + self.path("out"))}
        self.assertEqual((len(after), mailreaders.nid(box.texts[4]) in after), (11, True))

    def test_odd_names_are_names(self):
        names = ["%", "%%", "%20", "a b", "ü\x7f", "x" * 70, "x" * 2000, "x" * 1999 + "y", "%session-0:1", ":", "a:1", "."]
        box = self.box(len(names), names=names)
        with self.lying(box) as server:
            self.assertEqual(self.copy(server)["copied"], len(names))
            del box.delivered[:]
            report = self.copy(server)
            self.assertEqual((report["copied"], box.delivered, report["notes"]), (0, [], []))
        self.assert_came(box)

    # Connections that end -------------------------------------------------------------------------------------------

    def test_a_server_that_hangs_up_on_capa_is_read_all_the_same(self):
        box = self.box()
        with self.lying(box, do_capa=lambda self, _: "end") as server:
            report = self.copy(server)
            self.assertEqual(report["copied"], 40)
            self.assertTrue(any("hangs up" in note["text"] for note in report["notes"]), report["notes"])
            self.assertEqual(self.copy(server)["copied"], 0)
        self.assert_came(box)

    def test_a_server_that_does_not_know_capa_is_read_one_by_one(self):
        box = self.box()
        most = []

        def retr(self, arguments):
            time.sleep(0.002)  # whoever does not wait for the answer has sent more by now
            most.append(self.connection.buffer.count(b"RETR"))
            liar.HonestPop3.do_retr(self, arguments)

        with self.lying(box, do_capa=lambda self, _: self.send(b"-ERR what?\r\n"), do_retr=retr) as server:
            self.assertEqual(self.copy(server)["copied"], 40)
        self.assertEqual(max(most), 0, "commands were sent before the answers, and nobody had allowed it")
        self.assert_came(box)

    def test_a_server_that_stumbles_over_what_leaves_together_is_read_one_by_one(self):
        def forgetting(only, hangs_up, dropped):
            """Answers the first command of each packet, and forgets the others or hangs up."""
            def serve(self):
                self.send(self.greeting)
                while True:
                    words = self.connection.line().decode("latin-1").split(" ")
                    more, self.connection.buffer = self.connection.buffer, self.connection.buffer if only and words[0] != only else b""
                    if getattr(self, "do_" + words[0].lower())(words[1:]) == "end":
                        return
                    if more and not self.connection.buffer:
                        dropped.append(self.connection.number)
                        if hangs_up:
                            return
            return serve

        for only in (None, "RETR"):
            for hangs_up in (True, False):
                with self.subTest(only=only, hangs_up=hangs_up):
                    shutil.rmtree(self.path("state"), ignore_errors=True)
                    shutil.rmtree(self.path("out"), ignore_errors=True)
                    box, dropped = self.box(40), []
                    with self.lying(box, serve=forgetting(only, hangs_up, dropped)) as server:
                        report = self.copy(server)
                        self.assertEqual((report["copied"], report["failed"], server.connections, dropped), (40, 0, 2, [1]))
                        told = [note["text"] for note in report["notes"] if "one command at a time" in note["text"]]
                        self.assertEqual(len(told), 1, report["notes"])
                    self.assert_came(box)

    def dropping(self, after, cut=None):
        """Hangs up after so many messages of a connection; `cut`: in the middle of the next one."""
        def retr(self, arguments):
            if self.given == after:
                if cut:
                    number = int(arguments[0])
                    self.send((b"+OK\r\n" + self.stuffed(self.box.texts[number - 1]))[:cut])
                return "end"
            return liar.HonestPop3.do_retr(self, arguments)
        return retr

    def test_a_dropped_connection_is_made_again_and_nothing_is_fetched_twice(self):
        for name, cut in (("between messages", None), ("in a status line", 3), ("in a message", 150), ("before the end of a message", 5 + 330)):
            with self.subTest(name):
                shutil.rmtree(self.path("state"), ignore_errors=True)
                shutil.rmtree(self.path("out"), ignore_errors=True)
                box = self.box(40)
                with self.lying(box, connections=2, do_retr=self.dropping(13, cut)) as server:
                    report = self.copy(server)
                    self.assertEqual((report["copied"], report["exit"], server.connections), (40, 0, 3))
                    self.assertEqual(sorted(box.delivered), list(range(1, 41)), "delivered once each")
                    self.assertTrue(any("connection lost" in note["text"] for note in report["notes"]), report["notes"])
                self.assert_came(box)

    def test_a_connection_that_is_always_dropped_gets_everything_in_the_end(self):
        box = self.box(40)
        with self.lying(box, do_retr=self.dropping(11, 200)) as server:
            report = self.copy(server)
            self.assertEqual((report["copied"], len(box.delivered)), (40, 40))
        self.assert_came(box)

    def test_without_lasting_names_a_dropped_connection_ends_the_run_and_the_next_completes(self):
        box = self.box(40)
        with self.lying(box, connections=1, do_retr=self.dropping(13, 100), **self.without_uidl()) as server:
            report = self.copy(server, 4)
            self.assertEqual((report["copied"], report["pending"]), (13, 27), report)
            self.assertIn("no lasting names", report["error"]["what"])
            self.assertIn("again", report["error"]["hint"])
        with self.lying(box, **self.without_uidl()) as server:
            report = self.copy(server)
            self.assertEqual((report["copied"], report["present"]), (27, 13))
        self.assert_came(box)

    def test_a_message_that_kills_the_connection_fails_alone(self):
        box = self.box(12)

        def retr(self, arguments):
            return "end" if arguments[0] == "5" else liar.HonestPop3.do_retr(self, arguments)

        with self.lying(box, do_retr=retr) as server:
            report = self.copy(server, 3)
            self.assertEqual((report["copied"], report["failed"]), (11, 1))
            self.assertIn("at this message", report["failures"][0]["detail"])
            self.assertEqual(sorted(box.delivered), [1, 2, 3, 4] + list(range(6, 13)))
        self.assert_came(box, but={5})
        with self.lying(box) as server:
            self.assertEqual(self.copy(server)["copied"], 1)
        self.assert_came(box)

    def test_a_message_that_is_too_long_fails_alone(self):
        box = self.box(12)
        with self.lying(box, size=lambda self, number: 2 ** 32 if number == 5 else len(self.box.texts[number - 1])) as server:
            for copied in (11, 0):
                report = self.copy(server, 3)
                self.assertEqual((report["copied"], report["failed"]), (copied, 1))
                self.assertIn("4.0 GiB", report["failures"][0]["detail"])
            self.assertEqual(server.connections, 2, "a session of each run")
        self.assert_came(box, but={5})

    def test_a_refused_message_fails_alone_and_is_asked_for_again_by_the_next_run(self):
        box = self.box(12)

        def retr(self, arguments):
            if arguments[0] == "5":
                return self.send(b"-ERR [SYS/PERM] cannot open\r\n")
            return liar.HonestPop3.do_retr(self, arguments)

        with self.lying(box, do_retr=retr) as server:
            report = self.copy(server, 3)
            self.assertEqual((report["copied"], report["failed"]), (11, 1))
            self.assertIn("cannot open", report["failures"][0]["detail"])
        with self.lying(box) as server:
            self.assertEqual(self.copy(server)["copied"], 1)
        self.assert_came(box)

    # Logins ---------------------------------------------------------------------------------------------------------

    def test_a_mailbox_in_use_is_waited_for(self):
        box = self.box(5)
        tries = []

        def locked(self, _):
            tries.append(time.monotonic())
            if len(tries) <= 2:
                return self.send(b"-ERR [IN-USE] another session has it\r\n")
            return self.ok()

        with self.lying(box, do_pass=locked) as server:
            report = self.copy(server)
            self.assertEqual((report["copied"], server.connections), (5, 3))
            self.assertTrue(any("another session" in text for text in self.notes(report)), report["notes"])
        self.assertGreater(min(b - a for a, b in zip(tries, tries[1:])), 5)
        self.assert_came(box)

    def test_a_server_that_wants_a_pause_each_time_is_given_up(self):
        box = self.box(5)
        lies = {"do_capa": lambda self, _: self.listing([b"USER", b"UIDL", b"LOGIN-DELAY 1", b"RESP-CODES"]),
                "do_pass": lambda self, _: self.send(b"-ERR [LOGIN-DELAY] too soon\r\n")}
        with self.lying(box, **lies) as server:
            start = time.monotonic()
            report = self.copy(server, 4)
            self.assertTrue(2 < time.monotonic() - start < 30)
            self.assertIn("too soon", report["error"]["what"])
            self.assertLessEqual(server.connections, 6)

    # Sizes and time -------------------------------------------------------------------------------------------------

    def test_wrong_sizes_lose_nothing(self):
        rows = {"octets with LF": (lambda self, number: len(self.box.texts[number - 1].replace(b"\r\n", b"\n")), 0, 0),
                "nothing but 1": (lambda self, number: 1, 0, 70),
                "rounded": (lambda self, number: -(-len(self.box.texts[number - 1]) // 1024) * 1024, 0, 70),
                "octets with the dots": (lambda self, number: len(self.stuffed(self.box.texts[number - 1])) + 3, 0, 70),
                "more than there can be": (lambda self, number: 2 ** 63, 0, 70),
                # Shorter than listed may be cut off: each is read twice, and the run says so.
                "too large": (lambda self, number: 900_000, 3, 150 + 64)}
        for name, (size, code, again) in rows.items():
            with self.subTest(name):
                shutil.rmtree(self.path("state"), ignore_errors=True)
                shutil.rmtree(self.path("out"), ignore_errors=True)
                box = self.box(150)
                box.texts[3] = mail(3) + b".\r\n..\r\n.x\r\n"
                with self.lying(box, size=size) as server:
                    report = self.copy(server, code)
                    self.assertEqual((report["copied"], report["failed"]), (150, 0))
                    self.assertIn(len(box.delivered) - 150, range(again + 1))
                    self.assertEqual(any("cut off" in text for text in self.notes(report, "doubtful")), code == 3)
                    del box.delivered[:]
                    self.assertEqual((self.copy(server)["copied"], box.delivered), (0, []))
                self.assert_came(box)

    def test_a_dot_that_the_server_forgot_to_stuff_loses_nothing_in_silence(self):
        box = self.box(12)
        box.texts[4] = mail(4) + b"before\r\n.\r\nbehind\r\n"
        with self.lying(box, stuffed=lambda self, text: text) as server:
            report = self.copy(server, (3, 4))
            self.assertEqual((report["copied"], report["failed"] + report["pending"]), (11, 1), report)
        self.assert_came(box, but={5})
        with self.lying(box) as server:
            self.assertEqual(self.copy(server)["copied"], 1)
        self.assert_came(box)

    def test_listings_that_disagree_are_told(self):
        box = self.box(20)

        def less(self, _):
            self.listing(b"%d %d" % (number, self.size(number)) for number in range(1, 18))

        with self.lying(box, do_list=less, do_uidl=lambda self, _: self.listing(b"%d n%05d" % (n, n - 1) for n in range(1, 18))) as server:
            report = self.copy(server, 3)
            self.assertEqual((report["copied"], report["failed"]), (17, 0))
            self.assertTrue(any("counts 20" in text and "lists 17" in text for text in self.notes(report, "doubtful")), report["notes"])
        self.assert_came(box, but={18, 19, 20})

    def test_a_slow_server_is_only_slow(self):
        box = self.box(20)

        def slow(self, arguments):
            number = int(arguments[0])
            octets = b"+OK\r\n" + self.stuffed(self.box.texts[number - 1]) + b".\r\n"
            for at in range(0, len(octets), 40):
                self.send(octets[at:at + 40])
                time.sleep(0.002)
            self.box.delivered.append(number)

        with self.lying(box, do_retr=slow) as server:
            self.assertEqual(self.copy(server)["copied"], 20)
        self.assert_came(box)

    def test_a_dribbling_connection_is_only_slow(self):
        box = self.box(20)
        with self.lying(box) as server, proxy.Proxy(server.port, lambda number: proxy.Fault(dribble=True)) as between:
            self.assertEqual(self.copy(between)["copied"], 20)
        self.assert_came(box)

    def test_a_server_that_falls_silent_is_left_after_the_timeout(self):
        box = self.box(20)

        def silent(self, arguments):
            if self.given == 7:
                self.connection.wait_for_the_end()
                return "end"
            return liar.HonestPop3.do_retr(self, arguments)

        with self.lying(box, connections=1, do_retr=silent) as server:
            report = self.copy(server, 0, "--timeout", "2s")
            self.assertEqual((report["copied"], server.connections), (20, 2))
            self.assertEqual(sorted(box.delivered), list(range(1, 21)))
            self.assertTrue(any("has not answered for 2 s" in note["text"] for note in report["notes"]), report["notes"])
        self.assert_came(box)

    def test_no_server_is_ever_told_to_delete(self):
        box = self.box(10)
        with self.lying(box) as server:
            self.copy(server)
            self.copy(server)
            self.run_it("verify", "--source-password-command", "printf x", self.location(server), "maildir:" + self.path("out"))
        self.assertTrue({"DELE", "RSET"}.isdisjoint(commands(server.transcript)))
        self.assertEqual(commands(server.transcript).count("QUIT"), server.connections)


if __name__ == "__main__":
    accounts.main()
