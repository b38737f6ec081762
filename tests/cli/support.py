"""What the tests of the built program share: a scratch folder, mail made on the spot, and a way to run it."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

BINARY = os.environ["MH_BINARY"]
EMAIL_DATE = "Mon, 01 Jan 2024 {:02}:{:02}:{:02} +0000"


def instrumented():
    """The program was built with a sanitizer, which needs memory and descriptors of its own."""
    # By another process: the memory of this one at a fork counts as the child's.
    return subprocess.run(["grep", "-q", "-e", "__asan_init", "-e", "__tsan_init", BINARY], check=False).returncode == 0


def message(number, size=200, folder="INBOX"):
    """A message that no other number or folder has. Ends with a line end."""
    seconds = number % 86400
    date = EMAIL_DATE.format(seconds // 3600, seconds // 60 % 60, seconds % 60)
    head = (f"From: sender{number}@example.org\nTo: reader@example.org\nSubject: message {number} of {folder}\n"
            f"Date: {date}\nMessage-ID: <{number}.{folder.encode().hex()}@example.org>\n\n")
    line = f"line of message {number}\n"
    return (head + line * max(1, size // len(line))).encode()


def write_mbox(path, messages):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        for octets in messages:
            file.write(b"From sender@example.org Mon Jan  1 00:00:00 2024\n")
            for line in octets.splitlines(keepends=True):
                file.write(b">" + line if line.lstrip(b">").startswith(b"From ") else line)
            file.write(b"\n")


def write_maildir(path, messages, flags="S"):
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    for number, octets in enumerate(messages):
        name = os.path.join(path, "cur", f"{1700000000 + number}.M{number}P1.host:2,{flags}")
        with open(name, "wb") as file:
            file.write(octets)
        os.utime(name, (1700000000 + number, 1700000000 + number))


def snapshot(root):
    """Everything about a tree that a run could change: names, kinds, modes, times, octets."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in [""] + folders + names:
            path = os.path.join(folder, name) if name else folder
            facts = os.lstat(path)
            octets = b""
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    octets = file.read()
            found[path] = (facts.st_mode, facts.st_uid, facts.st_size if octets else 0, facts.st_mtime_ns, octets)
    return found


class Done:
    """How a run ended."""

    def __init__(self, code, out, err):
        self.code, self.raw_out, self.raw_err = code, out, err
        self.out, self.err = out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")

    def json(self):
        lines = self.out.splitlines()
        assert len(lines) == 1, f"not exactly one line on stdout: {self.out!r}\n{self.err}"
        return json.loads(lines[0])


class CliTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="mailhaul-cli-")
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": self.path("home"), "XDG_STATE_HOME": self.path("state"),
                            "LANG": "C.UTF-8"}

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def start(self, *arguments, **options):
        settings = {"env": self.environment, "cwd": self.scratch, "stdin": subprocess.DEVNULL,
                    "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([BINARY, *arguments], **settings)

    def run_it(self, *arguments, timeout=120, **options):
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Done(process.returncode, out or b"", err or b"")

    def expect(self, code, *arguments, **options):
        done = self.run_it(*arguments, **options)
        self.assertEqual(done.code, code, f"{arguments}\n{done.out}\n{done.err}")
        return done

    def shell(self, script, **options):
        """Runs bash with the program as $MH."""
        settings = {"env": {**self.environment, "MH": BINARY}, "cwd": self.scratch, "stdin": subprocess.DEVNULL,
                    "capture_output": True, "timeout": 120, "check": False, **options}
        done = subprocess.run(["bash", "-c", script], **settings)
        return Done(done.returncode, done.stdout, done.stderr)

    def assert_balanced(self, report):
        parts = ("copied", "present", "duplicate", "filtered", "failed", "vanished", "pending", "unknown")
        self.assertEqual(report["listed"], sum(report[part] for part in parts), report)

    def assert_harmless(self, text):
        """No octet that a terminal would obey."""
        for octet in text:
            self.assertTrue(octet == 10 or 0x20 <= octet != 0x7F, text)
        for bad in ("\x9b", "\u202e", "\u2028", "\u200b"):
            self.assertNotIn(bad.encode(), text)

    def small_source(self, count=5):
        """A Maildir tree with `count` messages in INBOX and three in Work."""
        write_maildir(self.path("src"), [message(i) for i in range(count)])
        write_maildir(self.path("src", ".Work"), [message(i, folder="Work") for i in range(3)])
        return "maildir:" + self.path("src")
