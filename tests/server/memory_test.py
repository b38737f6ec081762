"""One huge message into an account and out of it: peak memory stays below 64 MiB budget + 24 MiB."""

import hashlib
import os
import subprocess
import unittest

import accounts
import support
from accounts import ServerTest

SIZE_MIB = 300
CEILING_MIB = 88


def write_huge(path, mib):
    """A message that is not the same line over and over; gives the digest of its canonical form."""
    digest = hashlib.sha256()
    os.makedirs(os.path.dirname(path))
    for sub in ("new", "tmp"):
        os.makedirs(os.path.join(os.path.dirname(os.path.dirname(path)), sub), exist_ok=True)
    with open(path, "wb") as file:
        def put(octets):
            file.write(octets)
            digest.update(octets.replace(b"\n", b"\r\n"))

        put(b"Subject: huge\nMessage-ID: <huge@example.org>\n\n")
        for number in range(mib * 16):
            put((b"%08d " % number) * 7281 + b"\n")
    return digest.hexdigest()


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for line in file:
            digest.update(line.rstrip(b"\r\n") + b"\r\n")
    return digest.hexdigest()


class Memory(ServerTest):
    def peak_mib(self, *arguments):
        """Peak memory of one run: what the kernel counted for that child, not for others."""
        process = subprocess.Popen([support.BINARY, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        told = process.stderr.read()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, told[-2000:])
        return usage.ru_maxrss / 1024

    @unittest.skipIf(support.instrumented(), "sanitizers keep memory of their own")
    def test_a_message_of_300_MiB_goes_in_and_out(self):
        digest = write_huge(self.path("src", "cur", "1.host:2,S"), SIZE_MIB)
        account = self.account()
        into = self.peak_mib(*self.arguments("copy", "maildir:" + self.path("src"), account, "-q"))
        out = self.peak_mib(*self.arguments("copy", account, "maildir:" + self.path("back"), "-q"))
        proof = self.peak_mib(*self.arguments("verify", account, "maildir:" + self.path("back"), "-q"))
        print("peak MiB: into the account %.1f, out of it %.1f, verify %.1f" % (into, out, proof))
        names = os.listdir(self.path("back", "cur"))
        self.assertEqual([digest_of(self.path("back", "cur", name)) for name in names], [digest])
        for peak in (into, out, proof):
            self.assertLess(peak, CEILING_MIB)

    @unittest.skipIf(support.instrumented(), "sanitizers keep memory of their own")
    def test_a_message_of_100_MiB_comes_in_parts(self):
        digest = write_huge(self.path("src", "cur", "1.host:2,S"), 100)
        for number in range(20):
            with open(self.path("src", "cur", "2.M%d.host:2,S" % number), "wb") as file:
                file.write(support.message(number))
        account = self.account()
        self.peak_mib(*self.arguments("copy", "maildir:" + self.path("src"), account, "-q"))
        out = self.peak_mib(*self.arguments("copy", account, "maildir:" + self.path("back"), "-q", "--trace", self.path("trace")))
        proof = self.peak_mib(*self.arguments("verify", account, "maildir:" + self.path("back"), "-q"))
        print("peak MiB: out of the account %.1f, verify %.1f" % (out, proof))
        with open(self.path("trace"), encoding="utf-8") as file:
            asked = [line for line in file if " > " in line and "FETCH" in line and "BODY.PEEK[]" in line]
        parts = [line for line in asked if "BODY.PEEK[]<" in line]
        self.assertEqual(len(parts), (os.path.getsize(self.path("back", "cur", self.largest())) >> 23) + 2, parts)
        self.assertEqual(len(asked) - len(parts), 1, "the large one was asked for whole: %s" % asked)
        names = os.listdir(self.path("back", "cur"))
        self.assertEqual(len(names), 21)
        self.assertIn(digest, [digest_of(self.path("back", "cur", name)) for name in names])
        for peak in (out, proof):
            self.assertLess(peak, CEILING_MIB)

    def largest(self):
        names = os.listdir(self.path("back", "cur"))
        return max(names, key=lambda name: os.path.getsize(self.path("back", "cur", name)))


if __name__ == "__main__":
    accounts.main()
