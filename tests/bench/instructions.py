#!/usr/bin/env python3
"""Counts the instructions of the hot loops (hot_loops.cpp) and holds them to what instructions.json records.

    python3 tests/bench/instructions.py PROGRAM BUILD             fails when one is more than 10 % away, either way
    python3 tests/bench/instructions.py PROGRAM BUILD --update    records what it counts, for that build

Times of a shared machine are noise; these numbers are the same wherever they are counted. Two of them, a unit of work:
instructions of our own code, which callgrind tells apart by object file, and calls from it into libraries. What happens
inside the libraries (C, libcrypto, SQLite, libstdc++) is theirs: it varies with their versions and, for some, with the
processor; the calls tell when more is asked of them. Templates and inline functions of their headers are ours, xxHash too.

A record holds for one BUILD, as tests/CMakeLists.txt spells it: compiler, options, processor. Another build is skipped with
77, and so is one without valgrind."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.json")
TIMES = {"imap": 4, "mbox": 4, "scan-lf": 1, "scan-crlf": 1, "ledger": 1}
TOLERANCE = 0.10
LITTLE = 0.001  # of a unit: a buffer here and there


def counted(path, program):
    """Instructions of our own object and calls out of it, from a callgrind file written without compression."""
    instructions = calls = 0
    here = called = ""
    of_call = False  # the next line is what the callee cost
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            word, _, rest = line.rstrip("\n").partition("=")
            if word == "ob":
                here = rest
            elif word == "cob":
                called = rest
            elif word == "calls":
                if here == program and called not in ("", program):
                    calls += int(rest.split()[0])
                called, of_call = "", True
            elif line[0].isdigit():
                if here == program and not of_call:
                    instructions += int(line.split()[1])
                of_call = False
    if instructions == 0:
        raise SystemExit("nothing was counted: is there a function measured() in %s?" % program)
    return instructions, calls


def measure(program, name):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "callgrind")
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + path, "--compress-strings=no",
                               "--compress-pos=no", "--zero-before=measured", "--dump-after=measured",
                               program, name, str(TIMES[name])],
                              env=dict(os.environ, TMPDIR=scratch, MALLOC_ARENA_MAX="1"), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit("%s %s ended with %d: %s" % (program, name, done.returncode, done.stderr[-2000:]))
        instructions, calls = counted(path + ".1", program)  # the dump when measured() ends
    units = int(done.stdout)
    return {"instructions": instructions / units, "library_calls": calls / units}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("build")
    options.add_argument("--update", action="store_true")
    chosen = options.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        sys.exit(77)
    with open(RECORD, encoding="utf-8") as file:
        record = json.load(file)
    build = "%s, %s" % (chosen.build, platform.machine())
    if not chosen.update and build != record["build"]:
        print("skipped: recorded for another build\n  recorded: %s\n  this one: %s" % (record["build"], build))
        sys.exit(77)
    program = os.path.realpath(chosen.program)
    listed = subprocess.run([program, "list"], capture_output=True, text=True, check=True).stdout
    units = dict(line.split() for line in listed.splitlines())
    found, wrong = {}, []
    for name in TIMES:
        found[name] = {"unit": units[name], **{kind: round(value, 4) for kind, value in measure(program, name).items()}}
        for kind in ("instructions", "library_calls"):
            now, then = found[name][kind], record["loops"].get(name, {}).get(kind, 0)
            print("%-10s %12.4f %-13s a %-8s recorded %12.4f  %+.1f %%" % (
                name, now, kind, units[name], then, 100 * (now - then) / then if then else 0))
            if abs(now - then) > max(TOLERANCE * then, LITTLE):
                wrong.append("%s: %.4f %s a %s where %.4f are recorded" % (name, now, kind.replace("_", " "), units[name], then))
    if chosen.update:
        with open(RECORD, "w", encoding="utf-8") as file:
            json.dump({"build": build, "loops": found}, file, indent=1)
            file.write("\n")
    elif wrong:
        sys.exit("\n".join(wrong) + "\nMore: find what made it so (callgrind_annotate on the loop), or say in the commit why it is"
                 " worth it.\nLess: well done. Then record it: python3 tests/bench/instructions.py %s '%s' --update"
                 % (chosen.program, chosen.build))


if __name__ == "__main__":
    main()
