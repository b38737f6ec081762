"""Servers that lie about mail (bad-input rows 27 to 57): what is said, how the run ends, and that nothing is lost or
taken for something that it is not."""

import contextlib
import ssl
import time
import unittest

import accounts
import liar
import mailreaders
from accounts import ServerTest


def mail(number, extra=b""):
    return (b"Received: from a by b; Tue, 03 Jan 2006 10:00:00 +0100\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n"
            b"Message-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n" % (number, number)) + extra + b"body %d\r\n" % number


def boxes(count=5, **more):
    found = {b"INBOX": liar.Box([mail(number) for number in range(count)])}
    found.update({name.encode(): box for name, box in more.items()})
    return found


class Lies(ServerTest):
    SERVERS = {}

    @contextlib.contextmanager
    def lying(self, kind, there, tls=None, **lies):
        """A Liar of class `kind` with these methods instead; `first_only` lies on the first connection only."""
        first_only = lies.pop("first_only", False)
        liars = type("Lying", (kind,), lies)
        with liar.Liar(lambda c: (liar.Honest if first_only and c.number > 1 else liars)(c, there), tls=tls) as server:
            yield server
        self.assertEqual(server.failures, [])

    def location(self, server, scheme="imap"):
        return "%s://anna@%s:%d/%s" % (scheme, "localhost" if scheme == "imaps" else "127.0.0.1", server.port,
                                       "?tls=off" if scheme == "imap" else "")

    def copy_from(self, server, code, *options, scheme="imap"):
        done = self.run_it("copy", "--json", "--timeout", "5s", "--dedup", "none", "--source-ca", self.authority.file,
                           "--source-password-command", "printf x", *options, self.location(server, scheme), "maildir:" + self.path("out"))
        self.assertEqual(done.code, code, done.out[-1500:] + done.err[-1500:])
        return done

    def copy_to(self, server, code, *options, count=3):
        accounts.support.write_maildir(self.path("src"), [mail(number).replace(b"\r\n", b"\n") for number in range(count)])
        done = self.run_it("copy", "--json", "--timeout", "5s", *accounts.SETTLE, "--target-password-command", "printf x", *options,
                           "maildir:" + self.path("src"), self.location(server))
        self.assertEqual(done.code, code, done.out[-1500:] + done.err[-1500:])
        return done

    def assert_came(self, octets, folder=None):
        """Exactly these messages are at the target, whole."""
        after = mailreaders.read_place("maildir:" + self.path("out"))
        self.assertEqual(sorted(record.nid for record in after if folder is None or record.folder == folder),
                         sorted(mailreaders.nid(one) for one in octets))

    def whole(self, there, name=b"INBOX"):
        return [message.octets for message in there[name].messages]

    # Greetings ------------------------------------------------------------------------------------------------------

    def test_27_no_imap_at_all(self):
        rows = {"nothing": [], "garbage": [b"\x16\x03\x01\x00\xff\xfe\r\n"], "http": [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
                "smtp": [b"220 mail.example.org ESMTP\r\n"], "pop3": [b"+OK POP3 ready\r\n"], "endless": [b"x" * 300_000]}
        for name, lines in rows.items():
            with self.subTest(name), liar.Liar(liar.say(*lines)) as server:
                start = time.monotonic()
                done = self.run_it("ls", "--timeout", "2s", "--source-password-command", "printf x", self.location(server))
                self.assertEqual(done.code, 4, done.err)
                self.assertIn("IMAP" if name not in ("nothing", "endless") else "has not answered", done.err)
                self.assertIn(str(server.port), done.err)
                self.assertLess(time.monotonic() - start, 30)
                self.assertNotIn(b"LOGIN", server.transcript)
                self.assert_harmless(done.raw_err)

    def test_28_bye_as_greeting_and_in_a_fetch(self):
        there = boxes()

        def bye(self, command):
            if "BODY.PEEK[]" not in self.items_of(command):
                return liar.Honest.do_uid_fetch(self, command)
            line = self.fetch_line(1, self.box.messages[0], self.items_of(command))
            self.send(line + self.fetch_line(2, self.box.messages[1], self.items_of(command))[:-20])
            self.send(b"\r\n* BYE going down\r\n")
            return "end"

        with self.lying(liar.Honest, there, first_only=True, do_uid_fetch=bye) as server:
            self.copy_from(server, 0)
            self.assertGreaterEqual(server.connections, 2)
        self.assert_came(self.whole(there))
        with self.lying(liar.Honest, there, first_only=True, greeting=b"* BYE too busy\r\n", serve=lambda self: self.send(self.greeting)) as server:
            done = self.run_it("ls", "--source-password-command", "printf x", self.location(server))
            self.assertIn(done.code, (0, 4), done.err)

    def test_29_tls_that_ends_without_a_word_in_a_literal(self):
        there = boxes(3, Big=liar.Box([mail(9, b"x" * 200_000)]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue())

        def torn(self, command):
            if "BODY.PEEK[]" not in self.items_of(command):
                return liar.Honest.do_uid_fetch(self, command)
            message = self.box.messages[0]
            self.send(self.fetch_line(1, message, self.items_of(command))[:len(message.octets) // 2])
            # The transport ends, TLS does not: only so would a short message look like a whole one.
            with contextlib.suppress(OSError):
                plain = self.connection.socket
                import socket
                socket.socket(fileno=plain.detach()).close()
            return "end"

        with self.lying(liar.Honest, there, tls=context, first_only=True, do_uid_fetch=torn) as server:
            self.copy_from(server, 0, scheme="imaps")
            self.assertGreaterEqual(server.connections, 2)
        self.assert_came(self.whole(there) + self.whole(there, b"Big"))

    # FETCH ----------------------------------------------------------------------------------------------------------

    def leave_out(self, uid, there_still):
        def forgetful(self, command):
            bodies = "BODY.PEEK[]" in self.items_of(command)
            for message in self.chosen(command.tokens[0]):
                if not bodies or message.uid != uid:
                    self.send(self.fetch_line(self.box.messages.index(message) + 1, message, self.items_of(command)))
            self.done(command)

        def search(self, command):
            if there_still:
                return liar.Honest.do_uid_search(self, command)
            self.send(b"* SEARCH\r\n")
            return self.done(command)

        return {"do_uid_fetch": forgetful, "do_uid_search": search}

    def test_32_a_message_that_is_too_long_fails_alone(self):
        there = boxes(5)

        def listed(self, number, message, items):
            line = liar.Honest.fetch_line(self, number, message, items)
            return line.replace(b"RFC822.SIZE %d" % len(message.octets), b"RFC822.SIZE 4294967296") if message.uid == 3 else line

        with self.lying(liar.Honest, there, fetch_line=listed) as server:
            for copied in (4, 0):
                report = self.copy_from(server, 3).json()
                self.assertEqual((report["copied"], report["failed"]), (copied, 1))
                self.assertIn("4.0 GiB", report["failures"][0]["detail"])
            self.assertEqual(server.connections, 2, "a session of each run")
        self.assert_came([octets for octets in self.whole(there) if octets is not there[b"INBOX"].messages[2].octets])

    def test_32_a_message_that_is_too_long_and_was_not_told_to_be_fails_alone(self):
        there = boxes(5)

        def endless(self, command):
            if "BODY.PEEK[]" not in self.items_of(command):
                return liar.Honest.do_uid_fetch(self, command)
            for message in self.chosen(command.tokens[0]):
                line = self.fetch_line(message.uid, message, self.items_of(command))
                if message.uid == 3:
                    line = line.replace(b"BODY[] {%d}" % len(message.octets), b"BODY[] {4294967296}")
                self.send(line)
            return self.done(command)

        with self.lying(liar.Honest, there, do_uid_fetch=endless) as server:
            report = self.copy_from(server, 3).json()
            self.assertEqual((report["copied"], report["failed"]), (4, 1))
            self.assertIn("too large", report["failures"][0]["detail"])
            self.assertEqual(self.copy_from(server, 3).json()["failed"], 1)
        self.assert_came([octets for octets in self.whole(there) if octets is not there[b"INBOX"].messages[2].octets])

    def test_34_a_uid_missing_from_a_fetch(self):
        there = boxes()
        rest = self.whole(there)
        del rest[2]
        with self.lying(liar.Honest, there, **self.leave_out(3, there_still=True)) as server:
            report = self.copy_from(server, 3).json()
        self.assertEqual((report["copied"], report["failed"], report["vanished"]), (4, 1, 0), report)
        self.assertEqual(report["failures"][0]["key"], "3")
        self.assert_came(rest)
        accounts.shutil.rmtree(self.path("out"))
        accounts.shutil.rmtree(self.path("state"))
        with self.lying(liar.Honest, there, **self.leave_out(3, there_still=False)) as server:
            report = self.copy_from(server, 0).json()
        self.assertEqual((report["copied"], report["failed"], report["vanished"]), (4, 0, 1), report)
        self.assert_came(rest)

    def test_38_nul_in_a_quoted_string(self):
        there = boxes()

        def nul(self, name, box):
            return b'* LIST () "/" "IN\0BOX"\r\n'

        with self.lying(liar.Honest, there, list_line=nul) as server:
            self.copy_from(server, 4)

        def nul_in_a_date(self, number, message, items):
            return liar.Honest.fetch_line(self, number, message, items).replace(b'"01-Feb', b'"01\0Feb')

        with self.lying(liar.Honest, there, first_only=True, fetch_line=nul_in_a_date) as server:
            self.copy_from(server, 0)
            self.assertEqual(server.connections, 2)
        self.assert_came(self.whole(there))

    def test_41_uidnext_missing_low_or_going_back(self):
        def missing(self):
            return b""

        def low(self):
            return b"* OK [UIDNEXT 2] low\r\n"

        def back(self):
            self.box.told = getattr(self.box, "told", 100) - 30
            return b"* OK [UIDNEXT %d] back\r\n" % max(1, self.box.told)

        def status(self, command):
            self.send(b"* STATUS " + liar.quoted(command.tokens[0]) + b" (MESSAGES %d UIDVALIDITY 1234)\r\n"
                      % len(self.boxes[command.tokens[0]].messages))
            self.done(command)

        for number, lie in enumerate((missing, low, back)):
            there = boxes()
            with self.subTest(lie.__name__), self.lying(liar.Honest, there, uidnext_line=lie, do_status=status) as server:
                self.copy_from(server, 0)
                there[b"INBOX"].add(mail(100 + number))
                report = self.copy_from(server, 0).json()
                self.assertEqual(report["copied"], 1, "new mail was passed over")
                self.assert_came(self.whole(there))
            for name in ("out", "state"):
                accounts.shutil.rmtree(self.path(name))
            with self.subTest("to " + lie.__name__), self.lying(liar.Honest, {b"INBOX": liar.Box([mail(50)])}, uidnext_line=lie,
                                                               do_status=status) as server:
                self.copy_to(server, 0)
                self.assertEqual(self.copy_to(server, 0).json()["copied"], 0)
            accounts.shutil.rmtree(self.path("state"))

    def test_44_tags_that_are_not_ours(self):
        def unknown(self, command):
            self.send(b"XYZ123 OK done\r\n")
            return liar.Honest.done(self, command)

        def lower(self, command):
            self.reply(liar.Command(command.tag.swapcase(), command.name, [], b""), b"OK done")

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue())
        lies = {"unknown": {"do_namespace": unknown, "do_list": unknown, "do_examine": unknown},
                "lower": {"do_namespace": lower, "do_list": lower, "do_examine": lower}}
        for name, methods in lies.items():
            with self.subTest(name), self.lying(liar.Honest, boxes(), tls=context, **methods) as server:
                self.copy_from(server, 6, "--timeout", "2s", scheme="imaps")  # a hostile reply
            with self.subTest(name + " without TLS"), self.lying(liar.Honest, boxes(), **methods) as server:
                self.copy_from(server, 6, "--timeout", "2s")
            with self.subTest(name + " before TLS"), self.lying(liar.Honest, boxes(), do_starttls=unknown if name == "unknown" else lower) as server:
                done = self.run_it("ls", "--timeout", "2s", "--source-password-command", "printf x",
                                   self.location(server).replace("?tls=off", ""))
                self.assertEqual(done.code, 6, done.err)
                self.assertNotIn(b"LOGIN", server.transcript.upper())
        with self.subTest("before the command"), liar.Liar(liar.say(b"* OK ready\r\nA1 OK done\r\na1 OK done\r\n")) as server:
            self.copy_from(server, 6, "--timeout", "2s")

    # APPEND ---------------------------------------------------------------------------------------------------------

    def refusing(self, text, only=None):
        seen = []

        def refuse(self, command):
            if command.name == "APPEND":
                seen.append(command)
                if only is None or only in command.tokens[-1]:
                    return self.reply(command, b"NO [" + text + b"] no")
            return liar.Honest.do_append(self, command)
        return {"do_append": refuse}, seen

    def test_47_over_quota_ends_the_run(self):
        for word in (b"OVERQUOTA", b"LIMIT"):
            there = {b"INBOX": liar.Box()}
            lies, _ = self.refusing(word)
            with self.subTest(word), self.lying(liar.Honest, there, **lies) as server:
                done = self.copy_to(server, 10)
                self.assertEqual(done.json()["copied"], 0)
            accounts.shutil.rmtree(self.path("state"))
            with self.lying(liar.Honest, there) as server:
                self.assertEqual(self.copy_to(server, 0).json()["copied"], 3)

    def test_47_too_big_is_one_message(self):
        there = {b"INBOX": liar.Box()}
        lies, seen = self.refusing(b"TOOBIG", only=b"Subject: 1\r\n")
        with self.lying(liar.Honest, there, **lies) as server:
            report = self.copy_to(server, 3).json()
        self.assertEqual((report["copied"], report["failed"]), (2, 1))
        self.assertEqual(len(there[b"INBOX"].messages), 2)

    def test_47_unavailable_and_expired(self):
        def unavailable(self, command):
            self.reply(command, b"NO [UNAVAILABLE] come back later")

        with self.lying(liar.Honest, boxes(), first_only=True, do_login=unavailable, do_authenticate=unavailable) as server:
            done = self.run_it("copy", "--json", "--source-password-command", "printf x", self.location(server), "maildir:" + self.path("out"))
            self.assertIn(done.code, (0, 4), done.err)
            self.assertLessEqual(server.connections, 11)

        def expired(self, command):
            self.reply(command, b"NO [EXPIRED] change your password")

        with self.lying(liar.Honest, boxes(), do_login=expired, do_authenticate=expired) as server:
            done = self.run_it("ls", "--source-password-command", "printf x", self.location(server))
            self.assertEqual(done.code, 4, done.err)
            self.assertIn("change your password", done.err)
            self.assertLessEqual(server.connections, 2)

    def test_47_an_alert_is_shown(self):
        def alert(self, command):
            self.reply(command, b"OK [ALERT] The server moves \x1b[2Jon Sunday")

        with self.lying(liar.Honest, boxes(), do_login=alert, do_authenticate=alert) as server:
            done = self.copy_from(server, 0)
            self.assert_harmless(done.raw_err)
            self.assertIn("on Sunday", done.out + done.err)

    def test_50_a_server_that_forgets_what_it_confirmed(self):
        there = {b"INBOX": liar.Box()}
        appends = []

        def amnesia(self, command):
            appends.append(command)
            box = self.boxes[command.tokens[0]]
            box.next += 1
            self.reply(command, b"OK [APPENDUID %d %d] stored" % (box.validity, box.next - 1))

        with self.lying(liar.Honest, there, do_append=amnesia) as server:
            done = self.copy_to(server, 7)
        self.assertEqual(done.json()["copied"], 0)
        self.assertLessEqual(len(appends), 6)
        with self.lying(liar.Honest, there) as server:  # later the server is well: everything is brought
            self.copy_to(server, 0)
        self.assertEqual(len(there[b"INBOX"].messages), 3)

    # LIST -----------------------------------------------------------------------------------------------------------

    def test_53_names_that_are_no_mutf7(self):
        names = [b"&AGE", b"&-&", b"&2ADYAA-x", "Gr\u00fc\u00dfe".encode(), b"&zzzz", b"Gr\xfcn"]
        there = boxes(1)
        there.update({name: liar.Box([mail(10 + at)]) for at, name in enumerate(names)})
        with self.lying(liar.Honest, there) as server:
            done = self.copy_from(server, 0)
            for name in names:
                self.assertIn(b'EXAMINE "' + name if b'EXAMINE "' in server.transcript else name, server.transcript)
            self.assert_harmless(done.raw_err)
        self.assertEqual(done.json()["copied"], 1 + len(names))
        self.assert_came([message.octets for box in there.values() for message in box.messages])
        self.assertEqual(len({folder["target"] for folder in done.json()["folders"]}), 1 + len(names))

    def test_54_names_with_control_characters(self):
        for bad in (b"a\r\nx LOGOUT", b"nul\0here", b"line\nfeed"):
            there = boxes(2)

            def literal(self, name, box):
                if name == b"INBOX":
                    return liar.Honest.list_line(self, name, box) + b'* LIST () "/" {%d}\r\n' % len(bad) + bad + b"\r\n"
                return b""

            with self.subTest(bad), self.lying(liar.Honest, there, list_line=literal) as server:
                done = self.copy_from(server, 3)
                self.assertNotIn(bad, server.transcript)
                self.assertNotIn(b"x LOGOUT\r\n", server.transcript)
                self.assert_harmless(done.raw_err)
            self.assert_came(self.whole(there))
            for name in ("out", "state"):
                accounts.shutil.rmtree(self.path(name))

    # INTERNALDATE ---------------------------------------------------------------------------------------------------

    def test_57_dates_that_are_none(self):
        received = 1136278800  # of the Received field that mail() writes
        rows = [(None, received), ("30-Dec-1899 00:00:00 +0000", received), ("01-Jan-0000 00:00:00 +0000", received), ("31-Feb-2020 10:00:00 +0000", received),
                ("01-Jan-2020 00:00:00 +9999", received), ("00-Jan-0000 00:00:00 +0000", received), ("", received)]
        there = {b"INBOX": liar.Box()}
        for number, (date, _) in enumerate(rows):
            there[b"INBOX"].add(mail(number), date=date)
        without_dates = b"Subject: no dates\r\n\r\nat all\r\n"
        there[b"INBOX"].add(without_dates, date=None)
        only_date = b"Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nSubject: one\r\n\r\nx\r\n"
        there[b"INBOX"].add(only_date, date="nonsense")
        with self.lying(liar.Honest, there) as server:
            report = self.copy_from(server, 0).json()
        self.assertEqual(report["copied"], len(rows) + 2)
        dates = {record.nid: record.received for record in mailreaders.read_place("maildir:" + self.path("out"))}
        for number, (date, expected) in enumerate(rows):
            self.assertEqual(dates[mailreaders.nid(mail(number))], expected, date)
        self.assertEqual(dates[mailreaders.nid(without_dates)], 0)
        self.assertEqual(dates[mailreaders.nid(only_date)], 1136214245)


if __name__ == "__main__":
    accounts.main()
