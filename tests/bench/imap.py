#!/usr/bin/env python3
"""Accounts beside mbsync (isync): IMAP -> IMAP, IMAP -> Maildir, Maildir -> IMAP, on a private Dovecot. Prints JSON.

    MH_BINARY=build/release/mailhaul python3 tests/bench/imap.py [--corpus S|T|L] [--messages N] [--rounds N] [--rtt MS]
        [--jobs imap-imap,imap-maildir,maildir-imap] [--tls] [--storage maildir|sdbox] [--fsync optimized|never|always]

One run: rounds are interleaved, every target is read back by doveadm or from its files and compared by digests. mbsync
and imapsync use one connection a side, mailhaul two to write to an account (--options "--connections 1" for one); both
mailhaul and mbsync sync what they write to a Maildir. `again` is the run after it that finds nothing to do. A delay is
added by a proxy in this process, which limits no bandwidth.

Between accounts also imapsync, if $IMAPSYNC names the program, with the options that its author recommends for speed;
and `limit`, if $IMAP_LIMIT is a command that just copies: {source}, {target} and {port} stand for its arguments."""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("readers", "server")]
import accountreaders  # noqa: E402
import certificates  # noqa: E402
import mailreaders  # noqa: E402
import proxy  # noqa: E402
import servers  # noqa: E402

BINARY = os.path.abspath(os.environ.get("MH_BINARY", "mailhaul"))
FOLDERS = [(("INBOX",), 30), (("Sent",), 15), (("Drafts",), 1), (("Trash",), 4), (("Archive",), 8), (("Archive", "2015"), 8),
           (("Archive", "2019"), 8), (("Arbeit", "Projekte", "Größe"), 7), (("Lists", "dev-announce"), 10), (("Личное",), 4),
           (("日本語", "メール"), 3), (("Receipts & Bills",), 2)]
MESSAGES = {"S": 2000, "T": 20000, "L": 400}
USERS = ["source", "ours", "theirs", "others", "nobody"]
OWNERS = {"mailhaul": "ours", "mbsync": "theirs", "imapsync": "others", "limit": "nobody"}


# The corpus -----------------------------------------------------------------------------------------------------------

def size_of(rng, corpus):
    """T: 2 KB each; S and L: most a few KB, a quarter with an attachment, some of a MB."""
    if corpus == "T":
        return 1500 + rng.randrange(600)
    size = int(min(120_000, max(1500, rng.lognormvariate(8.9, 0.9))))
    return size + int(min(4 << 20, rng.lognormvariate(10.8, 1.3))) if rng.random() < 0.27 else size


def generate(root, corpus, count):
    """A Maildir++ of 12 folders; 15 % of the messages lie in another folder too. The same octets every time."""
    rng = random.Random("mailhaul " + corpus)
    lines = [("".join(rng.choices("abcdefghijklmnopqrstuvwxyz      ", k=70)) + "\n").encode() for _ in range(5000)]
    names = {}
    for parts, _ in FOLDERS:
        names[parts] = os.path.join(root, "" if parts == ("INBOX",) else "." + ".".join(mailreaders.to_mutf7(part) for part in parts))
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(names[parts], sub))
    kept, octets = [], 0
    for number in range(count):
        if number > 50 and rng.random() < 0.15:
            text = rng.choice(kept)
        else:
            head = ("Received: from mx.example.net by in.example.org with ESMTPS id %012X; Mon, 2 Jan 2006 15:04:05 +0000\n"
                    "From: a%d@example.org\nTo: b@example.org\nSubject: number %d\nDate: Mon, 2 Jan 2006 15:04:05 +0000\n"
                    "Message-ID: <%d.%s@example.org>\nMIME-Version: 1.0\n\n" % (rng.getrandbits(48), number, number, number, corpus))
            at = rng.randrange(len(lines))
            need = (size_of(rng, corpus) - len(head)) // 71 + 1
            body = lines[at:at + need]
            while len(body) < need:
                body += lines[:need - len(body)]
            text = head.encode() + b"".join(body)
            if len(kept) < 600:
                kept.append(text)
        octets += len(text)
        letters = "".join(sorted(set(rng.choice(["", "S", "S", "S", "RS", "FS"]))))
        date = 1_262_304_000 + number * 15_000
        path = os.path.join(names[rng.choices([f for f, _ in FOLDERS], [w for _, w in FOLDERS])[0]], "cur",
                            "%d.M%dP1Q%d.bench,S=%d,W=%d:2,%s" % (date, number % 1_000_000, number, len(text),
                                                                 len(text) + text.count(b"\n"), letters))
        with open(path, "wb") as file:
            file.write(text)
        os.utime(path, (date, date))
    return octets


# Running --------------------------------------------------------------------------------------------------------------

def run(command, environment=None):
    """Wall seconds and CPU seconds of one command. Not its memory: what this process had at the fork would count too."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    told = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit("%s ended with %d: %s" % (command[0], process.returncode, told[-800:].decode("utf-8", "replace")))
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


class Bench:
    def __init__(self, scratch, server, chosen, port):
        self.scratch, self.server, self.tls, self.port = scratch, server, chosen.tls, port
        self.options = chosen.options.split()

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def fresh(self, name):
        """An empty place of that name: an account, or a path."""
        if name in USERS:
            self.server.forget(name)
            return None
        shutil.rmtree(self.path(name), ignore_errors=True)
        return self.path(name)

    # mailhaul

    def place(self, kind, name, side):
        if kind == "maildir":
            return "maildir:" + self.path(name), []
        location = "%s://%s@localhost:%d/%s" % ("imaps" if self.tls else "imap", name, self.port, "" if self.tls else "?tls=off")
        return location, ["--%s-ca" % side, self.server.authority.file, "--%s-password-file" % side, self.server.password_file(name)]

    def mailhaul(self, source, target, again=False):
        if not again:
            self.fresh("ours" if target == "imap" else "ours-maildir")
            self.fresh("state")
        first, first_options = self.place(source, "source" if source == "imap" else "corpus", "source")
        second, second_options = self.place(target, "ours" if target == "imap" else "ours-maildir", "target")
        command = [BINARY, "copy", "-q", "--dedup", "none", *self.options, *first_options, *second_options, first, second]
        return run(command, dict(os.environ, XDG_STATE_HOME=self.path("state")))

    # mbsync

    def store(self, kind, name, user, path):
        if kind == "maildir":
            return "MaildirStore %s\nInbox %s\nSubFolders Maildir++\n\n" % (name, path)
        kind_of_tls = "SSLType IMAPS\nCertificateFile %s\n" % self.server.authority.file if self.tls else "SSLType None\n"
        return ("IMAPStore %s\nHost localhost\nPort %d\nUser %s\nPass %s\n%sAuthMechs LOGIN\n\n"
                % (name, self.port, user, self.server.users[user], kind_of_tls))

    def mbsync(self, source, target, again=False):
        if not again:
            self.fresh("theirs" if target == "imap" else "theirs-maildir")
            os.makedirs(self.fresh("mbsync-state"))
            if source == "maildir":  # mbsync writes UIDs into the names of its source
                shutil.copytree(self.path("corpus"), self.fresh("mbsync-corpus"))
        with open(self.path("mbsyncrc"), "w", encoding="utf-8") as file:
            file.write(self.store(source, "s", "source", self.path("mbsync-corpus"))
                       + self.store(target, "t", "theirs", self.path("theirs-maildir"))
                       + "Channel c\nFar :s:\nNear :t:\nPatterns *\nCreate Near\nSync Pull\nCopyArrivalDate yes\nSyncState %s/\n"
                       % self.path("mbsync-state"))
        return run(["mbsync", "-q", "-c", self.path("mbsyncrc"), "c"])

    # imapsync

    def imapsync(self, source, target, again=False):
        if not again:
            self.fresh("others")
            os.makedirs(self.fresh("imapsync"))
        command = [os.environ["IMAPSYNC"], "--useuid", "--usecache", "--nofoldersizes", "--nofoldersizesatend", "--noid",
                   "--nocheckmessageexists", "--no-modulesversion", "--noreleasecheck", "--nolog", "--tmpdir", self.path("imapsync")]
        for side, user in (("1", "source"), ("2", "others")):
            command += ["--host" + side, "localhost", "--port" + side, str(self.port), "--user" + side, user,
                        "--password" + side, self.server.users[user],
                        *(["--ssl" + side] if self.tls else ["--nossl" + side, "--notls" + side])]
        return run(command, dict(os.environ, HOME=self.path("imapsync")))

    def limit(self, _source, _target):
        self.fresh("nobody")
        return run(os.environ["IMAP_LIMIT"].format(source="source", target="nobody", port=self.port).split())

    # Judging

    def digests(self, kind, name):
        records = (accountreaders.read_doveadm(self.server.conf, name) if kind == "imap"
                   else mailreaders.read_place("maildir:" + self.path(name)))
        # mbsync puts a field X-TUID of its own into every message, to find it again.
        return sorted((record.folder, mailreaders.nid(re.sub(rb"^X-TUID: .*\r?\n", b"", record.octets, count=1, flags=re.M)),
                       tuple(sorted(record.flags)), record.received) for record in records)


def measure(bench, job, rounds, expected, programs):
    source, target = job.split("-")
    figures = {name + when: [] for name in programs for when in ("", " again") if (name, when) != ("limit", " again")}
    for number in range(rounds):
        for name in programs if number % 2 == 0 else programs[::-1]:
            program = getattr(bench, name)
            owner = OWNERS[name]
            figures[name].append(program(source, target))
            found = bench.digests(target, owner if target == "imap" else owner + "-maildir")
            if found != expected:
                missing, extra = len(set(expected) - set(found)), len(set(found) - set(expected))
                raise SystemExit("%s, %s: the target is not the source: %d missing or different, %d extra" % (job, name, missing, extra))
            if name == "limit":
                continue  # it remembers nothing
            figures[name + " again"].append(program(source, target, again=True))
    return figures


def summary(figures, octets, count):
    result = {}
    for name, runs in figures.items():
        walls = [one["wall"] for one in runs]
        result[name] = {"wall": {"min": min(walls), "median": statistics.median(walls), "max": max(walls)},
                        "cpu": statistics.median(one["cpu"] for one in runs)}
        if not name.endswith("again"):
            result[name]["cpu_seconds_per_gib"] = result[name]["cpu"] / octets * 2 ** 30
            result[name]["messages_per_second"] = count / result[name]["wall"]["median"]
    for peer in OWNERS:
        if peer == "mailhaul" or peer not in result:
            continue
        for when in ("", " again") if peer != "limit" else ("",):
            result[peer + "_over_mailhaul" + when] = result[peer + when]["wall"]["median"] / result["mailhaul" + when]["wall"]["median"]
    return result


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--corpus", choices=sorted(MESSAGES), default="S")
    options.add_argument("--messages", type=int, help="default: %s" % MESSAGES)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rtt", type=float, default=0, help="milliseconds")
    options.add_argument("--jobs", default="imap-imap,imap-maildir,maildir-imap")
    options.add_argument("--tls", action="store_true")
    options.add_argument("--storage", default="maildir")
    options.add_argument("--fsync", default="optimized", help="mail_fsync of the server")
    options.add_argument("--options", default="", help="further options of mailhaul")
    options.add_argument("--programs", default="mailhaul,mbsync,imapsync,limit")
    options.add_argument("--scratch", default="/tmp")
    chosen = options.parse_args()
    count = chosen.messages or MESSAGES[chosen.corpus]
    given = {"imapsync": os.environ.get("IMAPSYNC", ""), "limit": os.environ.get("IMAP_LIMIT", " ").split(" ")[0]}
    programs = [name for name in chosen.programs.split(",")
                if name == "mailhaul" or shutil.which(given.get(name, name))]
    scratch = tempfile.mkdtemp(prefix="mailhaul-bench-", dir=chosen.scratch)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, scratch, ignore_errors=True)
        octets = generate(os.path.join(scratch, "corpus"), chosen.corpus, count)
        server = servers.Dovecot(os.path.join(scratch, "dovecot"), certificates.Authority(os.path.join(scratch, "ca")),
                                 users={name: "pw" for name in USERS}, storage=chosen.storage, fsync=chosen.fsync)
        cleanup.enter_context(server)
        port = server.tls_port if chosen.tls else server.port
        if chosen.rtt:
            port = cleanup.enter_context(proxy.Proxy(port, rtt=chosen.rtt / 1000)).port
        bench = Bench(scratch, server, chosen, port)
        # Filled by the server itself, so that no program under test has a hand in it.
        server.doveadm("-o", "mail_fsync=never", "sync", "-1", "-R", "-u", "source", "maildir:" + copied_for(server, bench.path("corpus")))
        expected = bench.digests("imap", "source")
        assert len(expected) == count, (len(expected), count)
        result = {"corpus": chosen.corpus, "messages": count, "octets": octets, "rounds": chosen.rounds, "rtt_ms": chosen.rtt,
                  "tls": chosen.tls, "storage": chosen.storage, "mail_fsync": chosen.fsync}
        for job in chosen.jobs.split(","):
            able = [name for name in programs if name not in given or job == "imap-imap"]
            result[job] = summary(measure(bench, job, chosen.rounds, expected, able), octets, count)
        json.dump(result, sys.stdout, indent=1)
        print()


def copied_for(server, corpus):
    """A copy of the corpus that the server's user owns."""
    path = server.path("corpus")
    shutil.copytree(corpus, path)
    servers.give_away(path)
    return path


if __name__ == "__main__":
    main()
