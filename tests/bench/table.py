#!/usr/bin/env python3
"""Tables (Markdown) of what the benchmarks of this folder printed as JSON, one a kind: table.py FILE.json…"""

import json
import os
import sys


def rows_of(result):
    """(job, program, median, min, max) of every program that was measured."""
    if "wall_seconds" in result:
        for name, wall in result["wall_seconds"].items():
            yield "mbox-maildir", "mailhaul again" if name == "again" else name, wall["median"], wall["min"], wall["max"]
        return
    for job, measured in result.items():
        if not isinstance(measured, dict):
            continue
        for name, row in measured.get("programs", measured).items():
            wall = row.get("wall", row) if isinstance(row, dict) else {}
            if "median" in wall:
                yield job, name, wall["median"], wall["min"], wall["max"]


def show_beside(results):
    print("| work | messages | MB | RTT | program | seconds: median (range) | beside mailhaul |")
    print("|---|---|---|---|---|---|---|")
    for path, result in results:
        rows = list(rows_of(result))
        if not rows:
            sys.exit("%s: nothing was measured" % os.path.basename(path))
        ours = {(job, name): median for job, name, median, _, _ in rows if name.startswith("mailhaul")}
        for job, name, median, least, most in rows:
            base = ours.get((job, "mailhaul again" if name.endswith("again") else "mailhaul"))
            beside = "" if name.startswith("mailhaul") or not base else "%.2f" % (median / base)
            print("| %s | %s | %.0f | %s ms | %s | %.2f (%.2f to %.2f) | %s |" % (
                job.replace("-", " to "), format(result["messages"], ","), result["octets"] / 1e6,
                "%g" % result.get("rtt_ms", 0), name.replace("_", " "), median, least, most, beside))


def show_micro(results):
    print("| loop | ns of processor time a unit, median | unit |")
    print("|---|---|---|")
    for _, result in results:
        for one in result["benchmarks"]:
            if one.get("aggregate_name", "median") == "median":
                print("| %s | %.3g | %s |" % (one["run_name"], 1e9 / one["items_per_second"], one["label"]))


def kind_of(result):
    return "micro" if "benchmarks" in result else "beside"


def main():
    kinds = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        kinds.setdefault(kind_of(result), []).append((path, result))
    for number, (kind, results) in enumerate(kinds.items()):
        if number:
            print()
        {"beside": show_beside, "micro": show_micro}[kind](results)


if __name__ == "__main__":
    main()
