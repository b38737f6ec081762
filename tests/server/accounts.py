"""What the tests on real servers share: accounts as locations with their options, runs of the built program, verdicts
by readers that share no code with it."""

import json
import os
import poplib
import shutil
import sys
import tempfile
import time
import unittest

import accountreaders
import certificates
import mailreaders
import servers
import support

SETTLE = ("--settle", "3s")  # as long as these tests' proxies can be late, and no longer
LATEST = 2.5                 # seconds: what "late" means in these tests


class Account:
    """One user of a listening Dovecot as the program enters it."""

    def __init__(self, server, user, tls=True, folder="", query="", port=None):
        self.server, self.user, self.tls, self.folder, self.query, self.port = server, user, tls, folder, query, port

    @property
    def location(self):
        text = self.server.url(self.user, self.tls, folder=self.folder, query=self.query)
        own = self.server.tls_port if self.tls else self.server.port
        return text.replace(":%d/" % own, ":%d/" % self.port) if self.port else text

    def options(self, side):
        return ["--%s-ca" % side, self.server.authority.file,
                "--%s-password-file" % side, self.server.password_file(self.user)]

    def records(self):
        """By imaplib, over TLS, and past every proxy."""
        with self.session() as account:
            return account.records()

    def doveadm_records(self):
        return accountreaders.read_doveadm(self.server.conf, self.user, self.server.separator)

    def session(self):
        return accountreaders.Account(self.server.tls_port, self.user, self.server.users[self.user],
                                      self.server.authority.file)

    def pop3(self, **options):
        """The same user's INBOX as its POP3 service gives it."""
        return Pop3(self.server, self.user, **options)


class Pop3(Account):
    """The POP3 mailbox of such a user. Its records by IMAP are those of the account; popped() has them as POP3 tells."""

    @property
    def location(self):
        text = self.server.pop3_url(self.user, self.tls, query=self.query)
        own = self.server.pop3_tls_port if self.tls else self.server.pop3_port
        return text.replace(":%d" % own, ":%d" % self.port) if self.port else text

    def login(self):
        """By poplib, in plain text and past every proxy."""
        poplib._MAXLINE = 50_000_000  # a reader of tests may take what the server has
        session = poplib.POP3("localhost", self.server.pop3_port)
        session.user(self.user)
        session.pass_(self.server.users[self.user])
        return session

    def names(self):
        """UIDL of every message, by number."""
        session = self.login()
        lines = session.uidl()[1]
        session.quit()
        return [line.split(b" ", 1)[1] for line in lines]

    def popped(self):
        """Records of what RETR gives. POP3 knows neither flags nor dates."""
        session = self.login()
        count = session.stat()[0]
        texts = [b"".join(line + b"\r\n" for line in session.retr(number + 1)[1]) for number in range(count)]
        session.quit()
        return [mailreaders.Record(("INBOX",), text, *mailreaders.identities(text), set(), set(), None, None, "RETR %d" % (number + 1))
                for number, text in enumerate(texts)]

    def fill(self, texts):
        """Puts messages into the mailbox as files, past every program under test. Only for servers with Maildirs."""
        assert self.server.storage == "maildir", self.server.storage
        root = os.path.join(self.server.mail_root(self.user), "maildir")
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(root, sub), exist_ok=True)
        start = len(os.listdir(os.path.join(root, "cur")))
        for number, text in enumerate(texts, start):
            with open(os.path.join(root, "cur", "%d.M%dP1Q%d.host:2,S" % (1_000_000_000 + number, number, number)), "wb") as file:
                file.write(text)
        servers.give_away(self.server.mail_root(self.user))
        return self


class ServerTest(support.CliTest):
    """Starts the class's servers once; each test has users of its own, so that no test needs another's order."""

    SERVERS = {"maildir": {}}  # name -> settings of servers.Dovecot

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="mailhaul-server-")
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.authority = certificates.Authority(os.path.join(cls.root, "ca"))
        cls.server = {}
        for name, settings in cls.SERVERS.items():
            users = {"user%d" % number: "pass word %d" % number for number in range(40)}
            one = servers.Dovecot(os.path.join(cls.root, name), cls.authority, users=users, **settings)
            cls.addClassCleanup(one.stop)
            cls.server[name] = one.start()
            one.unused = sorted(users)

    def account(self, server="maildir", **options):
        """An empty account that no other test has."""
        one = self.server[server]
        return Account(one, one.unused.pop(), **options)

    # Running --------------------------------------------------------------------------------------------------------

    def arguments(self, verb, source, target, *more):
        words = [verb]
        for side, place in (("source", source), ("target", target)):
            words += place.options(side) if isinstance(place, Account) else []
        return words + list(more) + [place if isinstance(place, str) else place.location
                                     for place in (source, target) if place is not None]

    def haul(self, verb, source, target, *more, code=0, timeout=600, state=None):
        """Runs a verb with --json and gives its report; `code`: the exit status there must be, or a tuple of them."""
        environment = dict(self.environment)
        if state:
            environment["XDG_STATE_HOME"] = self.path(state)
        done = self.run_it(*self.arguments(verb, source, target, "--json", *more), env=environment, timeout=timeout)
        codes = code if isinstance(code, tuple) else (code,)
        self.assertIn(done.code, codes, "%s\n%s\n%s" % (verb, done.out[-3000:], done.err[-3000:]))
        report = done.json()
        if verb == "copy":
            self.assert_balanced(report)
        return report

    # Judging --------------------------------------------------------------------------------------------------------

    def assert_same_mail(self, before, after, but=()):
        """Equal as multisets by folder and EID, with flags, keywords, dates; `but`: kinds of difference that are allowed."""
        difference = mailreaders.compare(before, after)
        for kind in ("missing", "extra", "flags", "keywords", "dates"):
            if kind not in but:
                self.assertEqual(difference[kind][:3], [], "%s: %d" % (kind, len(difference[kind])))
        return difference


def read(place):
    """The records of an Account or of a local place."""
    return place.records() if isinstance(place, Account) else mailreaders.read_place(place)


def folded(records):
    """Twins of a folder once: what the default of `--dedup` brings."""
    seen, kept = set(), []
    for record in records:
        if (record.folder, record.nid) not in seen:
            seen.add((record.folder, record.nid))
            kept.append(record)
    return kept


def commands(said, *verbs):
    """The POP3 commands in what a client said; only those of `verbs`, if there are any."""
    words = [line.split(b" ")[0].decode("latin-1").upper() for line in bytes(said).split(b"\r\n") if line]
    return [word for word in words if word in verbs] if verbs else words


def internal_date(seconds):
    day = time.gmtime(seconds)
    return "%02d-%s-%04d %02d:%02d:%02d +0000" % (day.tm_mday, mailreaders.MONTHS[day.tm_mon - 1], day.tm_year, *day[3:6])


def outcomes(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    """Every file of these tests ends here. Without a server there is nothing to test: 77 tells ctest so."""
    if not servers.dovecot_available():
        print("skipped: Dovecot (dovecot-imapd) or openssl is not installed")
        sys.exit(77)
    unittest.main()
