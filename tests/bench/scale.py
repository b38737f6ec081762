#!/usr/bin/env python3
"""What grows with the mail: many messages, a huge one, many folders, and processor time by the GiB. Prints JSON.

    MH_BINARY=build/release/mailhaul python3 tests/bench/scale.py
        [--millions N] [--huge MIB] [--folders N [--each N] [--rtt MS]] [--cpu MIB [--messages N] [--rounds N]] [--scratch DIR]

--millions  N messages of 2 KiB from an mbox into a Maildir and into an account (sdbox), beside N/100 of them in the same
            run: time a message, peak memory, octets of the ledger; and the runs after it, which find nothing to do. `limit`
            is what the server itself takes for them: MULTIAPPEND, 50 at a time, from a file.
--huge      one message of so many MiB from an account into a Maildir, from an mbox into an account, from a POP3 mailbox
            into an mbox: peak memory and exit code. A run that fails is a result, with what it said.
--folders   N folders of --each messages from account to account over a distant line: round trips a folder, which are
            (wall - wall without the delay) / RTT / folders; mbsync beside it where it is installed.
--cpu       user and system seconds of the client a GiB, plain and with TLS. The least of the rounds: what others do on the
            machine only adds to it.

Every measured run has places of its own, and nothing is removed before the end: ext4 gives out no inode that was freed in the
last minutes, and who creates files beside many such ones pays ten times the price. Steadiest with --scratch on a new file
system. --cpu takes 10 times its MiB of disk a round.

Servers are private Dovecots on loopback, one connection a side. All that was written is read back by the readers of
tests/readers and compared by digests. Peak memory is the kernel's count for that process alone, of 9 MiB at least."""

import argparse
import contextlib
import glob
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("readers", "server")] + [HERE]
import accountreaders  # noqa: E402
import certificates  # noqa: E402
import imap  # noqa: E402
import mailreaders  # noqa: E402
import pop3  # noqa: E402
import proxy  # noqa: E402
import servers  # noqa: E402

SMALL = 2048
CHUNK = 20_000  # messages that are read back from an account at a time
PIECE = 16 << 20
FROM_LINE = b"From a@example.org Mon Jan  2 14:04:05 2006\n"

# A process of its own starts the program and says what it cost: what a process had at the fork counts as memory of the child.
LAUNCHER = r"""
import json, os, sys, time
start = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
print(json.dumps({"wall": time.monotonic() - start, "user": used.ru_utime, "system": used.ru_stime,
                  "rss_mib": used.ru_maxrss / 1024, "exit_code": os.waitstatus_to_exitcode(status)}))
"""


def launch(arguments, state, may_fail=False):
    """One run of mailhaul with its ledger in `state`: seconds, memory, exit code, and the end of what it said."""
    done = subprocess.run([sys.executable, "-S", "-E", "-c", LAUNCHER, imap.BINARY, *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, check=True, env=dict(os.environ, XDG_STATE_HOME=state))
    result = json.loads(done.stdout)
    result["cpu"] = result["user"] + result["system"]
    result["said"] = done.stderr.decode("utf-8", "replace")[-600:]
    if result["exit_code"] != 0 and not may_fail:
        raise SystemExit("%s ended with %d: %s" % (arguments, result["exit_code"], result["said"]))
    return result


# Mail -----------------------------------------------------------------------------------------------------------------

def make_lines(rng):
    return [("".join(rng.choices("abcdefghijklmnopqrstuvwxyz      ", k=70)) + "\n").encode() for _ in range(5000)]


def small_messages(count, size=SMALL):
    """The same octets every time, no two messages alike."""
    rng = random.Random("mailhaul scale")
    lines = make_lines(rng)
    for number in range(count):
        head = ("Return-Path: <a@example.org>\nReceived: from mx.example.net by in.example.org with ESMTPS id %012X;\n"
                "\tMon, 2 Jan 2006 15:04:05 +0000\nFrom: Anna <a%d@example.org>\nTo: Bert <b@example.org>\nSubject: number %d\n"
                "Date: Mon, 2 Jan 2006 15:04:05 +0000\nMessage-ID: <%d.scale@example.org>\nMIME-Version: 1.0\n"
                "Content-Type: text/plain; charset=utf-8\n\n" % (rng.getrandbits(48), number, number, number)).encode()
        at, need = rng.randrange(len(lines)), (size - len(head)) // 71 + 1
        yield head + b"".join(lines[(at + more) % len(lines)] for more in range(need))


def write_mbox(path, messages):
    """Digests of the messages, and their octets."""
    digests, octets = [], 0
    with open(path, "wb") as file:
        for text in messages:
            file.write(FROM_LINE + text + b"\n")
            digests.append(bytes.fromhex(mailreaders.nid(text)))
            octets += len(text)
    return sorted(digests), octets


def huge_message(path, mib, mbox=False):
    """One message of `mib` MiB with CR LF for its line ends, though it has LF here: lines of 64 to 1,000 octets, none like
    another. Gives its EID."""
    left = (mib << 20) - 200

    def lines():
        nonlocal left
        for line in (b"Subject: huge\n", b"From: a@example.org\n", b"Date: Mon, 2 Jan 2006 15:04:05 +0000\n",
                     b"Message-ID: <huge@example.org>\n", b"\n"):
            yield line
        number = 0
        while left > 0:
            line = b"%012d " % number + b"0123456789abcdef" * (3 + number % 58) + b"\n"
            yield line
            left -= len(line) + 1
            number += 1

    with open(path, "wb", buffering=1 << 20) as file:
        if mbox:
            file.write(FROM_LINE)

        def kept():
            for line in lines():
                file.write(line)
                yield line

        eid = mailreaders.eid_of_lines(kept())
        if mbox:
            file.write(b"\n")
    return eid


# Reading back ---------------------------------------------------------------------------------------------------------

def digests_of_maildir(path):
    return sorted(bytes.fromhex(mailreaders.nid(mailreaders.read_unseen(os.path.join(path, sub, name))))
                  for sub, name in mailreaders.maildir_names(path))


def digests_of_inbox(server, user):
    """Not all at once: a million messages do not fit into memory twice."""
    found = []
    status = server.doveadm("mailbox", "status", "-u", user, "uidnext", "INBOX").decode()
    last = int(status.rsplit("uidnext=", 1)[1]) - 1
    for first in range(1, last + 1, CHUNK):
        records = accountreaders.read_doveadm(server.conf, user, query=("mailbox", "INBOX", "uid", "%d:%d" % (first, first + CHUNK - 1)))
        found += [bytes.fromhex(record.nid) for record in records]
    return sorted(found)


def lines_of(file):
    with file:
        yield from file


def lines_of_mbox(path):
    """Of its only message, unquoted."""
    with open(path, "rb") as file:
        assert next(file).startswith(b"From ")
        for line in file:
            assert not line.startswith(b"From "), "a second message"
            yield line


def lines_of_account(server, user):
    """Of the only message of its INBOX, fetched by imaplib piece by piece."""
    with accountreaders.Account(server.tls_port, user, server.users[user], server.authority.file) as account:
        account.select(b"INBOX")
        size = int(account.ask(account.session.fetch("1", "(RFC822.SIZE)"))[0].split()[-1].rstrip(b")"))
        rest = b""
        for at in range(0, size, PIECE):
            data = account.ask(account.session.fetch("1", "(BODY.PEEK[]<%d.%d>)" % (at, PIECE)))
            *lines, rest = (rest + data[0][1]).split(b"\n")
            yield from (line + b"\n" for line in lines)
        if rest:
            yield rest


def demand(found, expected, what):
    if found != expected:
        raise SystemExit("%s: the target is not the source: %s" % (what, "%d of %d messages" % (len(found), len(expected))
                                                                    if isinstance(found, list) else "another digest"))


# Parts ----------------------------------------------------------------------------------------------------------------

class Scale:
    def __init__(self, scratch, cleanup, authority):
        self.scratch, self.cleanup, self.authority = scratch, cleanup, authority
        self.states = 0

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def server(self, name, users, **settings):
        return self.cleanup.enter_context(servers.Dovecot(self.path(name), self.authority, users={user: "pw" for user in users},
                                                          fsync="optimized", **settings))

    def state(self):
        self.states += 1
        return self.path("state-%d" % self.states)

    def account(self, server, user, side, scheme="imap", tls=False, port=None):
        """(location, options) of an account."""
        own = {"imap": (server.port, server.tls_port), "pop3": (server.pop3_port, server.pop3_tls_port)}[scheme][tls]
        location = "%s%s://%s@localhost:%d/%s" % (scheme, "s" if tls else "", user, port or own, "" if tls else "?tls=off")
        location = location.replace("/?", "?").rstrip("/") if scheme == "pop3" else location
        return location, ["--%s-ca" % side, server.authority.file, "--%s-password-file" % side, server.password_file(user)]

    def copy(self, source, target, state, may_fail=False):
        """Each side: a location, or (location, options)."""
        sides = [(side, []) if isinstance(side, str) else side for side in (source, target)]
        return launch(["copy", "-q", "--dedup", "none", *sides[0][1], *sides[1][1], sides[0][0], sides[1][0]], state, may_fail)

    # --millions

    def millions(self, count):
        result = {"messages": count, "message_octets": SMALL}
        server = self.server("many", ["few", "many", "limit-few", "limit-many"], storage="sdbox")
        for kind in ("maildir", "imap"):
            row = {}
            for size, number in (("few", max(1, count // 100)), ("many", count)):
                expected, octets = write_mbox(self.path("INBOX"), small_messages(number))
                place = self.path("target-" + size)
                target = "maildir:" + place if kind == "maildir" else self.account(server, size, "target")
                state = self.state()
                first = self.copy("mbox:" + self.path("INBOX"), target, state)
                demand(digests_of_maildir(place) if kind == "maildir" else digests_of_inbox(server, size), expected,
                       "mbox to %s, %d messages" % (kind, number))
                again = self.copy("mbox:" + self.path("INBOX"), target, state)
                row[size] = {"messages": number, "octets": octets, "first": first, "again": again, **ledger_of(state, number)}
                if kind == "imap":
                    row[size]["limit"] = self.limit(server, "limit-" + size, small_messages(number))
            for what in ("wall", "cpu"):
                few, many = (row[size]["first"][what] / row[size]["messages"] for size in ("few", "many"))
                row["growth_" + what] = many / few
            result["mbox-" + kind] = row
        return result

    def limit(self, server, user, messages):
        with open(self.path("texts"), "wb") as texts, open(self.path("sizes"), "w", encoding="ascii") as sizes:
            for text in messages:
                text = text.replace(b"\n", b"\r\n")
                texts.write(text)
                sizes.write("%d\n" % len(text))
        return imap.run([sys.executable, "-S", "-E", "-c", pop3.RAW_APPEND, str(server.port), user, self.path("sizes"), self.path("texts")])

    # --huge

    def huge(self, mib):
        source = self.server("huge-source", ["source"])
        target = self.server("huge-target", ["target"], storage="sdbox")
        inbox = os.path.join(source.mail_root("source"), "maildir")
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(inbox, sub))
        eid = huge_message(os.path.join(inbox, "cur", "1136214245.M1P1.bench:2,S"), mib)
        servers.give_away(source.mail_root("source"))
        jobs = {
            "imap-maildir": (self.account(source, "source", "source"), "maildir:" + self.path("target"),
                             lambda: lines_of(open(*glob.glob(self.path("target", "cur", "*")), "rb"))),
            "pop3-mbox": (self.account(source, "source", "source", "pop3"), "mbox:" + self.path("INBOX-target"),
                          lambda: lines_of_mbox(self.path("INBOX-target"))),
            "mbox-imap": ("mbox:" + self.path("INBOX"), self.account(target, "target", "target"),
                          lambda: lines_of_account(target, "target"))}
        result = {"mib": mib}
        for job, (first, second, lines) in jobs.items():
            if job == "mbox-imap":
                source.forget("source")  # room on the disk
                demand(huge_message(self.path("INBOX"), mib, mbox=True), eid, "the generator")
            state = self.state()
            result[job] = {"first": self.copy(first, second, state, may_fail=True)}
            if result[job]["first"]["exit_code"] == 0:
                demand(mailreaders.eid_of_lines(lines()), eid, job)
                result[job]["again"] = self.copy(first, second, state)
            shutil.rmtree(self.path("target"), ignore_errors=True)
            for name in glob.glob(self.path("INBOX-target*")):
                os.remove(name)
        os.remove(self.path("INBOX"))
        target.forget("target")
        return result

    # --folders

    def folders(self, count, each, rtt):
        make_folders(self.path("corpus"), count, each)
        server = self.server("folders", imap.USERS)
        server.doveadm("-o", "mail_fsync=never", "sync", "-1", "-R", "-u", "source",
                       "maildir:" + imap.copied_for(server, self.path("corpus")))
        programs = ["mailhaul"] + (["mbsync"] if shutil.which("mbsync") else [])
        result = {"folders": count, "each": each, "rtt_ms": rtt}
        figures = {name: {} for name in programs}
        for delay in (0, rtt):
            with proxy.Proxy(server.port, rtt=delay / 1000) as line:
                bench = imap.Bench(self.scratch, server, argparse.Namespace(tls=False, options=""), line.port)
                expected = bench.digests("imap", "source")
                assert len(expected) == count * each, (len(expected), count * each)
                for name in programs:
                    figures[name][delay, "first"] = getattr(bench, name)("imap", "imap")
                    demand(bench.digests("imap", "ours" if name == "mailhaul" else "theirs"), expected, name)
                    connections = line.connections
                    figures[name][delay, "again"] = getattr(bench, name)("imap", "imap", again=True)
                    figures[name]["connections"] = line.connections - connections
        for name in programs:
            result[name] = {"again_connections": figures[name]["connections"]}
            for when in ("first", "again"):
                near, far = figures[name][0, when]["wall"], figures[name][rtt, when]["wall"]
                result[name][when] = {"wall": far, "wall_without_delay": near, "cpu": figures[name][rtt, when]["cpu"],
                                      "round_trips_a_folder": (far - near) / (rtt / 1000) / count,
                                      "wall_by_rtt_a_folder": far / (rtt / 1000) / count}
        for user in imap.USERS:
            server.forget(user)
        return result

    # --cpu

    def cpu(self, mib, messages, rounds):
        count = messages or max(1, (mib << 20) // 50_000)
        lf, crlf = self.path("lf"), self.path("crlf")
        octets = fill_maildirs(lf, crlf, self.path("INBOX"), count, (mib << 20) // count)
        server = self.server("cpu-source", ["source"])
        shutil.copytree(lf, os.path.join(server.mail_root("source"), "maildir"))
        servers.give_away(server.mail_root("source"))
        expected = digests_of_maildir(lf)
        jobs = {"mbox-maildir": ("mbox", False, "lf")}
        for tls in (False, True):
            how = " TLS" if tls else ""
            jobs.update({"imap-maildir" + how: ("imap", tls, "crlf"), "pop3-maildir" + how: ("pop3", tls, "crlf"),
                         "maildir-imap" + how: ("maildir", tls, "lf"), "maildir-imap" + how + " CRLF": ("maildir", tls, "crlf")})
        targets = ["target-%d" % number for number in range(rounds * len(jobs))]
        target = self.server("cpu-target", targets, storage="sdbox")
        local = {"mbox": "mbox:" + self.path("INBOX"), "lf": "maildir:" + lf, "crlf": "maildir:" + crlf}
        result = {"messages": count, "octets": octets, "rounds": rounds}
        runs = {job: [] for job in jobs}
        for number, name in enumerate(targets):
            job, (source, tls, ends) = list(jobs.items())[number % len(jobs)]
            if source == "maildir":
                runs[job].append(self.copy(local[ends], self.account(target, name, "target", tls=tls), self.state()))
                demand(digests_of_inbox(target, name), expected, job)
            else:
                first = local.get(source) or self.account(server, "source", "source", source, tls)
                runs[job].append(self.copy(first, "maildir:" + self.path(name), self.state()))
                demand(digests_of_maildir(self.path(name)), expected, job)
        for job, (_, _, ends) in jobs.items():
            least = min(runs[job], key=lambda run: run["cpu"])
            gib = octets[ends] / 2 ** 30
            result[job] = {"user_seconds_per_gib": least["user"] / gib, "system_seconds_per_gib": least["system"] / gib,
                           "cpu_seconds_per_gib": least["cpu"] / gib, "wall": least["wall"],
                           "rss_mib": max(run["rss_mib"] for run in runs[job]), "source_ends_lines_with": ends}
        return result


def ledger_of(state, count):
    """Octets a message of the ledger, and of these the keys that the two places gave."""
    (path,) = glob.glob(os.path.join(state, "**", "*.ledger"), recursive=True)
    octets = sum(os.path.getsize(name) for name in glob.glob(path + "*"))
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as ledger:
        keys = sum(ledger.execute("SELECT coalesce(sum(length(key)), 0) FROM " + table).fetchone()[0] for table in ("item", "content"))
    return {"ledger_octets_a_message": octets / count, "key_octets_a_message": keys / count}


def make_folders(root, count, each):
    """A Maildir++ of so many folders beside an empty INBOX."""
    texts = small_messages(count * each)
    for number in range(count + 1):
        folder = root if number == 0 else os.path.join(root, ".f%04d" % number)
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(folder, sub))
        for message in range(each if number else 0):
            with open(os.path.join(folder, "cur", "1136214245.M%dP%d.bench:2,S" % (message, number)), "wb") as file:
                file.write(next(texts))


def fill_maildirs(lf, crlf, mbox, count, size):
    """The same mail as Maildirs of both line ends and as an mbox; gives the octets of both."""
    octets = {"lf": 0, "crlf": 0}
    for root in (lf, crlf):
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(root, sub))
    with open(mbox, "wb") as all_of_them:
        for number, text in enumerate(small_messages(count, size)):
            all_of_them.write(FROM_LINE + text + b"\n")
            for root, ends, octets_here in ((lf, "lf", text), (crlf, "crlf", text.replace(b"\n", b"\r\n"))):
                with open(os.path.join(root, "cur", "1136214245.M%dP1.bench:2,S" % number), "wb") as file:
                    file.write(octets_here)
                octets[ends] += len(octets_here)
    return octets


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--millions", type=int, metavar="N")
    options.add_argument("--huge", type=int, metavar="MIB")
    options.add_argument("--folders", type=int, metavar="N")
    options.add_argument("--each", type=int, default=10, metavar="N")
    options.add_argument("--rtt", type=float, default=100, metavar="MS")
    options.add_argument("--cpu", type=int, metavar="MIB")
    options.add_argument("--messages", type=int, metavar="N", help="of --cpu; default: such that each has 50 KB")
    options.add_argument("--rounds", type=int, default=3, help="of --cpu")
    options.add_argument("--scratch", default="/tmp")
    chosen = options.parse_args()
    parts = {"millions": (chosen.millions,), "huge": (chosen.huge,), "folders": (chosen.folders, chosen.each, chosen.rtt),
             "cpu": (chosen.cpu, chosen.messages, chosen.rounds)}
    if not any(arguments[0] for arguments in parts.values()):
        options.error("nothing to do: --millions, --huge, --folders or --cpu")
    if not os.access(imap.BINARY, os.X_OK):
        options.error("no program at %s: set MH_BINARY" % imap.BINARY)
    result = {}
    for name, arguments in parts.items():
        if not arguments[0]:
            continue
        scratch = tempfile.mkdtemp(prefix="mailhaul-bench-", dir=chosen.scratch)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(shutil.rmtree, scratch, ignore_errors=True)
            authority = certificates.Authority(os.path.join(scratch, "ca"))
            result[name] = getattr(Scale(scratch, cleanup, authority), name)(*arguments)
    json.dump({"scale": json.loads(json.dumps(result), parse_float=lambda text: round(float(text), 4))}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
