"""The guide "From POP3 to IMAP" in both languages, and its sample: each command that they show is run on real servers.

Blocks of a page, by the words behind their ```:
    shell server [exit=N]   run by bash, word by word; only the hosts are the test's, and the name of the account
    shell file=PATH         written to PATH in the home folder
    text printed            what the block before it prints on standard output; `…` as in docs_test.py
    crontab                 a line whose command is run
    ini                     a unit file whose ExecStart is run
Each section (## …) has accounts, a home folder and a ledger of its own.
"""

import os
import re
import shlex
import subprocess

import accountreaders
import accounts
import docs_test
from accounts import ServerTest

SOURCE = os.environ["MH_SOURCE_DIR"]
PAGES = ("docs/user/pop3-to-imap.md", "docs/user/de/von-pop3-zu-imap.md")
INBOX = os.path.join(SOURCE, "samples/mail/Inbox")
PROFILE = ".thunderbird/a1b2c3d4.default/Mail/pop.old.example"
WORD = "open-sesame"  # the password of every account
# Every name is let in, those of `recent:` too.
ANYBODY = {"extra": "passdb {\n  driver = static\n  args = password=%s\n}\nauth_username_chars =\n" % WORD}


def sections(page):
    """[(heading, [(words behind ```, text), …]), …] of those that have blocks."""
    with open(os.path.join(SOURCE, page), encoding="utf-8") as file:
        parts = re.split(r"^## ", file.read(), flags=re.MULTILINE)
    found = [(part.split("\n", 1)[0],
              [(block["kind"].split(), block["text"]) for block in docs_test.BLOCK.finditer(part)]) for part in parts]
    return [section for section in found if section[1]]


def letters():
    """The messages of the sample's INBOX."""
    with open(INBOX, "rb") as file:
        parts = re.split(rb"^From .*\n", file.read(), flags=re.MULTILINE)[1:]
    return [part[:-1] for part in parts]  # an mbox ends each with an empty line


def fetched_by_thunderbird(letter):
    """As it stands in a profile's mbox: what Thunderbird adds, and the flag "read"."""
    return (b"From - Thu Mar  7 08:55:00 2024\nX-Account-Key: account1\nX-UIDL: 000000016b0567d8\n"
            b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys:" + 81 * b" " + b"\n" +
            letter + b"\n")


class Guide(ServerTest):
    """One section after the other."""

    SERVERS = {"old": ANYBODY, "new": ANYBODY}
    count = 0

    def setUp(self):
        super().setUp()
        self.tools = self.path("tools")
        os.mkdir(self.tools)
        os.symlink(docs_test.BINARY, os.path.join(self.tools, "mailhaul"))

    # A section's world ----------------------------------------------------------------------------------------------

    def begin(self):
        Guide.count += 1
        self.user = "guide%d" % Guide.count
        self.home = self.path(self.user)
        self.work = os.path.join(self.home, "work")
        os.makedirs(os.path.join(self.home, ".local/bin"))
        os.makedirs(self.work)
        os.symlink(docs_test.BINARY, os.path.join(self.home, ".local/bin/mailhaul"))
        self.environment = {"PATH": self.tools + ":/usr/bin:/bin", "HOME": self.home, "LANG": "C.UTF-8",
                            "XDG_STATE_HOME": os.path.join(self.home, "state"), "SSL_CERT_FILE": self.authority.file,
                            "MAILHAUL_SOURCE_PASSWORD": WORD, "MAILHAUL_TARGET_PASSWORD": WORD}

    def session(self, name, user):
        return accountreaders.Account(self.server[name].tls_port, user, WORD, self.authority.file)

    def plant_old(self, user):
        """The POP3 mailbox holds the sample's INBOX, and that it does once."""
        with self.session("old", user) as account:
            if account.records():
                return
        target = "imaps://%s@localhost:%d" % (user.replace(":", "%3A"), self.server["old"].tls_port)
        subprocess.run([docs_test.BINARY, "copy", "-q", "--dedup", "none", "mbox:" + INBOX, target], check=True,
                       env={**self.environment, "XDG_STATE_HOME": os.path.join(self.home, "filled")}, timeout=60)

    def plant_new(self, messages):
        with self.session("new", self.user) as account:
            for octets in messages:
                octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                account.ask(account.session.append("INBOX", None, None, octets))

    def plant_old_pc(self):
        """A Thunderbird profile and a Maildir with mail of the POP3 account and mail of their own."""
        mail = letters()
        own = [b"Message-ID: <sent.1@example.org>\nDate: Thu, 7 Mar 2024 09:55:00 +0100\nFrom: anna@example.org\n"
               b"To: bert@example.org\nSubject: sent\n\nsent\n",
               b"Message-ID: <old.1@example.org>\nDate: Thu, 7 Mar 2024 09:55:00 +0100\nSubject: old\n\nold\n"]
        profile = os.path.join(self.home, PROFILE)
        os.makedirs(os.path.join(profile, "Inbox.sbd"))
        for name, messages in (("Inbox", [mail[1], mail[4], mail[5]]), ("Inbox.sbd/Family", [mail[0], own[1]]),
                               ("Sent", own[:1]), ("Trash", [])):
            with open(os.path.join(profile, name), "wb") as file:
                file.write(b"".join(fetched_by_thunderbird(message) for message in messages))
        for name, text in (("Inbox.msf", '// <!-- <mdb:mork:z v="1.4"/> -->\n'),
                           ("popstate.dat", "# POP3 State File\n"),
                           ("msgFilterRules.dat", 'version="9"\nlogging="no"\n'),
                           ("filterlog.html", "<!DOCTYPE html>\n")):
            with open(os.path.join(profile, name), "w", encoding="ascii") as file:
                file.write(text)
        accounts.support.write_maildir(os.path.join(self.home, "Maildir"), [accounts.support.message(1)])

    def plant_all(self, blocks):
        text = "".join(block for _, block in blocks)
        self.plant_old("recent:anna@gmail.com" if "recent" in text else self.user)
        if "--outcomes" in text:
            mail = letters()
            forwarded = (b"Return-Path: <anna@pop.old.example>\nReceived: from pop.old.example by imap.new.example;\n"
                         b" Mon, 1 Apr 2024 10:00:00 +0000\n")
            self.plant_new([mail[0], forwarded + mail[3]])
        self.plant_old_pc()
        os.makedirs(os.path.join(self.work, "Mail/cur"))
        for name in ("new", "tmp"):
            os.mkdir(os.path.join(self.work, "Mail", name))

    def there(self, text):
        """The page's places are the test's."""
        old, new = self.server["old"].pop3_tls_port, self.server["new"].tls_port
        for page, test in (("anna@pop.old.example", "%s@localhost:%d" % (self.user, old)),
                           ("anna@imap.new.example", "%s@localhost:%d" % (self.user, new)),
                           ("@pop.gmail.com", "@localhost:%d" % old)):
            text = text.replace(page, test)
        return text

    # Running --------------------------------------------------------------------------------------------------------

    def run_shell(self, script, code=0, shell=("bash", "-e", "-o", "pipefail", "-c")):
        environment = self.environment
        if "-password-file" in script or ".config" in script:
            environment = {name: value for name, value in environment.items() if not name.endswith("_PASSWORD")}
        done = subprocess.run([*shell, self.there(script)], cwd=self.work, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=120, check=False)
        output, errors = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, "%s\n%s\n%s" % (script, output, errors))
        return output

    def fill_secrets(self):
        for name in ("pop.secret", "imap.secret"):
            path = os.path.join(self.home, ".config/mailhaul", name)
            if os.path.exists(path):
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
                with open(path, "w", encoding="ascii") as file:
                    file.write(WORD + "\n")

    def assert_all_is_there(self):
        with self.session("new", self.user) as account:
            self.assertEqual(len(account.records()), len(letters()) - 1)  # one is a twin

    def run_unattended(self, command):
        """Quiet, and all is brought; the run after it has nothing to do. Gives how many commands were run."""
        for _ in range(2):
            self.assertEqual(self.run_shell("{ %s; } 2>&1" % command, shell=("sh", "-c")), "")
        self.assert_all_is_there()
        return 2

    def run_block(self, words, text, printed):
        """Gives how many commands were run, and what they printed."""
        if words[:2] == ["shell", "server"]:
            code = next((int(word[5:]) for word in words if word.startswith("exit=")), 0)
            printed = self.run_shell(text, code)
            self.fill_secrets()
            return 1, printed
        if words[:2] == ["text", "printed"]:
            wanted = self.there(text)
            if re.fullmatch(docs_test.pattern(wanted), printed) is None:
                self.assertEqual(printed, wanted)
        elif words[0] == "shell" and words[1].startswith("file="):
            with open(os.path.join(self.home, words[1][5:]), "w", encoding="ascii") as file:
                file.write(self.there(text))
        elif words == ["crontab"]:
            return self.run_unattended(text.split(None, 5)[5].rstrip("\n")), ""
        elif words == ["ini"]:
            found = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.MULTILINE)
            if found:
                command = found[1].replace("\\\n", " ").replace("%h", shlex.quote(self.home))
                return self.run_unattended(command), ""
        else:
            self.fail("a block of no known kind: %s" % words)
        return 0, printed

    def run_page(self, page):
        count = 0
        for heading, blocks in sections(page):
            self.begin()
            self.plant_all(blocks)
            printed = ""
            with self.subTest(page=page, section=heading):
                for words, text in blocks:
                    ran, printed = self.run_block(words, text, printed)
                    count += ran
        return count

    def test_the_guide(self):
        self.assertGreaterEqual(self.run_page(PAGES[0]), 16)

    def test_the_guide_in_german(self):
        self.assertGreaterEqual(self.run_page(PAGES[1]), 16)

    def test_both_pages_show_the_same_commands(self):
        english, german = ([block for _, blocks in sections(page) for block in blocks] for page in PAGES)
        self.assertEqual(german, english)

    def run_sample(self, path, **variables):
        environment = {**self.environment, "MAILHAUL": docs_test.BINARY, "PATH": path, **variables}
        return subprocess.run(["/bin/bash", os.path.join(SOURCE, "samples/pop3-to-imap/run.sh")], env=environment,
                              cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              check=False)

    def test_the_sample_ends_well(self):
        os.chmod(self.scratch, 0o711)  # its servers give up root
        done = self.run_sample("/usr/bin:/bin", TMPDIR=self.scratch)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for line in ("complete: 10 messages copied", "proved: the target holds all 11 messages",
                     "complete: the target had everything already"):
            self.assertIn(line, done.stdout)
        self.assertEqual(sorted(os.listdir(self.scratch)), ["tools"], "it leaves nothing behind")

    def test_the_sample_says_what_it_lacks(self):
        done = self.run_sample(self.path("nothing"))
        self.assertEqual(done.returncode, 77, done.stdout + done.stderr)
        self.assertIn("dovecot-pop3d", done.stderr)


if __name__ == "__main__":
    if not os.path.exists("/usr/lib/dovecot/pop3"):
        print("skipped: Dovecot's POP3 server (dovecot-pop3d) is not installed")
        raise SystemExit(77)
    accounts.main()
