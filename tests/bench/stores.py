#!/usr/bin/env python3
"""mbox -> Maildir beside its peers, and peak memory: one run, interleaved, contents checked. Prints JSON.

    MH_BINARY=build/release/mailhaul python3 tests/bench/stores.py [--rounds N] [--messages N] [--big MiB] [--scratch DIR]

Durability differs and is said: mailhaul syncs every batch before it calls a message delivered, procmail syncs nothing by
default, mb2md syncs nothing; `limit` writes the same files once by a copy and syncs the file system."""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "readers"))
import mailreaders  # noqa: E402

BINARY = os.environ.get("MH_BINARY", "mailhaul")


def generate(path, count, rng):
    """Mail of the usual sizes: most of a few KiB, some with an attachment, one in seven a twin."""
    line = b"the quick brown fox jumps over the lazy dog and nobody minds any more\n"
    blob = bytes(rng.choice(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") for _ in range(76)) + b"\n"
    written = 0
    with open(path, "wb") as file:
        last = b""
        for number in range(count):
            if number % 7 == 6:
                body = last
            else:
                size = int(rng.lognormvariate(9.2, 1.3))
                body = (b"Message-ID: <%d@example.org>\nSubject: number %d\nFrom: a@example.org\nReceived: by x; Mon, 2 Jan 2006 "
                        b"15:04:05 +0100\n\n" % (number, number)) + (line if number % 4 else blob) * (size // len(line) + 1)
                last = body
            file.write(b"From a@example.org Mon Jan  2 14:04:05 2006\n" + body + b"\n")
            written += len(body)
    return written


def run(command, **options):
    """Wall seconds, CPU seconds and peak RSS in MiB of one command."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    stderr = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit("%s ended with %d: %s" % (command[0], process.returncode, stderr[-500:].decode("utf-8", "replace")))
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss_mib": usage.ru_maxrss / 1024}


class Bench:
    def __init__(self, scratch):
        self.scratch = scratch
        self.mbox = os.path.join(scratch, "source.mbox")

    def fresh(self, name):
        path = os.path.join(self.scratch, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def mailhaul(self):
        state, target = self.fresh("state"), self.fresh("mailhaul")
        return run([BINARY, "copy", "mbox:" + self.mbox, "maildir:" + target, "-q", "--dedup", "none"],
                   env=dict(os.environ, XDG_STATE_HOME=state)), target

    def again(self):
        return run([BINARY, "copy", "mbox:" + self.mbox, "maildir:" + os.path.join(self.scratch, "mailhaul"), "-q", "--dedup", "none"],
                   env=dict(os.environ, XDG_STATE_HOME=os.path.join(self.scratch, "state"))), None

    def mb2md(self):
        target = self.fresh("mb2md")
        return run(["mb2md", "-s", self.mbox, "-d", target]), target

    def procmail(self):
        target = self.fresh("procmail")
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(target, sub))
        rules = os.path.join(self.scratch, "procmailrc")
        with open(rules, "w") as file:
            file.write("DEFAULT=%s/\nMAILDIR=%s\nVERBOSE=no\nLOGFILE=/dev/null\n" % (target, self.scratch))
        with open(self.mbox, "rb") as source:
            return run(["formail", "-s", "procmail", "-m", rules], stdin=source), None

    def limit(self):
        source, target = os.path.join(self.scratch, "mailhaul"), self.fresh("limit")
        return run(["sh", "-c", 'cp -r "$0" "$1" && sync -f "$1"', source, target]), target


def measure(bench, rounds, count):
    programs = {"mailhaul": bench.mailhaul, "again": bench.again, "limit": bench.limit}
    programs.update({name: getattr(bench, name) for name in ("mb2md", "procmail")
                     if shutil.which(name) and (name != "procmail" or shutil.which("formail"))})
    figures = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            figure, target = program()
            figures[name].append(figure)
            if name in ("mailhaul", "mb2md"):
                found = sum(len(names) for folder, _, names in os.walk(target) if os.path.basename(folder) in ("cur", "new"))
                assert found == count, "%s delivered %d of %d" % (name, found, count)
    before = sorted(record.nid for record in mailreaders.read_place("mbox:" + bench.mbox))
    after = sorted(record.nid for record in mailreaders.read_place("maildir:" + os.path.join(bench.scratch, "mailhaul")))
    assert before == after, "the contents differ"
    return figures


def memory(bench, count, big_mib):
    """Peak memory with many small messages and with one huge one."""
    with open(bench.mbox, "wb") as file:
        for number in range(count):
            file.write(b"From a@example.org Mon Jan  2 14:04:05 2006\nSubject: %d\n\nsmall\n\n" % number)
        file.write(b"From a@example.org Mon Jan  2 14:04:05 2006\nSubject: huge\n\n")
        piece = b"0123456789abcdef" * 4095 + b"\n"
        for _ in range(big_mib * (1 << 20) // len(piece)):
            file.write(piece)
        file.write(b"\n")
    figure, target = bench.mailhaul()
    found = sum(len(names) for folder, _, names in os.walk(target) if os.path.basename(folder) == "cur")
    assert found == count + 1, found
    back = run([BINARY, "copy", "maildir:" + target, "mbox:" + bench.fresh("back.mbox"), "-q", "--dedup", "none"],
               env=dict(os.environ, XDG_STATE_HOME=bench.fresh("state2")))
    proof = run([BINARY, "verify", "mbox:" + bench.mbox, "maildir:" + target, "-q", "--dedup", "none"],
                env=dict(os.environ, XDG_STATE_HOME=bench.fresh("state3")))
    return {"mbox_to_maildir": figure, "maildir_to_mbox": back, "verify": proof}


def summary(figures):
    walls = {name: [figure["wall"] for figure in runs] for name, runs in figures.items()}
    medians = {name: statistics.median(values) for name, values in walls.items()}
    ours = medians["mailhaul"]
    return {
        "wall_seconds": {name: {"min": min(values), "median": medians[name], "max": max(values)} for name, values in walls.items()},
        "cpu_seconds": {name: statistics.median(figure["cpu"] for figure in runs) for name, runs in figures.items()},
        "peer_over_mailhaul": {name: medians[name] / ours for name in medians if name not in ("mailhaul", "again")},
        "second_run_over_first": medians["again"] / ours,
        "peak_rss_mib": max(figure["rss_mib"] for figure in figures["mailhaul"]),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--messages", type=int, default=2000)
    options.add_argument("--small", type=int, default=20000, help="small messages of the memory test")
    options.add_argument("--big", type=int, default=1024, help="MiB of the huge message; 0: no memory test")
    options.add_argument("--scratch", default=tempfile.gettempdir())
    chosen = options.parse_args()
    scratch = tempfile.mkdtemp(prefix="mailhaul-bench-", dir=chosen.scratch)
    try:
        bench = Bench(scratch)
        octets = generate(bench.mbox, chosen.messages, random.Random(11))
        result = {"messages": chosen.messages, "octets": octets, "rounds": chosen.rounds,
                  **summary(measure(bench, chosen.rounds, chosen.messages))}
        if chosen.big:
            result["memory"] = memory(bench, chosen.small, chosen.big)
        json.dump(result, sys.stdout, indent=1)
        print()
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
