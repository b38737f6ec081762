"""--compress: what goes over the line is smaller, and what arrives is the same; servers that abuse it gain nothing."""

import os
import subprocess
import unittest
import zlib

import accounts
import liar
import mailreaders
import proxy
import sample_mail
import support
from accounts import ServerTest

ZLIB = "mail_plugins = $mail_plugins zlib\nprotocol imap {\n  mail_plugins = $mail_plugins imap_zlib\n}\n"
COUNT = 150
CEILING_MIB = 88  # 64 MiB budget + 24 MiB


class Compressed(ServerTest):
    SERVERS = {"maildir": {"extra": ZLIB}, "another": {"extra": ZLIB, "storage": "sdbox"}, "without": {}}

    def through(self, between, account, query=""):
        """The same account by way of a proxy."""
        return accounts.Account(account.server, account.user, tls=account.tls, port=between.port, query=query)

    def ports(self, account):
        return account.server.tls_port if account.tls else account.server.port

    def copied(self, source, target, *options):
        """Copies by way of proxies; the octets that went over each line, to and from the server."""
        with proxy.Proxy(self.ports(source)) as near, proxy.Proxy(self.ports(target)) as far:
            query = "" if source.tls else "?tls=off"
            self.haul("copy", self.through(near, source, query), self.through(far, target, query), "--dedup", "none", *options,
                      state="state of port %d" % far.port)
            return near.octets, far.octets

    def test_from_account_to_account_with_tls_and_without(self):
        sample_mail.fill_maildir(self.path("src"), COUNT)
        # Base64 of noise does not shrink below three quarters; text like this is what most mail is.
        for number in range(60):
            sample_mail.add_to_maildir(self.path("src"), support.message(number, size=20_000), name="%d.text" % number)
        before = mailreaders.read_place("maildir:" + self.path("src"))
        for tls in (True, False):
            with self.subTest(tls=tls):
                source = self.account("maildir", tls=tls)
                self.haul("copy", "maildir:" + self.path("src"), source, "--dedup", "none", state="fill %s" % tls)
                plain, packed = self.account("another", tls=tls), self.account("another", tls=tls)
                of_plain = self.copied(source, plain)
                of_packed = self.copied(source, packed, "--compress", "on")
                self.assert_same_mail(source.records(), packed.records())
                self.assert_same_mail(plain.records(), packed.records())
                self.assertEqual(len(packed.records()), len(before))
                print("tls %s: from the source %d, compressed %d; to the target %d, compressed %d"
                      % (tls, of_plain[0][1], of_packed[0][1], of_plain[1][0], of_packed[1][0]))
                self.assertLess(of_packed[0][1], of_plain[0][1] / 2)
                self.assertLess(of_packed[1][0], of_plain[1][0] / 2)
                checked = self.haul("verify", source, packed, "--dedup", "none", "--compress", "auto")
                self.assertEqual((checked["checked"], checked["missing"], checked["extra"]), (len(before), 0, 0))

    def test_the_trace_stays_readable(self):
        account = self.account()
        sample_mail.fill_maildir(self.path("src"), 24)
        self.haul("copy", "maildir:" + self.path("src"), account, "--compress", "auto", "--trace", self.path("trace"))
        with open(self.path("trace"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        start = next(i for i, line in enumerate(lines) if "compressed from here on" in line)
        self.assertTrue(any("COMPRESS DEFLATE" in line for line in lines[:start]))
        self.assertTrue(any("APPEND" in line and ">" in line for line in lines[start:]))
        self.assertTrue(any("APPENDUID" in line and "<" in line for line in lines[start:]))

    def test_a_server_that_cannot(self):
        account = self.account("without")
        source = "maildir:" + self.path("src")
        sample_mail.fill_maildir(self.path("src"), 12)
        report = self.haul("copy", source, account, "--compress", "on", code=15)
        self.assertIn("COMPRESS=DEFLATE", report["error"]["what"])
        self.assertEqual(len(account.records()), 0)
        self.assertEqual(self.haul("copy", source, account, "--compress", "auto", "--dedup", "none")["copied"], 12)


class Able(liar.Honest):
    capability = liar.Honest.capability + b" COMPRESS=DEFLATE"


def mail(number):
    return (b"Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n" % (number, number)
            + b"body %d\r\n" % number * 50)


class Liars(ServerTest):
    SERVERS = {}

    def copy_from(self, kind, code, first_only=False):
        """Copies from a server of this kind; gives what ran, and the number of connections."""
        there = {b"INBOX": liar.Box([mail(number) for number in range(5)])}
        with liar.Liar(lambda c: (Able if first_only and c.number > 1 else kind)(c, there)) as server:
            done = self.run_it("copy", "--json", "--timeout", "5s", "--dedup", "none", "--compress", "on", "--source-password-command",
                               "printf x", "imap://anna@127.0.0.1:%d/?tls=off" % server.port, "maildir:" + self.path("out"))
            self.assertEqual(done.code, code, done.out[-1500:] + done.err[-1500:])
            connections = server.connections
            self.assertIn(b"COMPRESS DEFLATE", server.transcript)
        self.assertEqual(server.failures, [])
        if code == 0:
            self.assertEqual(sorted(record.nid for record in mailreaders.read_place("maildir:" + self.path("out"))),
                             sorted(mailreaders.nid(message.octets) for message in there[b"INBOX"].messages))
        return done, connections

    def test_compressed_octets_in_one_piece_with_the_ok(self):
        class Hasty(Able):
            def do_compress(self, command):
                deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
                said = deflater.compress(b"* OK [ALERT] the disk is nearly full\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH)
                self.send(command.tag + b" OK compressing\r\n" + said)
                self.connection.start_compression()
                self.connection.deflater = deflater

        done, connections = self.copy_from(Hasty, 0)
        self.assertEqual(connections, 1)
        self.assertIn("the disk is nearly full", done.out)

    def test_a_corrupt_stream_is_a_lost_session(self):
        class Garbling(Able):
            def do_uid_fetch(self, command):
                if "BODY.PEEK[]" not in self.items_of(command):
                    return Able.do_uid_fetch(self, command)
                self.send(self.fetch_line(1, self.box.messages[0], self.items_of(command)))
                self.connection.send_as_it_is(b"\x07" * 100)
                self.connection.wait_for_the_end()
                return "end"

        _, connections = self.copy_from(Garbling, 0, first_only=True)
        self.assertEqual(connections, 2)

    def test_a_server_that_ends_its_stream_has_hung_up(self):
        class Ending(Able):
            def do_uid_fetch(self, command):
                if "BODY.PEEK[]" not in self.items_of(command):
                    return Able.do_uid_fetch(self, command)
                self.connection.send_as_it_is(self.connection.deflater.flush(zlib.Z_FINISH))
                self.connection.wait_for_the_end()
                return "end"

        _, connections = self.copy_from(Ending, 0, first_only=True)
        self.assertEqual(connections, 2)

    @unittest.skipIf(support.instrumented(), "sanitizers keep memory of their own")
    def test_a_bomb_takes_no_memory(self):
        class Bomb(Able):
            def do_uid_fetch(self, command):
                # 1 GiB in a line: a tenth of a percent of it goes over the line.
                self.send(b"* OK ")
                deflater = self.connection.deflater
                for _ in range(1024):
                    self.connection.send_as_it_is(deflater.compress(b"x" * (1 << 20)))
                self.connection.wait_for_the_end()
                return "end"

        there = {b"INBOX": liar.Box([mail(1)])}
        with liar.Liar(lambda c: Bomb(c, there)) as server:
            process = subprocess.Popen([support.BINARY, "copy", "--compress", "on", "--source-password-command", "printf x",
                                        "imap://anna@127.0.0.1:%d/?tls=off" % server.port, "maildir:" + self.path("out")],
                                       env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            told = process.stderr.read()
            process.stderr.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 6, told)
        self.assertLess(usage.ru_maxrss / 1024, CEILING_MIB)


if __name__ == "__main__":
    accounts.main()
