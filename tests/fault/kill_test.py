"""SIGKILL at random moments and, by strace injection, at every changing system call of a small run; each resumed at once.

Afterwards, by readers that share no code with mailhaul: every message once, and one more run changes nothing."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import mailreaders

BINARY = os.environ["MH_BINARY"]
RANDOM_KILLS = int(os.environ.get("MH_RANDOM_KILLS", "30"))  # a long run: MH_RANDOM_KILLS=1000
CALLS = ["write", "pwrite64", "fsync", "fdatasync", "syncfs", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
         "unlinkat", "ftruncate", "mkdirat"]


def message(number, size):
    return (b"Message-ID: <%d@example.org>\nSubject: message %d\nDate: Mon, 2 Jan 2006 15:04:05 +0100\n\n" % (number, number)
            + b"From here on it is text\n" + b"x" * 70 * (size // 71) + b"\n")


def fill(root, count, size):
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(root, sub))
        os.makedirs(os.path.join(root, ".Sent", sub))
    for number in range(count):
        folder = root if number % 3 else os.path.join(root, ".Sent")
        # every seventh message is a twin of the one before it in its folder
        octets = message(number - 3 if number % 7 == 0 and number > 3 else number, size)
        path = os.path.join(folder, "cur", "%d.M%dP1.host:2,%s" % (1_000_000_000 + number, number, "S" if number % 2 else ""))
        with open(path, "wb") as file:
            file.write(octets)
        os.utime(path, (1_100_000_000 + number, 1_100_000_000 + number))
    old = time.time() - 100
    for directory in (os.path.join(root, "cur"), os.path.join(root, ".Sent", "cur")):
        os.utime(directory, (old, old))


class Kill(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="mailhaul-kill-")
        self.addCleanup(shutil.rmtree, self.root)

    def environment(self):
        return dict(os.environ, XDG_STATE_HOME=os.path.join(self.root, "state"))

    def copy(self, source, target):
        done = subprocess.run([BINARY, "copy", source, target, "--json"], env=self.environment(), capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout)

    def check(self, source, target, when):
        """The resumed run completes, holds each message once, and the next one copies nothing."""
        code, report = self.copy(source, target)
        self.assertEqual(code, 0, (when, report))
        code, report = self.copy(source, target)
        self.assertEqual((code, report["copied"]), (0, 0), (when, report))
        before, seen = [], set()
        for record in mailreaders.read_place(source):
            if (record.folder, record.nid) not in seen:
                seen.add((record.folder, record.nid))
                before.append(record)
        difference = mailreaders.compare(before, mailreaders.read_place(target))
        self.assertEqual((difference["missing"], difference["extra"]), ([], []), when)
        leftovers = [name for folder, _, names in os.walk(target.split(":", 1)[1]) if os.path.basename(folder) == "tmp" for name in names]
        self.assertEqual(leftovers, [], when)

    def clear(self):
        for name in ("state", "target"):
            shutil.rmtree(os.path.join(self.root, name), ignore_errors=True)

    def targets(self):
        path = os.path.join(self.root, "target")
        return ["maildir:" + path, "mbox:" + path + "/"]

    def test_random_kills(self):
        fill(os.path.join(self.root, "source"), 600, 3000)
        source = "maildir:" + os.path.join(self.root, "source")
        rng = random.Random(20)
        kills = 0
        for target in self.targets():
            self.clear()
            start = time.monotonic()
            self.assertEqual(self.copy(source, target)[0], 0)
            whole = time.monotonic() - start
            for trial in range(RANDOM_KILLS):
                self.clear()
                for _ in range(rng.randrange(1, 4)):
                    process = subprocess.Popen([BINARY, "copy", source, target, "-q"], env=self.environment(),
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    time.sleep(rng.random() * whole)
                    process.kill()
                    kills += process.wait() == -9
                self.check(source, target, "trial %d of %s" % (trial, target))
        print("%d random kills" % kills)
        self.assertGreater(kills, RANDOM_KILLS, "too few runs were killed in their middle")

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_kill_at_every_system_call(self):
        fill(os.path.join(self.root, "source"), 12, 300)
        source = "maildir:" + os.path.join(self.root, "source")
        points = 0
        for target in self.targets():
            for call in self.calls_of(source, target):
                when = 0
                while True:
                    when += 1
                    self.clear()
                    done = subprocess.run(
                        ["strace", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                         "inject=%s:signal=SIGKILL:when=%d" % (call, when), BINARY, "copy", source, target, "-q"],
                        env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                    if done.returncode == 0:
                        break  # there is no such call any more
                    self.assertIn(done.returncode, (-9, 137), done.stderr[-500:])
                    points += 1
                    self.check(source, target, "%s number %d of %s" % (call, when, target))
        print("%d system calls killed" % points)
        self.assertGreater(points, 100, "a crash test that hardly crashes proves nothing")

    def calls_of(self, source, target):
        """The changing calls that a run makes at all, so that the others cost nothing."""
        self.clear()
        trace = os.path.join(self.root, "trace")
        subprocess.run(["strace", "-f", "-c", "-o", trace, BINARY, "copy", source, target, "-q"], env=self.environment(),
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(trace) as file:
            used = set(re.findall(r"(\w+)$", file.read(), re.M))
        return [call for call in CALLS if call in used]


if __name__ == "__main__":
    unittest.main()
