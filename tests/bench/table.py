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


def show_scale(results):
    for _, result in results:
        for number, (part, measured) in enumerate(result["scale"].items()):
            if number:
                print()
            {"millions": show_millions, "huge": show_huge, "folders": show_folders, "cpu": show_cpu}[part](measured)


def jobs_of(measured):
    return ((job.replace("-", " to "), row) for job, row in measured.items() if isinstance(row, dict) and job != "octets")


def show_millions(measured):
    print("| work | messages | seconds | limit: seconds | messages a second | a message, beside the fewer | MiB at most |"
          " ledger: octets a message, of these keys | again: seconds | again: MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for job, row in jobs_of(measured):
        for size in ("few", "many"):
            one = row[size]
            print("| %s | %s | %.2f | %s | %.0f | %s | %.0f | %.0f, %.0f | %.2f | %.0f |" % (
                job, format(one["messages"], ","), one["first"]["wall"], "%.2f" % one["limit"]["wall"] if "limit" in one else "",
                one["messages"] / one["first"]["wall"],
                "%.2f (CPU %.2f)" % (row["growth_wall"], row["growth_cpu"]) if size == "many" else "", one["first"]["rss_mib"],
                one["ledger_octets_a_message"], one["key_octets_a_message"], one["again"]["wall"], one["again"]["rss_mib"]))


def show_huge(measured):
    print("| work | MiB of the message | exit code | seconds | MiB at most | again: seconds | again: MiB |")
    print("|---|---|---|---|---|---|---|")
    for job, row in jobs_of(measured):
        again = "%.2f | %.0f" % (row["again"]["wall"], row["again"]["rss_mib"]) if "again" in row else " | "
        print("| %s | %d | %d | %.2f | %.0f | %s |" % (job, measured["mib"], row["first"]["exit_code"], row["first"]["wall"],
                                                       row["first"]["rss_mib"], again))


def show_folders(measured):
    print("| imap to imap, %d folders of %d, RTT %g ms | seconds | round trips a folder | again: seconds | again: round trips a folder |"
          % (measured["folders"], measured["each"], measured["rtt_ms"]))
    print("|---|---|---|---|---|")
    for name in ("mailhaul", "mbsync"):
        if name in measured:
            first, again = measured[name]["first"], measured[name]["again"]
            print("| %s | %.1f | %.2f | %.1f | %.2f |" % (name, first["wall"], first["round_trips_a_folder"], again["wall"],
                                                         again["round_trips_a_folder"]))


def show_cpu(measured):
    print("| work | CPU seconds a GiB | user | system | MiB at most |")
    print("|---|---|---|---|---|")
    for job, row in jobs_of(measured):
        print("| %s | %.2f | %.2f | %.2f | %.0f |" % (job, row["cpu_seconds_per_gib"], row["user_seconds_per_gib"],
                                                     row["system_seconds_per_gib"], row["rss_mib"]))


SHOWN = {"benchmarks": show_micro, "scale": show_scale}


def main():
    kinds = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        show = next((SHOWN[key] for key in SHOWN if key in result), show_beside)
        kinds.setdefault(show, []).append((path, result))
    for number, (show, results) in enumerate(kinds.items()):
        if number:
            print()
        show(results)


if __name__ == "__main__":
    main()
