"""Courier's POP3 server on a pipe. Nothing of it needs to be set up or to listen, but its program must be there: installed,
or unpacked somewhere without its mail transport:

    apt-get download courier-pop courier-base courier-authlib libcourier-unicode4
    for file in *.deb; do dpkg -x $file DIR; done
    MH_COURIER=DIR python3 tests/server/pop3_courier_test.py"""

import os
import shlex
import shutil
import subprocess
import sys
import unittest
import urllib.parse

import corpora
import mailreaders
import sample_mail
import support

ROOT = os.environ.get("MH_COURIER", "")
PROGRAM = ROOT + "/usr/lib/courier/courier/courierpop3d"
LIBRARIES = "LD_LIBRARY_PATH=" + ":".join(shlex.quote(ROOT + name) for name in (
    "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")) if ROOT else ""


class Courier(support.CliTest):
    def setUp(self):
        super().setUp()
        self.target = "maildir:" + self.path("out")

    def location(self, before="", after=""):
        """The server logged in already; `before` and `after` stand around it in the shell."""
        command = "cd %s; %sAUTHENTICATED=test %s %s Maildir 2>>log%s" % (shlex.quote(self.scratch), before, LIBRARIES, shlex.quote(PROGRAM), after)
        return "pop3://test@localhost?tunnel=" + urllib.parse.quote(command, safe="")

    def fill(self, texts):
        support.write_maildir(self.path("Maildir"), texts)

    def copy(self, *options, code=0, location=None):
        done = self.expect(code, "copy", "--json", "--dedup", "none", *options, location or self.location(), self.target)
        self.assert_balanced(done.json())
        return done.json()

    def popped(self, count):
        """What the server gives, by a reader that shares no code: RETR of one after the other."""
        asked = b"".join(b"RETR %d\r\n" % number for number in range(1, count + 1))
        command = urllib.parse.unquote(self.location().split("=", 1)[1])
        told = subprocess.run(["sh", "-c", command], input=asked + b"QUIT\r\n", capture_output=True, check=True).stdout
        lines, texts = iter(told.split(b"\r\n")), []
        self.assertTrue(next(lines).startswith(b"+OK"))
        for _ in range(count):
            self.assertTrue(next(lines).startswith(b"+OK"))
            body = b"".join((line[1:] if line.startswith(b"..") else line) + b"\r\n" for line in iter(lambda: next(lines), b"."))
            texts.append(body)
        return texts

    def assert_came(self, texts):
        found = sorted(record.nid for record in mailreaders.read_place(self.target))
        self.assertEqual(len(found), len(texts))
        given = self.popped(len(texts))
        self.assertEqual(found, sorted(map(mailreaders.nid, given)))
        # Courier puts a CR before every LF, whatever stands there, and has no message without octets.
        lost = set(map(mailreaders.nid, texts)) - set(map(mailreaders.nid, given))
        odd = {mailreaders.nid(text) for text in texts if b"\r" in text or not text}
        self.assertEqual(lost - odd, set())
        return len(lost)

    def sample(self, count=200):
        return [sample_mail.message(number, sample_mail.BODIES[number % len(sample_mail.BODIES)][1]) for number in range(count)]

    def test_it_begins_logged_in_and_tells_its_abilities(self):
        self.fill(self.sample(5))
        told = self.expect(0, "probe", "--json", self.location()).json()
        self.assertEqual((told["login"], told["quirks"]), ("preauthenticated", []))
        self.assertIn("UIDL", told["capabilities"])
        told = self.expect(0, "ls", "--json", self.location()).json()
        self.assertEqual([(folder["path"], folder["messages"]) for folder in told["folders"]], [("INBOX", 5)])

    def test_mail_of_every_edge_comes_once(self):
        texts = self.sample()
        self.fill(texts)
        self.assertEqual(self.copy()["copied"], len(texts))
        self.assert_came(texts)
        report = self.copy()
        self.assertEqual((report["copied"], report["present"], report["notes"]), (0, len(texts), []))
        shutil.rmtree(self.path("state"))
        self.assertEqual(self.copy()["copied"], 0)
        checked = self.expect(0, "verify", "--json", "--dedup", "none", self.location(), self.target).json()
        self.assertEqual((checked["missing"], checked["different"], checked["extra"]), (0, 0, 0))

    def test_other_names_for_all_mail_double_nothing(self):
        texts = self.sample(30)
        self.fill(texts)
        self.copy()
        os.remove(self.path("Maildir", "courierpop3dsizelist"))  # where the names are: the next are others
        report = self.copy()
        self.assertEqual((report["copied"], report["present"]), (0, 30), report)
        self.assert_came(texts)

    def test_a_server_that_ends_in_the_middle_is_asked_again(self):
        texts = self.sample(60)
        self.fill(texts)
        with open(self.path("some.py"), "w", encoding="utf-8") as file:
            file.write("import os, sys\nleft = int(sys.argv[1])\nwhile octets := os.read(0, min(left, 65536)):\n"
                       "    os.write(1, octets)\n    left -= len(octets)\n")
        once = self.location(before="test -e once && n=100000000 || n=700000; touch once; ",
                             after=" | %s some.py $n" % shlex.quote(sys.executable))
        report = self.copy(location=once)
        self.assertEqual((report["copied"], report["failed"]), (60, 0))
        self.assertTrue(any("connection lost" in note["text"] for note in report["notes"]), report["notes"])
        self.assert_came(texts)

    @unittest.skipUnless(corpora.available(), "MH_CORPORA names no folder of real mail")
    def test_corpora(self):
        texts = list(corpora.messages())
        self.fill(texts)
        report = self.copy()
        self.assertEqual((report["listed"], report["copied"]), (len(texts), len(texts)), report["failures"][:3])
        print("%d messages, of which the server changes %d" % (len(texts), self.assert_came(texts)))


if __name__ == "__main__":
    if not os.access(PROGRAM, os.X_OK):
        print("skipped: Courier's %s is not installed (MH_COURIER)" % PROGRAM)
        sys.exit(77)
    unittest.main()
