"""Servers that want to be left alone for a while, in the midst of a run (bad-input rows 47, 48 and 61; quirks 2 and 13): they
are, nothing fails for it, and everything is there at the end."""

import collections
import contextlib
import re
import signal
import time

import accounts
import liar
import mailreaders
from accounts import ServerTest

OFFICE = b"Request is throttled. Suggested Backoff Time: %d milliseconds"


def mail(number, size=200):
    return (b"Received: from a by b; Tue, 03 Jan 2006 10:00:00 +0100\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n"
            b"Message-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n" % (number, number)) + b"line of %d\r\n" % number * (size // 12 + 1)


class Plain(liar.Honest):
    capability = b"IMAP4rev1 LITERAL+ UIDPLUS"


class Pausing(ServerTest):
    SERVERS = {}

    @contextlib.contextmanager
    def served(self, kind, there, answers, hangs_up=False):
        """`answers`: command -> [what it is answered instead, once each, or None], over all connections."""
        left = {name: collections.deque(texts) for name, texts in answers.items()}
        told = []

        def serve_command(self, command):
            text = left[command.name].popleft() if left.get(command.name) else None
            if text is None:
                return handlers[command.name](self, command)
            told.append((command.name, time.monotonic()))
            self.reply(command, text)
            self.box = liar.Box()  # for what was sent together with an EXAMINE
            return "end" if hangs_up else None

        handlers = {name: getattr(kind, "do_" + name.lower().replace(" ", "_")) for name in left}
        lies = {"do_" + name.lower().replace(" ", "_"): serve_command for name in left}
        liars = type("Throttling", (kind,), lies)
        with liar.Liar(lambda connection: liars(connection, there)) as server:
            server.told = told
            yield server
        self.assertEqual(server.failures, [])
        self.assertEqual([name for name, texts in left.items() if texts], [], "never asked for")

    def location(self, server, scheme="imap"):
        return "%s://anna@127.0.0.1:%d%s?tls=off" % (scheme, server.port, "/" if scheme == "imap" else "")

    def copy(self, source, target, *options, code=0):
        start = time.monotonic()
        done = self.run_it("copy", "--json", "--timeout", "20s", *accounts.SETTLE, "--source-password-command", "printf x",
                           "--target-password-command", "printf x", *options, source, target)
        self.assertEqual(done.code, code, done.out[-2000:] + done.err[-2000:])
        self.seconds = time.monotonic() - start
        report = done.json()
        self.assert_balanced(report)
        self.pauses = [int(seconds) for seconds in re.findall(r"(?:going on|trying again) in (\d+) s", done.err)]
        return report

    def assert_came(self, octets):
        after = mailreaders.read_place("maildir:" + self.path("out"))
        self.assertEqual(sorted(record.nid for record in after), sorted(mailreaders.nid(one) for one in octets))

    def source_of(self, count):
        texts = [mail(number) for number in range(count)]
        accounts.support.write_maildir(self.path("src"), [text.replace(b"\r\n", b"\n") for text in texts])
        return texts

    # From IMAP ------------------------------------------------------------------------------------------------------

    def test_office365_throttles_while_it_is_read(self):
        there = {b"INBOX": liar.Box([mail(number, 100_000) for number in range(60)])}
        for hangs_up in (False, True):
            accounts.shutil.rmtree(self.path("state"), ignore_errors=True)
            accounts.shutil.rmtree(self.path("out"), ignore_errors=True)
            # The listing, 4 MiB of messages, and the rest of them, which two sessions ask for in vain.
            answers = {"UID FETCH": [None, None, b"BAD " + OFFICE % 2500, b"BAD " + OFFICE % 1500]}
            with self.subTest(hangs_up=hangs_up), self.served(liar.Honest, there, answers, hangs_up) as server:
                report = self.copy(self.location(server), "maildir:" + self.path("out"))
                self.assertEqual((report["copied"], report["failed"], server.connections), (60, 0, 3))
                self.assertEqual(self.pauses, [3, 2])
                self.assertGreater(self.seconds, 4)
                self.assert_came([message.octets for message in there[b"INBOX"].messages])

    def test_whatever_a_source_is_asked_for_may_be_answered_so(self):
        for name in ("LIST", "STATUS", "EXAMINE", "UID FETCH"):
            there = {b"INBOX": liar.Box([mail(number) for number in range(5)]), b"Work": liar.Box([mail(9)])}
            accounts.shutil.rmtree(self.path("state"), ignore_errors=True)
            accounts.shutil.rmtree(self.path("out"), ignore_errors=True)
            # The first LIST is of the login.
            answers = {name: [None] * (name == "LIST") + [b"NO [LIMIT] Rate limit hit. Suggested Backoff Time: 1000 milliseconds"]}
            with self.subTest(name), self.served(liar.Honest, there, answers) as server:
                report = self.copy(self.location(server), "maildir:" + self.path("out"))
                self.assertEqual((report["copied"], report["failed"], server.connections), (6, 0, 2))
                self.assertEqual(self.pauses, [1])
                self.assert_came([message.octets for box in there.values() for message in box.messages])

    def test_a_login_is_tried_again_after_the_pause(self):
        there = {b"INBOX": liar.Box([mail(1)])}
        answers = {"LOGIN": [b"NO [UNAVAILABLE] " + OFFICE % 1200, b"NO [ALERT] " + OFFICE % 1000]}
        with self.served(Plain, there, answers) as server:
            report = self.copy(self.location(server), "maildir:" + self.path("out"))
            self.assertEqual(report["copied"], 1)
            self.assertEqual(self.pauses, [2, 1])
        self.assert_came([mail(1)])

    def test_a_cancelled_run_does_not_wait(self):
        there = {b"INBOX": liar.Box([mail(1)])}
        with self.served(liar.Honest, there, {"EXAMINE": [b"NO " + OFFICE % 600_000]}) as server:
            process = self.start("copy", "--json", "--source-password-command", "printf x", self.location(server),
                                 "maildir:" + self.path("out"))
            self.addCleanup(process.kill)
            seen = b""
            while b"going on in 600 s" not in seen:
                line = process.stderr.readline()
                self.assertTrue(line, seen)
                seen += line
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 12)
            self.assertLess(time.monotonic() - start, 3, "a second, and some for a busy machine")

    # To IMAP --------------------------------------------------------------------------------------------------------

    def test_throttled_while_it_is_written(self):
        for hangs_up in (False, True):
            for state in ("state", "src"):
                accounts.shutil.rmtree(self.path(state), ignore_errors=True)
            texts, there = self.source_of(60), {b"INBOX": liar.Box()}
            answers = {"APPEND": [None] * 20 + [b"NO [THROTTLED] " + OFFICE % 2000] + [None] * 10 + [b"NO [LIMIT] Rate limit hit. " + OFFICE % 1000]}
            with self.subTest(hangs_up=hangs_up), self.served(liar.Honest, there, answers, hangs_up) as server:
                report = self.copy("maildir:" + self.path("src"), self.location(server), "--connections", "1")
                self.assertEqual((report["copied"], report["failed"], report["unknown"]), (60, 0, 0))
                self.assertEqual(self.pauses, [2, 1])
            self.assertEqual(sorted(message.octets for message in there[b"INBOX"].messages), sorted(texts))

    def test_whatever_a_target_is_asked_for_may_be_answered_so(self):
        for name in ("LIST", "STATUS", "CREATE", "SELECT", "APPEND", "UID FETCH"):
            for state in ("state", "src"):
                accounts.shutil.rmtree(self.path(state), ignore_errors=True)
            texts, there = self.source_of(5), {b"INBOX": liar.Box()}
            answers = {name: [None] * (name == "LIST") + [b"NO [UNAVAILABLE] " + OFFICE % 1000]}
            with self.subTest(name), self.served(liar.Honest, there, answers) as server:
                report = self.copy("maildir:" + self.path("src"), self.location(server), "--map", "INBOX=New/Folder")
                self.assertEqual((report["copied"], report["failed"], report["unknown"]), (5, 0, 0))
                self.assertEqual(self.pauses, [1])
            self.assertEqual(sorted(message.octets for message in there[b"New/Folder"].messages), sorted(texts))

    def test_two_connections_are_throttled_and_nothing_doubles(self):
        texts = {}
        for number, folder in enumerate(("", ".Work", ".Home")):
            texts[folder] = [mail(100 * number + one) for one in range(40)]
            accounts.support.write_maildir(self.path("src", folder), [text.replace(b"\r\n", b"\n") for text in texts[folder]])
        there = {b"INBOX": liar.Box()}
        answers = {"APPEND": [None] * 30 + [b"NO " + OFFICE % 1000] * 3}
        with self.served(liar.Honest, there, answers) as server:
            report = self.copy("maildir:" + self.path("src"), self.location(server))
            self.assertEqual((report["copied"], report["failed"], report["unknown"]), (120, 0, 0))
            self.assertTrue(self.pauses)
        self.assertEqual(sorted(message.octets for box in there.values() for message in box.messages), sorted(sum(texts.values(), [])))

    def test_a_login_to_the_target_is_tried_again_after_the_pause(self):
        texts, there = self.source_of(5), {b"INBOX": liar.Box()}
        # The first is that of the session which looks, the others those of the one that writes.
        answers = {"LOGIN": [None, b"NO " + OFFICE % 1000, b"NO " + OFFICE % 2000, b"NO " + OFFICE % 3000]}
        with self.served(Plain, there, answers) as server:
            report = self.copy("maildir:" + self.path("src"), self.location(server), "--connections", "1")
            self.assertEqual((report["copied"], report["failed"]), (5, 0))
            self.assertEqual(self.pauses, [1, 2, 3])
        self.assertEqual(sorted(message.octets for message in there[b"INBOX"].messages), sorted(texts))

    # What is only one message's or folder's trouble -----------------------------------------------------------------

    def test_a_message_that_is_never_available_fails_alone_after_three_pauses(self):
        there = {b"INBOX": liar.Box([mail(number) for number in range(6)])}

        class Broken(liar.Honest):
            def do_uid_fetch(self, command):
                chosen = self.chosen(command.tokens[0])
                if "BODY.PEEK[]" not in self.items_of(command) or all(message.uid != 3 for message in chosen):
                    return liar.Honest.do_uid_fetch(self, command)
                return self.reply(command, b"NO [UNAVAILABLE] cannot read it")

        with liar.Liar(lambda connection: Broken(connection, there)) as server:
            report = self.copy(self.location(server), "maildir:" + self.path("out"), code=3)
            self.assertEqual((report["copied"], report["failed"], server.connections), (5, 1, 4))
            self.assertEqual(self.pauses, [10, 10, 10])
        self.assert_came([message.octets for message in there[b"INBOX"].messages if message.uid != 3])

    # From POP3 ------------------------------------------------------------------------------------------------------

    def test_pop3_is_throttled_while_it_is_read(self):
        box = liar.Pop3Box([mail(number) for number in range(30)])
        left = [9, 20]

        class Throttling(liar.HonestPop3):
            def do_retr(self, arguments):
                if left and int(arguments[0]) == left[0] and self.connection.number == 3 - len(left):
                    return self.send(b"-ERR " + (b"[SYS/TEMP] trouble" if left.pop(0) == 9 else OFFICE % 1500) + b"\r\n")
                return liar.HonestPop3.do_retr(self, arguments)

        with liar.Liar(lambda connection: Throttling(connection, box)) as server:
            report = self.copy(self.location(server, "pop3"), "maildir:" + self.path("out"))
            self.assertEqual((report["copied"], report["failed"], server.connections), (30, 0, 3))
            self.assertEqual(self.pauses, [10, 2])
        self.assertEqual(server.failures, [])
        self.assert_came(box.texts)


if __name__ == "__main__":
    accounts.main()
