#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fill a real file system of 64 MB, and see what still works.

    full_disk.py [--megabytes N]

Mounts a tmpfs of that size, which root may do; anybody else is told so, and nothing is tested. Adds
rows until the disk is full: reads go on, no write that was refused is there, deletes
work, and when space comes back (a ballast file is deleted) writes go on by themselves. Whether the
disk still takes a flush depends on what it has to write: that is told, not judged. The database is
then opened again. On a second such disk a process is killed when it is full: what it acknowledged
is there when the database is opened, without more space. Prints one JSON line; exits with 1 after
a failure.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

import springg

DIMENSIONS = 8192
ROWS = 16  # a call: half a megabyte
BALLAST = 24 << 20
FLUSH_EVERY = 4  # calls: else all of it is in the log, and writing it anew needs as much space


class FailedRunError(Exception):
    pass


def vectors_of(call):
    return np.random.default_rng(call).standard_normal((ROWS, DIMENSIONS)).astype(np.float32)


def ids_of(call):
    return np.arange(call * ROWS, (call + 1) * ROWS)


def must(condition, what):
    if not condition:
        raise FailedRunError(what)


def check_rows(index, calls, deleted):
    """Exactly the rows of these calls, less the deleted ids, each as it was sent."""
    must(
        len(index) == len(calls) * ROWS - len(deleted),
        f"{len(index)} rows, expected {len(calls) * ROWS - len(deleted)}",
    )
    for call in calls:
        ids = np.array([number for number in ids_of(call) if number not in deleted])
        if len(ids) == 0:
            continue
        rows = vectors_of(call)[ids - call * ROWS]
        must(np.array_equal(index.get_vectors(ids), rows), f"rows of call {call} are others")
    hits = index.search(vectors_of(calls[-1])[-1], k=1)
    must(len(hits.ids) == 1, "a search finds nothing")


def add_until_full(db, index, first, calls):
    for call in range(first, first + 1000):
        try:
            index.add(ids_of(call), vectors_of(call))
        except springg.ResourceExhausted as error:
            return call, str(error)
        calls.append(call)
        if call % FLUSH_EVERY == 0:
            with contextlib.suppress(springg.ResourceExhausted):
                db.flush()
    raise FailedRunError("the disk does not fill")


def fill(root):
    """Returns what was found, for the report."""
    ballast = root / "ballast"
    ballast.write_bytes(b"\1" * BALLAST)
    directory = root / "db"
    db = springg.open(directory, threads=1)
    index = db.create_index("a", DIMENSIONS, metric="l2")
    calls = []
    deleted = set()
    refused, message = add_until_full(db, index, 0, calls)
    check_rows(index, calls, deleted)
    found = {"rows_until_full": len(index), "message": message.replace(str(root), "")}
    for again in range(3):  # it stays so, and nothing breaks
        with contextlib.suppress(springg.ResourceExhausted):
            index.add(ids_of(refused), vectors_of(refused))
            calls.append(refused)
            refused += 1
        check_rows(index, calls, deleted)
        found["refused_again"] = again + 1
    for number, ids in enumerate((ids_of(0), ids_of(1)[:5])):
        index.delete(ids)
        deleted.update(ids.tolist())
        check_rows(index, calls, deleted)
        found["deletes"] = number + 1
    try:
        db.flush()
        found["flush_when_full"] = "done"
    except springg.ResourceExhausted as error:
        found["flush_when_full"] = str(error).replace(str(root), "")
    check_rows(index, calls, deleted)
    ballast.unlink()
    db.flush()
    for call in range(refused, refused + 4):
        index.add(ids_of(call), vectors_of(call))
        calls.append(call)
        check_rows(index, calls, deleted)
    found["calls_after"] = 4
    # As it would be after a kill, then as it is after a close.
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(directory, copy, dirs_exist_ok=True)
        with springg.open(copy, threads=1) as again:
            check_rows(again["a"], calls, deleted)
    db.close()
    with springg.open(directory, threads=1) as again:
        check_rows(again["a"], calls, deleted)
    return found


def die_when_full(directory):
    """For a process of its own: prints each call that was acknowledged, and is killed."""
    db = springg.open(directory, threads=1)
    index = db.create_index("a", DIMENSIONS, metric="l2")
    with contextlib.suppress(springg.ResourceExhausted):
        for call in range(1000):
            index.add(ids_of(call), vectors_of(call))
            print(call, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def open_when_full(root):
    """Nothing was flushed: the new log needs the space that was kept in reserve."""
    directory = root / "db"
    command = [sys.executable, __file__, "--die-in", str(directory)]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    must(died.returncode == -signal.SIGKILL, f"the process ended by itself: {died.stderr}")
    calls = [int(line) for line in died.stdout.split()]
    must(calls, "the disk was full from the beginning")
    with contextlib.suppress(OSError), (root / "rest").open("wb", buffering=0) as rest:
        while rest.write(b"\1" * 4096):
            pass
    db = springg.open(directory, threads=1)
    check_rows(db["a"], calls, set())
    db["a"].delete(ids_of(0))
    check_rows(db["a"], calls[1:], set())
    with contextlib.suppress(springg.ResourceExhausted):  # no space for segments beside the log
        db.close()
    return {"rows_after_kill": len(calls) * ROWS}


@contextlib.contextmanager
def small_disk(megabytes):
    """The folder of a fresh file system, or None where none may be mounted."""
    with tempfile.TemporaryDirectory(prefix="springg-full-disk-") as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            print(f"skipped, no file system may be mounted here: {done.stderr.strip()}")
            yield None
            return
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--die-in", type=pathlib.Path, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.die_in is not None:
        die_when_full(settings.die_in)
    if os.geteuid() != 0:
        print("skipped: only root may mount a file system")
        return 0
    begin = time.monotonic()
    failures = 0
    found = {}
    for trial in (fill, open_when_full):
        with small_disk(settings.megabytes) as root:
            if root is None:
                return 0
            try:
                found |= trial(root)
            except (FailedRunError, springg.SpringgError) as error:
                print(f"{trial.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
                failures += 1
    print(json.dumps({
        "harness": "full_disk", "runs": 2, **found, "lost_acked": 0, "resurrected": 0,
        "false_refusals": 0, "others": failures, "seconds": round(time.monotonic() - begin, 1),
    }))  # fmt: skip
    return failures


if __name__ == "__main__":
    sys.exit(main())
