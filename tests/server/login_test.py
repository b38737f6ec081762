"""Who is let in, and who is trusted: logins and TLS against a real Dovecot, and against servers that cheat before TLS."""

import ssl
import time

import accounts
import certificates
import liar
import sample_mail
import servers
from accounts import ServerTest

PASSWORD = "correct horse battery"


def context_of(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


class Login(ServerTest):
    """Against Dovecot."""

    SERVERS = {"maildir": {"master": ("boss", "master word")}}

    def setUp(self):
        super().setUp()
        self.account_ = self.account()
        self.dovecot = self.account_.server
        with self.account_.session() as session:
            session.ask(session.session.append("INBOX", None, None, b"Subject: x\r\n\r\ny\r\n"))
        self.target = "maildir:" + self.path("out")
        self.ca = ["--source-ca", self.authority.file]

    def password(self, text):
        return ["--source-password-command", "printf '%%s' '%s'" % text]

    def location(self, tls=True, **options):
        return self.dovecot.url(self.account_.user, tls, **options)

    def attempts(self):
        return self.dovecot.read_log().count("auth failed") + self.dovecot.read_log().count("Aborted login")

    def copy(self, code, location, *options):
        done = self.expect(code, "copy", "--json", *options, location, self.target)
        if code == 0:
            self.assertEqual(done.json()["copied"] + done.json()["present"], 1)
        return done

    def right(self):
        return self.password(self.dovecot.users[self.account_.user])

    def test_tls_and_starttls_work_with_the_ca(self):
        for tls in (True, False):
            for host in ("localhost", "127.0.0.1"):
                with self.subTest(host, tls=tls):
                    self.copy(0, self.location(tls, host=host), *self.ca, *self.right())

    def test_a_wrong_password_is_tried_twice_at_most(self):
        for verb, code, options in (("copy", 4, self.ca + self.password("wrong")), ("ls", 4, self.ca + self.password("wrong"))):
            before = self.dovecot.read_log().count("Aborted login")
            done = self.expect(code, verb, "--json", *options, self.location(), *([self.target] if verb == "copy" else []))
            self.assertIn("uthenticat", done.err + done.out)
            self.assertNotIn("wrong", done.err.replace("wrong password", ""))
            # Dovecot counts the attempts of a connection in one line.
            lines = [line for line in self.dovecot.read_log().splitlines() if "auth failed" in line]
            self.assertLessEqual(self.dovecot.read_log().count("Aborted login") - before, 2)
            self.assertTrue(all("auth failed, 3" not in line for line in lines))
        done = self.run_it("copy", "--json", "--target-ca", self.authority.file, "--target-password-command", "printf wrong",
                           "maildir:" + self.small(), self.location())
        self.assertEqual(done.code, 5, done.err)

    def small(self):
        sample_mail.fill_maildir(self.path("src"), 12)
        return self.path("src")

    def test_a_host_that_is_not_there(self):
        port = servers.free_ports(1)[0]
        start = time.monotonic()
        done = self.expect(4, "ls", *self.password("x"), "imaps://anna@localhost:%d/" % port)
        self.assertLess(time.monotonic() - start, 30)
        self.assertIn("localhost", done.err)
        self.expect(4, "ls", *self.password("x"), "imaps://anna@host.invalid/")

    def test_an_unknown_ca_is_refused(self):
        for tls in (True, False):
            done = self.copy(6, self.location(tls), *self.right())
            self.assertIn("certificate", done.err)
        other = certificates.Authority(self.path("other"))
        self.copy(6, self.location(), "--source-ca", other.file, *self.right())

    def test_a_fingerprint_replaces_the_ca(self):
        right = certificates.fingerprint(self.dovecot.certificate)
        for spelled in (right, right.replace(":", ""), right.lower()):
            self.copy(0, self.location(query="?fingerprint=" + spelled), *self.right())
        wrong = ("0" if right[0] != "0" else "1") + right[1:]
        self.copy(6, self.location(query="?fingerprint=" + wrong), *self.right())

    def test_plain_text_is_only_for_loopback_and_only_when_asked(self):
        self.copy(0, self.location(False, host="127.0.0.1", query="?tls=off"), *self.right())
        self.copy(6, self.location(False), *self.right())  # STARTTLS is tried, and the CA is not known

    def test_xoauth2_takes_the_token_of_the_password_command(self):
        user = self.account_.user
        good = self.location(query="?auth=xoauth2")
        self.copy(0, good, *self.ca, *self.password(servers.token(user)))
        done = self.copy(4, good, *self.ca, *self.password(servers.token(user, -600)))
        self.assertIn("token", done.err.lower())
        self.assertNotIn(servers.token(user)[:20], done.err)

    def test_a_master_user_acts_as_another(self):
        location = self.dovecot.url("boss", query="?authuser=" + self.account_.user)
        self.copy(0, location, *self.ca, *self.password("master word"))

    def test_probe_and_ls_know_the_account(self):
        done = self.expect(0, "probe", "--json", *self.ca, *self.right(), self.location())
        told = done.json()
        self.assertIn("UIDPLUS", told["capabilities"])
        self.assertIn("TLSv1", told["tls"])
        done = self.expect(0, "ls", "--json", *self.ca, *self.right(), self.location())
        folders = {folder["path"]: folder["messages"] for folder in done.json()["folders"]}
        self.assertEqual(folders, {"INBOX": 1})

    def test_a_trace_holds_no_secret(self):
        for query, secret in (("", self.dovecot.users[self.account_.user]), ("?auth=plain", self.dovecot.users[self.account_.user]),
                              ("?auth=login", self.dovecot.users[self.account_.user])):
            self.copy(0, self.location(query=query), *self.ca, *self.password(secret), "--trace", self.path("trace"))
            with open(self.path("trace"), encoding="utf-8", errors="replace") as file:
                text = file.read()
            self.assertIn("LIST", text)
            import base64
            for spelled in (secret, base64.b64encode(secret.encode()).decode(),
                            base64.b64encode(("\0%s\0%s" % (self.account_.user, secret)).encode()).decode()):
                self.assertNotIn(spelled, text)


class Cheats(ServerTest):
    """Against servers that want the password without deserving it."""

    SERVERS = {}

    def attempt(self, server, scheme="imap", query="", code=6, host="localhost", options=()):
        done = self.run_it("ls", "--timeout", "5s", "--source-ca", self.authority.file,
                           "--source-password-command", "printf '%s'" % PASSWORD, *options,
                           "%s://anna@%s:%d/%s" % (scheme, host, server.port, query))
        self.assertEqual(done.code, code, done.err)
        self.assertEqual(server.failures, [])
        self.assert_no_secret(server.transcript)
        return done

    def assert_no_secret(self, transcript):
        import base64
        self.assertNotIn(PASSWORD.encode(), transcript)
        self.assertNotIn(base64.b64encode(("\0anna\0" + PASSWORD).encode()), transcript)
        for word in (b"LOGIN", b"AUTHENTICATE"):
            self.assertNotIn(word, transcript.upper())

    def plain(self, **lies):
        return type("Plain", (liar.Honest,), {"capability": b"IMAP4rev1 STARTTLS AUTH=PLAIN", **lies})

    def test_starttls_refused_or_stripped(self):
        def refuse(self, command):
            self.reply(command, b"NO not today")

        def unknown(self, command):
            self.reply(command, b"BAD what?")

        for lies in ({"do_starttls": refuse}, {"do_starttls": unknown}, {"capability": b"IMAP4rev1 AUTH=PLAIN"},
                     {"greeting": b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] no TLS here\r\n", "do_starttls": refuse}):
            with self.subTest(lies), liar.Liar(lambda connection: self.plain(**lies)(connection, {})) as server:
                self.attempt(server)

    def test_words_injected_before_tls(self):
        pair = self.authority.issue()

        def inject(self, command):
            self.send(command.tag + b" OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
            self.connection.start_tls(context_of(pair))

        with liar.Liar(lambda connection: self.plain(do_starttls=inject)(connection, {})) as server:
            self.attempt(server)

    def test_logged_in_already_before_tls(self):
        with liar.Liar(lambda connection: self.plain(greeting=b"* PREAUTH welcome\r\n")(connection, {})) as server:
            self.attempt(server)

    def test_starttls_answered_by_a_bad_certificate(self):
        pair = self.authority.issue("DNS:other.example")

        def start(self, command):
            self.done(command)
            self.connection.start_tls(context_of(pair))

        with liar.Liar(lambda connection: self.plain(do_starttls=start)(connection, {})) as server:
            self.attempt(server)

    def test_bad_certificates(self):
        rows = {"of another host": self.authority.issue("DNS:other.example"),
                "with an address as a name": self.authority.issue("DNS:127.0.0.1"),
                "of a wildcard without a dot": self.authority.issue("DNS:*"),
                "expired": self.authority.issue(days=-1),
                "of another CA": certificates.Authority(self.path("other")).issue(),
                "signed by itself": self.self_signed()}
        for name, pair in rows.items():
            host = "127.0.0.1" if "address" in name else "localhost"
            with self.subTest(name), liar.Liar(lambda connection: liar.Honest(connection, {}), tls=context_of(pair)) as server:
                done = self.attempt(server, "imaps", host=host)
                self.assertIn("certificate", done.err)

    def self_signed(self):
        key, certificate = self.path("self.key"), self.path("self.crt")
        certificates.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
        return certificate, key

    def test_a_login_is_never_tried_in_a_loop(self):
        pair = self.authority.issue()
        logins = []

        def refuse(self, command):
            if command.name == "AUTHENTICATE" and len(command.tokens) < 2:
                self.send(b"+ \r\n")
                self.connection.line()
            logins.append(command.name)
            self.reply(command, b"NO [AUTHENTICATIONFAILED] no")

        liars = self.plain(capability=b"IMAP4rev1 AUTH=PLAIN AUTH=LOGIN", do_login=refuse, do_authenticate=refuse)
        with liar.Liar(lambda connection: liars(connection, {}), tls=context_of(pair)) as server:
            done = self.run_it("ls", "--source-ca", self.authority.file, "--source-password-command", "printf x",
                               "imaps://anna@localhost:%d/" % server.port)
        self.assertEqual(done.code, 4, done.err)
        self.assertLessEqual(len(logins), 2)


if __name__ == "__main__":
    accounts.main()
