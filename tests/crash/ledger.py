#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ledger of crash runs.

ledger.py next LEDGER HARNESS   the first seed that no run of the harness in it has had
ledger.py add LEDGER COMMIT     appends a line for the JSON line that a harness printed
"""

import csv
import datetime
import json
import pathlib
import sys

COLUMNS = (
    "date", "commit", "harness", "first_seed", "seeds", "tried", "lost_acked", "resurrected",
    "false_refusals", "other_failures", "seconds",
)  # fmt: skip
TRIED = ("states", "cycles", "runs", "flips")
FAILURES = (
    "other_failures",
    "crashed",
    "hung",
    "broken_promises",
    "others",
    "undetected_flips",
)


def next_seed(ledger, harness):
    if not ledger.exists():
        return 1
    with ledger.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["harness"] == harness]
    return max((int(row["first_seed"]) + int(row["seeds"]) for row in rows), default=1)


def add(ledger, commit, result):
    row = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": commit,
        "harness": result["harness"] + ("+garbage" if result.get("garbage") else ""),
        "first_seed": result.get("first_seed", 1),
        "seeds": result.get("seeds", 1),
        "tried": next(result[name] for name in TRIED if name in result),
        "other_failures": sum(result.get(name, 0) for name in FAILURES),
        "seconds": result["seconds"],
        **{name: result.get(name, 0) for name in ("lost_acked", "resurrected", "false_refusals")},
    }
    new = not ledger.exists()
    with ledger.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def main():
    verb, ledger, value = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    if verb == "next":
        print(next_seed(ledger, value))
    else:
        add(ledger, value, json.loads(sys.stdin.read()))


if __name__ == "__main__":
    main()
