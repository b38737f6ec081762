"""Who is let in by POP3, and who is trusted: logins and TLS against a real Dovecot, through pipes, and against servers that
cheat before TLS."""

import base64
import os
import shlex
import socket
import sys
import time
import urllib.parse

import accounts
import certificates
import liar
import login_test
import mailreaders
import servers
import support
from accounts import ServerTest, commands

PASSWORD = "correct horse battery"
LETTER = b"Subject: x\r\n\r\ny\r\n"
# socat in one line: two threads, a socket and a pipe.
PIPE = """
import os, socket, sys, threading
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while octets := os.read(0, 65536):
        sock.sendall(octets)
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while octets := sock.recv(65536):
    os.write(1, octets)
"""


def tunnel(command):
    return "?tunnel=" + urllib.parse.quote(command, safe="")


class Pop3Login(ServerTest):
    """Against Dovecot."""

    SERVERS = {"maildir": {"master": ("boss", "master word")}}

    def setUp(self):
        super().setUp()
        self.pop3 = self.account().pop3().fill([LETTER])
        self.dovecot = self.pop3.server
        self.target = "maildir:" + self.path("out")
        self.ca = ["--source-ca", self.authority.file]
        self.word = self.dovecot.users[self.pop3.user]

    def password(self, text):
        return ["--source-password-command", "printf '%%s' '%s'" % text]

    def right(self):
        return self.password(self.word)

    def location(self, tls=True, **options):
        return self.dovecot.pop3_url(self.pop3.user, tls, **options)

    def copy(self, code, location, *options):
        done = self.expect(code, "copy", "--json", *options, location, self.target)
        if code == 0:
            self.assertEqual(done.json()["copied"] + done.json()["present"], 1)
        return done

    def test_tls_and_stls_work_with_the_ca(self):
        for tls in (True, False):
            for host in ("localhost", "127.0.0.1"):
                with self.subTest(host, tls=tls):
                    self.copy(0, self.location(tls, host=host), *self.ca, *self.right())
        self.assertEqual(len(mailreaders.read_place(self.target)), 1)

    def test_a_wrong_password_is_tried_once_and_never_told(self):
        before = self.dovecot.read_log().count("auth failed")
        tries = 0
        for query in ("", "?auth=plain", "?auth=login"):
            for verb in ("copy", "verify", "ls", "probe"):
                with self.subTest(query, verb=verb):
                    tries += 1
                    places = [self.location(query=query)] + ([self.target] if verb in ("copy", "verify") else [])
                    done = self.expect(4, verb, "--json", *self.ca, *self.password("wr0ng"), *places)
                    self.assertIn("refused the login", done.err)
                    self.assertIn("hint", done.err)
                    self.assertNotIn("wr0ng", done.err + done.out)
        # Dovecot tells of a connection in one line, when that has ended.
        servers.wait_until(lambda: self.dovecot.read_log().count("auth failed") - before >= tries, 10, "the end of all logins")
        lines = [line for line in self.dovecot.read_log().splitlines() if "auth failed" in line]
        self.assertEqual(len(lines) - before, tries)
        self.assertEqual([line for line in lines if "auth failed, 1 attempts" not in line], [])
        self.assertFalse(os.path.exists(self.path("out", "cur")), "a run that did not get in made its target")

    def test_a_host_that_is_not_there(self):
        port = servers.free_ports(1)[0]
        for scheme in ("pop3", "pop3s"):
            start = time.monotonic()
            done = self.expect(4, "ls", *self.password("x"), "%s://anna@localhost:%d" % (scheme, port))
            self.assertLess(time.monotonic() - start, 30)
            self.assertIn("localhost", done.err)
            self.expect(4, "copy", *self.password("x"), "%s://anna@host.invalid" % scheme, self.target)

    def test_a_host_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for scheme, hint in (("pop3", "pop3s://"), ("pop3s", "")):
                start = time.monotonic()
                done = self.expect(4, "ls", "--timeout", "2s", *self.password("x"), "%s://anna@localhost:%d" % (scheme, listener.getsockname()[1]))
                self.assertLess(time.monotonic() - start, 15)
                self.assertIn(hint, done.err)

    def test_an_unknown_ca_is_refused(self):
        for tls in (True, False):
            done = self.copy(6, self.location(tls), *self.right())
            self.assertIn("certificate", done.err)
            other = certificates.Authority(self.path("other%d" % tls))
            self.copy(6, self.location(tls), "--source-ca", other.file, *self.right())

    def test_a_fingerprint_replaces_the_ca(self):
        right = certificates.fingerprint(self.dovecot.certificate)
        for tls in (True, False):
            self.copy(0, self.location(tls, query="?fingerprint=" + right), *self.right())
            wrong = ("0" if right[0] != "0" else "1") + right[1:]
            self.copy(6, self.location(tls, query="?fingerprint=" + wrong), *self.right())

    def test_plain_text_is_only_for_loopback_and_only_when_asked(self):
        self.copy(0, self.location(False, host="127.0.0.1", query="?tls=off"), *self.right())
        self.copy(6, self.location(False), *self.right())  # STLS is tried, and the CA is not known

    def test_each_mechanism_lets_in(self):
        for query, login in (("", "PLAIN"), ("?auth=plain", "PLAIN"), ("?auth=login", "LOGIN")):
            with self.subTest(query):
                self.copy(0, self.location(query=query), *self.ca, *self.right())
                told = self.expect(0, "probe", "--json", *self.ca, *self.right(), self.location(query=query)).json()
                self.assertEqual(told["login"], login)
        self.copy(4, self.location(query="?auth=cram-md5"), *self.ca, *self.right())

    def test_xoauth2_takes_the_token_of_the_password_command(self):
        user = self.pop3.user
        good = self.location(query="?auth=xoauth2")
        self.copy(0, good, *self.ca, *self.password(servers.token(user)))
        done = self.copy(4, good, *self.ca, *self.password(servers.token(user, -600)))
        self.assertIn("token", done.err.lower())
        self.assertNotIn(servers.token(user)[:20], done.err)

    def test_a_master_user_acts_as_another(self):
        location = self.dovecot.pop3_url("boss", query="?authuser=" + self.pop3.user)
        self.copy(0, location, *self.ca, *self.password("master word"))

    def test_probe_and_ls_know_the_mailbox(self):
        told = self.expect(0, "probe", "--json", *self.ca, *self.right(), self.location()).json()
        self.assertIn("UIDL", told["capabilities"])
        self.assertIn("TLSv1", told["tls"])
        told = self.expect(0, "ls", "--json", *self.ca, *self.right(), self.location()).json()
        self.assertEqual({folder["path"]: folder["messages"] for folder in told["folders"]}, {"INBOX": 1})

    def test_a_trace_holds_no_secret(self):
        for query in ("", "?auth=plain", "?auth=login"):
            self.copy(0, self.location(query=query), *self.ca, *self.right(), "--trace", self.path("trace"))
            with open(self.path("trace"), encoding="utf-8", errors="replace") as file:
                text = file.read()
            self.assertIn("UIDL", text)
            for spelled in (self.word, base64.b64encode(self.word.encode()).decode(),
                            base64.b64encode(("\0%s\0%s" % (self.pop3.user, self.word)).encode()).decode()):
                self.assertNotIn(spelled, text)
            self.assertNotIn("Subject: x", text)

    # What POP3 is not for -------------------------------------------------------------------------------------------

    def test_mail_cannot_be_written_to_pop3(self):
        support.write_maildir(self.path("src"), [LETTER])
        for location in (self.location(), self.location(False)):
            done = self.expect(15, "copy", "--target-ca", self.authority.file, "--target-password-command", "printf x",
                               "maildir:" + self.path("src"), location)
            self.assertIn("POP3 can only be read", done.err)
            self.assertIn("imaps://", done.err)

    def test_seen_is_for_pop3_alone(self):
        support.write_maildir(self.path("src"), [LETTER])
        done = self.expect(2, "copy", "--seen", "maildir:" + self.path("src"), self.target)
        self.assertIn("--seen", done.err)
        self.assertFalse(os.path.exists(self.path("out")), "nothing may be touched")
        done = self.expect(2, "copy", "--seen", *self.ca, *self.right(), self.dovecot.url(self.pop3.user), self.target)
        self.assertFalse(os.path.exists(self.path("out")), "nothing may be touched")

    def test_a_folder_of_a_pop3_mailbox_is_a_mistake(self):
        done = self.expect(2, "ls", *self.ca, *self.right(), self.location() + "/Sent")
        self.assertIn("--into", done.err)

    # Pipes ----------------------------------------------------------------------------------------------------------

    def piped(self, port):
        with open(self.path("pipe.py"), "w", encoding="utf-8") as file:
            file.write(PIPE)
        return "exec %s %s %d" % (shlex.quote(sys.executable), shlex.quote(self.path("pipe.py")), port)

    def test_a_pipe_to_a_server_is_logged_in_over(self):
        location = "pop3://%s@localhost%s" % (self.pop3.user, tunnel(self.piped(self.dovecot.pop3_port)))
        self.copy(0, location, *self.right())
        self.copy(4, location, *self.password("wrong"))

    def test_a_pipe_that_fails_is_told(self):
        for command in ("exit 1", "/no/such/program", "echo hello"):
            done = self.copy(4, "pop3://anna@localhost" + tunnel(command), *self.password("x"))
            self.assertIn("tunnel", done.err)

    def test_a_pipe_that_begins_logged_in_needs_no_password(self):
        pipe = servers.DovecotPipe(self.path("pipe"))
        os.makedirs(self.path("pipe", "home", "maildir", "cur"))
        with open(self.path("pipe", "home", "maildir", "cur", "1.M1P1.host:2,"), "wb") as file:
            file.write(LETTER)
        servers.give_away(self.path("pipe"))
        # Dovecot's own program begins without a greeting.
        location = "pop3://test@localhost" + tunnel("echo +OK; " + pipe.command().replace("exec imap", "exec pop3"))
        self.copy(0, location)
        told = self.expect(0, "probe", "--json", location).json()
        self.assertEqual(told["login"], "preauthenticated")


class Pop3Cheats(ServerTest):
    """Against servers that want the password without deserving it."""

    SERVERS = {}

    def attempt(self, server, scheme="pop3", code=6, host="localhost"):
        done = self.run_it("ls", "--timeout", "5s", "--source-ca", self.authority.file,
                           "--source-password-command", "printf '%s'" % PASSWORD, "%s://anna@%s:%d" % (scheme, host, server.port))
        self.assertEqual(done.code, code, done.err)
        self.assertEqual(server.failures, [])
        self.assertNotIn(PASSWORD.encode(), server.transcript)
        self.assertNotIn(base64.b64encode(("\0anna\0" + PASSWORD).encode()), server.transcript)
        self.assertTrue({"USER", "PASS", "AUTH", "APOP"}.isdisjoint(commands(server.transcript)), server.transcript)
        return done

    def lying(self, **lies):
        liars = type("Lying", (liar.HonestPop3,), lies)
        return liar.Liar(lambda connection: liars(connection, liar.Pop3Box([LETTER])))

    def test_stls_refused_or_not_known(self):
        rows = [{}, {"do_stls": lambda self, _: self.send(b"-ERR not today\r\n")}, {"capability": b"USER STLS", "do_stls": lambda self, _: self.send(b"-ERR\r\n")}]
        for lies in rows:
            with self.subTest(lies), self.lying(**lies) as server:
                done = self.attempt(server)
                self.assertIn("TLS", done.err)

    def test_words_injected_before_tls(self):
        pair = self.authority.issue()

        def inject(self, _):
            self.send(b"+OK go\r\n+OK logged in\r\n")
            self.connection.start_tls(login_test.context_of(pair))

        with self.lying(do_stls=inject) as server:
            self.attempt(server)

    def test_stls_answered_by_a_bad_certificate(self):
        pair = self.authority.issue("DNS:other.example")

        def start(self, _):
            self.ok()
            self.connection.start_tls(login_test.context_of(pair))

        with self.lying(do_stls=start) as server:
            done = self.attempt(server)
            self.assertIn("certificate", done.err)

    def test_bad_certificates(self):
        rows = {"of another host": self.authority.issue("DNS:other.example"), "expired": self.authority.issue(days=-1),
                "of another CA": certificates.Authority(self.path("other")).issue()}
        for name, pair in rows.items():
            script = lambda connection: liar.HonestPop3(connection, liar.Pop3Box([LETTER]))
            with self.subTest(name), liar.Liar(script, tls=login_test.context_of(pair)) as server:
                self.assertIn("certificate", self.attempt(server, "pop3s").err)

    def test_a_login_without_sasl_is_user_and_pass(self):
        context = login_test.context_of(self.authority.issue())
        script = lambda connection: liar.HonestPop3(connection, liar.Pop3Box([LETTER]))
        with liar.Liar(script, tls=context) as server:
            done = self.run_it("copy", "--json", "--source-ca", self.authority.file, "--source-password-command",
                               "printf '%s'" % PASSWORD, "pop3s://anna@localhost:%d" % server.port, "maildir:" + self.path("out"))
            self.assertEqual((done.code, done.json()["copied"]), (0, 1), done.err)
            self.assertIn(b"USER anna\r\nPASS " + PASSWORD.encode() + b"\r\n", server.transcript)

    def test_a_login_is_never_tried_in_a_loop(self):
        context = login_test.context_of(self.authority.issue())
        for capability in (b"USER UIDL", b"SASL", b""):
            logins = []

            class Refusing(liar.HonestPop3):
                def do_capa(self, _):
                    self.listing([b"UIDL", b"SASL PLAIN LOGIN"] if capability == b"SASL" else capability.split())

                def do_pass(self, _):
                    logins.append("PASS")
                    self.send(b"-ERR [AUTH] no, not with %s\r\n" % PASSWORD.encode())

                def do_auth(self, arguments):
                    if len(arguments) < 2:
                        self.send(b"+ \r\n")
                        self.connection.line()
                    logins.append("AUTH")
                    self.send(b"-ERR [AUTH] no, not with %s\r\n" % base64.b64encode(("\0anna\0" + PASSWORD).encode()))

            with self.subTest(capability), liar.Liar(lambda c: Refusing(c, liar.Pop3Box([LETTER])), tls=context) as server:
                done = self.run_it("copy", "--source-ca", self.authority.file, "--source-password-command", "printf '%s'" % PASSWORD,
                                   "pop3s://anna@localhost:%d" % server.port, "maildir:" + self.path("out"))
                self.assertEqual((done.code, len(logins)), (4, 1), done.err)
                self.assertNotIn(PASSWORD, done.err)
                self.assertNotIn(base64.b64encode(("\0anna\0" + PASSWORD).encode()).decode(), done.err)


if __name__ == "__main__":
    accounts.main()
